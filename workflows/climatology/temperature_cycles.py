# SPDX-License-Identifier: Apache-2.0
"""Describes a year of hourly temperatures by its daily and annual cycles, and compares two cities.

For each city and month, a mean and the first harmonic of the day (how large the daily swing is, and at which hour it peaks);
for each city, the first harmonic of the year over the twelve monthly means; for each month, the difference between the cities.
A maritime climate shows as a small annual swing that peaks late.
"""

import csv
import math

import numpy as np
from dispel4py.base import IterativePE
from dispel4py.core import GenericPE
from dispel4py.workflow_graph import WorkflowGraph

HOURS = 24
MONTHS = 12


def remember(pe, name):
    """Lets a later output name the present input as one of its origins; plain dispel4py does not keep such a record."""
    if hasattr(pe, "addToProvState"):
        pe.addToProvState(name)


def first_harmonic(values):
    """Mean, amplitude and position of the peak of the cosine with one cycle over `values`, by least squares."""
    angle = 2 * np.pi * np.arange(len(values)) / len(values)
    design = np.column_stack([np.ones(len(values)), np.cos(angle), np.sin(angle)])
    mean, cosine, sine = np.linalg.lstsq(design, np.asarray(values, dtype=float), rcond=None)[0]
    peak = (math.atan2(sine, cosine) % (2 * math.pi)) / (2 * math.pi) * len(values)
    return float(mean), float(math.hypot(cosine, sine)), float(peak)


class ReadDays(GenericPE):
    """Reads a table of hourly temperatures in Fahrenheit; emits (city, month, day, 24 temperatures in Celsius)."""

    def __init__(self):
        GenericPE.__init__(self)
        self._add_input("input")
        self._add_output("output")

    def process(self, inputs):
        item = inputs["input"]
        days = {}
        with open(item["path"], newline="") as file:
            for row in csv.DictReader(file):
                date, time = row["date"].split(" ")
                days.setdefault(date, {})[int(time[:2])] = (float(row["temp"]) - 32) / 1.8
        for date, hours in days.items():
            _, month, day = map(int, date.split("/"))
            if len(hours) == HOURS:
                temperatures = [hours[hour] for hour in range(HOURS)]
                self.write(
                    "output", (item["city"], month, day, temperatures), metadata={"city": item["city"], "date": date}
                )


class DailyCycle(GenericPE):
    """For each city and month, the mean day and its first harmonic."""

    def __init__(self):
        GenericPE.__init__(self)
        self._add_input("input", grouping=[0, 1])
        self._add_output("output")
        self.numprocesses = 2
        self.days = {}

    def process(self, inputs):
        city, month, day, temperatures = inputs["input"]
        self.days.setdefault((city, month), {})[day] = temperatures

    def _postprocess(self):
        for (city, month), days in sorted(self.days.items()):
            mean_day = np.mean([days[day] for day in sorted(days)], axis=0)
            mean, amplitude, peak = first_harmonic(mean_day)
            self.write("output", (city, month, {"days": len(days), "mean": mean, "amplitude": amplitude, "peak_hour": peak}))


class AnnualCycle(GenericPE):
    """For each city, the first harmonic of the year over its monthly means."""

    def __init__(self):
        GenericPE.__init__(self)
        self._add_input("input", grouping=[0])
        self._add_output("output")
        self.months = {}

    def process(self, inputs):
        city, month, cycle = inputs["input"]
        months = self.months.setdefault(city, {})
        months[month] = cycle
        remember(self, "%s/%d" % (city, month))
        if len(months) == MONTHS:
            mean, amplitude, peak = first_harmonic([months[m]["mean"] for m in sorted(months)])
            # The harmonic counts from the middle of January; months are numbered from 1.
            self.write(
                "output",
                {"city": city, "mean": mean, "amplitude": amplitude, "peak_month": peak + 1},
                dep=["%s/%d" % (city, m) for m in sorted(months)],
            )


class CompareCities(GenericPE):
    """For each month, how the second city (in alphabetical order) differs from the first."""

    def __init__(self):
        GenericPE.__init__(self)
        self._add_input("input", grouping=[1])
        self._add_output("output")
        self.numprocesses = 2
        self.cities = {}

    def process(self, inputs):
        city, month, cycle = inputs["input"]
        cities = self.cities.setdefault(month, {})
        cities[city] = cycle
        remember(self, "%s/%d" % (city, month))
        if len(cities) == 2:
            (a, first), (b, second) = sorted(cities.items())
            self.write(
                "output",
                {
                    "month": month,
                    "cities": [a, b],
                    "warmer_by": second["mean"] - first["mean"],
                    "swing_ratio": second["amplitude"] / first["amplitude"],
                },
                dep=["%s/%d" % (name, month) for name in (a, b)],
            )


read = ReadDays()
daily = DailyCycle()
annual = AnnualCycle()
compare = CompareCities()

graph = WorkflowGraph()
graph.connect(read, "output", daily, "input")
graph.connect(daily, "output", annual, "input")
graph.connect(daily, "output", compare, "input")
