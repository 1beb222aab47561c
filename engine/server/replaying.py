"""Takes a delivery into the ledger once more, for whoever is no server."""

from __future__ import annotations

from engine.core.events import Actor
from engine.journal.ledger import Arrived, Ledger
from engine.wiring import new_id


def again_of(row_id: str, actor: Actor, now_us: int) -> tuple[str, str]:
    """The name, and the key, of a repetition that somebody asks for."""
    return new_id(now_us), f"replay\n{row_id}\n{now_us}\n{actor.name}"


async def replay_into(ledger: Ledger, name: str, actor: Actor, now_us: int) -> str:
    """The new delivery's name. Raises Usage, Refused, JournalError."""
    row, body = await ledger.get(name)
    new, key = again_of(row.id, actor, now_us)
    again = Arrived(row.source, row.kind, row.about, (key,), body, row.occurred_us, row.id)
    return (await ledger.take(new, again, now_us))[0]
