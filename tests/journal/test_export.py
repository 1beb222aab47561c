"""Events as files for others."""

from __future__ import annotations

import csv
import json

from engine.core.events import Actor, Draft
from engine.journal.chain import End, encode, walk
from engine.journal.export import COLUMNS, to_csv, to_jsonl
from engine.journal.heads import Head, extend

DRAFTS = [
    Draft("RunStarted", {"name": "a", "texts": {"a": 'title: "x, y"\nsteps: []\n'}}, 1_000_000),
    Draft("StepFinished", {"path": "=cmd()", "status": "passed", "n": 1.5}, 2_500_000),
    Draft("Answered", {"path": "q", "note": "Grüße\u2028"}, 3_000_001, Actor("+ann", "as", "bob")),
]


def recorded():
    head, events = extend("r1", Head(), [encode(draft) for draft in DRAFTS])
    return head, events


def test_jsonl_holds_all_that_the_hash_covers_so_that_the_chain_can_be_recomputed():
    head, events = recorded()
    lines = list(to_jsonl(events))
    assert all(line.endswith("\n") and line.count("\n") == 1 for line in lines)
    rows = []
    for line in lines:
        event = json.loads(line)
        actor, body = (
            json.dumps(event[key], sort_keys=True, separators=(",", ":"), ensure_ascii=False)
            for key in ("actor", "body")
        )
        plain = [event[key] for key in ("seq", "at_us", "type", "version")]
        rows.append((*plain, actor, body, event["hash"]))
    assert walk("r1", rows) == End(head.seq, head.hash)


def test_csv_is_read_back_by_a_reader_of_csv():
    _, events = recorded()
    header, *records = csv.reader("".join(to_csv(events)).splitlines(keepends=True))
    assert tuple(header) == COLUMNS
    assert [record[:6] for record in records] == [
        ["r1", "1", "1970-01-01T00:00:01.000000Z", "RunStarted", "", ""],
        ["r1", "2", "1970-01-01T00:00:02.500000Z", "StepFinished", "'=cmd()", "passed"],
        ["r1", "3", "1970-01-01T00:00:03.000001Z", "Answered", "q", ""],
    ]
    bodies = [json.loads(record[COLUMNS.index("body")]) for record in records]
    assert bodies == [dict(draft.body) for draft in DRAFTS]


def test_no_cell_of_the_csv_is_a_formula():
    _, events = recorded()
    cells = [cell for record in csv.reader(to_csv(events)) for cell in record]
    assert [cell for cell in cells if cell.startswith(("=", "+", "-", "@"))] == []
    assert "'+ann" in cells


def test_no_events_give_no_lines_and_only_a_header():
    assert list(to_jsonl([])) == []
    assert "".join(to_csv([])) == ",".join(COLUMNS) + "\r\n"
