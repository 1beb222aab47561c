"""`runbook replay`: what today's text would do with what a recorded run found."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import click

from engine.cli.complete import complete_runs
from engine.cli.session import Session
from engine.core.cells import clean
from engine.errors import Diagnosed, Usage

if TYPE_CHECKING:
    from engine.core.events import Event
    from engine.language.model import Runbook
    from engine.scenario.ending import Ending
    from engine.scenario.replay import Replayed

EXIT_ANOTHER_WAY = 1


@click.command()
@click.argument("run", default="last", shell_complete=complete_runs)
@click.option(
    "--runbook",
    "file",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    metavar="FILE",
    help="Play this text instead of today's.",
)
@click.option(
    "--assume", is_flag=True, help="A step with other parameters finds what was recorded."
)
@click.pass_obj
def replay(session: Session, run: str, file: Path | None, assume: bool) -> int:
    """Play today's runbook with what RUN found, and show where it would go another way.

    Nothing is connected and nothing is recorded. Where the text asks what RUN did not, the replay
    stops and says so. Exit code 0 when it goes the same way, 1 when it does not.
    """

    async def play() -> int:
        from engine.scenario.replay import replay as replayed  # noqa: PLC0415  the whole core

        async with session.open_store() as store:
            events = await store.events(await store.find(run))
        runbook = runbook_of(session, events[0], file)
        found = replayed(events, runbook, session.registry, assume=assume)
        if session.json:
            session.output.object(found.to_json())
        else:
            session.output.lines(clean(line) for line in lines_of(found))
        return 0 if found.same else EXIT_ANOTHER_WAY

    return session.run(play())


def runbook_of(session: Session, first: Event, file: Path | None) -> Runbook:
    """The runbook of a recorded run as it is today, or as it stands in a file."""
    name = str(first.body["name"])
    if file is None:
        return session.load(name)
    from engine.errors import Collector  # noqa: PLC0415  as below
    from engine.language.load import load_runbook  # noqa: PLC0415  only for a file
    from engine.language.source import read  # noqa: PLC0415  as above

    collector = Collector()
    text = read(file, collector)
    if text is None:
        raise Diagnosed(tuple(collector.found))

    def find(called: str) -> tuple[str, str] | None:
        try:
            return session.find_books().source(called)
        except Usage:
            return None

    return load_runbook(name, text, str(file), session.registry, find)


def lines_of(found: Replayed) -> Iterator[str]:
    """A replay in words."""
    from engine.scenario.story import words  # noqa: PLC0415  as above

    text = "the text it ran with" if found.same_text else "another text than it ran with"
    yield f"{found.name}: {text}, with what run {found.run} found"
    if found.same:
        yield f"  the same way, to the same end: {_end(found.then)}"
        return
    if found.parting is not None:
        apart = found.parting
        yield f"  another way from {apart.path} on"
        yield f"    then     {apart.then}"
        yield f"    now      {apart.now}"
        yield from (f"             {line}" for line in apart.why)
    if found.besides:
        yield f"  taken besides    {', '.join(found.besides)}"
    if found.no_longer:
        yield f"  no longer taken  {', '.join(found.no_longer)}"
    for one in found.calls_besides:
        yield f"  would call       {words(one)} after {one['at']}"
    for one in found.calls_no_longer:
        yield f"  would not call   {words(one)}, as after {one['at']} then"
    for path, why in found.unknown.items():
        yield f"  stops at {path}: {why}"
    yield from _endings(found)


def _endings(found: Replayed) -> Iterator[str]:
    then, now = found.then, found.now
    if (then.outcome, then.because) != (now.outcome, now.because):
        yield f"  outcome then     {_end(then)}"
        yield f"  outcome now      {_end(now)}"
    elif found.parting is not None:
        yield f"  outcome          {_end(then)}, as then"
    if now.outcome is not None and then.outputs != now.outputs:
        yield f"  outputs then     {then.outputs}"
        yield f"  outputs now      {now.outputs}"
    for policy, text in now.messages:
        if (policy, text) not in then.messages:
            yield f"  would tell {policy}: {text}"
    for policy, text in then.messages if not found.unknown else ():
        if (policy, text) not in now.messages:
            yield f"  would not tell {policy}: {text}"


def _end(ending: Ending) -> str:
    if ending.outcome is None:
        return "not known"
    return f"{ending.outcome}: {ending.because}" if ending.because else ending.outcome
