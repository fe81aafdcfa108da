# SPDX-License-Identifier: Apache-2.0
"""An OpenID provider for tests: django-oauth-toolkit on a loopback port of its own.

Prints {"issuer": ..., "port": ...} when it is ready, and ends when its standard input does. Discovery, keys, grants and ID
tokens are the toolkit's. It leaves the form of access tokens to its user: here RFC 9068, signed with the toolkit's key.

Besides the provider's own paths: POST /rotate makes another signing key (the old one stays published), POST /withdraw stops
publishing the old ones, GET /hits tells how often each path was asked for.
"""

import collections
import json
import os
import socketserver
import sys
import tempfile
import threading
import time
import uuid
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer, make_server

import django
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from django.conf import settings

AUDIENCE = "weft-api"
CLIENT, SECRET = "weft-tests", "weft-tests-secret"
REDIRECT = "http://127.0.0.1/callback"
SCOPES = ["weft.read", "weft.submit", "weft.admin"]
USERS = ["alice", "bob"]
PASSWORD = "correct horse"

sys.modules["oidc_provider"] = sys.modules[__name__]


class ThreadingServer(socketserver.ThreadingMixIn, WSGIServer):
    daemon_threads = True


class QuietHandler(WSGIRequestHandler):
    def log_message(self, *arguments):
        pass


hits = collections.Counter()
server = make_server("127.0.0.1", 0, None, server_class=ThreadingServer, handler_class=QuietHandler)
port = server.server_port
issuer = f"http://127.0.0.1:{port}/o"
folder = tempfile.TemporaryDirectory()


def new_key():
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    form = serialization.PrivateFormat.PKCS8
    return key.private_bytes(serialization.Encoding.PEM, form, serialization.NoEncryption()).decode()


def access_token(request, refresh_token=False):
    from jwcrypto import jwk, jwt
    from oauth2_provider.settings import oauth2_settings

    key = jwk.JWK.from_pem(oauth2_settings.OIDC_RSA_PRIVATE_KEY.encode())
    now = int(time.time())
    claims = {
        "iss": issuer, "aud": AUDIENCE, "sub": request.user.get_username() if request.user else request.client.client_id,
        "client_id": request.client.client_id, "iat": now, "exp": now + 300, "jti": uuid.uuid4().hex,
        "scope": " ".join(request.scopes),
    }  # fmt: skip
    token = jwt.JWT(header={"alg": "RS256", "typ": "at+jwt", "kid": key.thumbprint()}, claims=claims)
    token.make_signed_token(key)
    return token.serialize()


os.environ["OAUTHLIB_INSECURE_TRANSPORT"] = "1"
settings.configure(
    SECRET_KEY="tests only", ALLOWED_HOSTS=["127.0.0.1"], ROOT_URLCONF="oidc_provider", USE_TZ=True, LOGIN_URL="/login",
    DEFAULT_AUTO_FIELD="django.db.models.BigAutoField",
    DATABASES={"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": os.path.join(folder.name, "provider.sqlite")}},
    INSTALLED_APPS=["django.contrib.auth", "django.contrib.contenttypes", "django.contrib.sessions", "oauth2_provider"],
    MIDDLEWARE=[
        "django.contrib.sessions.middleware.SessionMiddleware", "django.contrib.auth.middleware.AuthenticationMiddleware",
    ],
    PASSWORD_HASHERS=["django.contrib.auth.hashers.MD5PasswordHasher"],
    TEMPLATES=[{"BACKEND": "django.template.backends.django.DjangoTemplates", "APP_DIRS": True}],
    OAUTH2_PROVIDER={
        "OIDC_ENABLED": True, "OIDC_ISS_ENDPOINT": issuer, "OIDC_RSA_PRIVATE_KEY": new_key(), "PKCE_REQUIRED": False,
        "OIDC_JWKS_MAX_AGE_SECONDS": 0, "SCOPES": {scope: scope for scope in ["openid", *SCOPES]},
        "ACCESS_TOKEN_GENERATOR": access_token,
        "REFRESH_TOKEN_GENERATOR": "oauthlib.oauth2.rfc6749.tokens.random_token_generator",
    },
)  # fmt: skip
django.setup()

from django.contrib.auth import authenticate, login  # noqa: E402
from django.contrib.auth.models import User  # noqa: E402
from django.core.management import call_command  # noqa: E402
from django.core.wsgi import get_wsgi_application  # noqa: E402
from django.http import HttpResponse, JsonResponse  # noqa: E402
from django.urls import include, path  # noqa: E402
from oauth2_provider.models import Application  # noqa: E402
from oauth2_provider.settings import oauth2_settings  # noqa: E402


def sign_in(request):
    user = authenticate(request, username=request.POST.get("username"), password=request.POST.get("password"))
    if user is None:
        return HttpResponse(status=401)
    login(request, user)
    return HttpResponse(status=204)


def rotate(request):
    keys = [oauth2_settings.OIDC_RSA_PRIVATE_KEY, *oauth2_settings.OIDC_RSA_PRIVATE_KEYS_INACTIVE]
    oauth2_settings.OIDC_RSA_PRIVATE_KEY, oauth2_settings.OIDC_RSA_PRIVATE_KEYS_INACTIVE = new_key(), keys
    return HttpResponse(status=204)


def withdraw(request):
    oauth2_settings.OIDC_RSA_PRIVATE_KEYS_INACTIVE = []
    return HttpResponse(status=204)


urlpatterns = [
    path("login", sign_in), path("rotate", rotate), path("withdraw", withdraw),
    path("hits", lambda request: JsonResponse(hits)),
    path("o/", include("oauth2_provider.urls", namespace="oauth2_provider")),
]  # fmt: skip


def main():
    call_command("migrate", verbosity=0)
    for user in USERS:
        User.objects.create_user(user, password=PASSWORD)
    for client, grant in ((CLIENT, "password"), (CLIENT + "-code", "authorization-code")):
        Application.objects.create(
            client_id=client, client_secret=SECRET, client_type="confidential", authorization_grant_type=grant, algorithm="RS256",
            redirect_uris=REDIRECT, skip_authorization=True,
        )  # fmt: skip
    application = get_wsgi_application()

    def counted(environ, start_response):
        hits[environ["PATH_INFO"]] += 1
        return application(environ, start_response)

    server.set_app(counted)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    print(json.dumps({"issuer": issuer, "port": port}), flush=True)
    sys.stdin.read()


if __name__ == "__main__":
    main()
