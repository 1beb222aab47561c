"""Shapes: which JSON an annotation takes, and what is said about the rest."""

# ruff: noqa: E501 - in a table of cases a row is a line

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, Optional

import jsonschema
import pytest
from hypothesis import given
from hypothesis import strategies as st
from typing_extensions import TypedDict

from engine.language.shape import Duration, ShapeError, Size, shape_of

Headers = dict[str, str]

TAKEN = [
    (str, "a", "a"),
    (int, 3, 3),
    (int, 3.0, 3),
    (float, 3, 3.0),
    (float, 2.5, 2.5),
    (bool, True, True),
    (None, None, None),
    (Literal["get", "head"], "get", "get"),
    (Literal[1, 2], 2, 2),
    (list[int], [1, 2.0], [1, 2]),
    (list, [1, "a"], [1, "a"]),
    (tuple[str, ...], ["a"], ("a",)),
    (Sequence[str], ["a"], ["a"]),
    (Headers, {"a": "b"}, {"a": "b"}),
    (Mapping[str, Any], {"a": [1]}, {"a": [1]}),
    (dict, {"a": 1}, {"a": 1}),
    (dict[str, list[float]], {"a": [1]}, {"a": [1.0]}),
    (str | None, None, None),
    (Optional[int], 4, 4),  # noqa: UP045 - the older spelling must work too
    (int | str, "4", "4"),
    (Duration, "1h30m", 5400.0),
    (Duration, 5, 5.0),
    (Duration | None, None, None),
    (Size, "64KiB", 65_536),
    (Any, {"a": 1}, {"a": 1}),
    (object, 1, 1),
]


@pytest.mark.parametrize(("annotation", "value", "expected"), TAKEN)
def test_a_value_of_the_shape_becomes_what_the_function_gets(annotation, value, expected):
    found = shape_of(annotation).take(value)
    assert found == expected
    assert type(found) is type(expected)


REFUSED = [
    (str, 1, (), "takes a text, not 1"),
    (str, None, (), "takes a text, not null"),
    (int, "3", (), 'takes a whole number, not "3"'),
    (int, 2.5, (), "takes a whole number, not 2.5"),
    (int, True, (), "takes a whole number, not true"),
    (float, True, (), "takes a number, not true"),
    (float, "abc", (), 'takes a number, not "abc"'),
    (float, 10**400, (), None),
    (bool, 1, (), "takes true or false, not 1"),
    (bool, "yes", (), 'takes true or false, not "yes"'),
    (Literal["get", "head"], "gte", (), "takes one of get, head, not \"gte\"; did you mean 'get'?"),
    (Literal[1], True, (), "takes 1, not true"),
    (list[int], "a", (), 'takes a list, each a whole number, not "a"'),
    (list[int], [1, "a"], (1,), 'takes a whole number, not "a"'),
    (dict[str, float], {"a": {}}, ("a",), "takes a number, not {}"),
    (dict[str, list[int]], {"a": [1, None]}, ("a", 1), "takes a whole number, not null"),
    (dict[str, str], {1: "a"}, (), "takes a mapping, each a text, whose keys are text, not 1"),
    (list[int] | None, [None], (0,), "takes a whole number, not null"),
    (str | None, 3, (), "takes a text, not 3"),
    (str | int, [1], (), "takes a text or a whole number, not [1]"),
    (
        Duration,
        "x",
        (),
        "takes a duration such as 15m or 1h30m: 'x' is not a duration; write it like 15m or 1h30m",
    ),
    (Size, -1, (), "takes a size such as 64KiB or 10MB: a size is never negative: -1"),
]


@pytest.mark.parametrize(("annotation", "value", "path", "what"), REFUSED)
def test_a_value_without_the_shape_is_refused_with_its_path(annotation, value, path, what):
    with pytest.raises(ShapeError) as caught:
        shape_of(annotation).take(value)
    assert caught.value.path == path
    assert what is None or caught.value.what == what


WORDS = [
    (str, "a text"),
    (int, "a whole number"),
    (float | None, "a number or null"),
    (Literal["a", "b"], "one of a, b"),
    (list[str], "a list, each a text"),
    (list, "a list"),
    (Headers, "a mapping, each a text"),
    (Duration, "a duration such as 15m or 1h30m"),
    (Any, "anything"),
]


@pytest.mark.parametrize(("annotation", "words"), WORDS)
def test_a_shape_describes_itself(annotation, words):
    assert shape_of(annotation).describe() == words


ANNOTATIONS = [annotation for annotation, _, _ in TAKEN]
JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3)
    ),
    max_leaves=6,
)


@pytest.mark.parametrize("annotation", ANNOTATIONS)
def test_the_schema_of_a_shape_is_json_schema(annotation):
    jsonschema.Draft202012Validator.check_schema(shape_of(annotation).json_schema())


@given(st.sampled_from(ANNOTATIONS), JSON)
def test_what_a_shape_takes_its_schema_accepts(annotation, value):
    shape = shape_of(annotation)
    try:
        shape.take(value)
    except ShapeError:
        return
    jsonschema.validate(value, shape.json_schema())


@pytest.mark.parametrize(("annotation", "value", "_"), TAKEN)
def test_the_schema_accepts_what_the_shape_takes(annotation, value, _):
    jsonschema.validate(value, shape_of(annotation).json_schema())


def test_an_annotation_that_is_text_is_a_mistake_of_the_plugin():
    with pytest.raises(TypeError, match="the annotation 'str' is text"):
        shape_of("str")


@dataclass(frozen=True)
class Point:
    x: int
    y: int = 0


class Named(TypedDict):
    name: str


def test_a_dataclass_and_a_typed_dict_are_taken_by_pydantic():
    assert shape_of(Point).take({"x": 1}) == Point(1)
    assert shape_of(list[Named]).take([{"name": "a"}]) == [{"name": "a"}]
    assert shape_of(Point).json_schema()["required"] == ["x"]
    assert shape_of(Point).describe() == "Point"
    with pytest.raises(ShapeError) as caught:
        shape_of(list[Point]).take([{"x": "a"}])
    assert caught.value.path == (0, "x")


def test_unions_in_another_order_are_other_shapes():
    assert shape_of(int | str).describe() == "a whole number or a text"
    assert shape_of(str | int).describe() == "a text or a whole number"


def test_what_pydantic_does_not_know_is_a_mistake_of_the_plugin():
    class Unknown:
        pass

    with pytest.raises(TypeError, match="pydantic cannot take"):
        shape_of(Unknown).take(1)


def test_the_closed_list_imports_neither_pydantic_nor_jinja():
    script = """
import sys, json
from typing import Any, Literal
from engine.language.shape import Duration, Size, shape_of
for annotation in (str, int, float, bool, None, Any, Literal["a"], list[str], dict[str, Any], str | None,
                   Duration, Size, tuple[str, ...]):
    shape = shape_of(annotation)
    shape.describe(), shape.json_schema()
print(json.dumps(sorted({"pydantic", "jinja2", "jmespath", "regex"} & set(sys.modules))))
"""
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )
    assert json.loads(done.stdout) == []
