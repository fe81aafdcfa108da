#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Checks Kubernetes manifests (YAML or JSON, several documents a file) strictly; exit status 1 and one line per fault.

An MPIJob is checked against mpijob.schema.json, its pod templates and every other object against the schemas of
Kubernetes itself (PyPI kubernetes-validate). Then the rules that no schema has: names, labels, and what the MPI operator
asks of an MPIJob's name.
"""

import argparse
import importlib.resources
import json
import pathlib
import re
import sys

import jsonschema
import referencing
import yaml

KUBERNETES = "1.34"
LABEL = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?")
SUBDOMAIN = re.compile(rf"{LABEL.pattern}(\.{LABEL.pattern})*")
LABEL_VALUE = re.compile(r"([A-Za-z0-9]([-A-Za-z0-9_.]*[A-Za-z0-9])?)?")


def errors_of(validator, document, prefix=""):
    for error in sorted(validator.iter_errors(document), key=lambda error: [str(part) for part in error.absolute_path]):
        # Of alternatives, the one that came closest says most.
        closest = jsonschema.exceptions.best_match([error])
        yield prefix + path_text(closest.absolute_path), shortened(closest.message)


def path_text(path):
    text = ""
    for part in path:
        text += f"[{part}]" if isinstance(part, int) else f".{part}"
    return text


def shortened(message, limit=300):
    return message if len(message) <= limit else f"{message[:limit // 2]} ... {message[-limit // 2:]}"


def parse(text):
    # YAML is not quite a superset of JSON: it refuses tabs and knows no surrogate pairs.
    try:
        return [json.loads(text)]
    except ValueError:
        return [document for document in yaml.safe_load_all(text) if document is not None]


def strict_schemas():
    root = importlib.resources.files("kubernetes_validate") / "kubernetes-json-schema"
    for folder in root.iterdir():
        if folder.name.startswith(f"v{KUBERNETES}.") and folder.name.endswith("-local-strict"):
            return folder
    raise SystemExit(f"validate: kubernetes-validate has no schemas of Kubernetes {KUBERNETES}")


class Validator:
    def __init__(self):
        self.schemas = strict_schemas()
        definitions = json.loads((self.schemas / "_definitions.json").read_text())
        self.registry = referencing.Resource.from_contents(definitions) @ referencing.Registry()
        own = pathlib.Path(__file__).with_name("mpijob.schema.json")
        self.mpi_job = jsonschema.Draft202012Validator(json.loads(own.read_text()))

    def of_kubernetes(self, kind, api_version):
        group = re.sub(r"^([^./]*)(\.[^/]*)?/", r"\1-", api_version)
        try:
            schema = json.loads((self.schemas / f"{kind.lower()}-{group}.json").read_text())
        except FileNotFoundError:
            return None
        return jsonschema.Draft202012Validator(schema, registry=self.registry)

    def errors(self, document):
        if not isinstance(document, dict) or not all(isinstance(document.get(key), str) for key in ("kind", "apiVersion")):
            yield "", "is no Kubernetes object: kind and apiVersion are needed"
            return
        kind, api_version = document["kind"], document["apiVersion"]
        if kind == "List" and api_version == "v1":
            for index, item in enumerate(document.get("items") or []):
                for path, message in self.errors(item):
                    yield f".items[{index}]{path}", message
        elif kind == "MPIJob":
            yield from self.mpi_job_errors(document)
        else:
            validator = self.of_kubernetes(kind, api_version)
            if validator is None:
                yield "", f"Kubernetes {KUBERNETES} has no {kind} of {api_version}"
                return
            yield from errors_of(validator, document)
            yield from metadata_errors(document)

    def mpi_job_errors(self, document):
        yield from errors_of(self.mpi_job, document)
        yield from metadata_errors(document)
        spec = document.get("spec")
        replica_specs = spec.get("mpiReplicaSpecs") if isinstance(spec, dict) else None
        for role, replica_spec in (replica_specs if isinstance(replica_specs, dict) else {}).items():
            template = replica_spec.get("template") if isinstance(replica_spec, dict) else None
            if isinstance(template, dict):
                pod = {"apiVersion": "v1", "kind": "Pod", **template}
                prefix = f".spec.mpiReplicaSpecs.{role}.template"
                yield from errors_of(self.of_kubernetes("Pod", "v1"), pod, prefix)
                yield from metadata_errors(pod, prefix, named=False)
                yield from pod_spec_errors(pod.get("spec"), prefix + ".spec")
        yield from pod_name_errors(document, replica_specs)


def metadata_errors(document, prefix="", named=True):
    metadata = document.get("metadata")
    if metadata is None and not named:
        return
    if not isinstance(metadata, dict):
        yield prefix + ".metadata", "is needed"
        return
    name = metadata.get("name")
    if named and not isinstance(name, str) and not isinstance(metadata.get("generateName"), str):
        yield prefix + ".metadata.name", "is needed"
    # RBAC's objects may have names like system:node.
    if isinstance(name, str) and not str(document.get("apiVersion")).startswith("rbac.authorization.k8s.io/"):
        if len(name) > 253 or not SUBDOMAIN.fullmatch(name):
            yield prefix + ".metadata.name", f"{name!r} is no DNS name in lower case"
    for field in ("labels", "annotations"):
        entries = metadata.get(field)
        for key, value in (entries if isinstance(entries, dict) else {}).items():
            domain, _, short = str(key).rpartition("/")
            if not short or len(short) > 63 or not LABEL_VALUE.fullmatch(short) or domain and not SUBDOMAIN.fullmatch(domain):
                yield f"{prefix}.metadata.{field}", f"{key!r} is no valid key"
            if field == "labels" and isinstance(value, str) and (len(value) > 63 or not LABEL_VALUE.fullmatch(value)):
                yield f"{prefix}.metadata.labels", f"{value!r} (of {key}) is no valid label: at most 63 of A-Z a-z 0-9 - _ ."


def pod_spec_errors(pod_spec, prefix):
    if not isinstance(pod_spec, dict):
        return
    if "restartPolicy" in pod_spec:
        yield prefix + ".restartPolicy", "the operator puts the restartPolicy of the replica spec in its place"
    volumes = {volume.get("name") for volume in pod_spec.get("volumes") or [] if isinstance(volume, dict)}
    for field in ("initContainers", "containers"):
        for container in pod_spec.get(field) or []:
            if not isinstance(container, dict):
                continue
            for mount in container.get("volumeMounts") or []:
                name = mount.get("name") if isinstance(mount, dict) else None
                if name not in volumes:
                    yield f"{prefix}.{field}", f"container {container.get('name')!r} mounts {name!r}, which is no volume"


def pod_name_errors(document, replica_specs):
    """The host name of the last worker must be a DNS label, else the operator refuses the MPIJob."""
    metadata = document.get("metadata")
    name = metadata.get("name") if isinstance(metadata, dict) else None
    worker = replica_specs.get("Worker") if isinstance(replica_specs, dict) else None
    replicas = worker.get("replicas") if isinstance(worker, dict) else None
    if isinstance(name, str):
        last = f"{name}-worker-{max(replicas, 1) - 1 if isinstance(replicas, int) else 0}"
        if len(last) > 63 or not LABEL.fullmatch(last):
            yield ".metadata.name", f"{last!r} would be the host name of a worker and is no DNS label of at most 63 characters"


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("manifest", nargs="+", help="a file, or - for the standard input")
    arguments = parser.parse_args()
    validator, faults, documents = Validator(), 0, 0
    for name in arguments.manifest:
        try:
            text = sys.stdin.read() if name == "-" else pathlib.Path(name).read_text()
            parsed = parse(text)
        except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
            print(f"{name}: {error}", file=sys.stderr)
            faults += 1
            continue
        if not parsed:
            print(f"{name}: holds no object", file=sys.stderr)
            faults += 1
        for number, document in enumerate(parsed):
            documents += 1
            kind = document.get("kind", "object") if isinstance(document, dict) else "object"
            for path, message in validator.errors(document):
                print(f"{name}: document {number + 1} ({kind}): {path or '(the object)'}: {message}", file=sys.stderr)
                faults += 1
    if faults:
        return 1
    print(f"validate: {documents} objects are valid for Kubernetes {KUBERNETES}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
