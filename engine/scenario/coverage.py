"""Which steps and ways of runbooks no scenario reaches."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from engine.language.model import Choose, Entry, Runbook

Points = Mapping[str, tuple[tuple[str, str], ...]]
"""By runbook: the points of its text in their order, each with the words for people."""


def points(runbook: Runbook) -> Points:
    """Every step and way of a runbook and of those it calls."""
    books = {runbook.name: runbook, **runbook.calls}
    return {name: tuple(_points(book)) for name, book in books.items()}


def _points(runbook: Runbook) -> Iterable[tuple[str, str]]:
    for _, block in runbook.blocks():
        for entry in block:
            yield from _of(entry)


def _of(entry: Entry) -> Iterable[tuple[str, str]]:
    """An entry and what is inside; not its `undo`, which a person asks for afterwards."""
    yield entry.id, entry.id
    if isinstance(entry, Choose):
        for number, way in enumerate(entry.ways, 1):
            yield f"{entry.id} way-{number}", f"{entry.id}: the way {way.name or number}"
    for name, block in entry.blocks():
        for inner in block if name != "undo" else ():
            yield from _of(inner)


def never_reached(
    known: Points, reached: Iterable[Iterable[tuple[str, str]]]
) -> dict[str, tuple[str, ...]]:
    """By runbook: what of `known` is in none of the sets; only runbooks that miss something.

    Of a way or a container that is never taken, what is inside is named too: it is as untried.
    """
    seen: frozenset[tuple[str, str]] = frozenset().union(*reached)
    missing = {
        name: tuple(told for point, told in own if (name, point) not in seen)
        for name, own in known.items()
    }
    return {name: told for name, told in missing.items() if told}
