# SPDX-License-Identifier: Apache-2.0
"""Random graphs, and a sequential loop that tells what must come out of them."""

import random
from collections import Counter, defaultdict

from reactions import conclusion, constants, key, number, reaction

MAXIMUM_CALLS = 2500
MAXIMUM_BYTES = 20_000_000


class Case:
    """A graph, its inputs, how it is run, and what must come out. The seed tells it all."""

    def __init__(self, seed):
        self.seed = seed
        draw = random.Random(seed)
        self.ranks = draw.randint(1, 9)
        self.layout = draw.choice(("fused", "spread"))
        self.elements, self.edges = _graph(draw)
        self.form = draw.choice(("tuple", "list", "dict"))
        for element in self.elements:
            element["inputs"] = [(port, _grouping(grouping, self.form)) for port, grouping in element["inputs"]]
        self.order = list(range(len(self.elements)))
        draw.shuffle(self.order)
        self.composite = _composite(draw, self.elements, self.edges)
        self.counts = {
            index: draw.choice((0, 1, 5, 30, 100, 300)) for index, e in enumerate(self.elements) if e["kind"] in ("given", "counted")
        }
        while not self._evaluate():
            _shrink(self)

    @property
    def description(self):
        return {
            "form": self.form, "elements": self.elements, "edges": self.edges, "order": self.order, "composite": sorted(self.composite)
        }

    @property
    def inputs(self):
        return {
            self.elements[index]["name"]: (
                [{"item": item} for item in range(count)] if self.elements[index]["kind"] == "given" else count
            )
            for index, count in self.counts.items()
        }

    def _evaluate(self):
        """Sets `seen`, by element the calls over all instances, and `outputs`, what is written where no edge reads."""
        inboxes = [[] for _ in self.elements]
        readers = defaultdict(list)
        for writer, output, reader, port in self.edges:
            readers[writer, output].append((reader, port))
        self.seen, self.outputs = [], Counter()
        calls = weight = 0
        for index, element in enumerate(self.elements):
            groupings = dict(element["inputs"])
            if index in self.counts:
                inboxes[index] = [("item", number(element["name"], "item", i)) for i in range(self.counts[index])]
            seen = [
                arrival for arrival in inboxes[index] for _ in range(element["instances"] if groupings.get(arrival[0]) == "all" else 1)
            ]
            calls += len(seen)
            written = [pair for port, datum in seen for pair in reaction(element, port, datum)]
            for instance in range(element["instances"]):
                written += constants(element, "preprocess", element["greets"])
                if element["state"] == "constant":
                    written += conclusion(element, [])
                elif element["state"] == "total":
                    written += conclusion(element, [a for a in inboxes[index] if instance == 0 or groupings.get(a[0]) == "all"])
            if element["state"] == "per_key":
                written += conclusion(element, inboxes[index])
            for output, datum in written:
                if output in element["unread"]:
                    self.outputs[element["name"], output, datum] += 1
                for reader, port in readers[index, output]:
                    inboxes[reader].append((port, datum))
                    weight += {"small": 100, "medium": 2500, "large": 27_000}[element["size"]]
            self.seen.append(Counter(seen))
            if calls > MAXIMUM_CALLS or weight > MAXIMUM_BYTES or any(len(inbox) > MAXIMUM_CALLS for inbox in inboxes):
                return False
        return True

    def differences(self, outputs):
        """What is wrong with the outputs of a run: a list of (element's name, port, value)."""
        problems = []
        found = Counter((name, port, value) for name, port, value in outputs if port != "seen")
        problems += _difference("outputs", self.outputs, found)
        for element, expected in zip(self.elements, self.seen):
            name, groupings = element["name"], dict(element["inputs"])
            instances = defaultdict(Counter)
            for rank, part in (value for owner, port, value in outputs if owner == name and port == "seen"):
                instances[rank].update((port, datum) for port, datum in part)
            if len(instances) != element["instances"]:
                problems.append(f"{name}: {len(instances)} instances, where {element['instances']} were due")
            problems += _difference(f"data of {name}", expected, sum(instances.values(), Counter()))
            holders = defaultdict(set)
            for rank, counts in instances.items():
                for port, datum in counts:
                    if isinstance(groupings.get(port), list):
                        holders[port, key(datum)].add(rank)
                    elif groupings.get(port) == "global":
                        holders[port, "global"].add(rank)
            problems += [f"{name}: {what} on port {port} is split between instances" for (port, what), at in holders.items() if len(at) > 1]
            everywhere = [{a: n for a, n in counts.items() if groupings.get(a[0]) == "all"} for counts in instances.values()]
            if any(counts != everywhere[0] for counts in everywhere):
                problems.append(f"{name}: its instances were sent different data on a port grouped 'all'")
        return problems


