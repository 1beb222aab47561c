"""How what providers say adds up, whoever heard it: the rules of `Budget`, for every store."""

from __future__ import annotations

from msgspec.structs import replace

from engine.journal.contract import Budget


def fresh(name: str) -> Budget:
    """Of a provider that has not said anything yet."""
    return Budget(name, 0.0, 0, 0, 0)


def spent(before: Budget, at_us: int, used: float | None) -> Budget:
    """After one more request. What was said later counts: answers arrive in any order."""
    if used is None or at_us < before.at_us:
        return replace(before, spent=before.spent + 1)
    return replace(before, used=used, at_us=at_us, spent=0)


def blocked(before: Budget, until_us: int) -> Budget:
    return replace(before, blocked_until_us=max(before.blocked_until_us, until_us))
