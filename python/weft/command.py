# SPDX-License-Identifier: Apache-2.0
"""A PE that is any executable."""

import json
import os
import select
import shlex
import signal
import subprocess
import tempfile
import time

from weft.elements import GenericPE

MAXIMUM_REPLY = 1 << 30
_PIECE = 1 << 16


class CommandError(Exception):
    """The executable failed, or did not do what its PE expects of it."""


class CommandPE(GenericPE):
    """Gives each datum of `input` to an executable and writes what it prints to `output`.

    `mode` and `output` say how:

    - 'json', 'each': the executable runs as long as the PE. It reads one JSON document per line and answers each with one line:
      a JSON document, or `null` to send nothing. It has to flush its output after each line.
    - 'json', 'end': it reads as above and prints as many lines as it likes, whenever it likes; they are sent when the stream has ended.
    - 'bytes', 'each': it is run anew for each datum, which is its input; all that it prints is one datum.
    - 'bytes', 'end': all data, one after the other, are its input; all that it prints is one datum.

    An executable that ends with another status than 0 fails the datum, and what it printed for it is dropped. It runs in the
    run's folder unless `folder` says otherwise; `environment` adds variables.
    """

    INPUT_NAME = "input"
    OUTPUT_NAME = "output"

    def __init__(self, command, mode="json", output="each", folder=None, environment=None, reply_within=60.0):
        GenericPE.__init__(self)
        self._add_input(self.INPUT_NAME)
        self._add_output(self.OUTPUT_NAME)
        self.command = shlex.split(command) if isinstance(command, str) else [os.fspath(part) for part in command]
        if not self.command:
            raise ValueError("CommandPE: the command is empty: give the executable and its arguments as a list")
        for name, value, known in (("mode", mode, ("json", "bytes")), ("output", output, ("each", "end"))):
            if value not in known:
                raise ValueError(f"CommandPE: {name} is {value!r}: use '{known[0]}' or '{known[1]}'")
        self.name = os.path.basename(self.command[0])
        self.mode = mode
        self.output = output
        self.folder = folder
        self._environment = dict(environment or {})  # May hold secrets: no parameter that registration shows.
        #: Seconds that an answer may take in mode 'json', 'each'; None: as long as it takes.
        self.reply_within = reply_within
        #: What runs until the end keeps what it has read; what is run anew keeps nothing.
        self.stateful = True if output == "end" else False if mode == "bytes" else None
        self._running = None
        self._printed = None

    def _preprocess(self):
        if self.mode == "json" or self.output == "end":
            self._start()

    def process(self, inputs):
        data = inputs.get(self.INPUT_NAME)
        if self.mode == "bytes" and self.output == "each":
            self.write(self.OUTPUT_NAME, self._run(_bytes(data)))
            return
        if self._running is None:  # A datum failed, and the run goes on.
            self._require_nothing_kept()
            self._start()
        content = json.dumps(data, ensure_ascii=False, allow_nan=False).encode() + b"\n" if self.mode == "json" else _bytes(data)
        try:
            reply = self._exchange(content)
        except BaseException:
            self._stop()
            raise
        if reply is not None:
            self._write_document(reply)

    def _postprocess(self):
        if self._running is not None:
            self._finish()
        else:  # Run anew for each datum, or ended by a failure.
            self._require_nothing_kept()
        if self.output == "end":
            self._printed.seek(0)
            if self.mode == "bytes":
                self.write(self.OUTPUT_NAME, self._printed.read())
            else:
                for line in self._printed:
                    self._write_document(line)
            self._printed.close()

    def _require_nothing_kept(self):
        if self.output == "end":
            raise CommandError(f"{self._called()} has failed, and with it the data that it had read before are lost")

    def _write_document(self, line):
        if not line.strip():
            return
        try:
            document = json.loads(line)
        except ValueError as error:
            raise CommandError(f"{self._called()} printed a line that is no JSON document ({error}): {line[:200]!r}") from None
        if document is not None:
            self.write(self.OUTPUT_NAME, document)

    def _start(self):
        if self.output == "end":
            # To a file, so that the executable never waits for a reader.
            self._printed = self._printed or tempfile.TemporaryFile()
        self._running = self._popen(self._printed or subprocess.PIPE)
        self._unread = bytearray()
        self._satisfied = False
        for stream in (self._running.stdin, self._running.stdout):
            if stream:
                os.set_blocking(stream.fileno(), False)

    def _finish(self):
        self._running.stdin.close()
        if self.output == "end":
            self._check(self._running.wait())
        else:
            self._read_until_end()
            self._check(self._wait())
            self._running.stdout.close()
        self._running = None

    def _read_until_end(self):
        deadline = self._deadline()
        while not self._unread.strip():
            self._await(deadline, reading=True)
            if not self._read():
                return
        self._stop()
        raise CommandError(
            f"{self._called()} printed more than one line for a line it read: {bytes(self._unread[:200])!r}. "
            "Where it prints when it likes use output='end'."
        )

    def _stop(self):
        process, self._running = self._running, None
        process.kill()
        process.wait()
        for stream in (process.stdin, process.stdout):
            if stream:
                stream.close()

    def _run(self, content):
        with self._popen(subprocess.PIPE) as process:
            try:
                printed, _ = process.communicate(content)
            except BaseException:
                process.kill()
                raise
        self._check(process.returncode)
        return printed

    def _popen(self, stdout):
        try:
            return subprocess.Popen(
                self.command, bufsize=0, stdin=subprocess.PIPE, stdout=stdout, cwd=self.folder,
                env={**os.environ, "PYTHONUNBUFFERED": "1", **self._environment},
            )  # fmt: skip
        except OSError as error:
            raise CommandError(f"cannot run {self._called()}: {error}") from error

    def _exchange(self, content):
        """Writes all, reading meanwhile, or both could wait for each other; then returns the line that answers."""
        answered = self.output == "each"
        deadline = self._deadline() if answered else None
        unsent = memoryview(b"" if self._satisfied else content)
        while unsent or answered:
            end = self._unread.find(b"\n") if not unsent else -1
            if end >= 0:
                line = bytes(self._unread[: end + 1])
                del self._unread[: end + 1]
                return line
            for descriptor in self._await(deadline, reading=answered, writing=bool(unsent)):
                if descriptor == self._running.stdin.fileno():
                    sent = self._send(unsent[:_PIECE])
                    if not sent:
                        self._ended_early()
                    unsent = unsent[sent or len(unsent) :]
                elif not self._read():
                    self._ended_early()
        return None

    def _deadline(self):
        return None if self.reply_within is None else time.monotonic() + self.reply_within

    def _await(self, deadline, reading=False, writing=False):
        """The descriptors that can be read or written."""
        poller = select.poll()
        if writing:
            poller.register(self._running.stdin, select.POLLOUT)
        if reading:
            poller.register(self._running.stdout, select.POLLIN)
        ready = poller.poll(None if deadline is None else max(0, deadline - time.monotonic()) * 1000)
        if not ready:
            raise CommandError(
                f"{self._called()} has not answered within {self.reply_within:g} s. It must print one line for each line it reads, "
                "and flush it (python -u, jq --unbuffered, sed -u); where it prints when it likes use output='end'."
            )
        return [descriptor for descriptor, _ in ready]

    def _send(self, piece):
        try:
            return os.write(self._running.stdin.fileno(), piece)
        except BrokenPipeError:
            return 0

    def _read(self):
        piece = os.read(self._running.stdout.fileno(), _PIECE)
        self._unread += piece
        if len(self._unread) > MAXIMUM_REPLY:
            raise CommandError(f"{self._called()} printed a line of more than 1 GiB")
        return len(piece)

    def _ended_early(self):
        self._check(self._wait())
        if self.output == "each":
            raise CommandError(f"{self._called()} ended before its input did. It must read until the end of its input.")
        self._satisfied = True  # As `head` is: what follows would not change what it has printed.

    def _wait(self):
        """The status of a process that closed its end of a pipe."""
        try:
            return self._running.wait(self.reply_within)
        except subprocess.TimeoutExpired:
            raise CommandError(f"{self._called()} closed its output and goes on running") from None

    def _check(self, status):
        if status < 0:
            known = -status in set(signal.Signals)
            raise CommandError(f"{self._called()} was ended by {signal.Signals(-status).name if known else f'signal {-status}'}")
        if status:
            raise CommandError(f"{self._called()} ended with status {status}; what it wrote to standard error is in the logs")

    def _called(self):
        return f"the command '{shlex.join(self.command)}'"


def _bytes(data):
    if isinstance(data, str):
        return data.encode()
    if data is None:
        return b""
    if isinstance(data, (bytes, bytearray, memoryview)):
        return data
    raise TypeError(f"CommandPE with mode 'bytes' received a value of type {type(data).__name__}: send bytes or text, or use mode='json'")
