"""Which procedures runbooks cover and which rows steps carry out, by what their `covers` says.

A procedure is covered by the head of a runbook. A row that a machine can execute is covered by a
step that really asks or does it: a check or action of another family than `human` and `run`, or an
entry with one inside it (a group, a called runbook). A question to a person, a computed value or a
note does none of a document's work, whatever its `covers` says.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from engine.coverage.inventory import Procedure, Row
from engine.errors import Place
from engine.language.model import Call, Entry, Runbook, RunbookCall, walk, walk_runbook
from engine.language.words import did_you_mean, listed, named

IDLE_FAMILIES = frozenset({"human", "run"})
"""Families of steps that reach no system: they ask a person, compute, or write a note."""

LISTED_MAX = 8
"""Lines of a procedure that a help names."""

_HEAD = re.compile(r"^covers\s*:")


@dataclass(frozen=True, slots=True)
class Claim:
    """A step that says it carries out a row."""

    runbook: str
    step: str
    type: str
    place: Place
    works: bool
    """Whether it, or a step inside it, asks or does something."""
    changes: bool
    """Whether it, or a step inside it, is such an action."""

    def __str__(self) -> str:
        return f"{self.runbook} {self.step}"


@dataclass(frozen=True, slots=True)
class Remark:
    """Something about a `covers` that its author should know."""

    place: Place
    what: str
    help: str | None = None

    def __str__(self) -> str:
        return f"{self.place}: {self.what}" + (f" ({self.help})" if self.help else "")


@dataclass(frozen=True, slots=True)
class CoveredRow:
    row: Row
    claims: tuple[Claim, ...]
    """All that name it, also those that do nothing."""
    covered: bool


@dataclass(frozen=True, slots=True)
class CoveredProcedure:
    procedure: Procedure
    runbooks: tuple[str, ...]
    rows: tuple[CoveredRow, ...]
    """Those that a machine can execute."""

    @property
    def complete(self) -> bool:
        return bool(self.runbooks) and all(row.covered for row in self.rows)


@dataclass(frozen=True, slots=True)
class Coverage:
    procedures: tuple[CoveredProcedure, ...]
    unknown: tuple[Remark, ...]
    """Names that stand for nothing in the inventory."""
    doubtful: tuple[Remark, ...]
    """Steps that stand for a row without doing what it says."""

    @property
    def rows(self) -> tuple[CoveredRow, ...]:
        return tuple(row for procedure in self.procedures for row in procedure.rows)

    @property
    def complete(self) -> bool:
        return not self.unknown and all(procedure.complete for procedure in self.procedures)


def cover(procedures: Iterable[Procedure], runbooks: Iterable[Runbook]) -> Coverage:
    """What of `procedures` the runbooks carry out.

    Names of systems that none of the procedures is of are left alone: an inventory may be of some.
    """
    wanted, books = tuple(procedures), tuple(runbooks)
    heads: dict[str, list[str]] = {}
    claims: dict[str, list[Claim]] = {}
    for book in books:
        for name in book.covers:
            heads.setdefault(name, []).append(book.name)
        for name, claim in _claims(book):
            claims.setdefault(name, []).append(claim)
    return Coverage(
        tuple(_procedure(one, heads, claims) for one in wanted),
        tuple(_unknown(wanted, books, claims)),
        tuple(_doubtful(wanted, claims)),
    )


def _procedure(
    procedure: Procedure, heads: Mapping[str, list[str]], claims: Mapping[str, list[Claim]]
) -> CoveredProcedure:
    runbooks = tuple(dict.fromkeys(heads.get(procedure.covers, ())))
    return CoveredProcedure(procedure, runbooks, tuple(_rows(procedure, claims)))


def _rows(procedure: Procedure, claims: Mapping[str, list[Claim]]) -> Iterator[CoveredRow]:
    """Rows that share their lines need a step each: which is whose cannot be told apart."""
    met: dict[str, int] = {}
    for row in procedure.executable:
        own = tuple(claims.get(row.covers, ()))
        met[row.covers] = met.get(row.covers, 0) + 1
        yield CoveredRow(row, own, sum(claim.works for claim in own) >= met[row.covers])


# -- what steps say --------------------------------------------------------------------------------


def _claims(runbook: Runbook) -> Iterator[tuple[str, Claim]]:
    for entry in _entries(runbook):
        if not entry.covers:
            continue
        calls = tuple(_calls(entry, runbook))
        working = [call for call in calls if _family(call) not in IDLE_FAMILIES]
        works, changes = bool(working), any(call.verb == "action" for call in working)
        for name in entry.covers:
            place = _place(runbook, entry.key_places.get("covers", entry.place), name)
            yield name, Claim(runbook.name, entry.id, _type(entry), place, works, changes)


def _entries(runbook: Runbook) -> Iterator[Entry]:
    """Every entry, and the probes of actions, which are checks of their own."""
    for entry in walk_runbook(runbook):
        yield entry
        if isinstance(entry, Call) and entry.probe is not None:
            yield entry.probe


def _calls(entry: Entry, runbook: Runbook) -> Iterator[Call]:
    """The checks and actions that an entry is or has inside, in called runbooks too.

    Of a check or action only itself: what follows when it fails is not what it does.
    """
    if isinstance(entry, Call):
        yield entry
    elif isinstance(entry, RunbookCall):
        called = runbook.calls.get(entry.name)
        for inner in walk_runbook(called) if called is not None else ():
            if isinstance(inner, Call):
                yield inner
    else:
        for name, block in entry.blocks():
            for inner in walk(block) if name != "on_failure" else ():
                if isinstance(inner, Call | RunbookCall):
                    yield from _calls(inner, runbook)


def _type(entry: Entry) -> str:
    return entry.type if isinstance(entry, Call) else entry.kind


def _family(call: Call) -> str:
    return call.type.partition(".")[0]


def _place(runbook: Runbook, start: Place, name: str) -> Place:
    """Where a name stands in the list of a `covers` that begins at `start`."""
    lines = runbook.text.splitlines()
    for number in range(start.line, len(lines) + 1):
        column = lines[number - 1].find(name)
        if column >= 0:
            return Place(start.file, number, column + 1)
    return start


# -- what is wrong with it -------------------------------------------------------------------------


def _unknown(
    procedures: tuple[Procedure, ...],
    runbooks: tuple[Runbook, ...],
    claims: Mapping[str, list[Claim]],
) -> Iterator[Remark]:
    known = {procedure.covers: procedure for procedure in procedures}
    systems = {procedure.system for procedure in procedures}
    rows = {row.covers for procedure in procedures for row in procedure.rows}
    for book in runbooks:
        for name in book.covers:
            if name not in known and name.partition("/")[0] in systems:
                yield Remark(_head_place(book, name), *_no_procedure(name, known))
    for name, own in claims.items():
        if name not in rows and name.partition("/")[0] in systems:
            for claim in own:
                yield Remark(claim.place, *_no_row(name, known))


def _head_place(runbook: Runbook, name: str) -> Place:
    file = runbook.place.file
    for number, line in enumerate(runbook.text.splitlines(), start=1):
        if _HEAD.match(line):
            return _place(runbook, Place(file, number, 1), name)
    return runbook.place


def _no_procedure(name: str, known: Mapping[str, Procedure]) -> tuple[str, str | None]:
    what = f"the inventory has no procedure {named(name)}"
    if name.partition(":")[0] in known:
        return what, "lines of a document are named by steps, the head names procedures"
    return what, did_you_mean(name, known)


def _no_row(name: str, known: Mapping[str, Procedure]) -> tuple[str, str | None]:
    what = f"the inventory has no row {named(name)}"
    procedure = known.get(name.partition(":")[0])
    if procedure is None:
        return what, did_you_mean(name.partition(":")[0], known)
    lines = list(dict.fromkeys(row.lines for row in procedure.rows))
    more = f" and {len(lines) - LISTED_MAX} more" if len(lines) > LISTED_MAX else ""
    return what, f"{procedure.covers} has the lines {', '.join(lines[:LISTED_MAX])}{more}"


def _doubtful(
    procedures: tuple[Procedure, ...], claims: Mapping[str, list[Claim]]
) -> Iterator[Remark]:
    for row in _distinct(procedures):
        own = claims.get(row.covers, ())
        working = [claim for claim in own if claim.works]
        if not working:
            for claim in own:
                what = f"{claim.type} neither asks nor does what {row.covers} says"
                yield Remark(claim.place, what, f"{row.kind}: {row.call}")
        elif row.changes and not any(claim.changes for claim in working):
            only = listed(dict.fromkeys(claim.type for claim in working), "and")
            what = f"{row.covers} changes something, and only {only} stands for it"
            yield Remark(working[0].place, what, f"{row.kind}: {row.call}")


def _distinct(procedures: tuple[Procedure, ...]) -> Iterable[Row]:
    """Executable rows, those with the same lines once."""
    return {row.covers: row for procedure in procedures for row in procedure.executable}.values()
