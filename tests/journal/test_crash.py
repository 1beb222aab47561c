"""A process that writes is killed at random moments: what it acknowledged is there, and whole."""

from __future__ import annotations

import random
import subprocess
import sys
from collections import Counter

from engine.journal.schema import make_file

KILLS = 30

WRITE_UNTIL_KILLED = """
import asyncio, itertools, os, sys
from pathlib import Path
from engine.core.events import Draft
from engine.errors import Usage
from engine.journal.lease import this_holder
from engine.journal.sqlite import SqliteStore

async def drive(store, run):
    drafts = [Draft("RunStarted", {"name": run}, 1)]
    try:
        # Without force: who held it was killed, which shows.
        lease = await store.take(run, this_holder())
        seq = (await store.events(run))[-1].seq
    except Usage:
        lease, events = await store.create(run, drafts, this_holder())
        seq = events[-1].seq
    for n in itertools.count():
        drafts = [Draft("StepProgressed", {"n": n, "text": "x" * (n % 3 * 700)}, 1)] * (1 + n % 3)
        events = await store.append(lease, seq, drafts)
        seq = events[-1].seq
        os.write(1, "".join(f"{run} {event.seq} {event.hash}\\n" for event in events).encode())

async def main():
    store = SqliteStore(Path(sys.argv[1]))
    await asyncio.gather(*(drive(store, f"run-{n}") for n in range(4)))

asyncio.run(main())
"""


def written_until_killed(path, lines):
    """What a child acknowledged, as `(run, seq, hash)`, until it was killed after some lines."""
    command = [sys.executable, "-c", WRITE_UNTIL_KILLED, str(path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as child:
        told = [child.stdout.readline() for _ in range(lines)]
        child.kill()
        told += child.stdout.readlines()
        assert child.stderr.read() == b""
    whole = [line.decode().split() for line in told if line.endswith(b"\n")]
    return [(run, int(seq), digest) for run, seq, digest in whole]


async def test_every_acknowledged_event_of_a_killed_process_is_there(tmp_path, open_sqlite):
    path = tmp_path / "journal.db"
    make_file(path)
    luck = random.Random(20261121)
    acknowledged = []
    for _ in range(KILLS):
        acknowledged += written_until_killed(path, luck.randint(1, 120))
    store = open_sqlite(path)
    kept = {
        (event.run, event.seq, event.hash)
        for row in await store.runs()
        for event in await store.events(row.run)
    }
    assert [event for event in acknowledged if event not in kept] == []
    assert max(Counter(event[:2] for event in acknowledged).values()) == 1
    assert (await store.verify()).events == len(kept)
    assert (await store.take("run-0", "me:1:1")).holder == "me:1:1"
