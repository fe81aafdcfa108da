# SPDX-License-Identifier: Apache-2.0
"""A source and fifteen processes that need ObsPy: loading it is nearly all of the work."""

import json
import time

from dispel4py.base import ConsumerPE, ProducerPE
from dispel4py.workflow_graph import WorkflowGraph
from obspy import Stream, Trace, UTCDateTime


class Seconds(ProducerPE):
    def _process(self, inputs):
        for number in range(inputs["input"]):
            self.write("output", number)


class Traces(ConsumerPE):
    def __init__(self):
        ConsumerPE.__init__(self)
        self.numprocesses = 15

    def _process(self, seconds):
        began = time.monotonic()
        stream = Stream([Trace(header={"starttime": UTCDateTime(seconds)})])
        total = int(stream[0].stats.starttime.timestamp)
        self.log("BENCH " + json.dumps(dict(began=began, ended=time.monotonic(), items=1, total=total)))


graph = WorkflowGraph()
graph.connect(Seconds(), "output", Traces(), "input")
