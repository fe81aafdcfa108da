# SPDX-License-Identifier: Apache-2.0
"""Tries what a confined PE must not be able to do, and says what it could."""
import os
import socket

from dispel4py.base import IterativePE
from dispel4py.workflow_graph import WorkflowGraph


class Pry(IterativePE):
    """For an item {"secret": PATH, "port": N, "megabytes": N}."""

    def _process(self, item):
        found = []
        if os.path.exists(item["secret"]):
            found.append("secret")
        try:
            socket.create_connection(("127.0.0.1", item["port"]), 2).close()
            found.append("network")
        except OSError:
            pass
        for folder in ("/usr/local", "/etc", "/var/lib"):
            try:
                with open(folder + "/weft-was-here", "w"):
                    found.append(folder)
            except OSError:
                pass
        with open("own", "w") as file:
            file.write("own")
        if any(name.isdigit() and int(name) > 1000 for name in os.listdir("/proc")):
            found.append("processes")
        memory = bytearray(item["megabytes"] << 20)
        memory[::4096] = bytes(len(memory[::4096]))
        return found


class Keep(IterativePE):
    def _process(self, found):
        return found


graph = WorkflowGraph()
graph.connect(Pry(), "output", Keep(), "input")
