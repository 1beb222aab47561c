from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from datetime import UTC, datetime
from typing import Any

import pytest

from engine.sandbox.http import http_service
from tests.channels.vendors import Vendor


class Serve:
    """Serves vendors' stand-ins, gives their addresses, and closes the channels made to them."""

    def __init__(self, stack: AsyncExitStack) -> None:
        self._stack = stack
        self.channels: list[Any] = []

    async def __call__(self, vendor: Vendor) -> str:
        now = lambda: datetime(2026, 11, 21, tzinfo=UTC)  # noqa: E731
        fields: dict[str, Any] = await self._stack.enter_async_context(http_service(vendor, now))
        return str(fields["url"])


@pytest.fixture
async def serve() -> AsyncIterator[Serve]:
    async with AsyncExitStack() as stack:
        made = Serve(stack)
        yield made
        for channel in made.channels:
            await channel.close()
