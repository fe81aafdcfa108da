# SPDX-License-Identifier: Apache-2.0
"""What is measured: for each measure its graph, its sizes, and how one pair of runs becomes one value."""

import json
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from pathlib import Path

from programs import Job, Peer, Run, RunFailed, Weft, measure_mpi, measure_plain_words, measure_transport

SPREAD = ("--layout", "spread")
#: What Weft's transport gathers before it sends.
BATCH = 64 * 1024


@dataclass
class Session:
    """One session on one machine: both sides, the form, a folder for scratch files."""

    weft: Weft
    peer: Peer
    short: bool
    folder: Path

    def size(self, full, short):
        return short if self.short else full

    def in_turn(self, index, first, second):
        """Runs both, in the other order in every other pair, so that neither always finds the machine as the other left it."""
        if index % 2 == 0:
            return first(), second()
        after = second()
        return first(), after


@dataclass(frozen=True)
class Measure:
    name: str
    #: ">= 10", "<= 0.5" or "0.93 to 0.97"; None where a figure is only told.
    goal: str | None
    summary: str
    #: One pair of runs: the value, and samples for the results' file.
    pair: Callable[[Session, int], tuple[float, dict]]
    once: bool = False
    #: What is up while it is measured.
    around: AbstractContextManager = field(default_factory=nullcontext)

    def met(self, value):
        if self.goal is None:
            return None
        if " to " in self.goal:
            least, most = self.goal.split(" to ")
            return float(least) <= value <= float(most)
        sign, bound = self.goal.split()
        return value >= float(bound) if sign == ">=" else value <= float(bound)


def against_peer(job, value, *options):
    """A pair of the same job on both sides."""

    def pair(session, index):
        asked = job(session)
        weft, peer = session.in_turn(index, lambda: session.weft.run(asked, *options), lambda: session.peer.run(asked))
        return value(weft, peer), {"weft": weft.sample(), "dispel4py": peer.sample()}

    return pair


def throughput(weft: Run, peer: Run):
    """Both sides have the same items, so the ratio of items/s is the inverse of the times'."""
    return peer.streaming / weft.streaming


def wall(weft: Run, peer: Run):
    return weft.wall / peer.wall


def cpu(weft: Run, peer: Run):
    return weft.cpu / peer.cpu


def pipeline(session):
    count = session.size(1_000_000, 10_000)
    return Job("streams.py", 4, {"Integers": [{"input": count}]}, dict(items=count, total=count * (count + 1)), "pipeline")


def words(session):
    count = session.size(1_000_000, 10_000)
    return Job("streams.py", 4, {"Lines": [{"input": count}]}, dict(items=count, keys=1000, wrong=0), "words")


def plain_words(session, index):
    """How far below the peer's time any engine can come that runs these PEs in one process: their code alone, called directly."""
    asked = words(session)
    plain, peer = session.in_turn(index, lambda: measure_plain_words(asked), lambda: session.peer.run(asked))
    return peer.streaming / plain, {"plain_seconds": plain, "dispel4py": peer.sample()}


def arrays(size, full, short):
    def job(session):
        count = session.size(full, short)
        return Job("arrays.py", 2, {"Arrays": [{"input": [count, size]}]}, dict(items=count, total=count * size, wrong=0))

    return job


def nothing(session):
    return Job("streams.py", 4, {"Integers": [{"input": 1}]}, dict(items=1, total=0), "nothing")


def obspy_times(session):
    count = 30
    return Job("obspy_times.py", 16, {"Seconds": [{"input": count}]}, dict(items=count, total=sum(range(count))))


def sleeper(session):
    return Job("streams.py", 4, {"SleepFirst": [{"input": session.size(5, 0.5)}]}, dict(items=1, total=0), "sleeper")


