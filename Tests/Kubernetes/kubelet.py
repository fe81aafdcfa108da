# SPDX-License-Identifier: Apache-2.0
"""What scheduler and kubelet do, for a cluster that has neither: Pod states, logs, and running one container on this host."""

import base64
import collections
import contextlib
import http.server
import os
import pathlib
import re
import shutil
import signal
import ssl
import subprocess
import tempfile
import threading
import time
import urllib.parse

from kubernetes_api import ApiError, timestamp

PULL_ERROR = (
    'rpc error: code = NotFound desc = failed to pull and unpack image "{image}": failed to resolve reference "{image}": '
    "{image}: not found"
)


def condition(kind, status, reason=None, message=None):
    entry = {"type": kind, "status": status, "lastProbeTime": None, "lastTransitionTime": timestamp()}
    return entry | ({"reason": reason} if reason else {}) | ({"message": message} if message else {})


def conditions(pod, ready):
    if ready:
        readiness = [condition("Ready", "True"), condition("ContainersReady", "True")]
    else:
        names = " ".join(container["name"] for container in pod["spec"]["containers"])
        unready = ("False", "ContainersNotReady", f"containers with unready status: [{names}]")
        readiness = [condition("Ready", *unready), condition("ContainersReady", *unready)]
    return [condition("Initialized", "True"), *readiness, condition("PodScheduled", "True")]


def container_states(pod, state, ready=False, restarts=0, last=None):
    return [
        {
            "name": container["name"], "image": container["image"], "imageID": "", "ready": ready, "started": ready,
            "restartCount": restarts, "state": state, "lastState": last or {},
        }
        for container in pod["spec"]["containers"]
    ]


def unschedulable(message):
    return {"phase": "Pending", "conditions": [condition("PodScheduled", "False", "Unschedulable", message)]}


def waiting(pod, reason, message=None, **more):
    state = {"waiting": {"reason": reason} | ({"message": message} if message else {})}
    return {
        "phase": "Pending", "startTime": timestamp(), "hostIP": "127.0.0.1",
        "conditions": conditions(pod, False), "containerStatuses": container_states(pod, state, **more),
    }


def running(pod, address, restarts=0, last=None):
    states = container_states(pod, {"running": {"startedAt": timestamp()}}, True, restarts, last)
    return {
        "phase": "Running", "startTime": timestamp(), "hostIP": "127.0.0.1", "podIP": address, "podIPs": [{"ip": address}],
        "conditions": conditions(pod, True), "containerStatuses": states,
    }


def terminated(exit_code, reason):
    return {"terminated": {"exitCode": exit_code, "reason": reason, "startedAt": timestamp(), "finishedAt": timestamp()}}


def ended(pod, exit_code, reason, restarts=0):
    return {
        "phase": "Failed" if exit_code else "Succeeded",
        "conditions": conditions(pod, False),
        "containerStatuses": container_states(pod, terminated(exit_code, reason), restarts=restarts),
    }


def crash_loop(pod, exit_code, reason, restarts):
    """Between two runs of a container that its restart policy starts again; the Pod stays Running."""
    name, metadata = pod["spec"]["containers"][0]["name"], pod["metadata"]
    message = f"back-off 10s restarting failed container={name} pod={metadata['name']}_{metadata['namespace']}({metadata['uid']})"
    state = {"waiting": {"reason": "CrashLoopBackOff", "message": message}}
    states = container_states(pod, state, restarts=restarts, last=terminated(exit_code, reason))
    return {"phase": "Running", "conditions": conditions(pod, False), "containerStatuses": states}


def evicted(pod):
    message = (
        "The node was low on resource: memory. Threshold quantity: 100Mi, available: 53436Ki. "
        f"Container {pod['spec']['containers'][0]['name']} was using 912340Ki, request is 0, has larger consumption of memory. "
    )
    disruption = condition("DisruptionTarget", "True", "TerminationByKubelet", message)
    return ended(pod, 137, "Error") | {
        "phase": "Failed", "reason": "Evicted", "message": message,
        "conditions": [disruption, *conditions(pod, False)],
    }


