# SPDX-License-Identifier: Apache-2.0
"""Cross-correlates the recordings of every pair of seismic channels, window by window, and stacks the windows.

Each channel is cleaned, filtered, put on a common time grid, cut into windows and whitened; windows of the same time are
paired and correlated; the correlations of a pair are averaged and written to one JSON file per pair. The lag of the peak is
the travel-time difference between two stations.
"""

import json
import math
import os

import numpy as np
import obspy
from dispel4py.base import IterativePE, create_iterative_chain
from dispel4py.core import GenericPE
from dispel4py.workflow_graph import WorkflowGraph

RATE = 50.0  # samples per second of the common grid
BAND = (2.0, 15.0)  # Hz
WINDOW = 20  # seconds
STEP = 10  # seconds between the starts of two windows
MAX_LAG = 2.0  # seconds


def remember(pe, name):
    """Lets a later output name the present input as one of its origins; plain dispel4py does not keep such a record."""
    if hasattr(pe, "addToProvState"):
        pe.addToProvState(name)


class ReadWaveform(IterativePE):
    """Reads one waveform file and emits its traces."""

    def _process(self, path):
        for trace in obspy.read(path):
            self.write("output", trace, metadata={"channel": trace.id, "samples": int(trace.stats.npts)})


def detrend(trace):
    """Removes mean and linear trend, and tapers the ends."""
    return trace.detrend("demean").detrend("linear").taper(0.02)


def bandpass(trace, freqmin, freqmax):
    return trace.filter("bandpass", freqmin=freqmin, freqmax=freqmax, corners=4, zerophase=True)


def align(trace, rate, step):
    """Interpolates onto the common grid, which begins at a whole multiple of `step` seconds."""
    start = math.ceil(trace.stats.starttime.timestamp / step) * step
    return trace.interpolate(rate, starttime=obspy.UTCDateTime(start))


class CutWindows(IterativePE):
    """Emits (window number, channel, numbers of the channel's first and last window, samples); a window's number is its start
    time divided by `step`."""

    def __init__(self, length, step):
        IterativePE.__init__(self)
        self.length = length
        self.step = step

    def _process(self, trace):
        rate = trace.stats.sampling_rate
        size, hop = int(self.length * rate), int(self.step * rate)
        count = (len(trace.data) - size) // hop + 1
        first = round(trace.stats.starttime.timestamp / self.step)
        for index in range(count):
            samples = trace.data[index * hop : index * hop + size]
            self.write(
                "output",
                (first + index, trace.id, (first, first + count - 1), samples),
                metadata={"channel": trace.id, "start": str(trace.stats.starttime + index * self.step)},
            )


class Whiten(IterativePE):
    """Gives every frequency of the band the same weight, and the window unit energy."""

    def __init__(self, rate, freqmin, freqmax):
        IterativePE.__init__(self)
        self.rate = rate
        self.freqmin = freqmin
        self.freqmax = freqmax

    def _process(self, window):
        number, channel, span, samples = window
        spectrum = np.fft.rfft(samples)
        frequency = np.fft.rfftfreq(len(samples), 1 / self.rate)
        inside = (frequency >= self.freqmin) & (frequency <= self.freqmax)
        amplitude = np.abs(spectrum)
        spectrum = np.where(inside & (amplitude > 0), spectrum / np.where(amplitude > 0, amplitude, 1), 0)
        white = np.fft.irfft(spectrum, len(samples))
        return number, channel, span, white / np.linalg.norm(white)


class PairChannels(GenericPE):
    """Joins each window with the windows of the other channels at the same time."""

    def __init__(self):
        GenericPE.__init__(self)
        self._add_input("input", grouping=[0])
        self._add_output("output")
        self.numprocesses = 2
        self.windows = {}

    def process(self, inputs):
        number, channel, span, samples = inputs["input"]
        earlier = self.windows.setdefault(number, [])
        for other in earlier:
            (a, a_span, a_samples), (b, b_span, b_samples) = sorted([other, (channel, span, samples)], key=lambda w: w[0])
            shared = min(a_span[1], b_span[1]) - max(a_span[0], b_span[0]) + 1
            self.write(
                "output",
                (a + "_" + b, number, shared, a_samples, b_samples),
                metadata={"pair": [a, b], "window": number},
                dep=["%d/%s" % (number, other[0])],
            )
        earlier.append((channel, span, samples))
        remember(self, "%d/%s" % (number, channel))


class Correlate(IterativePE):
    """Cross-correlation of a pair of windows for lags up to `max_lag` seconds."""

    def __init__(self, rate, max_lag):
        IterativePE.__init__(self)
        self.numprocesses = 2
        self.rate = rate
        self.max_lag = max_lag

    def _preprocess(self):
        # Imported here because it is slow, and only this PE needs it.
        from obspy.signal.cross_correlation import correlate

        self.correlate = correlate

    def _process(self, data):
        pair, number, shared, a, b = data
        correlation = self.correlate(a, b, int(self.max_lag * self.rate), demean=False, normalize="naive")
        return pair, number, shared, correlation


class StackWindows(GenericPE):
    """Averages the correlations of a pair, once all the windows it shares have come."""

    def __init__(self):
        GenericPE.__init__(self)
        self._add_input("input", grouping=[0])
        self._add_output("output")
        self.numprocesses = 2
        self.correlations = {}

    def process(self, inputs):
        pair, number, shared, correlation = inputs["input"]
        windows = self.correlations.setdefault(pair, {})
        windows[number] = correlation
        if len(windows) < shared:
            remember(self, "%s/%d" % (pair, number))
            return
        stack = np.mean([windows[n] for n in sorted(windows)], axis=0)
        others = ["%s/%d" % (pair, n) for n in sorted(windows) if n != number]
        del self.correlations[pair]
        self.write("output", (pair, shared, stack), metadata={"pair": pair, "windows": shared}, dep=others)


class WriteCorrelation(IterativePE):
    """Writes the stacked correlation to a file in the current folder and emits its peak."""

    def __init__(self, rate):
        IterativePE.__init__(self)
        self.rate = rate

    def _process(self, data):
        pair, windows, stack = data
        peak = int(np.argmax(np.abs(stack)))
        summary = {
            "pair": pair.split("_"),
            "windows": windows,
            "correlation": float(stack[peak]),
            "lag": (peak - len(stack) // 2) / self.rate,
            "signal_to_noise": float(abs(stack[peak]) / np.sqrt(np.mean(stack**2))),
        }
        path = os.path.abspath(pair + ".json")
        with open(path, "w") as file:
            json.dump(dict(summary, rate=self.rate, stack=stack.tolist()), file)
        self.write("output", summary, location=path, format="application/json", metadata=summary)


read = ReadWaveform()
clean = create_iterative_chain(
    [
        detrend,
        (bandpass, {"freqmin": BAND[0], "freqmax": BAND[1]}),
        (align, {"rate": RATE, "step": STEP}),
    ]
)
cut = CutWindows(WINDOW, STEP)
whiten = Whiten(RATE, *BAND)
pair = PairChannels()
correlate = Correlate(RATE, MAX_LAG)
stack = StackWindows()
write = WriteCorrelation(RATE)

graph = WorkflowGraph()
graph.connect(read, "output", clean, "input")
graph.connect(clean, "output", cut, "input")
graph.connect(cut, "output", whiten, "input")
graph.connect(whiten, "output", pair, "input")
graph.connect(pair, "output", correlate, "input")
graph.connect(correlate, "output", stack, "input")
graph.connect(stack, "output", write, "input")
