"""What a step found, in the words for somebody who is called."""

from __future__ import annotations

from typing import Any

import pytest

from engine.core.found import in_words, told


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        # what is all of an answer is said alone
        ({"value": 26.4}, "26.4"),
        ({"stdout": "v1.6.0"}, "v1.6.0"),
        ({"json": {"ready": True}}, "ready: yes"),
        ({"answer": "yes", "by": "ana"}, "yes, by ana"),
        # of many, how many and of what
        ({"rows": [[1] * 40, [2]]}, "2 rows"),
        ({"lines": ["x" * 40, "y" * 40]}, "2 lines"),
        ({"matches": [{"a": "x" * 70}, {"a": "y"}]}, "2 matches"),
        ({"json": [{"a": 1}, {"b": 2}]}, "2 items"),
        # and nothing twice
        ({"rows": [{"a": 1}, {"a": 2}], "count": 2}, "2 rows"),
        ({"values": [1.0], "count": 1}, "1"),
        ({"rows": [{"a": 1}, {"a": 2}], "count": 3}, "2 rows, count 3"),
        ({"matches": ["c4a9d7"], "revision": "c4a9d7"}, "revision c4a9d7"),
        ({"stdout": "1432 a.gz", "bytes": 1432}, "1432 a.gz, bytes 1432"),
        # a time has its unit in its name: it is told as people tell times
        ({"age_s": 3600}, "age 1h"),
        ({"blocked_for_s": 90.5, "elapsed_ms": 250}, "blocked_for 1m30s, elapsed 250ms"),
        ({"wait_s": True, "late_s": "soon"}, "wait_s yes, late_s soon"),
        # the rest as it is called
        ({"previous": 3, "returns_bad": True}, "previous 3, returns_bad yes"),
        ({"used_memory_human": "12M"}, "used_memory 12M"),
        ({}, ""),
    ],
)
def test_what_was_found_is_told_once_and_without_the_names_of_our_own_fields(
    fields: dict[str, Any], said: str
):
    assert in_words(fields) == said


@pytest.mark.parametrize(
    ("result", "said"),
    [
        ({"kind": "vector", "count": 1, "values": [0.12], "nan": 0}, "0.12"),
        ({"kind": "stone", "exit_code": 0}, "kind stone"),
        ({"json": {"a": {"b": 1}}, "exit_code": 2}, "exit_code 2"),
        ("plain", "plain"),
        (None, ""),
    ],
)
def test_how_an_answer_came_is_no_news(result: Any, said: str):
    assert told(result, {}) == said