def costly(session):
    count = session.size(3000, 200)
    return Job("streams.py", 4, {"Integers": [{"input": count}]}, dict(items=count, total=count * (count + 1) // 2), "costly")


def waits(graph):
    def job(session):
        count = session.size(300, 40)
        return Job("streams.py", 8, count, dict(items=count, total=count), graph)

    return job


def provenance_cost(job):
    """The share of throughput that recording takes."""

    def pair(session, index):
        asked = job(session)
        recorded, bare = session.in_turn(
            index, lambda: session.weft.run(asked), lambda: session.weft.run(asked, "--no-provenance"))
        return 1 - bare.streaming / recorded.streaming, {"recorded": recorded.sample(), "not_recorded": bare.sample()}

    return pair


def mpi_efficiency(session, index):
    seconds = session.size(2, 0.2)
    weft, plain = session.in_turn(
        index, lambda: measure_transport(session.weft, BATCH, seconds), lambda: measure_mpi(session.folder, BATCH, seconds))
    return weft / plain, {"weft_bytes_per_second": weft, "c_bytes_per_second": plain}


def ranks_by_cost(job):
    """Times of the same graph with ranks from equal costs and from those that a first run measured."""

    def pair(session, index):
        asked = job(session)
        measured, equal = session.folder / "measured.json", session.folder / "equal.json"
        session.weft.run(asked, *SPREAD, "--profile", measured)
        if not measured.exists():
            raise RunFailed(f"weft try --profile {measured} ended well and did not write the file.")
        equal.write_text(json.dumps(with_equal_costs(json.loads(measured.read_text()))))
        chosen, split = session.in_turn(
            index,
            lambda: session.weft.run(asked, *SPREAD, "--costs", measured),
            lambda: session.weft.run(asked, *SPREAD, "--costs", equal))
        return split.streaming / chosen.streaming, {"measured_costs": chosen.sample(), "equal_costs": split.sample()}

    return pair


def with_equal_costs(costs):
    elements = {name: {**cost, "seconds_per_call": 0.005} for name, cost in costs["elements"].items()}
    return {**costs, "elements": elements}


def memory_flat(session, index):
    """MB by which the process that grew most passed what it held when the last PE had seen 100,000 items."""
    count = session.size(10_000_000, 200_000)
    total = count * (count + 1) // 2
    job = Job("streams.py", 3, {"Integers": [{"input": count}]}, dict(items=count, total=total), "slow_end")
    run = session.weft.run(job, *SPREAD, sample_every=0.25)
    if "settled" not in run.report:
        raise RunFailed("the graph slow_end did not tell when it had seen 100,000 items, so its memory cannot be judged.")
    grown = {f"{name} {pid}": growth(samples, run.report["settled"]) for (pid, name), samples in run.memory.items()}
    return max(grown.values()), {"weft": run.sample(), "grown_MB": grown}


def growth(samples, settled):
    """MB from the last sample before the stream had settled (the first one, of a later process) to the largest after it."""
    before = [size for time, size in samples if time <= settled]
    after = [size for time, size in samples if time > settled]
    return round((max(after) - (before or after)[-1 if before else 0]) / 1024, 2) if after else 0.0


MEASURES = [
    Measure("pipeline_ratio", ">= 10", "integers, +1, *2, sum on 4 ranks: items/s", against_peer(pipeline, throughput)),
    Measure("wordcount_ratio", ">= 8", "split, count by key, total on 4 ranks: words/s", against_peer(words, throughput)),
    Measure("wordcount_plain", None, "the word count's PEs as plain calls in one process, without an engine, over dispel4py's time",
            plain_words),
    Measure("payload_ratio_1MB", ">= 10", "1 MB arrays from a producer to a consumer, 2 ranks: bytes/s",
            against_peer(arrays(1_000_000, 5000, 20), throughput)),
    Measure("payload_ratio_1kB", ">= 8", "1 kB arrays from a producer to a consumer, 2 ranks: bytes/s",
            against_peer(arrays(1000, 500_000, 2000), throughput)),
    Measure("payload_spread_ratio_1MB", None, "the same with each PE on a rank of its own, so that each array crosses processes",
            against_peer(arrays(1_000_000, 5000, 20), throughput, *SPREAD)),
    Measure("payload_spread_ratio_1kB", None, "the same with each PE on a rank of its own, so that each array crosses processes",
            against_peer(arrays(1000, 500_000, 2000), throughput, *SPREAD)),
    Measure("spread_pipeline_ratio", ">= 4", "the pipeline with each PE on a rank of its own: items/s",
            against_peer(pipeline, throughput, *SPREAD)),
    Measure("startup_ratio", "<= 0.5", "a graph that does nothing, on 4 ranks: wall time", against_peer(nothing, wall)),
    Measure("import_startup_ratio", "<= 0.2", "a graph that imports obspy, on 16 ranks: wall time",
            against_peer(obspy_times, wall)),
    Measure("idle_cpu_ratio", "<= 0.1", "a producer that sleeps 5 s, on 4 ranks: CPU time of all processes",
            against_peer(sleeper, cpu)),
    Measure("provenance_cost", "<= 0.10", "share of the pipeline's items/s that recording takes", provenance_cost(pipeline)),
    Measure("provenance_cost_1ms", "<= 0.01", "the same where each item costs 1 ms", provenance_cost(costly)),
    Measure("mpi_efficiency", ">= 0.8", "bytes/s of weft-rank's transport over that of plain C, batches of 64 KiB",
            mpi_efficiency),
    Measure("skewed_graph_ratio", ">= 2", "PEs that wait 1, 1, 20, 2 ms, 8 ranks: equal split over ranks by cost, times",
            ranks_by_cost(waits("skewed"))),
    Measure("balanced_graph_ratio", ">= 0.98", "the same where each PE waits 5 ms", ranks_by_cost(waits("balanced"))),
    Measure("memory_flat_MB", "<= 64", "growth of resident memory behind a slow PE, 10,000,000 items", memory_flat, once=True),
]
