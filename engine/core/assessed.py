"""How one attempt is judged."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from msgspec import Struct


class Assessed(Struct, frozen=True):
    """How an attempt is judged, before it is decided whether there is another one."""

    status: str
    why: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()
    extracted: Mapping[str, Any] | None = None
