# SPDX-License-Identifier: Apache-2.0
"""A small client of the Kubernetes API on the standard library, which outlives restarts of the API server."""

import base64
import http.client
import json
import os
import ssl
import subprocess
import tempfile
import threading
import time
import urllib.parse

OUTAGE = 120


class ApiError(Exception):
    def __init__(self, status, body):
        self.status = status
        try:
            details = json.loads(body)
            self.reason, self.message = details.get("reason", ""), details.get("message", "")
        except ValueError:
            self.reason, self.message = "", body.decode(errors="replace")
        super().__init__(f"{status} {self.reason}: {self.message}")


class Api:
    def __init__(self, kubeconfig):
        # kubectl reads YAML and settles which context counts. It may be one that build-api-server.sh made.
        binaries = os.environ.get("WEFT_KUBERNETES_BINARIES", "/var/cache/weft-kubernetes")
        view = subprocess.run(
            ["kubectl", "--kubeconfig", kubeconfig, "config", "view", "--raw", "--minify", "-o", "json"],
            check=True, capture_output=True, text=True, env=os.environ | {"PATH": f"{binaries}:{os.environ['PATH']}"},
        )
        config = json.loads(view.stdout)
        cluster, user = config["clusters"][0]["cluster"], config["users"][0]["user"]
        server = urllib.parse.urlsplit(cluster["server"])
        self.address = (server.hostname, server.port or 443)
        if "certificate-authority-data" in cluster:
            authority = base64.b64decode(cluster["certificate-authority-data"]).decode()
            self.tls = ssl.create_default_context(cadata=authority)
        else:
            self.tls = ssl.create_default_context(cafile=cluster["certificate-authority"])
        self.headers = {"Accept": "application/json", "User-Agent": "weft-test-operator"}
        if "token" in user:
            self.headers["Authorization"] = f"Bearer {user['token']}"
        else:
            self.use_certificate(user)
        self.local = threading.local()

    def use_certificate(self, user):
        with tempfile.TemporaryDirectory() as folder:
            files = []
            for name in ("client-certificate", "client-key"):
                path = user.get(name) or os.path.join(folder, name)
                if f"{name}-data" in user:
                    with open(path, "wb") as file:
                        file.write(base64.b64decode(user[f"{name}-data"]))
                files.append(path)
            self.tls.load_cert_chain(*files)

    def connect(self, timeout):
        return http.client.HTTPSConnection(*self.address, timeout=timeout, context=self.tls)

    def request(self, method, path, body=None, content_type="application/json"):
        """The answer's object. Tries again while nobody listens, for as long as a restart may take."""
        text = None if body is None else json.dumps(body)
        headers = self.headers | ({} if body is None else {"Content-Type": content_type})
        deadline = time.monotonic() + OUTAGE
        while True:
            try:
                connection = getattr(self.local, "connection", None) or self.connect(30)
                self.local.connection = connection
                connection.request(method, path, text, headers)
                answer = connection.getresponse()
                content = answer.read()
            except (OSError, http.client.HTTPException):
                self.local.connection = None
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.1)
                continue
            # A 404 without a Status comes from an API server that starts and has not read the CRDs yet.
            starting = answer.status == 404 and not content.lstrip().startswith(b"{")
            if (starting or answer.status in (429, 500, 503, 504)) and time.monotonic() < deadline:
                time.sleep(0.2)
                continue
            if answer.status >= 300:
                raise ApiError(answer.status, content)
            return json.loads(content)

    def get(self, path):
        return self.request("GET", path)

    def create(self, path, body):
        return self.request("POST", path, body)

    def merge(self, path, body):
        return self.request("PATCH", path, body, "application/merge-patch+json")

    def delete(self, path, grace=0):
        """The object as it was or still is; None when there was none."""
        # By default the API server would keep a Job until a garbage collector had let go of its Pods.
        options = {"apiVersion": "v1", "kind": "DeleteOptions", "gracePeriodSeconds": grace, "propagationPolicy": "Background"}
        try:
            return self.request("DELETE", path, options)
        except ApiError as error:
            if error.status == 404:
                return None
            raise

    def watch(self, path, version):
        """Yields the events of one watch; ends when the watch ends, for whatever reason."""
        query = urllib.parse.urlencode({"watch": 1, "resourceVersion": version, "timeoutSeconds": 300})
        connection = self.connect(330)
        try:
            connection.request("GET", f"{path}?{query}", headers=self.headers)
            answer = connection.getresponse()
            if answer.status != 200:
                return
            while line := answer.readline():
                yield json.loads(line)
        except (OSError, ValueError, http.client.HTTPException):
            return
        finally:
            connection.close()


def timestamp(seconds=None):
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(seconds))
