"""What plugins return becomes JSON, the same for the same."""

from __future__ import annotations

import ipaddress
import json
import math
import uuid
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta, timezone
from decimal import Decimal
from enum import Enum, IntEnum
from pathlib import PurePosixPath

import pytest

from engine.errors import RunbookError
from engine.plugin import to_json


@dataclass(frozen=True, slots=True)
class Inner:
    at: datetime


@dataclass(frozen=True, slots=True)
class Outer:
    name: str
    inner: Inner
    many: tuple[Inner, ...] = ()


class Color(Enum):
    RED = "red"


class Level(IntEnum):
    HIGH = 3


NOON = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)


def test_a_frozen_dataclass_becomes_a_mapping_all_the_way_down():
    assert to_json(Outer("a", Inner(NOON), (Inner(NOON),))) == {
        "name": "a",
        "inner": {"at": "2026-11-21T12:00:00Z"},
        "many": [{"at": "2026-11-21T12:00:00Z"}],
    }


@pytest.mark.parametrize(
    ("value", "found"),
    [
        (None, None),
        (True, True),
        (5, 5),
        (2**70, 2**70),
        (1.5, 1.5),
        (math.nan, "NaN"),
        (math.inf, "Infinity"),
        (-math.inf, "-Infinity"),
        ("\u00e9", "\u00e9"),
        ("a\ud800b", "a?b"),
        (NOON.astimezone(timezone(timedelta(hours=2))), "2026-11-21T14:00:00+02:00"),
        (NOON.replace(tzinfo=None), "2026-11-21T12:00:00"),
        (date(2026, 11, 21), "2026-11-21"),
        (time(12, 30), "12:30:00"),
        (timedelta(minutes=1, milliseconds=500), 60.5),
        (Decimal(12), 12),
        (Decimal("12.50"), 12.5),
        (Decimal("0.1"), 0.1),
        (Decimal("0.1000000000000000055511151231257827"), "0.1000000000000000055511151231257827"),
        (Decimal("1e999999"), "1E+999999"),
        (Decimal("NaN"), "NaN"),
        (uuid.UUID(int=7), "00000000-0000-0000-0000-000000000007"),
        (ipaddress.ip_address("127.0.0.1"), "127.0.0.1"),
        (PurePosixPath("/a/b"), "/a/b"),
        (b"text", "text"),
        (b"\xff\x00", {"base64": "/wA="}),
        (bytearray(b"x"), "x"),
        (Color.RED, "red"),
        (Level.HIGH, 3),
        ({3, 1, 2}, [1, 2, 3]),
        (frozenset("ba"), ["a", "b"]),
        ((1, [2, (3,)]), [1, [2, [3]]]),
        (
            {2: "a", None: "b", True: "c", 1.5: "d"},
            {"2": "a", "null": "b", "true": "c", "1.5": "d"},
        ),
        ({date(2026, 1, 1): 1}, {"2026-01-01": 1}),
    ],
)
def test_a_value_becomes_json(value, found):
    made = to_json({"value": value})
    assert made == {"value": found}
    assert json.loads(json.dumps(made, allow_nan=False)) == made


def test_none_is_an_empty_result():
    assert to_json(None) == {}


@pytest.mark.parametrize("value", [[1], "text", 5, True, NOON])
def test_the_top_of_a_result_is_a_mapping(value):
    with pytest.raises(RunbookError, match="a result is a mapping at its top, not a"):
        to_json(value)


@pytest.mark.parametrize("value", [object(), print, Outer, 1j, iter([])])
def test_what_is_no_json_is_told_with_its_place(value):
    with pytest.raises(RunbookError, match=r"^result\.rows\[1\]\.x is a .*, which is no JSON$"):
        to_json({"rows": [{"x": 1}, {"x": value}]})


def test_keys_that_are_the_same_in_json_are_told():
    with pytest.raises(RunbookError, match=r"result\.a has two keys that are the same in JSON"):
        to_json({"a": {1: "x", "1": "y"}})


def test_a_result_that_holds_itself_is_told():
    rows: list = []
    rows.append(rows)
    with pytest.raises(RunbookError, match="deeper than 64 levels"):
        to_json({"rows": rows})