class Logs:
    """One file a container, each line behind its time; served as the kubelet serves them, so that pods/log works."""

    def __init__(self, folder):
        self.folder = pathlib.Path(folder)
        self.open = set()

    def path(self, namespace, pod, container):
        return self.folder / namespace / pod / container

    def append(self, pod, text):
        metadata = pod["metadata"]
        path = self.path(metadata["namespace"], metadata["name"], pod["spec"]["containers"][0]["name"])
        path.parent.mkdir(parents=True, exist_ok=True)
        moment = time.time()
        prefix = f"{timestamp(moment)[:-1]}.{int(moment % 1 * 1e9):09d}Z "
        with path.open("a") as file:
            file.write(prefix + text.rstrip("\n") + "\n")

    def serve(self, certificate, key):
        """The port of a server that answers the API server's requests for logs."""
        logs = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self):
                logs.answer(self)

            def log_message(self, *_):
                pass

        server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        server.daemon_threads = True
        tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        tls.load_cert_chain(certificate, key)
        server.socket = tls.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        return server.server_address[1]

    def answer(self, request):
        url = urllib.parse.urlsplit(request.path)
        parts = url.path.strip("/").split("/")
        if len(parts) != 4 or parts[0] != "containerLogs" or ".." in parts:
            request.send_error(404)
            return
        query = dict(urllib.parse.parse_qsl(url.query))
        path = self.path(*parts[1:])
        request.send_response(200)
        request.send_header("Content-Type", "text/plain")
        request.end_headers()
        cut = None if query.get("timestamps") == "true" else 1
        with contextlib.suppress(OSError):
            path.parent.mkdir(parents=True, exist_ok=True)
            path.touch()
            with path.open("rb") as file:
                lines = list(file)
                if "tailLines" in query:
                    lines = collections.deque(lines, int(query["tailLines"]))
                while True:
                    for line in lines:
                        request.wfile.write(line if cut is None else line.split(b" ", 1)[1])
                    request.wfile.flush()
                    last = query.get("follow") != "true" or tuple(parts[1:3]) not in self.open
                    lines = list(file)
                    if last and not lines:
                        return
                    if not lines:
                        time.sleep(0.1)


