"""The five documents are carried out whole, counted against their inventory."""

from __future__ import annotations

from pathlib import Path

from engine.config import Books
from engine.coverage.count import cover
from engine.coverage.inventory import read_inventory

ROOT = Path(__file__).resolve().parents[2]
BOOKS = Books([ROOT / "runbooks"])

PROCEDURES, ROWS = 124, 342
"""All there are; of the rows, those that a machine can carry out."""


def counted(registry):
    procedures = read_inventory(Path(__file__).with_name("inventory.csv"))
    return cover(procedures, [BOOKS.load(name, registry) for name in BOOKS.names()])


def test_the_procedures_that_were_covered_by_a_runbook_still_are(registry):
    found = counted(registry)
    assert sum(1 for one in found.procedures if one.runbooks) == PROCEDURES
    assert len(found.procedures) == PROCEDURES


def test_the_rows_that_were_carried_out_by_a_step_still_are(registry):
    found = counted(registry)
    assert sum(1 for one in found.rows if one.covered) == ROWS
    assert len(found.rows) == ROWS


def test_no_runbook_names_what_is_in_no_document(registry):
    found = counted(registry)
    assert [str(remark) for remark in found.unknown] == []
