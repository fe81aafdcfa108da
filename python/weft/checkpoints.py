# SPDX-License-Identifier: Apache-2.0
"""What PEs keep in memory, at checkpoints (docs/worker-protocol.md, Checkpoints): saved, and given back in a later attempt."""

import os
import pickle

from weft import failures
from weft.failures import Failure, text_of



def first_items(workers):
    """How many items a source may process before it is first asked for its part."""
    return max(16, 2 * workers)


class States:
    def __init__(self, folder, document, worker, hosts):
        """Raises Failure where the state that the worker is to begin with cannot be had."""
        self._folder = os.path.join(folder, "checkpoints")
        self._worker = worker
        self._hosts = [host for host in hosts if host.element.get("snapshot_every") is not None]
        restored = document.get("restored")
        self.are_restored = restored is not None
        self._restored = _read(restored["folder"], restored["checkpoint"], worker) if restored and self._hosts else {}

    def restore(self, host):
        """After `preprocess`."""
        if host.id in self._restored:
            try:
                host.pe.restore(self._restored.pop(host.id))
            except BaseException as error:
                raise _failed(host, "exception", f"In restore, {host.id} raised {text_of(error)}", error) from error

    def save(self, number):
        states = {}
        for host in self._hosts:
            try:
                state = host.pe.snapshot()
            except BaseException as error:
                raise _failed(host, "exception", f"In snapshot, {host.id} raised {text_of(error)}", error) from error
            try:
                states[host.id] = pickle.dumps(state, 5)
            except Exception as error:
                what = f"snapshot() of {host.id} returned a {type(state).__name__} that cannot be pickled: {text_of(error)}"
                raise _failed(host, "unpicklable", f"{what}. Return plain data.", error) from error
        if not self._hosts:
            return
        path = _path(self._folder, number, self._worker)
        try:
            os.makedirs(self._folder, exist_ok=True)
            with open(f"{path}.new", "wb") as file:
                pickle.dump(states, file, 5)
                file.flush()
                os.fsync(file.fileno())
            os.replace(f"{path}.new", path)
        except OSError as error:
            raise Failure("storage", f"What PEs keep cannot be saved for checkpoint {number}: {error}.", error) from error


def _path(folder, number, worker):
    return os.path.join(folder, f"{number}-{worker}.state")


def _read(folder, number, worker):
    path = _path(folder, number, worker)
    try:
        with open(path, "rb") as file:
            return {id: pickle.loads(state) for id, state in pickle.load(file).items()}
    except Exception as error:
        raise Failure("load", f"The state of checkpoint {number} cannot be read from {path}: {text_of(error)}.", error) from error


def _failed(host, cause, message, error):
    return Failure(cause, message, error, element=host.id, instance=host.instance)
