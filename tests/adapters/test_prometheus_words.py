"""What a number is, and what a bound asks of it, in words."""

from __future__ import annotations

import math

import pytest

from engine.adapters.prometheus_rule import misses, rule_of, shown


@pytest.mark.parametrize(
    ("value", "said"),
    [
        (660.0, "660"),
        (0.87, "0.87"),
        (1_800_000_000.0, "1,800,000,000"),
        (math.nan, "NaN"),
        (-math.inf, "-Inf"),
    ],
)
def test_a_number_is_told_as_people_write_it(value: float, said: str):
    assert shown(value) == said


def test_a_bound_is_told_as_the_number_beside_it():
    assert misses(rule_of({"lt": 300.0}, "all"), [("the value", 660.0)]) == (
        "the value is 660, not less than 300",
    )
    assert misses(rule_of({"between": [0.5, 1.0]}, "all"), [("it", 2.0)]) == (
        "it is 2, not between 0.5 and 1",
    )
