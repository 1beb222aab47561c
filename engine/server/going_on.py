"""A run that is to be resumed and is under way already."""

from __future__ import annotations

from typing import TYPE_CHECKING

from engine.core.events import Actor
from engine.core.held import holding, why_of
from engine.core.under_way import waits_for
from engine.errors import Refused

if TYPE_CHECKING:
    from engine.server.keeper import Keeper


async def go_on(keeper: Keeper, run: str, actor: Actor) -> str:
    """Lets it begin new steps again, where it was paused; what it waits for. Raises Usage when it
    is over, Refused when it cannot be gone on with.
    """
    engine = keeper.engine
    state = await engine.state(run)
    if holding(state):
        raise Refused(
            f"run {run} cannot be gone on with here: {why_of(state)}",
            help="it goes on by itself once that is put right",
        )
    paused = await engine.unpause(run, actor)
    if paused:
        keeper.kick(run)  # its driver may be letting go of it
        state = await engine.state(run)
    said = "it is not paused any more" if paused else "nothing had to be resumed"
    waits = waits_for(state, engine.clock.now_us())
    return f"it is under way by itself, and {said}: {waits}"
