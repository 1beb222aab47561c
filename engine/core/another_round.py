"""A second round through somebody's channels: where the last one refuses for good, or leaves in
doubt whether it told, those are tried again that failed for a while only.

A channel is given up after seconds where there is another one: nobody waits for a chat that is slow
while a telephone may ring. But where that telephone has another number by now, the chat that asked
to be left alone for twenty seconds is all there is. Each is tried as often in all as a last channel
is, the one that is ready first before the others. The next level is not put off by it, and where
the last channel was itself tried for so long, nobody is tried on.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from engine.core.summons import Summons


def another_round(
    called: Summons, failed: Mapping[str, Any], again_us: int | None
) -> dict[str, Any]:
    """What a `TellFailed` says besides: when its channel may be tried again (`later_us`), and which
    one is tried now (`back`).

    again_us: when its channel could be tried again, however often it was; None where that would
    bring nothing, or might tell somebody twice.
    """
    next_us = failed["next_us"]
    if failed["dropped"] or (next_us is not None and not called.second):
        return {}
    if not called.second and not called.last:
        return {} if again_us is None else {"later_us": again_us}
    if not called.second and again_us is not None:
        return {}  # it was tried for long enough
    ready = {channel: at_us for channel, (_, at_us) in called.later.items()}
    if next_us is not None:
        ready[called.channel] = next_us
    if not ready:
        return {}
    channel = min(ready, key=lambda one: (ready[one], one))
    if channel == called.channel:
        return {}
    back = {"next_us": None, "back": {"channel": channel, "at_us": ready[channel]}}
    return back | ({} if next_us is None else {"later_us": next_us})


def follow(one: Summons, body: Mapping[str, Any]) -> bool:
    """What such an event does to somebody's channels. Whether another round begins or goes on."""
    if body.get("later_us") is not None:
        one.later = {**one.later, one.channel: (one.attempt, body["later_us"])}
    back = body.get("back")
    if back is None:
        return False
    rest = dict(one.later)
    one.status, one.second, one.channel = "due", True, back["channel"]
    one.next_us = back["at_us"]
    one.attempt, _ = rest.pop(one.channel)
    one.later = rest
    return True
