"""Which names exist at which point of a runbook, and whether every template keeps to them.

A step sees the steps before it in its own block and in the blocks around it; of a finished
`choose`, `parallel` or `group` also the steps inside; of a finished `each` only the `each` itself,
since each item had steps of its own. Branches and ways do not see each other. The runbook's
`on_failure` and `always`, and every `undo`, see all steps, since any of them may have run.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final

from msgspec import Struct
from msgspec.structs import replace

from engine.errors import Place
from engine.language.draft import Draft
from engine.language.model import (
    Call,
    Choose,
    Each,
    End,
    Entry,
    Escalate,
    Expression,
    Group,
    Parallel,
    Runbook,
    RunbookCall,
    Template,
    Wait,
)
from engine.language.words import listed, named

ALWAYS: Final = frozenset({"inputs", "event", "run", "now"})
FAILURE_FIELDS: Final = frozenset({"step", "title", "status", "why"})
RUN_FIELDS: Final = ("id", "name", "started_at", "environment", "actor", "mode")

_WHERE: Final = {
    "result": "in `expect`, `warn` and `extract`; elsewhere a step's result goes by the step's id",
    "item": "in the steps of an `each`",
    "index": "in the steps of an `each`",
    "failure": "in `on_failure` blocks",
}

Fields = frozenset[str] | None
"""The fields of what a step finds; None where they depend on the target."""


class Point(Struct, frozen=True):
    """What can be named somewhere."""

    ids: Mapping[str, Fields]
    extra: frozenset[str] = ALWAYS
    result: Fields = None
    own: str | None = None
    """The id of the step whose values are looked at."""

    def after(self, entries: Iterable[Entry], called: Called) -> Point:
        return replace(self, ids={**self.ids, **dict(exported(entries, called))})

    def and_(self, *names: str) -> Point:
        return replace(self, extra=self.extra | set(names))


Called = Mapping[str, Runbook]


def exported(entries: Iterable[Entry], called: Called) -> Iterator[tuple[str, Fields]]:
    """The ids that exist after these entries, with their fields."""
    for entry in entries:
        if entry.named:
            yield entry.id, _fields(entry, called)
        if isinstance(entry, Each):
            continue
        for name, block in entry.blocks():
            if name != "undo":
                yield from exported(block, called)


def _fields(entry: Entry, called: Called) -> Fields:
    if isinstance(entry, Call):
        found = entry.signature.result_fields
        return None if found is None else found | set(entry.extract)
    if isinstance(entry, RunbookCall) and entry.name in called:
        return frozenset(called[entry.name].outputs)
    return None


def check_names(draft: Draft, runbook: Runbook, called: Called) -> None:
    """Tells about every name in a template or expression that does not exist where it is used."""
    everything = Point(dict(exported(runbook.steps, called)))
    check = _Check(draft, runbook, called, everything)
    if runbook.guards is not None:
        check.value(runbook.guards.rules, Point({}))
    for trigger in runbook.triggers:
        check.value(trigger.rule, Point({}, frozenset({"event", "now"})))
    check.block(runbook.steps, Point({}))
    check.block(runbook.on_failure, everything.and_("failure"))
    at_end = everything.after(runbook.on_failure, called)
    check.block(runbook.always, at_end)
    check.value(runbook.outputs, at_end.after(runbook.always, called))


class _Check(Struct, frozen=True):
    draft: Draft
    runbook: Runbook
    called: Called
    everything: Point

    def block(self, entries: Iterable[Entry], point: Point) -> None:
        seen = dict(point.ids)
        for entry in entries:
            self.entry(entry, replace(point, ids=seen, own=entry.id))
            seen.update(exported([entry], self.called))

    def entry(self, entry: Entry, point: Point) -> None:
        self.value(entry.when, point)
        if isinstance(entry, Call):
            self.call(entry, point)
        elif isinstance(entry, Choose):
            self.choose(entry, point)
        elif isinstance(entry, Parallel):
            for branch in entry.branches:
                self.entry(branch, replace(point, own=branch.id))
        elif isinstance(entry, Each):
            self.value(entry.items, point)
            self.alias(entry)
            self.block(entry.steps, point.and_("item", "index", entry.name))
        elif isinstance(entry, Group):
            self.group(entry, point)
        else:
            for value in _values(entry):
                self.value(value, point)
        if isinstance(entry.on_failure, tuple):
            inside = [] if isinstance(entry, Each) else _inside(entry)
            own = {entry.id: _fields(entry, self.called)} if entry.named else {}
            after = point.after(inside, self.called)
            self.block(entry.on_failure, replace(after, ids={**after.ids, **own}).and_("failure"))

    def alias(self, entry: Each) -> None:
        """The name of the item may not be that of a step: one of them could not be seen."""
        if "as" in entry.key_places and entry.name in self.draft.ids:
            at, taken = entry.key_places["as"], self.draft.ids[entry.name]
            hint = f"take another name: the step is at line {taken.line}"
            what = f"{named(entry.name)} is the id of a step"
            self.draft.collector.add("RB203", what, at, hint, len("as"))

    def call(self, entry: Call, point: Point) -> None:
        for span in (entry.within_s, entry.hold_s, entry.every_s):
            if isinstance(span, Template):
                self.value(span, point)
        self.value(entry.params, point)
        found = entry.signature.result_fields
        asking = replace(point.and_("result"), result=found)
        self.value(dict(entry.extract), asking)
        asking = replace(asking, result=None if found is None else found | set(entry.extract))
        self.value(entry.expect, asking)
        self.value(entry.warn, asking)
        if entry.probe is not None:
            self.entry(entry.probe, point)
        if entry.undo:
            self.undo(entry.undo, point.after([entry], self.called))

    def choose(self, entry: Choose, point: Point) -> None:
        for way in entry.ways:
            self.value(way.when, point)
            self.block(way.steps, point)

    def group(self, entry: Group, point: Point) -> None:
        self.block(entry.steps, point)
        after = point.after(entry.steps, self.called)
        self.block(entry.always, after)
        self.undo(entry.undo, after)

    def undo(self, entries: tuple[Entry, ...], point: Point) -> None:
        if entries:
            self.block(entries, replace(point, ids={**self.everything.ids, **point.ids}))

    def value(self, value: Any, point: Point) -> None:
        """Every template and expression in a value."""
        if isinstance(value, Expression | Template):
            self.text(value, point)
        elif isinstance(value, Mapping):
            for inner in value.values():
                self.value(inner, point)
        elif isinstance(value, list | tuple):
            for inner in value:
                self.value(inner, point)

    def text(self, text: Expression | Template, point: Point) -> None:
        found = self.draft.analysis(text)
        if found is None:
            return
        scalar, analysis = found
        for path in analysis.names:
            if self.draft.full:
                return
            problem = self.problem(path, point, text.place)
            if problem is not None:
                code, what, hint = problem
                place, width = self.draft.spot(scalar, analysis.offsets[path], len(".".join(path)))
                self.draft.collector.add(code, what, place, hint, width)

    def problem(self, path: tuple[str, ...], point: Point, at: Place) -> Told | None:
        root, field = path[0], path[1] if len(path) > 1 else None
        if root in point.ids:
            return self.field(root, field, point.ids[root])
        if root not in point.extra:
            return self.unknown(root, point, at)
        if root == "inputs" and field is not None and field not in self.runbook.inputs:
            hint = self.draft.suggest(
                field, lambda: list(self.runbook.inputs), "declare it under `inputs`"
            )
            return "RB214", f"there is no input {named(field)}", hint
        if root == "run" and field is not None and field not in RUN_FIELDS:
            hint = self.draft.suggest(
                field, lambda: list(RUN_FIELDS), f"it has {listed(RUN_FIELDS, 'and')}"
            )
            return "RB215", f"`run` has no {named(field)}", hint
        if root == "failure":
            return self.field(root, field, FAILURE_FIELDS)
        return self.field(root, field, point.result) if root == "result" else None

    def field(self, root: str, field: str | None, fields: Fields) -> Told | None:
        if field is None or fields is None or field in fields:
            return None
        otherwise = f"it has {listed(sorted(fields), 'and')}" if fields else "it has no fields"
        hint = self.draft.suggest(field, lambda: sorted(fields), otherwise)
        return "RB216", f"{named(root)} has no field {named(field)}", hint

    def unknown(self, root: str, point: Point, at: Place) -> Told:
        place = self.draft.ids.get(root)
        if root in _WHERE:
            return "RB213", f"{named(root)} is not known here", f"it is known {_WHERE[root]}"
        if root in ALWAYS:
            return (
                "RB213",
                f"{named(root)} is not known here",
                f"here are {listed(sorted(point.extra), 'and')}",
            )
        if root == point.own:
            return "RB211", f"{named(root)} has not run at this point", "it is this step itself"
        if place is not None and (place.line, place.column) > (at.line, at.column):
            return (
                "RB211",
                f"{named(root)} has not run at this point",
                f"it comes later, at line {place.line}",
            )
        if place is not None:
            hint = f"it is in another branch, way or `each`, at line {place.line}"
            return "RB212", f"{named(root)} cannot be seen from here", hint
        what = f"there is no {named(root)} here"
        if root in self.runbook.inputs:
            return "RB210", what, f"did you mean {named('inputs.' + root)}?"
        known = sorted([*point.ids, *point.extra])
        seen = f"known here: {listed(known[:20], 'and')}"
        return "RB210", what, self.draft.suggest(root, lambda: known, seen)


Told = tuple[str, str, str | None]


def _inside(entry: Entry) -> list[Entry]:
    return [
        inner
        for name, block in entry.blocks()
        if name not in {"undo", "on_failure"}
        for inner in block
    ]


def _values(entry: Entry) -> tuple[Any, ...]:
    match entry:
        case Escalate():
            return (entry.message,)
        case RunbookCall():
            return (entry.inputs,)
        case Wait():
            return (entry.duration,)
        case End():
            return (entry.because,)
        case _:
            return ()
