"""How a run ended, for whoever started it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from engine.core.state import State
from engine.wiring.faces import RunResult


def ended(state: State, end: Mapping[str, Any]) -> RunResult:
    """How a run ended, as a result with its exit code."""
    if state.undo_finished is not None:
        undo = state.undo_finished
        failed = undo["failed"] is not None
        status = "undo failed" if failed else "undone"
        return RunResult(state.run, status, 3 if failed else 0, undo["why"])
    status, because = end["outcome"], end["because"]
    if state.rehearsing:
        return RunResult(state.run, *judged(end["verdict"]), because)
    bad = end["worst"] in ("errored", "unknown")
    code = 0 if status == "resolved" else 3 if bad else 1
    return RunResult(state.run, status, code, because, (), end["outputs"])


def judged(verdict: Mapping[str, Any]) -> tuple[str, int]:
    """The verdict of a rehearsal in words, and its exit code."""
    code = {"would resolve": 0, "would stop at": 1}.get(verdict["word"], 3)
    at = f" {verdict['at']}" if verdict["at"] else ""
    return f"{verdict['word']}{at}", code
