"""Which fields of what steps find the expressions of a runbook name: all that decides anything."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from msgspec.structs import fields

from engine.language.model import Call, Entry, Expression, Runbook, Template, Way, walk_runbook
from engine.language.result_path import parse_path
from engine.language.template import analyse

Fields = set[tuple[str, ...]]
"""Paths of fields; the empty one is the whole result."""

_WHOLE = frozenset({"items", "keys", "values", "get"})
"""Methods: who calls one looks at all fields."""


def named_fields(runbook: Runbook) -> dict[str, Fields]:
    """By name (a step's id, `run`, `event`): what the expressions of a runbook and of those it
    calls ask of it.
    """
    found: dict[str, Fields] = defaultdict(set)
    for book in (runbook, *runbook.calls.values()):
        for entry in walk_runbook(book):
            _entry(entry, found)
        for name in _names(book.outputs):
            found[name[0]].add(name[1:])
    return found


def _entry(entry: Entry, found: dict[str, Fields]) -> None:
    for name in _names(entry):
        own = isinstance(entry, Call) and name[0] == "result"
        found[entry.id if own else name[0]].add(name[1:])
    if not isinstance(entry, Call):
        return
    expect = entry.expect if entry.expect is not None else entry.signature.default_expect
    for wanted in (expect, entry.warn):
        for path in wanted if isinstance(wanted, Mapping) else ():
            segments = parse_path(path)
            found[entry.id].add(tuple(str(one) for one in segments))
    if entry.probe is not None:
        _entry(entry.probe, found)


_SKIPPED = frozenset({"key_places", "places", "signature", "probe", "place"})


def _names(value: Any) -> Iterator[tuple[str, ...]]:
    """The names of every expression and template in a value, not in entries inside it."""
    if isinstance(value, Expression | Template):
        yield from analyse(value.text, bare=isinstance(value, Expression)).names
    else:
        for inner in _parts(value):
            yield from _names(inner)


def _parts(value: Any) -> Iterable[Any]:
    """What a value is made of, but for entries."""
    if isinstance(value, Mapping):
        return value.values()
    if isinstance(value, list | tuple):
        return (inner for inner in value if not isinstance(inner, Entry))
    if isinstance(value, Way):
        return (value.when,)
    if isinstance(value, Entry):
        own = (getattr(value, f.name) for f in fields(value) if f.name not in _SKIPPED)
        return (inner for inner in own if not isinstance(inner, Entry))
    return ()


def kept(result: Mapping[str, Any], paths: Fields) -> dict[str, Any]:
    """The result with these fields alone."""
    found: dict[str, Any] = {}
    for path in paths:
        if not path or path[0] in _WHOLE:
            return dict(result)
        if path[0] in result:
            _keep(found, result, path)
    return {key: found[key] for key in result if key in found}


def _keep(into: dict[str, Any], result: Mapping[str, Any], path: tuple[str, ...]) -> None:
    first, rest = path[0], path[1:]
    value = result[first]
    if not isinstance(value, Mapping) or not rest or rest[0] not in value:
        into[first] = value
    elif into.get(first) is not value:
        _keep(into.setdefault(first, {}), value, rest)
