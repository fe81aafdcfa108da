# SPDX-License-Identifier: Apache-2.0
"""Turns what was counted into records, and sends them ahead of the data that they describe.

Nothing is kept for a usual call or datum: ids are given out, and runs of calls and data recorded, at each flush.
"""

import itertools
import time

from weft import records
from weft.channel import FLUSH_BYTES
from weft.hashing import stable_hash
from weft.profile import STRIDE, Timing

#: A frame of records has no more, but where a single one is longer.
FRAME_BYTES = 1 << 20
#: Records that no datum waits for leave at this age.
RECORDS_NS = 50_000_000
PROFILE_NS = 1_000_000_000

_clock = time.time_ns
_flatten = itertools.chain.from_iterable


class Recorder:
    def __init__(self, hosts, channel, outbox, captures):
        """`hosts` upstream before downstream."""
        self.hosts = hosts
        self.channel = channel
        self.outbox = outbox
        self.captures = captures
        #: The run has begun: records may leave.
        self.open = False
        #: What is being handed to the outbox: port, edge and values; and the port whose datum was handed to it by itself.
        self.putting = None
        self.leaving = None
        #: Records of single invocations, and what is told of single data.
        self.records = []
        self.details = []
        #: Items of the run's input since the last flush, as runs: ids and bytes.
        self.inputs = []
        #: What was recorded last ended then.
        self.since = _clock()
        #: When the profiles were told last; 0: they are due, with the calls that they tell of.
        self.profiled = 0
        self._flushing = False
        self._leaving = [port for host in hosts for port in host.ports.values() if port.edges or not port.read]

    # Ids

    def assign(self, host):
        """Gives ids to what the instance wrote; what leaves goes to the outbox with them."""
        for port in host.ports.values():
            count = port.written() - port.assigned
            if count > 0:
                first = host.next_datum
                host.next_datum = first + count
                port.assigned += count
                run = range(first, first + count)
                port.unrecorded.append(run)
                for feed in port.feeds:
                    feed.ids.add(run)
                if port.values:
                    self._put(port, first)

    def _put(self, port, first):
        values = port.values[:]
        port.values.clear()
        port.gathered = 0
        port.count += len(values)
        outbox = self.outbox
        # Where several edges lead to one PE, each datum goes by all of them before the next one does.
        for part in [[value] for value in values] if port.shares_reader else [values]:
            for edge in port.edges:
                self.putting = port, edge, values
                outbox.put(edge, part, first)
            first += len(part)
        self.putting = None

    def put_now(self, port, value, datum):
        outbox, self.leaving = self.outbox, port
        for edge in port.edges:
            outbox.put_now(edge, value, datum)
        if outbox.full:
            port.stage.urge()

    def input_now(self, host, call=None):
        """Id of the datum that the instance processes, or processed in an earlier call that has no record yet."""
        offset = (host.call_now() if call is None else call) - host.recorded
        feed, offset = self._fed(host, offset)
        if feed.writer is not None:
            self.assign(feed.writer.host)
        return feed.ids.at(offset)

    def port_now(self, host):
        return self._fed(host, host.call_now() - host.recorded)[0].index

    def _fed(self, host, offset):
        if len(host.feeds) == 1:
            return host.feeds[0], offset
        number = host.log[offset]
        return host.feeds[number], host.log[:offset].count(number)

    def describe(self, host, details):
        """What `write` was told of the datum that the instance writes next."""
        if not self.captures:
            return
        self.assign(host)
        named = details.get("dep") or ()
        for name in [named] if isinstance(named, str) else named:
            origin = host.state.get(name)
            if origin is not None and (host.outside is not None or origin != self.input_now(host)):
                self.details.append(records.derivation(host.next_datum, origin))
        attributes = {name: details[name] for name in ("location", "format", "metadata") if details.get(name) is not None}
        if attributes:
            self.details.append(records.attributes(host.next_datum, attributes))

    def tell(self, ids, items):
        """What the items of the run's input are; returns their bytes."""
        if not self.captures:
            return 0
        told = [records.attributes(datum, {"value": item}) for datum, item in zip(ids, items)]
        self.details += told
        return sum(map(len, told))

    def give(self, ids, size):
        """Items of the run's input are about to be processed."""
        if self.inputs and self.inputs[-1][0].stop == ids.start:
            given, known = self.inputs[-1]
            self.inputs[-1] = range(given.start, ids.stop), known + size
        else:
            self.inputs.append((ids, size))

    # Failing

    def culprit(self):
        """The port that wrote what the outbox does not take, and the call of `process` that did, or None."""
        port, edge, values = self.putting
        key, host = port.stage.keys[edge], port.host
        position = next((position for position, value in enumerate(values) if not _has_key(value, key)), 0)
        position += sum(map(len, port.unrecorded)) - len(values)
        if host.outside is not None:
            return port, None
        if port is not host.main:
            return port, port.writers[position]
        running = host.chain.writing()[host.position]
        finished = host.calls() - running
        counts = host.counts(host.accounted, finished)
        if counts:
            counts[0] -= host.told
        calls = _flatten(map(itertools.repeat, itertools.count(host.accounted), counts))
        return port, next(itertools.islice(calls, position, None), finished)

    def give_up(self, all_is_counted):
        """Before the report of a failure: what was recorded leaves, data no more."""
        frame = self.records
        if all_is_counted and not self._flushing:
            self._flushing = True
            frame = self._take(_clock()) + self.profiles()
        self.send(frame)

    # Flushing

    def checkpoint(self):
        """Has what is old enough leave. The time it takes is no PE's."""
        start = _clock()
        if self.waits() or start - self.since >= RECORDS_NS:
            self.flush()
        elif self.open:
            self._sample_anew()
        Timing.flushing += _clock() - start

    def waits(self):
        """Whether data or results wait to leave."""
        if self.outbox.count or self.details or self.records:
            return True
        return any(port.values or port.results for port in self._leaving)

    def flush(self):
        """Sends what there is as far as the rank reads, and waits for room where much has not left."""
        if not self.open or self._flushing:
            return
        self._flushing = True
        now = _clock()
        frame = self._take(now)
        if now - self.profiled >= PROFILE_NS:
            self.profiled = now
            frame = self.profiles() + frame
        self.send(frame)
        self.outbox.flush()
        channel = self.channel
        channel.pump()
        if channel.size >= FLUSH_BYTES:
            channel.flush()
            self._blame(_clock() - now)
        self.since = now
        self._sample_anew()
        self._flushing = False

    def send(self, frame):
        if sum(map(len, frame)) <= FRAME_BYTES:
            if frame:
                self.channel.send_frame(records.RECORDS, b"".join(frame))
            return
        part, size = [], 0
        for record in frame:
            if part and size + len(record) > FRAME_BYTES:
                self.channel.send_frame(records.RECORDS, b"".join(part))
                part, size = [], 0
            part.append(record)
            size += len(record)
        self.channel.send_frame(records.RECORDS, b"".join(part))

    def profiles(self):
        return [records.profile(host.instance, host.profile()) for host in self.hosts]

    def _blame(self, waited):
        """The wait is that of the instance whose data leave."""
        for port in self._leaving:
            if port.edges and port.has_left:
                port.host.blocked += waited
                break

    def _take(self, now):
        for host in self.hosts:
            self.assign(host)
        sizes = self.outbox.encode()
        for port in self._leaving:
            if port.edges:
                port.left(sizes)
        # What calls wrote goes before word that they ended well: that is never known where the other is lost.
        frame, calls, results = [], [], []
        for ids, size in self.inputs if self.captures else ():
            frame.append(records.data(records.RUN_INPUT, 0, ids.start, len(ids), records.BY_NONE, records.NO_ID, size, self.since, now))
        self.inputs.clear()
        for host in self.hosts:
            running = host.outside is None and host.chain.writing()[host.position]
            finished = host.calls() - running
            if finished != host.recorded:
                self._take_calls(host, finished, calls, now)
            for port in host.ports.values():
                if port.unrecorded or port is host.main and finished != host.accounted:
                    self._take_data(port, finished, running, frame, results, now)
        frame += self.details
        frame += results
        frame += calls
        frame += self.records
        self.records.clear()
        self.details.clear()
        return frame

    def _sample_anew(self):
        """Where calls are long each is timed from now on, where they are short some."""
        for chain in {host.chain: None for host in self.hosts}:
            timings = [host.timing for host in chain.hosts]
            if not any(timing.calls or timing.recent_calls for timing in timings):
                continue
            stride = 1 if any(timing.is_long() for timing in timings) else STRIDE
            if stride != chain.stride:
                chain.stride = stride
                chain.sample_one_in(stride)
                for timing in timings:
                    timing.times_each = stride == 1
                    timing.each.clear()

    # Calls

    def _take_calls(self, host, finished, frame, now):
        first, count = host.recorded, finished - host.recorded
        host.recorded = finished
        calls, started, spent, each = host.timing.take(count)
        # A call may have begun before the last flush.
        since = self.since if started is None else min(started, self.since)
        if len(host.feeds) == 1:
            feed = host.feeds[0]
            runs = feed.ids.take(count)
            inputs = runs[0] if len(runs) == 1 else list(_flatten(runs))
            parts = [(feed.index, first, count, inputs)]
        else:
            parts = self._fed_by_several(host, first, count)
        skipped, host.skipped_calls = host.skipped_calls, []
        if not self.captures:
            return
        if skipped:
            parts = list(_without(parts, set(skipped)))
        for port, start, length, inputs in parts:
            times, began, ended = None, since, now
            if each is not None:
                times = each[2 * (start - first) : 2 * (start - first + length)]
                began, ended = times[0], times[-2] + times[-1]
            frame.append(
                records.calls(
                    host.instance, host.first_call + start, length, port, inputs, began, ended, min(calls, length), spent, times
                )
            )
            # Of several parts the first one stands for all that were timed.
            calls = spent = 0

    def _fed_by_several(self, host, first, count):
        log, host.log = host.log[:count], host.log[count:]
        feeds = host.feeds
        taken = [
            _flatten(feed.ids.take(fed)) if fed else iter(()) for feed, fed in ((feed, log.count(feed.number)) for feed in feeds)
        ]
        parts = []
        for index, run in itertools.groupby(log, lambda number: feeds[number].index):
            inputs = [next(taken[number]) for number in run]
            parts.append((index, first, len(inputs), _progression(inputs)))
            first += len(inputs)
        return parts

    # Data

    def _take_data(self, port, finished, running, frame, results, now):
        runs = port.unrecorded
        port.unrecorded = []
        count = sum(map(len, runs))
        form, sequence, distances = _writers(port, count, finished, running)
        size = port.take_size(count)
        if port.results:
            results += map(records.result, _flatten(runs), itertools.repeat(port.index), port.results)
            port.results.clear()
            port.gathered = 0
        if not self.captures:
            return
        flag = records.MEASURED if port.edges else records.ESTIMATED
        position = 0
        for run in runs:
            end = position + len(run)
            share = size * end // count - size * position // count
            first = sequence + position if form == records.BY_ONE_EACH else sequence
            own = distances[position:end]
            frame.append(records.data(flag, port.index, run.start, len(run), form, first, share, self.since, now, own))
            position = end


