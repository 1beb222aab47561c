"""The writing side of Meta. Its changes have no idempotency key, so what can be read is read before
it is written: what is already as wanted is not written again.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal

from engine.adapters import meta_words as words
from engine.adapters.meta_batch import (
    Entry,
    entries_of,
    headers_of,
    is_pending,
    outcomes,
    written,
)
from engine.adapters.meta_call import checked_node, checked_path
from engine.adapters.meta_line import Graphed, GraphLine
from engine.adapters.meta_reader import MetaReader
from engine.adapters.meta_records import Batched, BudgetSet, Changed, StatusSet
from engine.errors import AdapterError

Which = Literal["daily", "lifetime"]

BUDGET_FIELDS = "id,name,account_id,daily_budget,lifetime_budget"
TOLD_MAX = 20
"""Calls of a batch that are told one by one in an error."""

Memory = dict[str, Any]
"""What earlier attempts at the step found; an adapter keeps it for the run."""


class MetaWriter(MetaReader):
    """Changes."""

    __slots__ = ("_memory",)

    def __init__(self, line: GraphLine, account: str | None, memory: Memory) -> None:
        super().__init__(line, account)
        self._memory = memory

    async def set_status(self, id: str, status: str) -> StatusSet:
        """The campaign, ad set or ad has the status. `former` is what it had before the step's
        first attempt; it is in the error too where the change is in doubt.
        """
        before = await self.current(id)
        now = str(before.body.get("status"))
        former = self._memory.setdefault(f"status of {id}", now)
        last, change = before, now != status
        if change:
            last = await self._change(id, {"status": status}, former)
        return StatusSet(
            id=checked_node(id),
            name=before.body.get("name"),
            status=status,
            former=former,
            written=change,
            **self.told(before, last),
        )

    async def set_budget(self, id: str, which: Which, minor: int) -> BudgetSet:
        """The campaign or ad set has the budget, a whole number of the currency's minor unit."""
        before, which_field = await self.current(id, BUDGET_FIELDS), f"{which}_budget"
        now = words.whole(before.body.get(which_field))
        former = self._memory.setdefault(f"{which_field} of {id}", now)
        currency, account = await self.currency(str(before.body.get("account_id")))
        last, change = account, now != minor
        if change:
            last = await self._change(id, {which_field: minor}, former)
        return BudgetSet(
            id=checked_node(id),
            name=before.body.get("name"),
            which=which,
            minor=minor,
            former_minor=former,
            shown=words.money(minor, currency),
            former_shown=words.money(former, currency),
            currency=currency,
            minor_per_unit=words.minor_per_unit(currency),
            written=change,
            **self.told(before, account, last),
        )

    async def request(self, method: str, path: str, params: Mapping[str, Any]) -> Changed:
        """A POST or DELETE. Raises AdapterError when Meta refuses it, whatever the status."""
        found = await self._line.change(method, checked_path(path), params)
        made = found.body.get("id") if isinstance(found.body, dict) else None
        return Changed(
            id=None if made is None else str(made), answer=found.body, **self.told(found)
        )

    async def batch(self, requests: Sequence[Mapping[str, Any]], *, partial: bool) -> Batched:
        """Many calls in one. Another attempt sends only those that may be carried out yet.

        partial: whether calls that were not carried out are left to the runbook; else they raise
            AdapterError
        """
        entries = entries_of(requests)
        results: dict[int, dict[str, Any]] = self._memory.setdefault(written(entries), {})
        pending = [entry for entry in entries if is_pending(results.get(entry.number))]
        for entry in pending:
            self._line.refuse_blocked(entry.path)
        answers = []
        if pending:
            found = await self._line.batch(written(pending))
            for headers in headers_of(found.body):
                self._line.observe(headers)
            change = any(entry.writes for entry in pending)
            results.update(outcomes(pending, found.body, change))
            answers.append(found)
        made = self._batched(entries, results, len(pending), answers)
        if made.done < len(entries) and not partial:
            raise _incomplete(entries, made)
        return made

    def _batched(
        self,
        entries: Sequence[Entry],
        results: Mapping[int, dict[str, Any]],
        sent: int,
        answers: Sequence[Graphed],
    ) -> Batched:
        timed_out = [e for e in entries if results[e.number]["kind"] == "timed_out"]
        done = sum(results[e.number]["ok"] for e in entries)
        return Batched(
            sent=sent,
            done=done,
            failed=len(entries) - done - len(timed_out),
            timed_out=len(timed_out),
            results=tuple(results[e.number] for e in entries),
            again=tuple(dict(e.given) for e in timed_out),
            **self.told(*answers),
        )

    async def _change(self, id: str, params: Mapping[str, Any], former: Any) -> Graphed:
        try:
            return await self._line.change("POST", checked_node(id), params)
        except AdapterError as e:
            e.detail["former"] = former
            raise


def _incomplete(entries: Sequence[Entry], made: Batched) -> AdapterError:
    """Not all of a batch was carried out. In doubt when a change is among what was, or may be."""
    left = [one for one in made.results if not one["ok"]]
    changing = {entry.number for entry in entries if entry.writes}
    in_doubt = any(
        one["ok"] or one["kind"] in ("timed_out", "transient")
        for one in made.results
        if one["number"] in changing
    )
    first = left[0]
    return AdapterError(
        f"{made.done} of {len(entries)} calls were carried out, {made.failed} were refused,"
        f" {made.timed_out} got no answer; number {first['number']}: {first['error']}",
        help="`partial: passes` leaves it to the runbook: `again` holds those without an answer",
        maybe_done=in_doubt,
        retryable=any(is_pending(one) for one in left),
        detail={
            "done": made.done,
            "failed": made.failed,
            "timed_out": made.timed_out,
            "left": [
                {k: one[k] for k in ("number", "method", "path", "status", "error")}
                for one in left[:TOLD_MAX]
            ],
        },
    )
