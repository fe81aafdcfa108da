# SPDX-License-Identifier: Apache-2.0
"""Aggregates: alone, and in several instances whose parts are put together."""

import copy
import math
import random
import statistics

import pytest

from weft import GenericPE, WorkflowGraph, aggregates
from weft.simple import process_and_return


def written(pe, data):
    """What the PE writes for the data, and at its end."""
    out = []
    pe._write = lambda name, value, **_: out.append(value)
    pe.preprocess()
    for value in data:
        pe.process({"input": value})
    pe.postprocess()
    return out


def in_parts(composite, data, instances):
    """As several instances of the composite's first PE and one of its second would."""
    first, last = composite.get_contained_objects()
    assert last.inputconnections["input"]["grouping"] == "global" and last.numprocesses == 1
    shares = [data[instance::instances] for instance in range(instances)]
    out = []
    for share in shares:
        out += written(copy.deepcopy(first), share)
    return written(last, out)


PAIRS = [(3, 10, "x"), (1, -4, "y"), (7, 0, "z"), (5, 2, "w")]


def test_each_alone():
    assert written(aggregates.CountPE(), PAIRS) == [[4]]
    assert written(aggregates.SumPE(), PAIRS) == [[16]]
    assert written(aggregates.SumPE([1, 0]), PAIRS) == [[8, 16]]
    assert written(aggregates.MinPE([0, 1]), PAIRS) == [[1, -4]]
    assert written(aggregates.MaxPE([1]), PAIRS) == [[10]]
    assert written(aggregates.AverageParallelPE(1), PAIRS) == [[2.0, 4, 8]]
    deviation, *rest = written(aggregates.StdDevPE(), PAIRS)[0]
    assert rest == [4, 16, 84] and math.isclose(deviation, statistics.stdev([3, 1, 7, 5]))


def test_the_largest_of_what_is_below_zero():
    assert written(aggregates.MaxPE(), [(-3,), (-1,)]) == [[-1]]


def test_nothing_to_aggregate():
    assert written(aggregates.CountPE(), []) == [[0]] and written(aggregates.SumPE(), []) == [[0]]
    assert written(aggregates.MinPE(), []) == written(aggregates.MaxPE(), []) == [[None]]
    assert written(aggregates.AverageParallelPE(), []) == written(aggregates.StdDevPE(), []) == []
    assert written(aggregates.StdDevPE(), [(2,)]) == [(None, 1, 2, 4)]


def test_a_continuous_reduction_writes_each_time():
    class Running(aggregates.ContinuousReducePE):
        def _process(self, data):
            self.value = [self.value[0] + data[0]]

    assert written(Running(), PAIRS) == [[3], [4], [11], [16]]


@pytest.mark.parametrize("instances", [1, 2, 3, 7])
def test_any_number_of_instances_gives_the_same(instances):
    generator = random.Random(instances)
    data = [(generator.randrange(-50, 50), generator.randrange(100)) for _ in range(5)]
    first, second = zip(*data)
    assert in_parts(aggregates.parallel_count(), data, instances) == [[5]]
    assert in_parts(aggregates.parallel_sum([1]), data, instances) == [[sum(second)]]
    assert in_parts(aggregates.parallel_min([0, 1]), data, instances) == [[min(first), min(second)]]
    assert in_parts(aggregates.parallel_max([1, 0]), data, instances) == [[max(second), max(first)]]
    assert in_parts(aggregates.parallel_avg(1), data, instances) == [[sum(second) / 5, 5, sum(second)]]
    ((deviation, count, *_),) = in_parts(aggregates.parallel_std_dev(1), data, instances)
    assert count == 5 and math.isclose(deviation, statistics.stdev(second))


def test_a_deviation_far_from_zero_is_exact():
    """Where the difference of two large sums would have lost it."""
    data = [(1e9 + x,) for x in (4, 7, 13, 16)]
    for instances in (1, 2):
        ((deviation, *_),) = in_parts(aggregates.parallel_std_dev(), data, instances)
        assert math.isclose(deviation, statistics.stdev([4, 7, 13, 16]), rel_tol=1e-9)


def test_the_composites_stand_in_a_graph():
    class Source(GenericPE):
        def __init__(self):
            GenericPE.__init__(self)
            self._add_output("output")

        def process(self, inputs):
            for pair in PAIRS:
                self.write("output", pair)

    graph, source = WorkflowGraph(), Source()
    count, average = aggregates.parallel_count(), aggregates.parallel_avg()
    graph.connect(source, "output", count, "input")
    graph.connect(source, "output", average, "input")
    results = process_and_return(graph, {source: 1})
    assert results == {"CountReduce1": {"output": [[4]]}, "AverageReducePE3": {"output": [[4.0, 4, 16]]}}
