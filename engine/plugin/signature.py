"""How a function's signature becomes what the language knows of a step type."""

from __future__ import annotations

import dataclasses
import inspect
import re
import sys
import types
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, NewType, Union, get_args, get_origin

from engine.errors import RunbookError
from engine.language.catalog import Parameter, StepSignature, Writing
from engine.language.shape import shape_of

Sql = NewType("Sql", str)
"""A string that is SQL: no template may stand in it, values go into bound parameters."""

Shell = NewType("Shell", str)
"""A string that a shell reads: a template in it needs the filter `quote`."""

_TYPE_NAME = re.compile(r"[a-z][a-z0-9_]*\.[a-z][a-z0-9_]*")
_MARKS: Mapping[Any, Writing] = {Sql: "sql", Shell: "shell"}
_DOC_LINE = re.compile(r"\s*([a-z_][a-z0-9_]*): +(\S.*)")


@dataclass(frozen=True, slots=True)
class Question:
    """What a person is asked or told to do, with what they should look at."""

    text: str
    evidence: Any = None


def parameters_of(
    function: Callable[..., Any], *, skip_first: bool, what: str, doc: str | None = None
) -> dict[str, Parameter]:
    """The parameters of a function as the language sees them. `what` names it in errors.

    With `skip_first` the first one (the side of a step, the `self` of an adapter) is left out,
    unevaluated.
    """
    found = list(inspect.signature(function).parameters.values())
    if skip_first and not found:
        raise RunbookError(
            f"{what}: the first parameter is the side of the adapter, and there is none"
        )
    module = sys.modules.get(function.__module__)
    names = vars(module) if module else {}
    docs = _documented(inspect.cleandoc(doc or function.__doc__ or ""), {p.name for p in found})
    return {
        p.name: _parameter(p, names, docs.get(p.name, ""), what)
        for p in found[1 if skip_first else 0 :]
    }


def signature_of(type: str, function: Any, *, takes_target: bool) -> StepSignature:
    if not _TYPE_NAME.fullmatch(type):
        raise RunbookError(
            f"a step type is named family.noun or family.verb in lower case, not {type!r}"
        )
    if not inspect.iscoroutinefunction(function):
        raise RunbookError(f"{type}: the function must be `async def`")
    parameters = parameters_of(function, skip_first=takes_target, what=type)
    result = _result(function)
    is_record = dataclasses.is_dataclass(result) and result is not Question
    fields = tuple(f.name for f in dataclasses.fields(result)) if is_record else ()
    return StepSignature(
        type=type,
        kind="check",
        effect="reads",
        parameters=parameters,
        doc=_prose(inspect.getdoc(function), parameters),
        takes_target=takes_target,
        result_fields=frozenset(fields) if is_record else None,
        result_doc=_documented(inspect.getdoc(result), fields) if is_record else {},
    )


def _result(function: Any) -> Any:
    """The class a function returns, or None where it cannot be told at run time."""
    annotation = function.__annotations__.get("return")
    if not isinstance(annotation, str):
        return annotation
    try:
        return eval(annotation, function.__globals__)  # noqa: S307 - the plugin's own source
    except (NameError, AttributeError, TypeError):
        return None  # imported for type checkers only: the fields are not known, which is allowed


def _parameter(p: inspect.Parameter, names: dict[str, Any], doc: str, what: str) -> Parameter:
    if p.kind in (p.VAR_POSITIONAL, p.VAR_KEYWORD, p.POSITIONAL_ONLY):
        raise RunbookError(f"{what}: the parameter {p.name} cannot be given by name")
    annotation = p.annotation
    if annotation is p.empty:
        raise RunbookError(f"{what}: the parameter {p.name} has no type")
    if isinstance(annotation, str):
        try:
            annotation = eval(annotation, names)  # noqa: S307 - the plugin's own source
        except (NameError, AttributeError, TypeError, SyntaxError) as e:
            raise RunbookError(f"{what}: the type of {p.name} cannot be read: {e}") from e
    plain, writing = _unmark(annotation)
    required = p.default is p.empty
    default = None if required else p.default
    return Parameter(p.name, shape_of(plain), required, default, doc, writing)


def _unmark(annotation: Any) -> tuple[Any, Writing | None]:
    """The annotation with `Sql` and `Shell` as plain strings, and which of them was in it."""
    if annotation is Sql or annotation is Shell:
        return str, _MARKS[annotation]
    inner = [_unmark(a) for a in get_args(annotation) if a is not Ellipsis]
    writing = next((w for _, w in inner if w), None)
    if writing is None:
        return annotation, None
    origin: Any = get_origin(annotation)
    plain = tuple(a for a, _ in inner)
    if origin in (Union, types.UnionType):
        return Union[plain], writing  # noqa: UP007 - made from values, not written down
    if origin is tuple:
        return list[plain[0]], writing  # type: ignore[valid-type]
    return origin[plain], writing


def _documented(text: str | None, names: Iterable[str]) -> dict[str, str]:
    """The `name: text` lines of a docstring, for these names, with deeper lines below them."""
    docs: dict[str, str] = {}
    name, depth = "", 0
    wanted = set(names)
    for line in (text or "").splitlines():
        indent = len(line) - len(line.lstrip())
        hit = _DOC_LINE.fullmatch(line)
        if hit and hit[1] in wanted:
            name, depth = hit[1], indent
            docs[name] = hit[2].strip()
        elif name and line.strip() and indent > depth:
            docs[name] += " " + line.strip()
        else:
            name = ""
    return docs


def _prose(text: str | None, names: Iterable[str]) -> str:
    """A docstring without the lines that document parameters."""
    kept: list[str] = []
    depth: int | None = None
    wanted = set(names)
    for line in (text or "").splitlines():
        indent = len(line) - len(line.lstrip())
        hit = _DOC_LINE.fullmatch(line)
        if hit and hit[1] in wanted:
            depth = indent
        elif depth is None or not line.strip() or indent <= depth:
            depth = None
            kept.append(line)
    return "\n".join(kept).strip()
