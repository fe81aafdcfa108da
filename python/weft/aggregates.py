# SPDX-License-Identifier: Apache-2.0
"""PEs that count, sum and average, as dispel4py.new.aggregate names them, and composites that do so in several instances.

A composite's first PE may have any `numprocesses`: each instance aggregates its share, and the second PE, which has one
instance, puts the parts together. Results are written when the stream has ended.
"""

import math

from weft.elements import GenericPE
from weft.graph import WorkflowGraph

_INPUT, _OUTPUT = "input", "output"


class _StreamPE(GenericPE):
    INPUT_NAME = _INPUT
    OUTPUT_NAME = _OUTPUT
    stateful = True

    def __init__(self):
        GenericPE.__init__(self)
        self._add_input(self.INPUT_NAME)
        self._add_output(self.OUTPUT_NAME)


class AggregatePE(_StreamPE):
    """Writes `value`, a list, at the end. `_process` updates it from `inputs['input'][index]` for each index."""

    def __init__(self, indexes=None):
        _StreamPE.__init__(self)
        self.indexes = [0] if indexes is None else indexes
        self.value = [0 for _ in self.indexes]

    def _items(self, inputs):
        """Place in `value` and item, of what is there."""
        data = inputs[self.INPUT_NAME]
        for place, index in enumerate(self.indexes):
            if data[index] is not None:  # An instance that got nothing has no smallest item.
                yield place, data[index]

    def _postprocess(self):
        self.write(self.OUTPUT_NAME, self.value)


class ContinuousReducePE(_StreamPE):
    """Writes `value` after each datum; `_process` receives the datum and updates it."""

    def __init__(self, indexes=None):
        _StreamPE.__init__(self)
        self.indexes = [0] if indexes is None else indexes
        self.value = [0 for _ in self.indexes]

    def process(self, inputs):
        self._process(inputs[self.INPUT_NAME])
        self.write(self.OUTPUT_NAME, self.value)


class CountPE(AggregatePE):
    def __init__(self):
        AggregatePE.__init__(self, [0])

    def _process(self, inputs):
        self.value = [self.value[0] + 1]


class SumPE(AggregatePE):
    def _process(self, inputs):
        for place, item in self._items(inputs):
            self.value[place] += item


class _ExtremePE(AggregatePE):
    def __init__(self, indexes=None):
        AggregatePE.__init__(self, indexes)
        self.value = [None for _ in self.indexes]

    def _process(self, inputs):
        for place, item in self._items(inputs):
            known = self.value[place]
            self.value[place] = item if known is None else self.choose(known, item)


class MaxPE(_ExtremePE):
    choose = staticmethod(max)


class MinPE(_ExtremePE):
    choose = staticmethod(min)


class AverageParallelPE(_StreamPE):
    """Writes `[average, count, sum]` at the end, unless there was nothing."""

    def __init__(self, index=0):
        _StreamPE.__init__(self)
        self.index = index
        self.sum = 0
        self.count = 0

    def _process(self, inputs):
        self._add(1, inputs[self.INPUT_NAME][self.index])

    def _add(self, count, sum):
        self.count += count
        self.sum += sum

    def _postprocess(self):
        if self.count:
            self.write(self.OUTPUT_NAME, [float(self.sum) / self.count, self.count, self.sum])


class AverageReducePE(AverageParallelPE):
    """Puts together what several `AverageParallelPE` write."""

    def __init__(self):
        AverageParallelPE.__init__(self)
        self._add_input(self.INPUT_NAME, grouping="global")

    def _process(self, inputs):
        _, count, sum = inputs[self.INPUT_NAME]
        self._add(count, sum)


class StdDevPE(_StreamPE):
    """Writes `(standard deviation, count, sum, sum of squares)` of a sample at the end, unless there was nothing.

    The deviation of a single item is None.
    """

    def __init__(self, index=0):
        _StreamPE.__init__(self)
        self.index = index
        self.sum = 0
        self.sum_squared = 0
        self.count = 0
        #: Sum of the squared distances from the mean: unlike the two sums, exact where the mean is large.
        self.distance = 0.0

    def _process(self, inputs):
        item = inputs[self.INPUT_NAME][self.index]
        self._add(1, item, item * item, 0.0)

    def _add(self, count, sum, sum_squared, distance):
        if self.count:
            difference = sum / count - self.sum / self.count
            distance += difference * difference * self.count * count / (self.count + count)
        self.distance += distance
        self.count += count
        self.sum += sum
        self.sum_squared += sum_squared

    def _postprocess(self):
        if self.count:
            deviation = math.sqrt(self.distance / (self.count - 1)) if self.count > 1 else None
            self.write(self.OUTPUT_NAME, (deviation, self.count, self.sum, self.sum_squared))


class StdDevReducePE(StdDevPE):
    """Puts together what several `StdDevPE` write."""

    def __init__(self):
        StdDevPE.__init__(self)
        self._add_input(self.INPUT_NAME, grouping="global")

    def _process(self, inputs):
        deviation, count, sum, sum_squared = inputs[self.INPUT_NAME]
        self._add(count, sum, sum_squared, 0.0 if deviation is None else deviation * deviation * (count - 1))


def parallel_aggregate(inst_pe, reduce_pe):
    """A composite: any number of instances of the first PE, and one of the second that gets all they write."""
    reduce_pe.inputconnections[_INPUT]["grouping"] = "global"
    reduce_pe.numprocesses = 1
    composite = WorkflowGraph()
    composite.connect(inst_pe, _OUTPUT, reduce_pe, _INPUT)
    composite.inputmappings = {"input": (inst_pe, _INPUT)}
    composite.outputmappings = {"output": (reduce_pe, _OUTPUT)}
    return composite


def parallel_count():
    """How many data there were, as `[count]`."""
    total = SumPE([0])
    total.name = "CountReduce"
    return parallel_aggregate(CountPE(), total)


def parallel_sum(indexes=None):
    return _parallel(SumPE, indexes)


def parallel_min(indexes=None):
    return _parallel(MinPE, indexes)


def parallel_max(indexes=None):
    return _parallel(MaxPE, indexes)


def _parallel(element, indexes):
    first = element(indexes)
    # The parts are lists of what the first PE picked.
    return parallel_aggregate(first, element(list(range(len(first.indexes)))))


def parallel_avg(index=0):
    return parallel_aggregate(AverageParallelPE(index), AverageReducePE())


def parallel_std_dev(index=0):
    return parallel_aggregate(StdDevPE(index), StdDevReducePE())
