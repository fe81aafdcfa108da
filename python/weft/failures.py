# SPDX-License-Identifier: Apache-2.0
"""Errors as a FAILED frame tells them."""

import json
import os
import traceback

MAXIMUM_TRACEBACK = 64 * 1024
_PACKAGE = os.path.dirname(os.path.abspath(__file__)) + os.sep


class Failure(Exception):
    """What keeps a worker from its work, but for what a PE does with a datum."""

    def __init__(self, cause, message, error=None, **details):
        super().__init__(message)
        self.report = report(cause, message, error, **details)


class TimeLimitExceeded(BaseException):
    """A datum takes longer than its PE's time limit. No Exception: a PE that goes on after any error does not catch it."""


def report(cause, message, error=None, **details):
    """The object of a FAILED frame. Without NULs, which a database cannot hold."""
    values = {"cause": cause, "message": message, **details}
    if error is not None:
        values["traceback"] = traceback_of(error)
    return {name: value.replace("\0", "\\x00") if isinstance(value, str) else value for name, value in values.items()}


def encoded(report):
    return json.dumps(report).encode()


def text_of(error):
    try:
        text = str(error)
    except Exception:
        text = "(its text cannot be had)"
    return f"{type(error).__name__}: {text}" if text else type(error).__name__


def traceback_of(error):
    """The traceback, without Weft's own frames above the author's."""
    trace = error.__traceback__
    while trace is not None and os.path.abspath(trace.tb_frame.f_code.co_filename).startswith(_PACKAGE):
        trace = trace.tb_next
    text = "".join(traceback.format_exception(type(error), error, trace or error.__traceback__))
    return text if len(text) <= MAXIMUM_TRACEBACK else "…" + text[-MAXIMUM_TRACEBACK:]
