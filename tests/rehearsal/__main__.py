"""`python -m tests.rehearsal`: plays the situations of the tests, and puts the table in the manual.

`--all` plays every situation that there is, which takes hours, and writes nothing.
"""

from __future__ import annotations

import asyncio
import sys
import tempfile
from pathlib import Path

from tests.rehearsal.page import PAGE, with_table
from tests.rehearsal.situations import OTHERS_MAX, Told, table, tell_all


async def main() -> int:
    told: list[Told] = []
    with tempfile.TemporaryDirectory() as folder:
        everything = "--all" in sys.argv[1:]
        async for one in tell_all(Path(folder), None if everything else OTHERS_MAX):
            told.append(one)
            print(
                f"{one.situation.name:50} {one.situation.what:45} {one.verdict:18}"
                f"{one.outcome:12} {one.kept} {'; '.join(one.changed)}",
                flush=True,
            )
    text = table(told)
    print(text.splitlines()[-1])
    if not everything:
        PAGE.write_text(with_table(PAGE.read_text(), text))
    return int(any(one.kept == "BROKEN" or one.changed for one in told))


sys.exit(asyncio.run(main()))
