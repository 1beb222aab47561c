"""One of two processes that want the same lock: CONTENDER.py JOURNAL MARK NAME TIMES WHEN_TAKEN.

Inside, it makes a file that must not be there, and removes it. Says what became of its askings.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
from collections import Counter
from pathlib import Path

from engine.clock import SystemClock
from engine.core.events import Draft
from engine.core.guards import Admission, Lock, Rules
from engine.journal.lease import this_holder
from engine.journal.sqlite import SqliteStore


async def main(journal: str, mark: str, name: str, times: int, when_taken: str) -> None:
    store, clock = SqliteStore(Path(journal)), SystemClock()
    asked = Admission("p/x", "test", Rules(lock=Lock("target", when_taken)))
    body = {"name": "p/x", "environment": "test", "mode": "real", "inputs": {}, "event": None}
    found: Counter[str] = Counter()
    print("ready", flush=True)
    sys.stdin.readline()
    for number in range(times):
        run = f"{name}-{number}"
        draft = Draft("RunStarted", body, clock.now_us())
        admitted = await store.admit(run, draft, this_holder(), asked)
        found[admitted.verdict.answer] += 1
        if admitted.verdict.answer == "refused":
            continue
        seq = admitted.events[-1].seq
        if admitted.verdict.answer == "queued":
            while not await store.wait_for_more(run, seq, 10):
                found["waited too long"] += 1
            seq += 1
        descriptor = os.open(mark, os.O_CREAT | os.O_EXCL)
        os.close(descriptor)
        await asyncio.sleep(0)
        Path(mark).unlink()  # noqa: ASYNC240 - nothing else goes on in this loop
        end = Draft("RunFinished", {"outcome": "resolved", "because": None}, clock.now_us())
        await store.append(admitted.lease, seq, [end])
    print(json.dumps(found), flush=True)
    await store.close()


if __name__ == "__main__":
    journal, mark, name, times, when_taken = sys.argv[1:]
    asyncio.run(main(journal, mark, name, int(times), when_taken))
