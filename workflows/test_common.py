# SPDX-License-Identifier: Apache-2.0
"""The comparison of results must find every kind of difference, or the examples' checks prove nothing."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))
from common import differences  # noqa: E402


def result(value, element="Count3", port="output"):
    return {"datum": "run_x.1.0.1", "element": element, "port": port, "value": value}


def test_order_and_position_in_the_graph_do_not_matter():
    assert differences([result([1, "a"]), result([2, "b"])], [result([2, "b"], "Count7"), result([1, "a"], "Count7")]) == []


def test_small_deviations_of_floats_are_accepted_and_larger_ones_are_not():
    assert differences([result({"lag": 0.1 + 1e-12})], [result({"lag": 0.1})]) == []
    assert len(differences([result({"lag": 0.101})], [result({"lag": 0.1})])) == 2


def test_a_whole_float_equals_the_integer_that_json_makes_of_it():
    assert differences([result(2)], [result(2.0)]) == []


def test_integers_are_compared_exactly():
    assert len(differences([result(10_000_001)], [result(10_000_000)])) == 2


def test_a_missing_a_repeated_and_an_unexpected_result_are_each_found():
    one, two = result("one"), result("two")
    assert differences([one], [one, two]) == ['missing: ["Count", "output", "two"]']
    assert differences([one, one], [one]) == ['unexpected: ["Count", "output", "one"]']
    assert differences([one, two], [one]) == ['unexpected: ["Count", "output", "two"]']


def test_the_same_value_from_another_element_or_port_is_a_difference():
    assert len(differences([result(1, element="Sum3")], [result(1)])) == 2
    assert len(differences([result(1, port="counts")], [result(1)])) == 2
