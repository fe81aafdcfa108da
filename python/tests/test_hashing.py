# SPDX-License-Identifier: Apache-2.0
"""Keys that are equal hash alike, everywhere."""

import datetime
import decimal
import enum
import fractions
import os
import subprocess
import sys
import uuid

import pytest
from rank import PACKAGE

from weft.hashing import stable_hash

try:
    import numpy
except ImportError:
    numpy = None


class Colour(enum.IntEnum):
    RED = 1


ONES = [1, 1.0, True, decimal.Decimal(1), fractions.Fraction(1), 1 + 0j, Colour.RED]
HALVES = [0.5, decimal.Decimal("0.5"), fractions.Fraction(1, 2)]
if numpy:
    ONES += [numpy.int64(1), numpy.uint8(1), numpy.float32(1), numpy.float64(1), numpy.bool_(True)]
    HALVES += [numpy.float16(0.5), numpy.float64(0.5)]


@pytest.mark.parametrize("equal", [ONES, HALVES, [0, 0.0, -0.0, False], [10**400, decimal.Decimal(10) ** 400]])
def test_equal_numbers_hash_alike(equal):
    assert all(a == equal[0] for a in equal)
    assert len({stable_hash((a, "x")) for a in equal}) == 1


@pytest.mark.skipif(numpy is None, reason="NumPy is not installed")
def test_numpy_text_and_bytes():
    assert stable_hash((numpy.str_("a"),)) == stable_hash(("a",))
    assert stable_hash((numpy.bytes_(b"a"),)) == stable_hash((b"a",))


def test_different_keys_hash_differently():
    keys = [
        (), (None,), (0,), (1,), (-1,), (0.1,), ("",), ("0",), (b"0",), ("a", "bc"), ("ab", "c"), (("a",), "bc"), ([], []), ([[]],),
        (float("inf"),), (float("-inf"),), (float("nan"),), (datetime.date(2026, 1, 2),), (datetime.datetime(2026, 1, 2),),
        (datetime.timedelta(1),), (uuid.UUID(int=1),), ({"a": 1},), ({"a"},), (1j,),
    ]  # fmt: skip
    assert len({stable_hash(key) for key in keys}) == len(keys)


def test_containers():
    assert stable_hash((["a", 1],)) == stable_hash((("a", 1.0),))
    assert stable_hash(({"a": 1, "b": 2},)) == stable_hash(({"b": 2, "a": 1},))
    assert stable_hash(({"a", "b"},)) == stable_hash((frozenset(("b", "a")),))


def test_one_moment_in_two_zones_is_one_key():
    utc = datetime.datetime(2026, 1, 2, 12, tzinfo=datetime.timezone.utc)
    assert stable_hash((utc,)) == stable_hash((utc.astimezone(datetime.timezone(datetime.timedelta(hours=2))),))


def test_a_value_without_a_canonical_form_is_refused_by_type():
    class Thing:
        pass

    with pytest.raises(TypeError, match="Thing cannot be part of a key"):
        stable_hash((Thing(),))
    with pytest.raises(TypeError, match="Thing cannot be part of a key"):
        stable_hash(([Thing()],))


def test_the_hash_does_not_depend_on_the_process():
    expression = "('word', b'w', 7, 1.5, None, ('a', True), frozenset('xyz'))"
    code = f"from weft.hashing import stable_hash; print(stable_hash({expression}))"
    found = {
        subprocess.run(
            [sys.executable, "-c", code], env={**os.environ, "PYTHONPATH": PACKAGE, "PYTHONHASHSEED": seed}, check=True,
            capture_output=True, text=True,
        ).stdout.strip()
        for seed in ("0", "1", "4711")
    }  # fmt: skip
    # The number itself: a run may be resumed by another version of Weft.
    assert found == {str(stable_hash(eval(expression)))}
    assert stable_hash(("word",)) == 16498863344002050614
