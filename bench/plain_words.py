#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The word count of graphs/streams.py without an engine: each PE's write is a call of the next one. Argument: number of words."""

import sys

sys.path.insert(0, __file__.rpartition("/")[0] + "/graphs")

from streams import Count, Lines, Split, Total

lines, split, count, total = Lines(), Split(), Count(), Total()
lines.write = lambda name, data: split.process({"input": data})
split.write = lambda name, data: count.process({"input": data})
count.write = lambda name, data: total.process({"input": data})
for pe in lines, split, count, total:
    pe.log = print
    pe._preprocess()
lines._process({"input": int(sys.argv[1])})
count._postprocess()
total._postprocess()
