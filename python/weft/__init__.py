# SPDX-License-Identifier: Apache-2.0
"""Weft's Python side: what process elements (PEs) and workflow graphs are written with."""

from weft.elements import BasePE, ConsumerPE, GenericPE, IterativePE, ProducerPE, SimpleFunctionPE
from weft.graph import CompositePE, WorkflowGraph, create_iterative_chain

__all__ = [
    "BasePE", "CompositePE", "ConsumerPE", "GenericPE", "IterativePE", "ProducerPE", "SimpleFunctionPE", "WorkflowGraph",
    "create_iterative_chain",
]
__version__ = "0.1.0"
