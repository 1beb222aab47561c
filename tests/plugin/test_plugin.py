"""The door: what a function's signature becomes, and what does not come through."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import pytest

from engine.errors import RunbookError
from engine.language.catalog import Parameter
from engine.language.shape import shape_of
from engine.plugin import (
    IDEMPOTENT,
    UNSAFE,
    Duration,
    Preview,
    Question,
    Shell,
    Sql,
    StepContext,
    action,
    check,
)

if TYPE_CHECKING:
    from somewhere_else import Reader, Result


@dataclass(frozen=True, slots=True)
class Deleted:
    """What was deleted.

    deleted: how many
    sample: a few of them,
        at most ten
    """

    deleted: int
    sample: tuple[str, ...] = ()


@action("t.delete", effect=IDEMPOTENT, counts=True)
async def delete(
    side: Reader, match: str, *, batch: int = 500, kind: Literal["a", "b"] = "a"
) -> Deleted:
    """Delete the things that match.

    More about it: in a second paragraph.

    match: which things,
        as a glob
    batch: how many at once
    """
    return Deleted(len(match))


@delete.preview
async def would_delete(side: Reader, match: str, **_rest: Any) -> Preview:
    return Preview(f"{match} would go", affected=1)


def test_a_signature_is_made_from_the_function_without_evaluating_its_side():
    signature = delete.signature
    assert (signature.type, signature.kind, signature.effect) == (
        "t.delete",
        "action",
        "idempotent",
    )
    assert (signature.family, signature.counts, signature.takes_target) == ("t", True, True)
    assert dict(signature.parameters) == {
        "match": Parameter("match", shape_of(str), True, None, "which things, as a glob"),
        "batch": Parameter("batch", shape_of(int), False, 500, "how many at once"),
        "kind": Parameter("kind", shape_of(Literal["a", "b"]), False, "a"),
    }


def test_the_docstring_without_its_parameter_lines_is_the_doc():
    assert delete.signature.doc == (
        "Delete the things that match.\n\nMore about it: in a second paragraph."
    )


def test_the_fields_of_a_result_that_is_a_dataclass_are_known_with_their_docs():
    assert delete.signature.result_fields == {"deleted", "sample"}
    assert delete.signature.result_doc == {
        "deleted": "how many",
        "sample": "a few of them, at most ten",
    }


async def test_a_step_type_can_be_called_like_its_function():
    assert await delete(None, "abc") == Deleted(3)
    assert await delete.call(None, {"match": "ab"}) == Deleted(2)
    assert await delete.would(None, {"match": "ab"}) == Preview("ab would go", affected=1)


def test_fields_of_a_mapping_or_of_a_class_for_type_checkers_only_are_not_known():
    @check("t.info")
    async def info(side: Reader) -> dict[str, Any]:
        return {}

    @check("t.other")
    async def other(side: Reader) -> Result:
        return {}

    assert info.signature.result_fields is None
    assert other.signature.result_fields is None


@pytest.mark.parametrize(
    ("annotation", "shape", "writing"),
    [
        (Sql, str, "sql"),
        (Shell, str, "shell"),
        (Sql | None, str | None, "sql"),
        (list[Sql], list[str], "sql"),
        (tuple[Sql, ...], list[str], "sql"),
        (dict[str, Sql], dict[str, str], "sql"),
        (str, str, None),
        (tuple[str, ...], tuple[str, ...], None),
        (Duration, Duration, None),
    ],
)
def test_text_in_another_language_is_marked(annotation, shape, writing):
    async def function(side, text):
        return {}

    function.__annotations__["text"] = annotation
    parameter = check("t.q")(function).signature.parameters["text"]
    assert parameter.writing == writing
    assert parameter.shape.describe() == shape_of(shape).describe()


def test_a_family_without_a_connection_has_no_side():
    @check("t.value", target=False)
    async def value(value: Any, more: int = 1) -> dict[str, Any]:
        return {"value": value}

    assert list(value.signature.parameters) == ["value", "more"]
    assert not value.signature.takes_target


async def test_a_call_of_a_family_without_a_connection_gets_no_side():
    @check("t.value", target=False)
    async def value(value: Any) -> dict[str, Any]:
        return {"value": value}

    assert await value.call(None, {"value": 1}) == {"value": 1}


def test_a_step_that_asks_a_person_finds_their_answer():
    @check("t.ask", target=False, asks=True, expect={"answer": "yes"})
    async def ask(question: str) -> Question:
        return Question(question)

    assert ask.signature.asks_person
    assert ask.signature.result_fields == {"answer", "note", "by"}
    assert ask.signature.default_expect == {"answer": "yes"}


async def example(side: Any, a: str) -> dict[str, Any]:
    """An example."""
    return {"a": a}


@pytest.mark.parametrize(
    "name",
    [
        "delete",
        "t.",
        ".t",
        "T.delete",
        "t.delete.all",
        "t.de-lete",
        "t delete",
        "",
        "1.a",
        "t.\u00e9",
    ],
)
def test_a_bad_type_name_is_refused(name):
    with pytest.raises(RunbookError, match=r"named family\.noun or family\.verb"):
        check(name)(example)


def test_an_unknown_effect_is_refused():
    with pytest.raises(RunbookError, match="IDEMPOTENT or UNSAFE, not 'safe'"):
        action("t.act", effect="safe")


def test_a_function_that_is_not_async_is_refused():
    with pytest.raises(RunbookError, match="must be `async def`"):
        check("t.now")(lambda side: {})


def untyped():
    async def function(side, a): ...

    return function, "the parameter a has no type"


def unknown_type():
    async def function(side, a: Nonsense): ...  # noqa: F821

    return function, "the type of a cannot be read: name 'Nonsense' is not defined"


def star():
    async def function(side, *args: int): ...

    return function, "args cannot be given by name"


def no_side():
    async def function(): ...

    return function, "the first parameter is the side"


@pytest.mark.parametrize("make", [untyped, unknown_type, star, no_side])
def test_a_signature_that_could_not_be_called_is_refused(make):
    function, words = make()
    with pytest.raises(RunbookError, match=words):
        check("t.bad")(function)


def test_a_preview_must_take_what_the_action_takes():
    act = action("t.act", effect=UNSAFE)(example)
    with pytest.raises(RunbookError, match=r"t\.act: the preview does not take a"):

        @act.preview
        async def would(side: Any) -> Preview:
            return Preview("")


def test_a_check_has_no_preview():
    with pytest.raises(RunbookError, match="needs no preview"):
        check("t.look")(example).preview(example)


async def test_a_preview_that_is_no_preview_is_told():
    act = action("t.act", effect=UNSAFE)(example)
    act.preview(example)
    with pytest.raises(RunbookError, match="returned no Preview"):
        await act.would(None, {"a": "b"})


async def test_an_action_without_a_preview_cannot_be_previewed():
    with pytest.raises(RunbookError, match=r"t\.act has no preview"):
        await action("t.act", effect=UNSAFE)(example).would(None, {"a": "b"})


def test_contexts_of_the_same_attempt_are_equal_whoever_listens():
    one = StepContext(run="r", path="p", progress=print)
    assert one == StepContext(run="r", path="p")
