"""What the guards hold back, as rows: what the command line, the API and the pages show."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from engine.journal.contract import Holding, Standing

if TYPE_CHECKING:
    from engine.wiring.guarding import EnvironmentClosed


def rows_of(standing: Standing, closed: list[EnvironmentClosed]) -> list[dict[str, Any]]:
    """`{guard, what, environment, since_us, until_us, why}` and what else is known of each."""
    rows = []
    if (on := standing.frozen) is not None:
        rows.append(_row("frozen", "everything", None, on.at_us, why=f"{on.by}: {on.why}"))
    rows += [_held("held", one) for one in standing.held if one.lock is not None]
    rows += [_held("queued", one) for one in standing.waiting]
    words = {"breaker": "open", "cooldown": "cooling", "max_runs": "used up"}
    for asked, verdict in standing.closed:
        row = _row(words[verdict.guard], asked.runbook, asked.environment, verdict.since_us or 0)
        rows.append(
            {**row, "lock": asked.lock, "until_us": verdict.until_us, "why": verdict.reason}
        )
    return [*rows, *map(_window, closed)]


def _held(word: str, one: Holding) -> dict[str, Any]:
    status = one.status
    if not one.alive and one.status in ("running", "queued"):
        status += f"; nobody drives it: take it up with `runbook resume {one.run}`, or cancel it"
    why = f"run {one.run} of {one.runbook}, {status}"
    row = _row(word, one.lock or one.runbook, one.environment, one.since_us, why=why)
    more = {"runbook": one.runbook, "lock": one.lock, "alive": one.alive, "driver": one.driver}
    return {**row, "run": one.run, **more}


def _window(one: EnvironmentClosed) -> dict[str, Any]:
    closed = one.window
    row = _row("window", one.pack, one.environment, closed.from_us, why=closed.why)
    return {**row, "until_us": closed.until_us}


def _row(
    guard: str, what: str, environment: str | None, since_us: int, *, why: str = ""
) -> dict[str, Any]:
    named = {"guard": guard, "what": what, "environment": environment}
    return {**named, "since_us": since_us, "until_us": None, "why": why}