def _difference(what, expected, found):
    lost, more = expected - found, found - expected
    return ([f"{what}: {sum(lost.values())} lost, as {list(lost)[:3]}"] if lost else []) + (
        [f"{what}: {sum(more.values())} too many, as {list(more)[:3]}"] if more else []
    )


def _grouping(grouping, form):
    if grouping != "key":
        return grouping
    return ["key"] if form == "dict" else [1]


def _graph(draw):
    count = draw.randint(1, 8)
    sources = min(count, draw.choice((1, 1, 1, 2, 3)))
    elements, edges = [], []
    for index in range(count):
        element = {
            "name": f"P{index}x", "processes": draw.choice((1, 1, 1, 2, 2, 3)), "single": draw.random() < 0.07,
            "filter": draw.choice((0, 0, 3, 2)), "writes": draw.choice((0, 1, 1, 2, 3)), "burst": draw.choice((0,) * 12 + (40, 300)),
            "size": draw.choice(("small", "small", "medium", "large")), "state": draw.choice((None, "constant", "total", "per_key")),
            "greets": draw.choice((0, 0, 0, 0, 1, 3)), "returns": draw.random() < 0.5, "inputs": [], "outputs": [],
        }  # fmt: skip
        if index < sources:
            element.update(kind=draw.choice(("given", "counted")), filter=0, writes=max(1, element["writes"]))
            element["inputs"] = [("item", None)] if element["kind"] == "given" else []
            element["outputs"] = ["output"] if element["kind"] == "counted" else [f"out{i}" for i in range(draw.randint(1, 2))]
        else:
            element["kind"] = draw.choice(("general", "general", "iterating", "consuming"))
            if element["kind"] == "general":
                ports = [f"in{i}" for i in range(draw.choice((1, 1, 2, 3)))]
                element["outputs"] = [f"out{i}" for i in range(draw.choice((0, 1, 1, 2)))]
            else:
                ports = ["input"]
                element["outputs"] = ["output"] if element["kind"] == "iterating" else []
            groupings = draw.choice(((None, None, None, "all", "global", "key"), (None,), ("key",)))
            element["inputs"] = [(port, draw.choice(groupings)) for port in ports]
            writers = [(writer, output) for writer in range(index) for output in elements[writer]["outputs"]]
            for port in ports:
                for writer, output in draw.sample(writers, min(len(writers), draw.choice((1, 1, 1, 2, 3)))):
                    edges.append((writer, output, index, port))
        elements.append(element)
    draw.shuffle(edges)
    for index, element in enumerate(elements):
        fed = {output for writer, output, _, _ in edges if writer == index}
        element["unread"] = [output for output in element["outputs"] if output not in fed]
        element["instances"] = 1 if index < sources or element["single"] else element["processes"]
        groupings = [grouping for _, grouping in element["inputs"]]
        if element["state"] == "total" and element["instances"] > 1 and not all(g in ("all", "global") for g in groupings):
            element["state"] = "constant"
        if element["state"] == "per_key" and (index < sources or not all(g == "key" for g in groupings)):
            element["state"] = None
    return elements, edges


def _composite(draw, elements, edges):
    """PEs, neighbours in the graph and none a source, that a composite hides."""
    inner = [index for index, element in enumerate(elements) if element["kind"] not in ("given", "counted")]
    if len(inner) < 2 or draw.random() < 0.6:
        return set()
    start = draw.randrange(len(inner) - 1)
    return set(inner[start : start + draw.randint(1, 3)])


def _shrink(case):
    """Fewer data, and in the end fewer writes, until the reference is quick."""
    if max(case.counts.values()) > 1:
        case.counts = {index: count // 2 for index, count in case.counts.items()}
        return
    for element in case.elements:
        element.update(burst=0, writes=min(1, element["writes"]), greets=0)
        if element["instances"] > 1:
            element["processes"] = element["instances"] = max(1, element["processes"] - 1)
