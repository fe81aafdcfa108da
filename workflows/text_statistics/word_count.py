# SPDX-License-Identifier: Apache-2.0
"""Counts the words of a corpus, and describes the corpus by its most frequent words, its vocabulary and its word lengths."""

import os
import re
from collections import Counter

from dispel4py.base import IterativePE
from dispel4py.core import GenericPE
from dispel4py.workflow_graph import WorkflowGraph

WORD = re.compile(r"[a-z]+(?:'[a-z]+)*")


class ReadTexts(IterativePE):
    """Reads a file of texts that lines with a single '%' separate, and emits each text."""

    def _process(self, path):
        with open(path, encoding="utf-8") as file:
            texts = file.read().split("\n%\n")
        for text in texts:
            self.write("output", text, metadata={"file": os.path.basename(path)})


class SplitWords(GenericPE):
    """Emits every word of a text, in lower case, with the count 1."""

    def __init__(self):
        GenericPE.__init__(self)
        self._add_input("input")
        self._add_output("output")
        self.numprocesses = 3

    def process(self, inputs):
        for word in WORD.findall(inputs["input"].lower()):
            self.write("output", [word, 1])


class CountWords(GenericPE):
    """Adds up the counts of each word. All data of one word come to the same instance."""

    def __init__(self):
        GenericPE.__init__(self)
        self._add_input("input", grouping=[0])
        self._add_output("counts")
        self._add_output("output")
        self.numprocesses = 3
        self.counts = Counter()

    def process(self, inputs):
        word, count = inputs["input"]
        self.counts[word] += count

    def _postprocess(self):
        for word, count in sorted(self.counts.items()):
            self.write("counts", [word, count])
        self.write("output", dict(self.counts))


class Describe(GenericPE):
    """Brings the counts of all instances together."""

    def __init__(self, top):
        GenericPE.__init__(self)
        self._add_input("input", grouping="global")
        self._add_output("output")
        self.top = top
        self.counts = Counter()

    def process(self, inputs):
        self.counts.update(inputs["input"])

    def _postprocess(self):
        if not self.counts:
            return
        words = sum(self.counts.values())
        ranked = sorted(self.counts.items(), key=lambda item: (-item[1], item[0]))
        self.write(
            "output",
            {
                "words": words,
                "distinct": len(self.counts),
                "seen_once": sum(1 for count in self.counts.values() if count == 1),
                "mean_length": sum(len(word) * count for word, count in self.counts.items()) / words,
                "top": [list(item) for item in ranked[: self.top]],
            },
        )


read = ReadTexts()
split = SplitWords()
count = CountWords()
describe = Describe(20)

graph = WorkflowGraph()
graph.connect(read, "output", split, "input")
graph.connect(split, "output", count, "input")
graph.connect(count, "output", describe, "input")
