"""The families without a connection: what the run knows, and what people are asked."""

from __future__ import annotations

import pytest

from engine.errors import StepError
from engine.plugin import Question, to_json
from engine.registry import Registry

REGISTRY = Registry()


async def call(name, kind, **params):
    return to_json(await REGISTRY.step(name, kind).call(None, params))


@pytest.mark.parametrize("value", [1, "text", None, [1, {"a": None}], {"a": 1}])
async def test_a_value_is_found_as_it_was_given(value):
    assert await call("run.value", "check", value=value) == {"value": value}


@pytest.mark.parametrize(
    ("left", "op", "right", "holds"),
    [
        (1, "==", 1.0, True),
        (1, "==", True, False),
        (0, "!=", False, True),
        ("1", "==", 1, False),
        ({"a": [1]}, "==", {"a": [1]}, True),
        (1, "<", 2, True),
        (2, "<=", 2, True),
        (3, ">", 2.5, True),
        (2, ">=", 3, False),
        ("a", "<", "b", True),
        (1, "in", [1, 2], True),
        ("a", "in", {"a": 1}, True),
        ("ell", "in", "hello", True),
        (3, "not in", [1, 2], True),
    ],
)
async def test_two_values_are_compared(left, op, right, holds):
    found = await call("run.compare", "check", left=left, op=op, right=right)
    assert found == {"holds": holds, "left": left, "right": right}


@pytest.mark.parametrize(
    ("left", "op", "right"),
    [
        ("1", "<", 2),
        (None, "<", 1),
        (True, "<", 2),
        ([1], ">", [0]),
        (1, "in", "123"),
        (1, "in", 5),
    ],
)
async def test_what_cannot_be_compared_is_an_error_and_not_a_no(left, op, right):
    with pytest.raises(StepError, match="cannot be compared") as caught:
        await call("run.compare", "check", left=left, op=op, right=right)
    assert not caught.value.retryable


async def test_a_list_on_the_left_of_in_a_mapping_is_an_error_in_words():
    with pytest.raises(StepError, match="cannot be compared"):
        await call("run.compare", "check", left=[1], op="in", right={"a": 1})


def test_a_comparison_expects_to_hold():
    assert REGISTRY.get("run.compare").default_expect == {"holds": True}
    assert REGISTRY.get("run.value").default_expect is None


async def test_values_are_set_under_their_names():
    assert await call("run.set", "action", values={"a": 1, "b": [2]}) == {"a": 1, "b": [2]}


async def test_a_note_is_its_text():
    assert await call("run.note", "action", text="looks odd") == {"text": "looks odd"}


async def test_questions_are_returned_to_be_asked():
    confirm = REGISTRY.step("human.confirm", "check")
    assert await confirm.call(None, {"question": "Is it up?", "evidence": {"a": 1}}) == Question(
        "Is it up?", {"a": 1}
    )
    do = REGISTRY.step("human.do", "action")
    assert await do.call(None, {"instructions": "Restart it"}) == Question("Restart it")


@pytest.mark.parametrize(
    ("name", "params", "text"),
    [
        ("human.do", {"instructions": "Restart it", "evidence": 1}, "Restart it"),
        ("run.set", {"values": {"b": 1, "a": 2}}, "would set a, b"),
        ("run.note", {"text": "odd"}, "would note: odd"),
    ],
)
async def test_a_preview_tells_without_doing(name, params, text):
    assert (await REGISTRY.step(name, "action").would(None, params)).text == text


def test_none_of_them_takes_a_target_and_only_people_are_asked():
    types = [t for t in REGISTRY.types() if t.partition(".")[0] in ("run", "human")]
    assert types == ["human.confirm", "human.do", "run.compare", "run.note", "run.set", "run.value"]
    for name in types:
        signature = REGISTRY.get(name)
        assert not signature.takes_target
        assert signature.asks_person == name.startswith("human.")
