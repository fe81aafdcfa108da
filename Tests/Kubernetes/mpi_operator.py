#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Plays Kubeflow's MPI operator, the Job controller, the scheduler, the kubelet and the garbage collector for tests.

What becomes of an MPIJob is decided by its annotation weft.test/scenario, else by --scenario. Conditions, reasons,
messages, labels and Pod names are those of the real operator (v0.6), times are shorter. Prints one JSON object a line for
each transition, and {"event": "ready"} when it watches.
"""

import argparse
import copy
import json
import os
import pathlib
import random
import signal
import string
import sys
import threading
import time

import kubelet
from kubernetes_api import Api, ApiError, timestamp

GROUP = "kubeflow.org/v2beta1"
SCENARIOS = (
    "succeeded", "failed-backoff-limit", "worker-evicted", "launcher-oom-killed", "image-pull", "unschedulable", "hold", "cancel",
    "runs",
)
# What holds a job until it is released, and then lets it go on.
WAITING = ("image-pull", "unschedulable", "hold", "runs")
LABEL = "training.kubeflow.org/"
COLLECTED_BY = ("foregroundDeletion", "orphan")
KINDS = {
    "mpijobs": (GROUP, "MPIJob"), "jobs": ("batch/v1", "Job"), "pods": ("v1", "Pod"), "services": ("v1", "Service"),
    "configmaps": ("v1", "ConfigMap"), "secrets": ("v1", "Secret"), "events": ("v1", "Event"),
}


class Gone(Exception):
    """The MPIJob is deleted."""


class Suspended(Exception):
    """spec.runPolicy.suspend was set."""


class DeadlineExceeded(Exception):
    """spec.runPolicy.activeDeadlineSeconds have passed."""


def resource_path(namespace, kind, name=""):
    version = KINDS[kind][0]
    prefix = f"/apis/{version}" if "/" in version else f"/api/{version}"
    return f"{prefix}/namespaces/{namespace}/{kind}" + (f"/{name}" if name else "")


class Output:
    def __init__(self):
        self.lock = threading.Lock()

    def line(self, **fields):
        with self.lock:
            print(json.dumps({"time": round(time.time(), 3)} | fields), flush=True)


def validation_errors(name, spec):
    """What makes the operator leave an MPIJob alone for good, with an event ValidationError and no status."""
    errors = []
    replica_specs = spec["mpiReplicaSpecs"]
    worker = replica_specs.get("Worker")
    last = f"{name}-worker-{max((worker or {}).get('replicas', 1), 1) - 1}"
    if len(last) > 63 or "." in last:
        errors.append(
            f'metadata.name: Invalid value: "{name}": will not able to create pod with invalid DNS label "{last}": '
            "must be no more than 63 characters"
        )
    for role, replica_spec in replica_specs.items():
        path = f"spec.mpiReplicaSpecs[{role}]"
        replicas = replica_spec.get("replicas", 1 if role == "Launcher" else 0)
        if role == "Launcher" and replicas != 1:
            errors.append(f"{path}.replicas: Invalid value: {replicas}: must be 1")
        if role == "Worker" and replicas <= 0:
            errors.append(f"{path}.replicas: Invalid value: {replicas}: must be greater than or equal to 1")
        policy = replica_spec.get("restartPolicy", "Never")
        if policy not in ("Never", "OnFailure"):
            errors.append(f'{path}.restartPolicy: Unsupported value: "{policy}": supported values: "Never", "OnFailure"')
    for field in ("ttlSecondsAfterFinished", "activeDeadlineSeconds", "backoffLimit"):
        value = spec.get("runPolicy", {}).get(field, 0)
        if value < 0:
            errors.append(f"spec.runPolicy.{field}: Invalid value: {value}: must be greater than or equal to 0")
    return errors


class MPIJob(threading.Thread):
    """One MPIJob from its creation to its end, in a thread of its own."""

    def __init__(self, operator, manifest):
        super().__init__(daemon=True, name=manifest["metadata"]["name"])
        self.operator, self.api, self.step = operator, operator.api, operator.options.step
        self.manifest = manifest
        metadata = manifest["metadata"]
        self.namespace, self.job_name, self.uid = metadata["namespace"], metadata["name"], metadata["uid"]
        self.changed = threading.Condition()
        self.deleted = False
        self.over = False
        self.status = manifest.get("status") or {}
        self.written = None
        self.workers, self.launchers = [], []
        self.job = None
        self.failed_launchers = 0
        self.deadline = None
        self.address = 0

    # --- what the watch tells ---

    def update(self, manifest, deleted=False):
        with self.changed:
            self.manifest = manifest
            self.deleted = self.deleted or deleted
            self.changed.notify_all()

    def is_gone(self):
        metadata = self.manifest["metadata"]
        waits_for_collector = "deletionTimestamp" in metadata and set(COLLECTED_BY) & set(metadata.get("finalizers", []))
        return self.deleted or bool(waits_for_collector)

    @property
    def policy(self):
        return self.manifest["spec"].get("runPolicy", {})

    def interrupt(self, seconds=0.0):
        """Waits, and raises as soon as the MPIJob is deleted, suspended or too old."""
        until = time.monotonic() + seconds
        with self.changed:
            while True:
                if self.is_gone():
                    raise Gone
                if not self.over:
                    if self.policy.get("suspend"):
                        raise Suspended
                    if self.deadline is not None and time.monotonic() >= self.deadline:
                        raise DeadlineExceeded
                left = min(until - time.monotonic(), 3600)
                if left <= 0:
                    return
                if self.deadline is not None and not self.over:
                    left = min(left, max(self.deadline - time.monotonic(), 0.001))
                self.changed.wait(left)

    def tell(self, event, **fields):
        self.operator.output.line(event=event, mpijob=f"{self.namespace}/{self.job_name}", **fields)

    # --- life ---

    def run(self):
        try:
            self.live()
        except Exception as error:  # A test that waits for a line should see why none comes.
            self.tell("error", message=repr(error))
            raise

    def live(self):
        try:
            if self.policy.get("managedBy", "kubeflow.org/mpi-operator") != "kubeflow.org/mpi-operator":
                return self.until_gone()
            if errors := validation_errors(self.job_name, self.manifest["spec"]):
                text = errors[0] if len(errors) == 1 else f"[{', '.join(errors)}]"
                self.event("Warning", "ValidationError", f"Found validation errors: {text}")
                self.tell("invalid", message=text)
                return self.until_gone()
            if self.status.get("completionTime"):
                return self.until_gone()
            while True:
                try:
                    self.play()
                    self.finish()
                except Suspended:
                    self.suspend()
                except DeadlineExceeded:
                    self.remove_pods(self.launchers)
                    self.fail("DeadlineExceeded", "Job was active longer than specified deadline", failed=1)
                    self.finish()
        except Gone:
            self.collect()

    def until_gone(self):
        self.over = True
        while True:
            self.interrupt(3600)

    def play(self):
        metadata = self.manifest["metadata"]
        scenario = (metadata.get("annotations") or {}).get("weft.test/scenario", self.operator.options.scenario)
        if scenario not in SCENARIOS:
            self.tell("error", message=f"there is no scenario {scenario!r}; there are {', '.join(SCENARIOS)}")
            self.until_gone()
        self.tell("scenario", scenario=scenario)
        self.set_condition("Created", "True", "MPIJobCreated", f"MPIJob {self.namespace}/{self.job_name} is created.")
        if self.condition("Suspended"):
            if self.set_condition("Suspended", "False", "MPIJobResumed", "MPIJob resumed"):
                self.status["startTime"] = timestamp()
        self.status.setdefault("startTime", timestamp())
        self.interrupt()
        self.make_objects()
        seconds = self.policy.get("activeDeadlineSeconds")
        self.deadline = None if seconds is None else time.monotonic() + seconds
        self.make_workers()
        self.sync()
        waits = self.manifest["spec"].get("launcherCreationPolicy", "AtStartup") == "WaitForWorkersReady"
        if scenario == "hold":
            scenario = self.hold(scenario) or "succeeded"
        if not waits:
            self.make_launcher()
        if scenario in ("unschedulable", "image-pull"):
            getattr(self, scenario.replace("-", "_"))()
            scenario = self.hold(scenario) or "succeeded"
        self.interrupt(self.step)
        for pod in self.workers:
            self.start_pod(pod)
        if waits:
            self.make_launcher()
        self.interrupt(self.step)
        self.start_pod(self.launchers[-1])
        self.sync()
        self.interrupt(self.step)
        if scenario == "runs":
            scenario = self.hold(scenario) or "succeeded"
        if scenario == "cancel":
            self.tell("holding", scenario=scenario)
            while True:
                self.interrupt(3600)
        elif scenario == "failed-backoff-limit":
            self.launcher_fails("Error")
        elif scenario == "launcher-oom-killed":
            self.launcher_fails("OOMKilled")
        elif scenario == "worker-evicted":
            self.evict_worker()
            # mpirun loses the worker, and the operator does not make a Pod again that is there, though failed.
            self.launcher_fails("Error")
        else:
            self.execute() if self.operator.options.execute else self.succeed()

    def hold(self, scenario):
        """Until a file or SIGUSR1 releases the job; the file may name the scenario to go on with."""
        self.tell("holding", scenario=scenario)
        signals = self.operator.releases
        file = self.operator.options.release / self.job_name
        while self.operator.releases == signals and not file.exists():
            self.interrupt(0.05)
        following = file.read_text().strip() if file.exists() else ""
        file.unlink(missing_ok=True)
        self.tell("released", scenario=following or "succeeded")
        return following

    # --- scenarios ---

    def unschedulable(self):
        nodes = len(self.operator.nodes)
        message = (
            f"0/{nodes} nodes are available: {nodes} Insufficient cpu. preemption: 0/{nodes} nodes are available: "
            f"{nodes} No preemption victims found for incoming pod."
        )
        for pod in self.workers + self.launchers:
            self.set_pod(pod, kubelet.unschedulable(message))
            self.pod_event(pod, "Warning", "FailedScheduling", message, source="default-scheduler")

    def image_pull(self):
        pods = self.workers + self.launchers
        for pod in pods:
            image = pod["spec"]["containers"][0]["image"]
            error = kubelet.PULL_ERROR.format(image=image)
            self.bind(pod)
            self.set_pod(pod, kubelet.waiting(pod, "ErrImagePull", error))
            self.pod_event(pod, "Normal", "Pulling", f'Pulling image "{image}"')
            self.pod_event(pod, "Warning", "Failed", f'Failed to pull image "{image}": {error}')
            self.pod_event(pod, "Warning", "Failed", "Error: ErrImagePull")
        self.interrupt(self.step)
        for pod in pods:
            image = pod["spec"]["containers"][0]["image"]
            self.set_pod(pod, kubelet.waiting(pod, "ImagePullBackOff", f'Back-off pulling image "{image}"'))
            self.pod_event(pod, "Normal", "BackOff", f'Back-off pulling image "{image}"')
            self.pod_event(pod, "Warning", "Failed", "Error: ImagePullBackOff")

    def evict_worker(self):
        if not self.workers:
            self.tell("error", message="worker-evicted needs a Worker replica")
            self.until_gone()
        pod = self.workers[0]
        status = kubelet.evicted(pod)
        self.set_pod(pod, status)
        self.pod_event(pod, "Warning", "Evicted", status["message"])
        self.sync()
        self.interrupt(self.step)

    def succeed(self):
        pod = self.launchers[-1]
        self.set_pod(pod, kubelet.ended(pod, 0, "Completed", self.restarts(pod)))
        self.patch_job({"succeeded": 1, "startTime": self.status["startTime"], "completionTime": timestamp()}, "Complete")
        self.complete()

    def execute(self):
        """Runs the launcher's command here, as often as the Job controller would."""
        spec = self.manifest["spec"]
        worker = spec["mpiReplicaSpecs"].get("Worker", {}).get("replicas", 0)
        slots = max(worker + bool(spec.get("runLauncherAsWorker")), 1) * spec.get("slotsPerWorker", 1)

        def attempt():
            pod = self.launchers[-1]
            self.tell("execute", pod=pod["metadata"]["name"])
            code = self.operator.runner.run(pod, slots, self.interrupt)
            self.tell("executed", pod=pod["metadata"]["name"], exitCode=code)
            return code

        self.launcher_fails("Error", attempt)

    def launcher_fails(self, reason, attempt=None):
        """Runs of the launcher until one succeeds or backoffLimit is reached.

        restartPolicy Never: a Pod a run, at most backoffLimit + 1, which stay. OnFailure (the default): one Pod whose
        container starts again, until the Job controller has counted backoffLimit restarts and deletes the Pod.
        """
        limit = self.policy.get("backoffLimit", 6)
        fresh_pods = self.restart_policy("Launcher") == "Never"
        attempts = limit + 1 if fresh_pods else max(limit, 1)
        for number in range(1, attempts + 1):
            code = attempt() if attempt else self.exit_code(reason)
            if code == 0:
                return self.succeed()
            pod = self.launchers[-1]
            if attempt is None:
                self.operator.logs.append(pod, f"{self.job_name}: this run fails with exit status {code} ({reason})")
            if fresh_pods:
                self.set_pod(pod, kubelet.ended(pod, code, reason))
                self.failed_launchers += 1
            else:
                self.set_pod(pod, kubelet.crash_loop(pod, code, reason, number))
                self.pod_event(pod, "Warning", "BackOff", "Back-off restarting failed container")
            if number < attempts:
                self.sync()
                self.interrupt(self.step)
                if fresh_pods:
                    self.make_launcher()
                    self.start_pod(self.launchers[-1])
                else:
                    last = kubelet.terminated(code, reason)
                    self.set_pod(pod, kubelet.running(pod, pod["status"]["podIP"], number, last))
                self.sync()
                self.interrupt(self.step)
        if not fresh_pods:
            self.remove_pods(self.launchers)
            self.failed_launchers = 1
        self.fail("BackoffLimitExceeded", "Job has reached the specified backoff limit", failed=self.failed_launchers)

    def exit_code(self, reason):
        if reason == "OOMKilled":
            return 137
        return int((self.manifest["metadata"].get("annotations") or {}).get("weft.test/exit-code", 1))

    # --- the status, as the operator computes it ---

    def condition(self, kind):
        return next((entry for entry in self.status.get("conditions", []) if entry["type"] == kind), None)

    def set_condition(self, kind, status, reason, message, event=None):
        """Whether anything changed. The status is written by sync()."""
        current = self.condition(kind)
        if current and (current["status"], current["reason"]) == (status, reason):
            return False
        now = timestamp()
        entry = {"type": kind, "status": status, "reason": reason, "message": message}
        entry |= {"lastUpdateTime": now, "lastTransitionTime": now}
        if current and current["status"] == status:
            entry["lastTransitionTime"] = current["lastTransitionTime"]
        others = [other for other in self.status.get("conditions", []) if other["type"] != kind]
        if kind in ("Succeeded", "Failed"):
            # The operator leaves reason, message and times of these as they are.
            for other in others:
                if other["type"] in ("Running", "Failed"):
                    other["status"] = "False"
        self.status["conditions"] = [*others, entry]
        if (kind, status) != ("Running", "False"):
            self.event("Warning" if kind == "Failed" else "Normal", reason, event or message)
        self.tell("condition", type=kind, status=status, reason=reason, message=message)
        return True

    def sync(self, launcher=None):
        """Writes the status. launcher is the launcher's part of replicaStatuses once its Job has ended."""
        counts = self.status["replicaStatuses"] = {}
        active = sum(pod["status"].get("phase") == "Running" for pod in self.launchers)
        if self.job is not None:
            counts["Launcher"] = launcher or self.filled(active=active, failed=self.failed_launchers)
        phases = [] if launcher else [pod["status"].get("phase", "Pending") for pod in self.workers]
        active_workers, ended, failed = (phases.count(phase) for phase in ("Running", "Succeeded", "Failed"))
        counts["Worker"] = self.filled(active=active_workers, succeeded=ended, failed=failed)
        evicted = 0 if launcher else sum(pod["status"].get("reason") == "Evicted" for pod in self.workers)
        if evicted:
            self.set_condition("Failed", "True", "MPIJobEvicted", f"{evicted}/{len(self.workers)} workers are evicted")
        name = f"MPIJob {self.namespace}/{self.job_name} is"
        if self.policy.get("suspend"):
            self.set_condition("Running", "False", "MPIJobSuspended", f"{name} suspended.")
        elif active and active_workers == len(phases) and not launcher:
            self.set_condition("Running", "True", "MPIJobRunning", f"{name} running.", event=f"{name} running")
        if self.status != self.written:
            self.write_status()
            self.written = copy.deepcopy(self.status)

    @staticmethod
    def filled(**counts):
        return {name: count for name, count in counts.items() if count}

    def write_status(self):
        path = self.path("mpijobs", self.job_name)
        while True:
            try:
                current = self.api.get(path)
                if current["metadata"]["uid"] != self.uid:
                    raise Gone
                self.api.request("PUT", path + "/status", current | {"status": self.status})
                return
            except ApiError as error:
                if error.status == 404:
                    raise Gone from None
                if error.status != 409:
                    raise

    def complete(self):
        self.status["completionTime"] = timestamp()
        message = f"MPIJob {self.namespace}/{self.job_name} successfully completed."
        self.set_condition("Succeeded", "True", "MPIJobSucceeded", message)
        self.sync(self.filled(succeeded=1, failed=self.failed_launchers))

    def fail(self, reason, message, failed):
        self.patch_job({"failed": failed, "startTime": self.status["startTime"]}, "Failed", reason, message)
        left = [pod for pod in self.launchers if pod["status"].get("phase") == "Failed"]
        if reason == "BackoffLimitExceeded" and left:
            # Often empty both, which leaves "BackoffLimitExceeded/" and a colon with nothing behind it.
            reason += "/" + left[-1]["status"].get("reason", "")
            message += ": " + left[-1]["status"].get("message", "")
        self.status["completionTime"] = timestamp()
        self.set_condition("Failed", "True", reason, message[:1024])
        self.sync({"failed": failed})

    def finish(self):
        """After the end: the clean-up of the worker Pods, the launcher's time to live, and the wait for the deletion."""
        self.over = True
        policy = self.policy.get("cleanPodPolicy", "None")
        if policy != "None":
            self.remove_pods(self.workers, keep_ended=policy == "Running")
        self.tell("finished", cleanPodPolicy=policy)
        if "ttlSecondsAfterFinished" in self.policy:
            self.interrupt(self.policy["ttlSecondsAfterFinished"])
            self.remove_pods(self.launchers)
            self.api.delete(self.path("jobs", self.job["metadata"]["name"]))
            self.tell("expired")
        self.until_gone()

    def suspend(self):
        self.set_condition("Created", "True", "MPIJobCreated", f"MPIJob {self.namespace}/{self.job_name} is created.")
        self.set_condition("Suspended", "True", "MPIJobSuspended", "MPIJob suspended")
        self.make_objects()
        self.remove_pods(self.launchers)
        self.remove_pods(self.workers, keep_ended=self.policy.get("cleanPodPolicy") == "Running")
        self.workers.clear()
        self.deadline = None
        self.sync()
        with self.changed:
            while self.policy.get("suspend"):
                if self.is_gone():
                    raise Gone
                self.changed.wait()

    def collect(self):
        """The end of an MPIJob: its Pods stop, everything it owns goes, and the API server may forget it."""
        finalizers = self.manifest["metadata"].get("finalizers", [])
        self.over = True
        if "orphan" not in finalizers:
            self.remove_pods(self.launchers)
            self.remove_pods(self.workers)
        self.operator.collect_garbage(gone=self.uid, orphan="orphan" in finalizers)
        if set(COLLECTED_BY) & set(finalizers):
            kept = [name for name in finalizers if name not in COLLECTED_BY]
            try:
                self.api.merge(self.path("mpijobs", self.job_name), {"metadata": {"finalizers": kept}})
            except ApiError as error:
                if error.status != 404:
                    raise
        self.tell("collected")

    # --- the objects an MPIJob has ---

    def path(self, kind, name=""):
        return resource_path(self.namespace, kind, name)

    def metadata(self, name, labels=None, owner=None, annotations=None):
        """The owner is the MPIJob unless another is given."""
        api_version, kind, of = owner or (GROUP, "MPIJob", self.manifest["metadata"])
        reference = {"apiVersion": api_version, "kind": kind, "name": of["name"], "uid": of["uid"]}
        reference |= {"controller": True, "blockOwnerDeletion": True}
        return {
            "name": name, "namespace": self.namespace, "labels": labels or {"app": self.job_name},
            "annotations": annotations or {}, "ownerReferences": [reference],
        }

    def labels(self, role=None):
        labels = {f"{LABEL}operator-name": "mpi-operator", f"{LABEL}job-name": self.job_name}
        return labels | ({f"{LABEL}job-role": role} if role else {})

    def make(self, kind, metadata, **fields):
        """Creates an object, or takes the one that is there and belongs to this MPIJob; tries again while it is another's."""
        api_version, kind_name = KINDS[kind]
        body = {"apiVersion": api_version, "kind": kind_name, "metadata": metadata} | fields
        name, complained = metadata["name"], False
        owners = {self.uid, self.job and self.job["metadata"]["uid"]}
        while True:
            try:
                return self.api.create(self.path(kind), body)
            except ApiError as error:
                if error.reason != "AlreadyExists":
                    role = "launcher" if kind == "jobs" else "worker"
                    self.event("Warning", "MPIJobFailed", f"{role} pod created failed: {error.message}")
                    self.tell("error", message=str(error))
                    self.until_gone()
            try:
                found = self.api.get(self.path(kind, name))
            except ApiError as error:
                if error.status != 404:
                    raise
                continue
            if any(owner["uid"] in owners for owner in found["metadata"].get("ownerReferences", [])):
                return found
            if not complained:
                message = f'Resource "{name}" of Kind "{kind_name}" already exists and is not managed by MPIJob'
                self.event("Warning", "ErrResourceExists", message)
                self.tell("exists", message=message)
                complained = True
            self.interrupt(self.step)

    def make_objects(self):
        spec = self.manifest["spec"]
        self.make("services", self.metadata(self.job_name), spec={"clusterIP": "None", "selector": self.labels()})
        workers = spec["mpiReplicaSpecs"].get("Worker", {}).get("replicas", 0)
        hosts = [f"{self.job_name}-launcher"] if spec.get("runLauncherAsWorker") else []
        hosts += [f"{self.job_name}-worker-{index}" for index in range(workers)]
        between = " slots=" if spec.get("mpiImplementation", "OpenMPI") == "OpenMPI" else ":"
        slots = spec.get("slotsPerWorker", 1)
        hostfile = "".join(f"{host}.{self.job_name}.{self.namespace}.svc{between}{slots}\n" for host in hosts)
        self.make("configmaps", self.metadata(f"{self.job_name}-config"), data={"hostfile": hostfile})
        keys = {"ssh-privatekey": "no key, nobody connects", "ssh-publickey": "no key, nobody connects"}
        self.make("secrets", self.metadata(f"{self.job_name}-ssh"), type="kubernetes.io/ssh-auth", stringData=keys)
        if self.job is None:
            job_spec = {"template": self.template("Launcher"), "backoffLimit": self.policy.get("backoffLimit", 6)}
            self.job = self.make("jobs", self.metadata(f"{self.job_name}-launcher"), spec=job_spec)
            self.take_launchers()

    def take_launchers(self):
        """The launcher Pods that an earlier operator left."""
        selector = f"{LABEL}job-name={self.job_name},{LABEL}job-role=launcher"
        for pod in self.api.get(self.path("pods") + f"?labelSelector={selector}")["items"]:
            if pod["metadata"]["ownerReferences"][0]["uid"] == self.job["metadata"]["uid"]:
                self.launchers.append(pod)
        self.failed_launchers = sum(pod["status"].get("phase") == "Failed" for pod in self.launchers)
        self.remove_pods(self.launchers, keep_ended=True)

    def patch_job(self, status, kind, reason=None, message=None):
        end = {"type": kind, "status": "True", "lastTransitionTime": timestamp(), "lastProbeTime": timestamp()}
        end |= ({"reason": reason} if reason else {}) | ({"message": message} if message else {})
        self.api.merge(self.path("jobs", self.job["metadata"]["name"]) + "/status", {"status": status | {"conditions": [end]}})
        if reason:
            self.event("Warning", reason, message, about=self.job, source="job-controller")

    def restart_policy(self, role):
        return self.manifest["spec"]["mpiReplicaSpecs"][role].get("restartPolicy", "OnFailure" if role == "Launcher" else "Never")

    def template(self, role):
        """The Pod template of the manifest with what the operator adds."""
        spec = self.manifest["spec"]
        template = copy.deepcopy(spec["mpiReplicaSpecs"][role]["template"])
        metadata, pod = template.setdefault("metadata", {}), template["spec"]
        metadata["labels"] = metadata.get("labels", {}) | self.labels(role.lower())
        metadata.pop("name", None)
        pod |= {"restartPolicy": self.restart_policy(role), "hostname": f"{self.job_name}-launcher", "subdomain": self.job_name}
        container = pod["containers"][0]
        environment = [{"name": "K_MPI_JOB_ROLE", "value": role.lower()}]
        volumes = [{"name": "ssh-auth", "secret": {"secretName": f"{self.job_name}-ssh"}}]
        mounts = [{"name": "ssh-auth", "mountPath": spec.get("sshAuthMountPath", "/root/.ssh")}]
        if role == "Launcher":
            environment += self.launcher_environment(spec)
            volumes.append({"name": "mpi-job-config", "configMap": {"name": f"{self.job_name}-config"}})
            mounts.append({"name": "mpi-job-config", "mountPath": "/etc/mpi"})
        elif "command" not in container and "args" not in container:
            container["command"] = ["/usr/sbin/sshd", "-De"]
        container["env"] = container.get("env", []) + environment
        container["volumeMounts"] = container.get("volumeMounts", []) + mounts
        pod["volumes"] = pod.get("volumes", []) + volumes
        return template

    @staticmethod
    def launcher_environment(spec):
        slots = str(spec.get("slotsPerWorker", 1))
        names = {
            "OpenMPI": {
                "OMPI_MCA_orte_keep_fqdn_hostnames": "true", "OMPI_MCA_orte_default_hostfile": "/etc/mpi/hostfile",
                "OMPI_MCA_plm_rsh_args": "-o ConnectionAttempts=10", "OMPI_MCA_orte_set_default_slots": slots,
            },
            "Intel": {
                "I_MPI_HYDRA_HOST_FILE": "/etc/mpi/hostfile", "I_MPI_HYDRA_BOOTSTRAP_EXEC_EXTRA_ARGS": "-o ConnectionAttempts=10",
                "I_MPI_PERHOST": slots,
            },
            "MPICH": {"HYDRA_HOST_FILE": "/etc/mpi/hostfile", "HYDRA_LAUNCH_EXTRA_ARGS": "-o ConnectionAttempts=10"},
        }[spec.get("mpiImplementation", "OpenMPI")]
        if not spec.get("runLauncherAsWorker"):
            names |= {"NVIDIA_VISIBLE_DEVICES": "", "NVIDIA_DRIVER_CAPABILITIES": ""}
        return [{"name": name, "value": value} for name, value in names.items()]

    # --- Pods ---

    def make_workers(self):
        worker = self.manifest["spec"]["mpiReplicaSpecs"].get("Worker")
        for index in range(worker["replicas"] if worker else 0):
            template = self.template("Worker")
            name = f"{self.job_name}-worker-{index}"
            labels = template["metadata"]["labels"] | {f"{LABEL}replica-index": str(index)}
            metadata = self.metadata(name, labels, annotations=template["metadata"].get("annotations"))
            self.workers.append(self.make("pods", metadata, spec=template["spec"] | {"hostname": name}))
            self.tell_pod(self.workers[-1])

    def make_launcher(self):
        template = self.template("Launcher")
        job = self.job["metadata"]
        name = f"{job['name']}-{''.join(random.choices(string.ascii_lowercase + string.digits, k=5))}"
        labels = template["metadata"]["labels"] | {"job-name": job["name"], "controller-uid": job["uid"]}
        if self.manifest["spec"].get("runLauncherAsWorker"):
            labels[f"{LABEL}replica-index"] = "0"
        metadata = self.metadata(name, labels, ("batch/v1", "Job", job), template["metadata"].get("annotations"))
        self.launchers.append(self.make("pods", metadata, spec=template["spec"]))
        self.event("Normal", "SuccessfulCreate", f"Created pod: {name}", about=self.job, source="job-controller")
        self.tell_pod(self.launchers[-1])

    def bind(self, pod):
        if "nodeName" in pod["spec"]:
            return
        metadata, node = pod["metadata"], random.choice(self.operator.nodes)
        binding = {
            "apiVersion": "v1", "kind": "Binding", "metadata": {"name": metadata["name"]},
            "target": {"apiVersion": "v1", "kind": "Node", "name": node},
        }
        self.api.create(self.path("pods", metadata["name"]) + "/binding", binding)
        pod["spec"]["nodeName"] = node
        message = f"Successfully assigned {self.namespace}/{metadata['name']} to {node}"
        self.pod_event(pod, "Normal", "Scheduled", message, source="default-scheduler")

    def start_pod(self, pod):
        if pod["status"].get("phase", "Pending") != "Pending":
            return
        self.bind(pod)
        container = pod["spec"]["containers"][0]
        self.set_pod(pod, kubelet.waiting(pod, "ContainerCreating"))
        self.address += 1
        self.set_pod(pod, kubelet.running(pod, f"10.88.{self.address // 250}.{self.address % 250 + 1}"))
        self.pod_event(pod, "Normal", "Pulled", f'Container image "{container["image"]}" already present on machine')
        self.pod_event(pod, "Normal", "Created", f"Created container {container['name']}")
        self.pod_event(pod, "Normal", "Started", f"Started container {container['name']}")

    def set_pod(self, pod, status):
        try:
            answer = self.api.merge(self.path("pods", pod["metadata"]["name"]) + "/status", {"status": status})
        except ApiError as error:
            if error.status != 404:
                raise
            self.interrupt(2)
            self.tell("error", message=f"somebody deleted the Pod {pod['metadata']['name']}")
            self.until_gone()
        pod["status"] = answer["status"]
        self.tell_pod(pod)

    def restarts(self, pod):
        return max((entry["restartCount"] for entry in pod["status"].get("containerStatuses", [])), default=0)

    def tell_pod(self, pod):
        status = pod["status"]
        reason = status.get("reason")
        for entry in [*status.get("containerStatuses", []), *status.get("conditions", [])]:
            state = entry.get("state") or {}
            reason = reason or next((part["reason"] for part in state.values() if "reason" in part), None)
            if entry.get("type") == "PodScheduled" and entry["status"] == "False":
                reason = reason or entry.get("reason")
        role = pod["metadata"]["labels"][f"{LABEL}job-role"]
        self.tell("pod", pod=pod["metadata"]["name"], role=role, phase=status.get("phase", "Pending"), reason=reason)

    def remove_pods(self, pods, keep_ended=False):
        """In the two steps of a real deletion: marked by the API server, let go by the kubelet."""
        for pod in list(pods):
            if keep_ended and pod["status"].get("phase") in ("Succeeded", "Failed"):
                continue
            path = self.path("pods", pod["metadata"]["name"])
            left = self.api.delete(path, grace=30)
            if left and left.get("metadata", {}).get("deletionTimestamp"):
                self.pod_event(pod, "Normal", "Killing", f"Stopping container {pod['spec']['containers'][0]['name']}")
                self.api.delete(path)
            pods.remove(pod)
            self.tell("pod-deleted", pod=pod["metadata"]["name"])

    # --- events ---

    def pod_event(self, pod, kind, reason, message, source="kubelet"):
        self.event(kind, reason, message, about=pod, source=source)

    def event(self, kind, reason, message, about=None, source="mpi-job-controller"):
        about = about or self.manifest
        metadata, now = about["metadata"], timestamp()
        reference = {
            "apiVersion": about.get("apiVersion", "v1"), "kind": about.get("kind", "Pod"), "namespace": self.namespace,
            "name": metadata["name"], "uid": metadata["uid"], "resourceVersion": metadata.get("resourceVersion"),
        }
        origin = {"component": source}
        if source == "kubelet":
            reference["fieldPath"] = f"spec.containers{{{about['spec']['containers'][0]['name']}}}"
            origin["host"] = about["spec"].get("nodeName", "")
        name = f"{metadata['name']}.{time.time_ns():x}{random.randrange(4096):03x}"
        body = {
            "apiVersion": "v1", "kind": "Event", "metadata": {"name": name, "namespace": self.namespace},
            "type": kind, "reason": reason, "message": message[:1024], "involvedObject": reference, "source": origin,
            "firstTimestamp": now, "lastTimestamp": now, "count": 1,
        }
        self.api.create(self.path("events"), body)


