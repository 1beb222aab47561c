"""Approvals: who may agree to exactly what, and when that is enough.

An approval names the plan hash of the step it agrees to. It counts when its giver has one of the
roles, is not the requester (nor acts for them, nor the other way round), has not spoken before,
gives a reason that is long enough, and is in time. One denial ends it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from msgspec import Struct, field


class Approval(Struct):
    """What is asked for a step, and what was said. `by` empty: anybody but the requester."""

    hash: str
    by: tuple[str, ...]
    count: int
    reason_min: int
    expires_us: int | None
    given: list[Mapping[str, Any]] = field(default_factory=list)
    """{name, reason, persons, at_us} each."""
    denied: Mapping[str, Any] | None = None
    why: str = "approve"
    """What asks for it: `approve` (the runbook), `propose` (the environment), `plan` (it is not
    what was rehearsed).
    """

    @property
    def enough(self) -> bool:
        return len(self.given) >= self.count

    @classmethod
    def of(cls, body: Mapping[str, Any]) -> Approval:
        """From the body of an `ApprovalRequested`."""
        return cls(
            body["hash"],
            tuple(body["by"]),
            body["count"],
            body["reason_min"],
            body["expires_us"],
            why=body.get("why", "approve"),
        )


def persons(actor: Mapping[str, str]) -> frozenset[str]:
    """Everybody who stands behind an actor: whom `--as` names, and who used it."""
    return frozenset(name for name in (actor.get("name"), actor.get("via")) if name)


def refusal(
    approval: Approval,
    said: Mapping[str, Any],
    actor: Mapping[str, str],
    requester: Mapping[str, str],
    at_us: int,
) -> str | None:
    """Why an `Approved` or `Denied` (its body: hash, reason, roles, persons) does not count; None
    when it does.
    """
    behind = persons(actor).union(said.get("persons", ()))
    if said["hash"] != approval.hash:
        return "it names another plan hash: what would happen has changed since it was looked at"
    if approval.denied is not None or approval.enough:
        return "it was decided already"
    if approval.expires_us is not None and at_us >= approval.expires_us:
        return "the time for it is over"
    if behind & persons(requester):
        return "whoever asked for it may not decide it"
    if approval.by and not set(approval.by) & set(said["roles"]):
        return f"it takes one of the roles {', '.join(approval.by)}"
    if behind & {name for one in approval.given for name in one["persons"]}:
        return "they have approved it already"
    if len(said["reason"].strip()) < approval.reason_min:
        return f"the reason has to be at least {approval.reason_min} characters"
    return None
