"""An inventory of documents: a CSV file with one row for each thing that they tell a person to do.

Read from it are the columns `system`, `procedure_id`, `procedure`, `seed_lines`, `kind`, `call` and
`effect`; others may be there. A procedure is a distinct system and procedure_id.
"""

from __future__ import annotations

import csv
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import takewhile
from pathlib import Path

from engine.errors import Usage
from engine.language.words import did_you_mean, listed, named

COLUMNS = ("system", "procedure_id", "procedure", "seed_lines", "kind", "call", "effect")

FOR_PEOPLE = frozenset(
    {"manual", "alert", "escalate", "config", "ui", "symptom", "notify", "metric", "report"}
    | {"input", "check"}
)
"""Kinds of rows that no machine executes: they describe, or are a person's work."""

CHANGES = frozenset({"W", "D", "S"})
"""Effects of rows that change something: writes, destroys, disrupts."""

INVENTORY_BYTES_MAX = 4 << 20
"""Of an inventory. One of five documents has 80 KB; a wrong file is not read into memory."""


@dataclass(frozen=True, slots=True)
class Row:
    """One thing that a document tells a person to do."""

    system: str
    procedure: str
    """Its id in the document, as the inventory has it: `I3`."""
    name: str
    lines: str
    kind: str
    call: str
    effect: str

    @property
    def executable(self) -> bool:
        """Whether a machine can carry it out."""
        return self.kind not in FOR_PEOPLE

    @property
    def changes(self) -> bool:
        return self.effect in CHANGES

    @property
    def covers(self) -> str:
        """What a step's `covers` says to stand for it: `stratum/I3:245-262`."""
        return f"{self.system}/{self.procedure}:{self.lines}"


@dataclass(frozen=True, slots=True)
class Procedure:
    """What the head of a runbook covers: rows of one document under one id."""

    system: str
    id: str
    rows: tuple[Row, ...]

    @property
    def covers(self) -> str:
        """What a runbook's `covers` says to stand for it: `stratum/I3`."""
        return f"{self.system}/{self.id}"

    @property
    def name(self) -> str:
        """What the names of its rows have in common: `Redis memory pressure` of its triage and fix.

        Of one word no name is made: then it is the first row's, up to the colon.
        """
        words = [row.name.replace(":", " :").split() for row in self.rows]
        common = takewhile(lambda column: len(set(column)) == 1, zip(*words, strict=False))
        shared = [column[0] for column in common if column[0] != ":"]
        alike = len(shared) > 1 or shared in words
        if len(self.rows) == 1:
            return self.rows[0].name
        return " ".join(shared) if alike else self.rows[0].name.partition(":")[0]

    @property
    def executable(self) -> tuple[Row, ...]:
        return tuple(row for row in self.rows if row.executable)


def read_inventory(file: Path, systems: Iterable[str] = ()) -> tuple[Procedure, ...]:
    """The procedures of a file in its order, of `systems` where some are named. Raises Usage."""
    procedures = tuple(_grouped(_rows(file)))
    known = {procedure.system for procedure in procedures}
    wanted = tuple(systems)
    for system in wanted:
        if system not in known:
            there = f"there are {listed(sorted(known), 'and')}"
            help_ = did_you_mean(system, sorted(known), there)
            raise Usage(f"{file} has no system {named(system)}", help=help_)
    return tuple(p for p in procedures if not wanted or p.system in wanted)


def _rows(file: Path) -> Iterator[Row]:
    try:
        if file.stat().st_size > INVENTORY_BYTES_MAX:
            raise Usage(f"{file} is larger than {INVENTORY_BYTES_MAX >> 20} MiB")
        text = file.read_text(encoding="utf-8-sig")
    except OSError as error:
        raise Usage(f"{file} cannot be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise Usage(f"{file} is not UTF-8 (byte {error.start})") from error
    reader = csv.DictReader(text.splitlines())
    missing = [name for name in COLUMNS if name not in (reader.fieldnames or ())]
    if missing:
        raise Usage(
            f"{file} has no column {listed(map(named, missing), 'and')}",
            help=f"an inventory has a line of heads: {','.join(COLUMNS)}",
        )
    for record in reader:
        yield _row(file, reader.line_num, record)


def _row(file: Path, line: int, record: Mapping[str, str | None]) -> Row:
    values = [(record[name] or "").strip() for name in COLUMNS]
    for name, value in zip(COLUMNS[:5], values, strict=False):
        if not value:
            raise Usage(f"{file}:{line}: the column {named(name)} is empty")
    return Row(*values)


def _grouped(rows: Iterable[Row]) -> Iterator[Procedure]:
    found: dict[tuple[str, str], list[Row]] = {}
    for row in rows:
        found.setdefault((row.system, row.procedure), []).append(row)
    for (system, id_), own in found.items():
        yield Procedure(system, id_, tuple(own))
