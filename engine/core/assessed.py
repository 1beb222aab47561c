"""How one attempt is judged."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Assessed:
    """How an attempt is judged, before it is decided whether there is another one."""

    status: str
    why: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()
    extracted: Mapping[str, Any] | None = None
