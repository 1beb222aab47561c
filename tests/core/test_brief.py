"""What a step found, in a few words."""

from __future__ import annotations

import pytest

from engine.core.brief import brief, named_fields, show


def test_fields_that_the_runbook_names_come_before_all_others():
    result = {"role": "master", "maxmemory": 50, "uptime": 3, "used_memory": 48}
    named = named_fields(["when: memory.used_memory / memory.maxmemory < 0.8"])
    assert brief(result, named) == "used_memory 48, maxmemory 50"


def test_without_a_name_in_the_runbook_the_first_fields_are_shown():
    result = {"status": 200, "elapsed_ms": 12, "healthy": True, "text": "", "a": 1, "b": 2, "c": 3}
    assert brief(result) == "status 200, healthy yes, a 1, b 2"


def test_a_number_with_a_text_for_people_is_shown_as_that_text():
    assert brief({"used_memory": 48_200_000, "used_memory_human": "48.2M"}) == "used_memory 48.2M"


def test_a_nested_field_is_named_by_each_of_its_parts():
    assert named_fields(["{{ api.json.status }}"]) == {"json": 0, "status": 1}


@pytest.mark.parametrize(
    ("value", "words"),
    [
        (True, "yes"),
        (None, "none"),
        (3, "3"),
        (0.123456, "0.1235"),
        (14_400.0, "14,400"),
        (12_345_678.9, "12,345,679"),
        ("v1.6.0\n", "v1.6.0"),
        ([], "0 items"),
        ([1, "b"], "1, b"),
        ([[1]], "1 item"),
        (["x" * 40, "y" * 40], "2 items"),
        ([{"rows": 3, "lag": 0.5}], "rows: 3, lag: 0.5"),
        ({"a": 1, "b": True}, "a: 1, b: yes"),
        ({"a": {"b": 1}, "c": 2}, "2 fields"),
        ("x" * 70, "x" * 57 + "..."),
        ("a\x1b[31mb", "a?[31mb"),
    ],
)
def test_a_value_is_shown_in_words(value, words):
    assert show(value) == words


@pytest.mark.parametrize(("result", "words"), [(None, ""), ({}, ""), ([1, 2], "1, 2"), ("x", "x")])
def test_a_result_that_is_no_mapping_is_shown_too(result, words):
    assert brief(result) == words


def test_how_an_answer_came_is_not_what_it_says():
    answer = {"cut": False, "elapsed_ms": 12, "headers": {"a": "b"}, "size_bytes": 2, "status": 200}
    assert brief(answer) == "status 200"
    assert brief({"count": 3, "complete": False, "cut": True}) == "count 3, complete no, cut yes"


def test_of_a_command_its_answer_is_told_and_not_how_it_was_started():
    """Also where its fields come back from the journal, in the order of their names."""
    of_a_command = {
        "exit_code": 0,
        "stdout": "replicas 2",
        "stdout_bytes": 10,
        "stderr_bytes": 0,
        "cut": False,
        "shell": False,
        "remote": False,
        "read_only": "by declaration",
    }
    for result in (of_a_command, dict(sorted(of_a_command.items()))):
        assert brief(result) == "exit_code 0, stdout replicas 2"
    assert brief({"count": 3, "remote": True}) == "count 3, remote yes"
