# SPDX-License-Identifier: Apache-2.0
"""Weft's Python side: what process elements (PEs) and workflow graphs are written with."""

from weft.elements import BasePE, ConsumerPE, GenericPE, IterativePE, ProducerPE, SimpleFunctionPE
from weft.graph import CompositePE, WorkflowGraph, create_iterative_chain

__all__ = [
    "BasePE", "CommandPE", "CompositePE", "ConsumerPE", "GenericPE", "IterativePE", "ProducerPE", "SimpleFunctionPE", "WorkflowGraph",
    "create_iterative_chain", "native",
]  # fmt: skip
__version__ = "0.1.0"


def __getattr__(name):
    """What not every workflow needs is imported when it is asked for: a worker's start is waited for."""
    if name == "CommandPE":
        from weft.command import CommandPE

        return CommandPE
    if name == "native":
        import importlib

        return importlib.import_module("weft.native")
    raise AttributeError(f"module 'weft' has no attribute '{name}'")
