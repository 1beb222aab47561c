"""The door for rotas that others keep: an adapter whose reading side has `on_call` can be named as
the `connection` of a rota.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

NEVER_US = 2**62
"""The end of a turn that has none."""


@dataclass(frozen=True, slots=True)
class Turn:
    """Somebody is on call from when until when.

    user: who they are there; a person of the contacts may have it as `pagerduty`
    email: by which they are known too; None where it is not told
    """

    user: str
    name: str
    email: str | None
    from_us: int
    until_us: int


class Schedules(Protocol):
    """A reading side that can be asked."""

    async def on_call(self, schedule: str, since_us: int, until_us: int) -> tuple[Turn, ...]:
        """Whose turns lie in this time. Empty: nobody is on call, or there is no such schedule.
        Raises AdapterError where that cannot be told.
        """
        ...
