"""What stands around a run that the server drives: what its environment needs meanwhile."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from engine.language.model import Runbook


@dataclass(frozen=True, slots=True)
class Around:
    """What stands around a run; see `engine.cli.session.Surroundings`."""

    services: Mapping[str, str] | None = None
    inputs: Mapping[str, Any] = field(default_factory=dict)


Surround = Callable[[str, str, Runbook], AbstractAsyncContextManager[Around]]
"""Starts what an environment needs for the time of a run: pack, environment, runbook."""


@asynccontextmanager
async def nothing_around(_pack: str, _environment: str, _runbook: Runbook) -> AsyncIterator[Around]:
    yield Around()