def _writers(port, count, finished, running):
    """Which invocations wrote so many data: form, sequence and distances as the record of a run of data has them."""
    host = port.host
    if host.outside is not None:
        return records.BY_ONE, host.outside, ()
    if port is not host.main:
        calls = port.writers[:count]
        del port.writers[:count]
        return _form(host.first_call, calls, sorted(set(calls)) == calls)
    first, host.accounted = host.accounted, finished
    if not (host.dropped or host.wrote_in or running or host.told) and host.returns_data:
        return (records.BY_ONE if count == 1 else records.BY_ONE_EACH), host.first_call + first, ()
    counts = host.counts(first, finished)
    host.dropped.clear()
    host.wrote_in.clear()
    if counts:
        counts[0] -= host.told
        host.told = 0
    if running:
        rest = count - sum(counts)
        counts.append(rest)
        host.told += rest
    return _form_of_counts(host.first_call + first, counts, count)


def _has_key(value, key):
    try:
        stable_hash(tuple([value[part] for part in key]))
        return True
    except Exception:
        return False


def _form(base, calls, one_each):
    if not calls:
        return records.BY_ONE, base, ()
    first, last = calls[0], calls[-1]
    if first == last:
        return records.BY_ONE, base + first, ()
    if one_each and last - first + 1 == len(calls):
        return records.BY_ONE_EACH, base + first, ()
    return records.BY_DISTANCE, base + first, [call - first for call in calls]


def _form_of_counts(base, counts, total):
    """As `_form`, of how many data each call has written."""
    if not total:
        return records.BY_ONE, base, ()
    begin = next(index for index, count in enumerate(counts) if count)
    if counts[begin] == total:
        return records.BY_ONE, base + begin, ()
    if max(counts) == 1 and counts[begin : begin + total].count(1) == total:
        return records.BY_ONE_EACH, base + begin, ()
    return records.BY_DISTANCE, base + begin, list(_flatten(map(itertools.repeat, itertools.count(), counts[begin:])))


def _without(parts, skipped):
    for port, first, count, inputs in parts:
        for is_skipped, run in itertools.groupby(range(first, first + count), skipped.__contains__):
            if not is_skipped:
                run = list(run)
                yield port, run[0], len(run), inputs[run[0] - first : run[-1] + 1 - first]


def _progression(ids):
    """As a range where it is one."""
    if len(ids) == 1:
        return range(ids[0], ids[0] + 1)
    stride = ids[1] - ids[0]
    if stride > 0 and ids[-1] - ids[0] == stride * (len(ids) - 1):
        run = range(ids[0], ids[-1] + 1, stride)
        if list(run) == ids:
            return run
    return ids