class Runner:
    """Runs the first container of a Pod as a process of this host.

    Its paths are the host's. Config maps, secrets and host paths mounted elsewhere are bound into place in a mount
    namespace of its own, which needs root.
    """

    BIND = 'while [ "$1" != -- ]; do mount --bind "$1" "$2" || exit 125; shift 2; done; shift; exec "$@"'
    # What an image would set. The rest of this environment stays out, so that a variable missing in the manifest is missed.
    FROM_HERE = ("PATH", "HOME", "LANG", "LD_LIBRARY_PATH", "TMPDIR")

    def __init__(self, api, logs):
        self.api, self.logs = api, logs
        self.lock = threading.Lock()
        self.processes = set()
        self.mount_points = []

    def run(self, pod, slots, interrupted):
        """The exit status. Calls interrupted() now and then, which may raise to end the run."""
        container = pod["spec"]["containers"][0]
        with tempfile.TemporaryDirectory(prefix="weft-pod-") as folder:
            try:
                environment = self.environment(pod, container, folder, slots)
                command = self.command(pod, container, folder, environment)
                process = subprocess.Popen(
                    command, env=environment, cwd=container.get("workingDir") or folder, stdin=subprocess.DEVNULL,
                    stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace", start_new_session=True,
                )
            except (OSError, ApiError, KeyError, ValueError) as error:
                self.logs.append(pod, f"the container could not start: {error!r}")
                return 128
            return self.follow(pod, process, interrupted)

    def follow(self, pod, process, interrupted):
        key = (pod["metadata"]["namespace"], pod["metadata"]["name"])
        reader = threading.Thread(target=lambda: [self.logs.append(pod, line) for line in process.stdout], daemon=True)
        with self.lock:
            self.processes.add(process)
        self.logs.open.add(key)
        reader.start()
        try:
            while process.poll() is None:
                interrupted(0.05)
            code = process.returncode
            return 128 - code if code < 0 else code
        finally:
            self.end(process)
            reader.join(2)
            self.logs.open.discard(key)

    def end(self, process, grace=2):
        for number in (signal.SIGTERM, signal.SIGKILL):
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, number)
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(grace)
                break
        # Whatever the launcher left behind in its session.
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        with self.lock:
            self.processes.discard(process)

    def close(self):
        with self.lock:
            processes = list(self.processes)
        for process in processes:
            self.end(process, grace=1)
        for path in reversed(self.mount_points):
            with contextlib.suppress(OSError):
                path.unlink() if path.is_file() else path.rmdir()

    def environment(self, pod, container, folder, slots):
        variables = {name: os.environ[name] for name in self.FROM_HERE if name in os.environ}
        variables |= {"OMPI_ALLOW_RUN_AS_ROOT": "1", "OMPI_ALLOW_RUN_AS_ROOT_CONFIRM": "1"}
        namespace = pod["metadata"]["namespace"]
        for source in container.get("envFrom", []):
            for kind, reference in (("configmaps", source.get("configMapRef")), ("secrets", source.get("secretRef"))):
                if reference:
                    data = self.data(kind, namespace, reference)
                    variables |= {source.get("prefix", "") + key: value.decode() for key, value in data.items()}
        for entry in container.get("env", []):
            if "valueFrom" in entry:
                value = self.referenced(pod, entry["valueFrom"])
                if value is not None:
                    variables[entry["name"]] = value
            else:
                variables[entry["name"]] = expanded(entry.get("value", ""), variables)
        # The operator's hostfile names Pods that nobody can reach here.
        if "OMPI_MCA_orte_default_hostfile" in variables:
            hostfile = pathlib.Path(folder, "hostfile")
            hostfile.write_text(f"localhost slots={slots}\n")
            variables["OMPI_MCA_orte_default_hostfile"] = str(hostfile)
        return variables

    def referenced(self, pod, source):
        namespace = pod["metadata"]["namespace"]
        for kind, field in (("secrets", "secretKeyRef"), ("configmaps", "configMapKeyRef")):
            if field in source:
                reference = source[field]
                data = self.data(kind, namespace, reference)
                if reference["key"] not in data and reference.get("optional"):
                    return None
                return data[reference["key"]].decode()
        if "fieldRef" in source:
            path = source["fieldRef"]["fieldPath"]
            if match := re.fullmatch(r"metadata\.(labels|annotations)\['(.+)'\]", path):
                return pod["metadata"].get(match[1], {}).get(match[2], "")
            value = pod
            for part in path.split("."):
                value = value[part]
            return str(value)
        raise ValueError(f"cannot play valueFrom {source}")

    def data(self, kind, namespace, reference):
        try:
            found = self.api.get(f"/api/v1/namespaces/{namespace}/{kind}/{reference['name']}")
        except ApiError as error:
            if error.status == 404 and reference.get("optional"):
                return {}
            raise
        entries = {key: base64.b64decode(value) for key, value in (found.get("binaryData") or {}).items()}
        for key, value in (found.get("data") or {}).items():
            entries[key] = base64.b64decode(value) if kind == "secrets" else value.encode()
        return entries

    def command(self, pod, container, folder, environment):
        words = container.get("command", []) + container.get("args", [])
        if not container.get("command"):
            raise ValueError("the container names no command, and there is no image whose own could be run")
        command = [expanded(word, environment) for word in words]
        security = pod["spec"].get("securityContext", {}) | container.get("securityContext", {})
        if security.get("runAsUser"):
            user, group = security["runAsUser"], security.get("runAsGroup", security["runAsUser"])
            shutil.chown(folder, user, group)
            command = ["setpriv", f"--reuid={user}", f"--regid={group}", "--clear-groups", "--", *command]
        if binds := self.binds(pod, container, folder):
            command = ["unshare", "--mount", "--propagation", "private", "sh", "-c", self.BIND, "sh", *binds, "--", *command]
        return command

    def binds(self, pod, container, folder):
        volumes = {volume["name"]: volume for volume in pod["spec"].get("volumes", [])}
        namespace, pairs = pod["metadata"]["namespace"], []
        for mount in container.get("volumeMounts", []):
            volume, target = volumes[mount["name"]], mount["mountPath"]
            # The operator's own, for the ssh between Pods.
            if mount["name"] in ("ssh-auth", "mpi-job-config"):
                continue
            if "hostPath" in volume:
                source = pathlib.Path(volume["hostPath"]["path"])
                if volume["hostPath"].get("type") == "DirectoryOrCreate":
                    source.mkdir(parents=True, exist_ok=True)
            elif {"configMap", "secret", "projected", "emptyDir"} & volume.keys():
                source = pathlib.Path(folder, "volumes", mount["name"])
                source.mkdir(parents=True, exist_ok=True)
                self.fill(source, volume, namespace)
            else:
                continue
            source /= mount.get("subPath", "")
            if str(source) != target.rstrip("/"):
                self.make_mount_point(pathlib.Path(target), source.is_file())
                pairs += [str(source), target]
        return pairs

    def fill(self, folder, volume, namespace):
        sources = volume["projected"]["sources"] if "projected" in volume else [volume]
        for source in sources:
            for field, kind, name in (("configMap", "configmaps", "name"), ("secret", "secrets", "secretName")):
                if field not in source:
                    continue
                reference = source[field]
                data = self.data(kind, namespace, reference | {"name": reference.get(name) or reference.get("name")})
                items = reference.get("items") or [{"key": key, "path": key} for key in data]
                for item in items:
                    path = folder / item["path"]
                    path.parent.mkdir(parents=True, exist_ok=True)
                    path.write_bytes(data[item["key"]])
                    path.chmod(item.get("mode") or reference.get("defaultMode") or 0o644)

    def make_mount_point(self, target, is_file):
        with self.lock:
            for parent in [*reversed(target.parents), *([] if is_file else [target])]:
                if not parent.exists():
                    parent.mkdir()
                    self.mount_points.append(parent)
            if is_file and not target.exists():
                target.touch()
                self.mount_points.append(target)


def expanded(text, variables):
    """$(NAME) as Kubernetes expands it: $$ escapes, an unknown name stays."""
    return re.sub(
        r"\$\$|\$\(([A-Za-z_][A-Za-z0-9_.-]*)\)",
        lambda match: "$" if match[0] == "$$" else variables.get(match[1], match[0]),
        text,
    )