class Operator:
    def __init__(self, options):
        self.options = options
        self.output = Output()
        self.api = Api(options.kubeconfig)
        self.logs = kubelet.Logs(options.state / "pod-logs")
        self.runner = kubelet.Runner(self.api, self.logs)
        self.releases = 0
        self.jobs = {}
        self.nodes = [node["metadata"]["name"] for node in self.api.get("/api/v1/nodes")["items"]] or ["node-1"]

    def serve_logs(self):
        certificate = self.options.state / "kubelet.crt"
        if not certificate.exists():
            return
        port = self.logs.serve(certificate, self.options.state / "kubelet.key")
        for node in self.nodes:
            self.api.merge(f"/api/v1/nodes/{node}/status", {"status": {"daemonEndpoints": {"kubeletEndpoint": {"Port": port}}}})

    def watch(self):
        path = resource_path(self.options.namespace, "mpijobs")
        ready = False
        while True:
            listing = self.api.get(path)
            present = {item["metadata"]["uid"] for item in listing["items"]}
            for item in listing["items"]:
                self.take(item | {"apiVersion": GROUP, "kind": "MPIJob"})
            for uid in set(self.jobs) - present:
                job = self.jobs.pop(uid)
                job.update(job.manifest, deleted=True)
            self.collect_garbage()
            if not ready:
                self.output.line(event="ready")
                ready = True
            for event in self.api.watch(path, listing["metadata"]["resourceVersion"]):
                manifest = event["object"]
                if event["type"] == "ERROR":
                    break
                if event["type"] == "DELETED":
                    job = self.jobs.pop(manifest["metadata"]["uid"], None)
                    if job is not None:
                        job.update(manifest, deleted=True)
                elif event["type"] in ("ADDED", "MODIFIED"):
                    self.take(manifest)
            time.sleep(0.1)

    def list(self, kind):
        return [item["metadata"] for item in self.api.get(resource_path(self.options.namespace, kind))["items"]]

    def collect_garbage(self, gone=None, orphan=False):
        """Deletes what has owners of which none is left; of an owner that is `gone`, only lets go where `orphan` is set."""
        while True:
            # The owners last: whoever owns one of these objects was there before it.
            dependents = []
            for kind in ("pods", "services", "configmaps", "secrets", "jobs"):
                dependents += [(kind, metadata) for metadata in self.list(kind)]
            owners = {metadata["uid"] for kind in ("mpijobs", "jobs") for metadata in self.list(kind)} - {gone}
            collected = 0
            for kind, metadata in dependents:
                path = resource_path(self.options.namespace, kind, metadata["name"])
                references = {reference["uid"] for reference in metadata.get("ownerReferences", [])}
                if not references or references & owners:
                    continue
                if orphan and gone in references:
                    self.api.merge(path, {"metadata": {"ownerReferences": None}})
                else:
                    self.api.delete(path)
                collected += 1
            if not collected:
                return
            time.sleep(0.05)

    def take(self, manifest):
        uid = manifest["metadata"]["uid"]
        if uid in self.jobs:
            self.jobs[uid].update(manifest)
        else:
            self.jobs[uid] = MPIJob(self, manifest)
            self.jobs[uid].start()

    def release(self, *_):
        self.releases += 1

    def run(self):
        stop = threading.Event()
        signal.signal(signal.SIGUSR1, self.release)
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: stop.set())
        self.serve_logs()

        def watch():
            try:
                self.watch()
            except Exception as error:
                self.output.line(event="error", message=f"the watch ended: {error!r}")
            stop.set()

        threading.Thread(target=watch, daemon=True).start()
        stop.wait()
        self.runner.close()
        # The threads wait for changes that nobody will tell them.
        os._exit(0)


def main():
    state = pathlib.Path(os.environ.get("WEFT_KUBERNETES_STATE", "/run/weft-kubernetes"))
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    release = f"a file here named as an MPIJob releases it ({', '.join(WAITING)}); SIGUSR1 releases all"
    parser.add_argument("--scenario", choices=SCENARIOS, default="succeeded", help="for MPIJobs without the annotation")
    parser.add_argument("--execute", action="store_true", help="succeeded: run the launcher's command, take its exit status")
    parser.add_argument("--step", type=float, default=0.2, metavar="SECONDS", help="between transitions (default 0.2)")
    parser.add_argument("--namespace", default="weft")
    parser.add_argument("--release", type=pathlib.Path, default=state / "release", metavar="FOLDER", help=release)
    parser.add_argument("--kubeconfig", default=str(state / "admin.kubeconfig"))
    options = parser.parse_args()
    options.state = state
    options.release.mkdir(parents=True, exist_ok=True)
    Operator(options).run()
    return 0


if __name__ == "__main__":
    sys.exit(main())
