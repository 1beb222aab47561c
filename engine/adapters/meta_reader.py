"""The reading side of Meta: GET, the question what a token is, and Meta's own dry run. Nothing
else leaves it, see `GraphLine`.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any, TypedDict
from urllib.parse import parse_qsl, urlsplit

from engine.adapters import meta_words as words
from engine.adapters.meta_call import (
    NODE,
    RESERVED,
    VALIDATED_EDGES,
    account_path,
    checked_node,
    checked_path,
)
from engine.adapters.meta_line import Graphed, GraphLine
from engine.adapters.meta_records import Account, Listed, Permissions
from engine.adapters.meta_usage import Usage
from engine.errors import AdapterError

PAGES_MAX = 50
"""Of one step: each is a call that counts against the limits."""

ITEMS_MAX = 5000
"""Of one step over all its pages: no further page is asked for then."""

ACCOUNT_FIELDS = (
    "id,name,account_status,disable_reason,currency,timezone_name,amount_spent,balance,spend_cap"
)
OBJECT_FIELDS = "id,name,status,effective_status,account_id"
"""Campaigns, ad sets and ads have all of these; of any other object Meta refuses to say them."""


class Told(TypedDict):
    """What every record has, see `Record`."""

    version: str | None
    warnings: tuple[str, ...]
    budget: Usage


class MetaReader:
    """Asks. `account` is the connection's ad account."""

    __slots__ = ("_account", "_line")

    def __init__(self, line: GraphLine, account: str | None) -> None:
        self._line = line
        self._account = account

    def told(self, *found: Graphed) -> Told:
        """What a record over these answers tells besides what was asked for."""
        warnings = dict.fromkeys(text for one in found for text in one.warnings)
        return {
            "version": found[-1].version if found else None,
            "warnings": tuple(warnings),
            "budget": self._line.usage,
        }

    def account_path(self, account: str | None) -> str:
        return account_path(account or self._account)

    async def get(self, path: str, params: Mapping[str, Any] | None = None) -> Graphed:
        """What a GET answers. Raises AdapterError for every refusal."""
        return await self._line.get(checked_path(path), params)

    async def listed(self, path: str, params: Mapping[str, Any], pages: int) -> Listed:
        """What a GET answers, with at most so many pages of its items.

        The link to the next page holds a token, so only its parameters are taken from it.
        """
        if not 1 <= pages <= PAGES_MAX:
            raise AdapterError(f"`pages` is from 1 to {PAGES_MAX}, not {pages}", retryable=False)
        found = await self.get(path, params)
        answers, items, rest = [found], _items(found.body), _rest(found.body)
        following = _following(found.body)
        while following and items is not None and len(answers) < pages and len(items) < ITEMS_MAX:
            self._line.context.progress(f"page {len(answers) + 1}, {len(items)} items so far")
            found = await self.get(path, {**params, **following})
            answers.append(found)
            items += _items(found.body) or []
            following = _following(found.body)
        return Listed(
            data=items,
            object=rest,
            count=len(items or ()),
            pages=len(answers),
            more=bool(following),
            after=(following or {}).get("after"),
            **self.told(*answers),
        )

    async def permissions(self, wanted: Sequence[str]) -> Permissions:
        """What the person of the token permitted, against what is wanted."""
        found = await self.get("me/permissions", {"limit": 500})
        said = {str(p["permission"]): str(p["status"]) for p in _items(found.body) or ()}
        granted = tuple(sorted(name for name, status in said.items() if status == "granted"))
        return Permissions(
            granted=granted,
            declined=tuple(sorted(said.keys() - set(granted))),
            missing=words.missing_scopes(granted, wanted),
            **self.told(found),
        )

    async def account(self, account: str | None) -> Account:
        """How an ad account stands. That the token may not see it is an answer too."""
        path = self.account_path(account)
        try:
            found = await self.get(path, {"fields": ACCOUNT_FIELDS})
        except AdapterError as e:
            hidden = e.detail.get("kind") == "permission" or e.detail.get("subcode") == 33
            if not hidden:
                raise
            return Account(id=path, access=False, problem=e.message, **self.told())
        return _account(path, found.body, self.told(found))

    async def current(self, id: str, fields: str = OBJECT_FIELDS) -> Graphed:
        """A campaign, ad set or ad as it is. Raises AdapterError for any other object."""
        return await self.get(checked_node(id), {"fields": fields})

    async def validate(self, path: str, params: Mapping[str, Any]) -> Graphed | None:
        """What Meta's dry run of a POST says; None where Meta has none for it.

        Only what is known to understand `execution_options` is asked: new campaigns, ad sets and
        ads, and those there are, which is looked up before. Anything else would not know the word
        and do it. Raises AdapterError for a change that Meta would refuse.
        """
        bare = checked_path(path)
        if NODE.fullmatch(bare):
            try:
                await self.current(bare)
            except AdapterError as e:
                if e.detail.get("code") == 100 and e.detail.get("subcode") != 33:
                    return None  # no campaign, ad set or ad: it has no such fields
                raise
        elif not VALIDATED_EDGES.fullmatch(bare):
            return None
        return await self._line.validate(bare, params)

    async def currency(self, account_id: str) -> tuple[str, Graphed]:
        """The currency of the account an object belongs to."""
        found = await self.get(account_path(account_id), {"fields": "currency"})
        return str(found.body.get("currency")), found


def _account(path: str, body: Mapping[str, Any], told: Told) -> Account:
    number = words.whole(body.get("account_status"))
    unknown = (f"STATUS_{number}", "Meta has not documented this status")
    status, said = words.ACCOUNT_STATUS.get(number or 0, unknown)
    reason = words.whole(body.get("disable_reason")) or 0
    currency = str(body.get("currency"))
    return Account(
        id=str(body.get("id", path)),
        access=True,
        name=body.get("name"),
        status=status,
        status_words=said,
        disable_reason=words.DISABLE_REASON.get(reason, f"reason {reason}") if reason else None,
        currency=currency,
        minor_per_unit=words.minor_per_unit(currency),
        spent_minor=words.whole(body.get("amount_spent")),
        balance_minor=words.whole(body.get("balance")),
        spend_cap_minor=words.whole(body.get("spend_cap")),
        timezone=body.get("timezone_name"),
        **told,
    )


def _items(body: Any) -> list[Any] | None:
    data = body.get("data") if isinstance(body, dict) else body
    return list(data) if isinstance(data, list) else None


def _rest(body: Any) -> dict[str, Any]:
    """An answer without its items and without the links to its pages."""
    if not isinstance(body, dict):
        return {}
    leave = {"paging", "data"} if isinstance(body.get("data"), list) else {"paging"}
    return {name: value for name, value in body.items() if name not in leave}


def _following(body: Any) -> dict[str, str] | None:
    """The parameters that the link to the next page has, without ours; None on the last page."""
    paging = body.get("paging") if isinstance(body, dict) else None
    link = paging.get("next") if isinstance(paging, dict) else None
    if not isinstance(link, str):
        return None
    query = parse_qsl(urlsplit(link).query)
    return {name: value for name, value in query if name.lower() not in RESERVED} or None


def rendered(method: str, path: str, params: Mapping[str, Any]) -> str:
    """A call as people read it."""
    lines = [f"{method} /{path.strip('/')}"]
    for name, value in params.items():
        text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
        lines.append(f"  {name} = {text if len(text) <= 300 else text[:300] + '...'}")
    return "\n".join(lines)
