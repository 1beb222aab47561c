"""The benchmarks run. What they measure is looked at by people: `python -m tests.bench`."""

from __future__ import annotations

from pathlib import Path

from tests.bench.ageing import ageing
from tests.bench.appends import appends
from tests.bench.checks import checks, memory
from tests.bench.crowd import crowd
from tests.bench.deciding import deciding
from tests.bench.lines import lines
from tests.bench.place import place
from tests.bench.sandboxes import sandboxes
from tests.bench.ssh import ssh
from tests.bench.startup import startup
from tests.bench.table import Row, table
from tests.bench.waiting import waiting


async def test_every_benchmark_measures_something_once(tmp_path: Path):
    with place(tmp_path) as where:
        rows = [
            *await startup(where, 1),
            *await checks(where, 1, count=2),
            *await memory(where, 1, count=2),
            *await deciding(1, scale=0.02),
            *await crowd(where, 1, runs=3, steps=2),
            *await ageing(where, 1, runs=3, steps=2),
            *await appends(where, 1, each=2),
            *await lines(where, 1, said=20, kilobytes=400),
            *await sandboxes(where, 1),
            *await ssh(where, 1, count=2),
        ]
        idle = await waiting(where, runs=3, idle_s=0.2)
    assert all(row.ours > 0 and (row.floor is None or row.floor > 0) for row in rows)
    assert all(row.ours >= 0 for row in idle)  # three may fit into memory that is there already
    rows += idle
    assert len(table(rows).splitlines()) == len(rows) + 1


def test_a_row_says_whether_its_target_is_met():
    kept = Row("a", 3.0, 2.0, "ms", 5, target=1.6)
    missed = Row("b", 61.0, 30.0, "MB", 5, limit=60.0)
    assert [row.verdict for row in (kept, missed, Row("c", 1.0, None, "ms", 5))] == [
        "met",
        "missed",
        "",
    ]
