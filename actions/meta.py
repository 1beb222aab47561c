"""Changes at Meta.

What Meta refused for its rate or for a moment is tried again, five attempts with waits that double,
unless the step has a `retry` of its own. What may have been done is not.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Literal

from engine.adapters.meta_batch import Entry, entries_of
from engine.adapters.meta_errors import RETRY
from engine.adapters.meta_reader import rendered
from engine.adapters.meta_records import Batched, BudgetSet, Changed, StatusSet
from engine.adapters.meta_words import money, whole
from engine.adapters.meta_writer import BUDGET_FIELDS
from engine.errors import AdapterError
from engine.plugin import IDEMPOTENT, UNSAFE, Preview, action

if TYPE_CHECKING:
    from engine.adapters.meta import GraphReader, MetaWriter

Status = Literal["ACTIVE", "PAUSED", "ARCHIVED"]

VALIDATED_MAX = 10
"""Calls of a batch that a rehearsal has Meta validate: each costs up to two calls."""

TAKEN = "Meta would take it (validate_only)"
NO_DRY_RUN = "Meta has no dry run for it, so it was not asked"


@action("meta.set_status", effect=IDEMPOTENT, retry=RETRY)
async def set_status(meta: MetaWriter, id: str, status: Status) -> StatusSet:
    """Switch a campaign, ad set or ad on or off; done without writing where it is so already.

    id: its number
    status: ACTIVE, PAUSED or ARCHIVED
    """
    return await meta.set_status(id, status)


@set_status.preview
async def would_set_status(meta: GraphReader, id: str, status: Status) -> Preview:
    now = (await meta.current(id)).body
    name = f"{now.get('name')} ({id})"
    if now.get("status") == status:
        return Preview(f"{name} is {status} already, nothing would be written", affected=0)
    await meta.validate(id, {"status": status})
    text = f"{name} would go from {now.get('status')} to {status}; {TAKEN}"
    return Preview(text, affected=1, diff=f"-status: {now.get('status')}\n+status: {status}")


@action("meta.set_budget", effect=IDEMPOTENT, retry=RETRY)
async def set_budget(
    meta: MetaWriter, id: str, *, daily_minor: int | None = None, lifetime_minor: int | None = None
) -> BudgetSet:
    """Set the budget of a campaign or ad set; done without writing where it is so already.

    Meta counts budgets in the minor unit of the account's currency: 2500 is 25.00 USD or 2500 JPY.
    The result has the former budget, and both as people write them.

    id: its number
    daily_minor: the daily budget, in minor units of the currency
    lifetime_minor: the budget for its whole life, in minor units of the currency
    """
    which, minor = _one_budget(daily_minor, lifetime_minor)
    return await meta.set_budget(id, which, minor)


@set_budget.preview
async def would_set_budget(
    meta: GraphReader, id: str, *, daily_minor: int | None = None, lifetime_minor: int | None = None
) -> Preview:
    which, minor = _one_budget(daily_minor, lifetime_minor)
    now = (await meta.current(id, BUDGET_FIELDS)).body
    currency, _ = await meta.currency(str(now.get("account_id")))
    former, name = whole(now.get(f"{which}_budget")), f"{now.get('name')} ({id})"
    if former == minor:
        return Preview(f"{name} has {money(minor, currency)} {which} already", affected=0)
    await meta.validate(id, {f"{which}_budget": minor})
    was, would = money(former, currency) or "none", money(minor, currency)
    text = f"the {which} budget of {name} would go from {was} to {would}; {TAKEN}"
    diff = f"-{which}_budget: {former}\n+{which}_budget: {minor}"
    return Preview(text, affected=1, diff=diff)


@action("meta.request", effect=UNSAFE, retry=RETRY)
async def request(
    meta: MetaWriter,
    method: Literal["POST", "DELETE"],
    path: str,
    *,
    params: dict[str, Any] | None = None,
) -> Changed:
    """One call that changes something. Meta has no idempotency key: what is in doubt needs a
    `probe`, such as a meta.request that looks for the new object by its name.

    method: POST or DELETE
    path: below the version, such as act_123/campaigns
    params: what is no text is sent as JSON
    """
    return await meta.request(method, path, params or {})


@request.preview
async def would_request(
    meta: GraphReader,
    method: Literal["POST", "DELETE"],
    path: str,
    *,
    params: dict[str, Any] | None = None,
) -> Preview:
    said = await _validated(meta, method, path, params or {})
    return Preview(f"{rendered(method, path, params or {})}\n{said}", affected=1)


@action("meta.batch", effect=UNSAFE, retry=RETRY)
async def batch(
    meta: MetaWriter,
    requests: list[dict[str, Any]],
    *,
    partial: Literal["fails", "passes"] = "fails",
) -> Batched:
    """Up to 50 calls in one; each counts against the limits by itself.

    A call that Meta had no time for is told apart (`timed_out`), and stands in `again`, which is
    the `requests` of another batch. Another try of this step sends only what Meta had no time for,
    or refused for its rate or for a moment.

    requests: each with method (GET, POST, DELETE), path and params
    partial: whether it fails, or passes, when some were not carried out
    """
    return await meta.batch(requests, partial=partial == "passes")


@batch.preview
async def would_batch(
    meta: GraphReader,
    requests: list[dict[str, Any]],
    *,
    partial: Literal["fails", "passes"] = "fails",  # noqa: ARG001 - as the action takes it
) -> Preview:
    entries = entries_of(requests)
    writes = [entry for entry in entries if entry.writes]
    lines = [f"{len(entries)} calls in one batch, {len(writes)} of which change something"]
    lines += [
        f"{e.number}. {_line(e)}: {await _validated(meta, e.method, e.path, e.params)}"
        for e in writes[:VALIDATED_MAX]
    ]
    if len(writes) > VALIDATED_MAX:
        lines.append(f"and {len(writes) - VALIDATED_MAX} more, which Meta was not asked about")
    sample = tuple(_line(entry) for entry in writes[:VALIDATED_MAX])
    return Preview("\n".join(lines), affected=len(writes), sample=sample)


async def _validated(meta: GraphReader, method: str, path: str, params: Mapping[str, Any]) -> str:
    """What Meta's dry run says, in words. Raises AdapterError for what Meta would refuse."""
    if method != "POST":
        return NO_DRY_RUN
    found = await meta.validate(path, params)
    return NO_DRY_RUN if found is None else TAKEN


def _line(entry: Entry) -> str:
    return rendered(entry.method, entry.path, entry.params).replace("\n", "")


def _one_budget(
    daily_minor: int | None, lifetime_minor: int | None
) -> tuple[Literal["daily", "lifetime"], int]:
    given = [n for n in (daily_minor, lifetime_minor) if n is not None]
    if len(given) != 1 or given[0] < 0:
        raise AdapterError(
            "one budget is given: `daily_minor` or `lifetime_minor`, a whole number from 0",
            retryable=False,
        )
    return ("daily" if daily_minor is not None else "lifetime"), given[0]
