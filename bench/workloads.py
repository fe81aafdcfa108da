# SPDX-License-Identifier: Apache-2.0
"""Logs of jobs in the Standard Workload Format: those of the Parallel Workloads Archive, shaken, and a large one that is made up."""

import gzip
import json
import random
from array import array
from dataclasses import dataclass

import environment

FOLDER = environment.ROOT / "Tests" / "Workloads"
#: Seconds by which a submission is moved at most.
SHAKE = 60
LOAD = 0.9
#: MiB of a node of the large trace's machine.
NODE_MEMORY = 65_536


@dataclass(frozen=True)
class Log:
    name: str

    def lines(self):
        with gzip.open(FOLDER / f"{self.name}.swf.gz", "rt") as lines:
            yield from lines

    def write(self, file, seed=None):
        """Without a seed as it is; otherwise each submission is moved by up to a minute, and none to before 0.

        Returns the number of jobs.
        """
        source, count = random.Random(seed), 0
        with open(file, "w") as output:
            for line in self.lines():
                if line.strip() and not line.startswith(";"):
                    count += 1
                    line = line if seed is None else shaken(line, source)
                output.write(line)
        return count

    def schedules(self):
        """SHA-256 of the schedule.csv of each reference policy."""
        known = json.loads((FOLDER / "schedules.json").read_text())
        return {key.partition("/")[2]: value["sha256_csv"] for key, value in known.items() if key.startswith(self.name + "/")}


KTH, CTC = Log("KTH-SP2"), Log("CTC-SP2")
LOGS = (KTH, CTC)


def shaken(line, source):
    fields = line.split()
    fields[1] = str(max(0, int(fields[1]) + source.randint(-SHAKE, SHAKE)))
    return " ".join(fields) + "\n"


def write_large(file, jobs, nodes, seed=1):
    """Jobs of 1000 users, each with work of his own length, up to a day; powers of two ranks, up to 128, and of one in a thousand
    up to 4096; limits of 1 to 6 times the run time, up to two days; a part of a node's memory. They come so fast that nine tenths of the machine have work.
    The same for the same numbers.
    """
    source = random.Random(seed)
    typical = [source.gauss(6.5, 1.2) for _ in range(1000)]
    # Not lists: what this process holds is counted as memory of those that it starts.
    users, times, ranks, gaps = (array("q") for _ in range(4))
    for _ in range(jobs):
        user = int(1000 * source.random() * source.random())
        users.append(user)
        times.append(min(86_400, 1 + int(source.lognormvariate(typical[user], 1.0))))
        ranks.append(min(nodes, 1 << (source.randrange(10, 13) if source.random() < 0.001 else source.randrange(8))))
        gaps.append(1 + int(1000 * source.expovariate(1)))
    work = sum(time * width for time, width in zip(times, ranks))
    second = work / (LOAD * nodes) / sum(gaps)
    at = 0
    with open(file, "w") as output:
        output.write(f"; MaxProcs: {nodes}\n")
        for number, (user, time, width, gap) in enumerate(zip(users, times, ranks, gaps), start=1):
            at += gap
            limit = min(172_800, int(time * source.uniform(1, 6)) + 1)
            memory = 1024 * NODE_MEMORY >> source.randrange(7)
            output.write(f"{number} {int(at * second)} -1 {time} {width} -1 -1 {width} {limit} {memory} 1 {user} -1 -1 -1 -1 -1 -1\n")
