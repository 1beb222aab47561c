"""What puts right what is in the way of a run that cannot be gone on with."""

from __future__ import annotations

from engine.config import Environment
from engine.core.state import State
from engine.errors import Diagnosed, RunbookError
from engine.wiring.base import RECORDED

AGAIN = "put it back as it was when the run began"


def mend(error: RunbookError, state: State, place: Environment) -> str:
    """In a line; whoever reads it may know nothing of the run."""
    pack = state.runbook.name.partition("/")[0]
    where = f"environments/{state.environment}.yaml of the pack {pack}"
    if isinstance(error, Diagnosed):
        ours = [one for one in error.diagnostics if not one.place.file.endswith(RECORDED)]
        return f"mend {ours[0].place.file}" if ours else f"{AGAIN}, in {where}"
    if not place.file:
        return f"put {where} back"
    if error.help is None or error.help.startswith("did you mean"):
        return f"{AGAIN}, in {where}"
    return error.help
