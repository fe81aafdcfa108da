# SPDX-License-Identifier: Apache-2.0
"""Pictures of a graph, by Graphviz."""

import json
import os
import shutil
import subprocess
import sys
import tempfile

from weft.graph import WorkflowGraph


def draw(graph):
    """The graph in Graphviz's language; composites are boxes around their PEs."""
    lines, names = [], {}
    _draw_members(graph, lines, names)
    _draw_edges(graph, lines, names)
    body = "".join(f"  {line}\n" for line in lines)
    return f"digraph workflow {{\n  rankdir=LR;\n  node [shape=Mrecord, style=filled, fillcolor=white];\n{body}}}\n"


def drawDot(graph, img_type="png"):
    """The picture's bytes. Needs Graphviz's program `dot`."""
    program = shutil.which("dot")
    if program is None:
        raise FileNotFoundError("a picture of the graph needs Graphviz's program 'dot', which is not on PATH: install graphviz")
    return subprocess.run([program, "-T", img_type], input=draw(graph).encode(), stdout=subprocess.PIPE, check=True).stdout


def write_image(graph, filename, img_type="png"):
    """Writes the picture to a file. Without Graphviz it says so and goes on: a workflow runs without its picture."""
    try:
        picture = drawDot(graph, img_type)
    except FileNotFoundError as error:
        print(f"{filename} is not written: {error}.", file=sys.stderr)
        return
    # Several workers load a module at the same time: each replaces the whole file.
    descriptor, temporary = tempfile.mkstemp(dir=os.path.dirname(os.path.abspath(filename)))
    with os.fdopen(descriptor, "wb") as file:
        file.write(picture)
    os.replace(temporary, filename)


def display(graph):
    """Shows the picture in a notebook."""
    try:
        from IPython.display import Image, display
    except ImportError as error:
        raise ImportError("display() shows a graph in a notebook and needs IPython; write_image() writes a file") from error
    display(Image(drawDot(graph)))


def _draw_members(graph, lines, names):
    for obj in graph.get_contained_objects():
        if isinstance(obj, WorkflowGraph):
            lines.append(f"subgraph cluster_{len(lines)} {{ style=filled; color=lightgrey; label={_text(getattr(obj, 'name', ''))};")
            _draw_members(obj, lines, names)
            lines.append("}")
        elif obj not in names:
            names[obj] = f"pe{len(names)}"
            inputs, outputs = (
                "|".join(f"<{side}{place}> {_escaped(port)}" for place, port in enumerate(ports))
                for side, ports in (("i", obj.inputconnections), ("o", obj.outputconnections))
            )
            parts = [f"{{{inputs}}}"] * bool(inputs) + [_escaped(obj.id)] + [f"{{{outputs}}}"] * bool(outputs)
            lines.append(f"{names[obj]} [label={_text('|'.join(parts), escape=False)}];")


def _draw_edges(graph, lines, names):
    for obj in graph.get_contained_objects():
        if isinstance(obj, WorkflowGraph):
            _draw_edges(obj, lines, names)
    for edge in graph.edges:
        source, output = _inner(edge.source, edge.output, "outputmappings")
        destination, input = _inner(edge.destination, edge.input, "inputmappings")
        start = _end(names, source, output, "o", source.outputconnections)
        lines.append(f"{start} -> {_end(names, destination, input, 'i', destination.inputconnections)};")


def _inner(obj, port, side):
    while isinstance(obj, WorkflowGraph):
        obj, port = getattr(obj, side, {})[port]
    return obj, port


def _end(names, pe, port, side, ports):
    ports = list(ports)
    return f"{names.setdefault(pe, f'pe{len(names)}')}" + (f":{side}{ports.index(port)}" if port in ports else "")


def _escaped(text):
    return "".join(f"\\{letter}" if letter in "\\{}|<> \"" else letter for letter in str(text))


def _text(text, escape=True):
    return json.dumps(str(text), ensure_ascii=False) if escape else f'"{text}"'
