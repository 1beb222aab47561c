"""`runbook new --from RUN`: a scenario of a recorded run."""

from __future__ import annotations

import os
from pathlib import Path

from engine.cli.session import Session
from engine.errors import Usage
from engine.scenario.write import Stand, Written, with_scenario
from engine.wiring.scenarios import ContactsOf


def write_scenario(session: Session, run: str, name: str | None, scenario: str | None) -> int:
    """Writes a scenario of a run behind those of a runbook; 1 when it does not hold today."""

    async def write() -> int:
        async with session.open_store() as store:
            events = await store.events(await store.find(run))
        runbook = session.load(name or str(events[0].body["name"]))
        books = session.find_books()
        path = books.path(runbook.name)
        file = path.with_name(f"{path.stem}.test.yaml")
        before = file.read_text(encoding="utf-8") if file.is_file() else ""
        stand = Stand(session.registry, books, ContactsOf(books, session.registry))
        made = with_scenario(events, runbook, stand, before, scenario)
        _replace(file, made.text)
        return _told(session, file, made)

    return session.run(write())


def _replace(file: Path, text: str) -> None:
    """All of it or nothing: what somebody wrote by hand is in there too."""
    draft = file.with_name(f".{file.name}.{os.getpid()}")
    try:
        draft.write_text(text, encoding="utf-8")
        draft.replace(file)
    except OSError as e:
        draft.unlink(missing_ok=True)
        raise Usage(f"{file} cannot be written: {e.strerror}") from e


def _told(session: Session, file: Path, made: Written) -> int:
    lines = list(made.result.lines)
    if session.json:
        said = {"path": str(file), "name": made.name, "holds": not lines, "lines": lines}
        session.output.object({"type": "scenario", **said})
    else:
        session.output.line(f"{file}: {made.name}")
    if lines:
        session.output.note("it does not hold with today's text:")
        for line in lines:
            session.output.note(f"  {line}")
        return 1
    session.output.note(f"it holds: {session.output.command} test {made.result.runbook}")
    return 0
