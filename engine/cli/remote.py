"""A server instead of a journal and packs of one's own: the same commands, over HTTP.

Runs are read as events, and folded here as they are folded there: so every view is the same.
"""

from __future__ import annotations

import atexit
import os
import shutil
import tempfile
from collections.abc import AsyncIterator, Callable, Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

import httpx

from engine.config import Books
from engine.core.events import Event
from engine.errors import Broken, JournalError, Refused, RunbookError, Usage
from engine.journal.calls import Mark
from engine.journal.contract import RunRow, Verified
from engine.journal.ledger import Delivery, Verdict
from engine.language.cron import us_of

TOKEN_VARIABLE = "RUNBOOK_TOKEN"  # noqa: S105 - the name of a variable
TIMEOUT_S = 30.0
"""For an answer; a question that waits for news says so in the request, and gets more."""

WAIT_MAX_S = 25.0
"""One wait for news: under what proxies cut off."""

NAME_MAX_CHARS = 200
TEXTS_MAX = 10_000
"""Runbooks that are taken from a server."""

_ERRORS: Mapping[str, type[RunbookError]] = {
    "refused": Refused,
    "journal": JournalError,
    "forbidden": Refused,
    "unauthorized": Refused,
    "unavailable": JournalError,
    "too-many": Refused,
}


class Api:
    """One server. Raises the errors that it tells as problems."""

    def __init__(self, url: str) -> None:
        if not url.startswith(("http://", "https://")):
            raise Usage(f"`{url}` is no address of a server", help="for example https://host:8600")
        self.url = url.rstrip("/")
        self._client: httpx.AsyncClient | None = None

    async def get(self, path: str, **params: Any) -> Any:
        given = {key: value for key, value in params.items() if value is not None}
        wait_s = float(given.get("wait_s") or 0)
        return await self._call("GET", path, params=given, timeout=TIMEOUT_S + wait_s)

    async def post(self, path: str, body: Any = None, *, key: str | None = None) -> Any:
        headers = {"Idempotency-Key": key} if key else {}
        given = {} if body is None else body
        return await self._call("POST", path, json=given, headers=headers, timeout=TIMEOUT_S)

    async def _call(self, method: str, path: str, **given: Any) -> Any:
        if self._client is None:
            self._client = httpx.AsyncClient(base_url=f"{self.url}/api/v1", headers=_headers())
        try:
            answer = await self._client.request(method, path, **given)
        except httpx.HTTPError as error:
            raise _unreachable(self.url, error) from error
        return _read(answer)

    async def close(self) -> None:
        if self._client is not None:
            await self._client.aclose()
            self._client = None


def api_of(url: str) -> Api:
    return Api(url)


def _headers() -> dict[str, str]:
    token = os.environ.get(TOKEN_VARIABLE)
    if not token:
        raise Usage(
            f"{TOKEN_VARIABLE} is not set",
            help="`runbook token make`, where the server's journal is, makes a token",
        )
    return {"Authorization": f"Bearer {token}"}


def _unreachable(url: str, error: httpx.HTTPError) -> JournalError:
    words = f"the server {url} cannot be asked: {type(error).__name__} {error}".rstrip()
    return JournalError(words, help="is it up, and is the address right?")


def _read(answer: httpx.Response) -> Any:
    try:
        found = answer.json()
    except ValueError:
        found = None
    if answer.is_success and found is not None:
        return found
    raise _problem(answer.status_code, found if isinstance(found, dict) else {})


def _problem(status: int, problem: Mapping[str, Any]) -> RunbookError:
    kind = str(problem.get("type", "")).rpartition(":")[2]
    words = str(problem.get("detail") or f"the server answers {status}")
    for one in problem.get("errors") or ():
        where = one.get("where") or one.get("place") or ""
        words += f"\n  {where}: {one.get('what')}"
    default = JournalError if status >= 500 else Usage
    return _ERRORS.get(kind, default)(words, help=problem.get("help"))


def fetch_books(url: str) -> Books:
    """The runbooks of a server, as files that this process has for itself, until it ends."""
    try:
        answer = httpx.get(f"{url.rstrip('/')}/api/v1/books", headers=_headers(), timeout=TIMEOUT_S)
    except httpx.HTTPError as error:
        raise _unreachable(url, error) from error
    found = _read(answer)
    folder = Path(tempfile.mkdtemp(prefix="runbook-books-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    for pack, names in found["environments"].items():
        place = folder / _plain(pack) / "environments"
        place.mkdir(parents=True)
        for name in names:
            (place / f"{_plain(name)}.yaml").write_text("{}\n")
    for name, text in list(found["texts"].items())[:TEXTS_MAX]:
        pack, _, stem = name.partition("/")
        (folder / _plain(pack) / f"{_plain(stem)}.yaml").write_text(text, encoding="utf-8")
    return Books([folder])


def _plain(name: str) -> str:
    """A name that stays in its folder, whatever the server says."""
    if not name or name.startswith(".") or "/" in name or len(name) > NAME_MAX_CHARS:
        raise JournalError(f"the server names something {name[:NAME_MAX_CHARS]!r}")
    return name


class RemoteStore:
    """What commands read of a journal, from a server. What they write goes by `RemoteEngine`."""

    def __init__(self, api: Api) -> None:
        self.api = api
        self.marks: dict[str, Mark] = {}
        """Of the runs that were listed last, what the server said with them."""

    async def runs(  # noqa: PLR0913 - keyword only, as the contract of stores has it
        self,
        *,
        name: str | None = None,
        status: str | None = None,
        mode: str | None = None,
        run: str | None = None,
        before: tuple[int, str] | None = None,  # noqa: ARG002 - pages are followed here
        limit: int = 50,
    ) -> list[RunRow]:
        """See `engine.journal.contract.Store`."""
        if run is not None:
            items = [await self.api.get(f"/runs/{run}")]
        else:
            given = {"name": name, "status": status, "mode": mode}
            items = [item async for item in self._items("/runs", given, limit)]
        self.marks = {item["run"]: Mark.of_json(item) for item in items}
        return [run_row(item) for item in items]

    async def latest(self, *, limit: int = 50, **wanted: str | None) -> list[Delivery]:
        """See `engine.journal.ledger.Ledger.latest`."""
        return [_delivery(item) async for item in self._items("/deliveries", wanted, limit)]

    async def get(self, name: str) -> tuple[Delivery, bytes]:
        """See `engine.journal.ledger.Ledger.get`."""
        found = await self.api.get(f"/deliveries/{name}")
        return _delivery(found), str(found["body"]).encode()

    async def _items(
        self, path: str, given: Mapping[str, Any], limit: int
    ) -> AsyncIterator[Mapping[str, Any]]:
        left, cursor = limit, None
        while left > 0:
            page = await self.api.get(path, **given, cursor=cursor, limit=min(left, 200))
            for item in page["items"][:left]:
                yield item
            left -= len(page["items"])
            cursor = page["next"]
            if cursor is None:
                return

    async def find(self, prefix: str) -> str:
        """The id of the one run whose id starts so."""
        return str((await self.api.get(f"/runs/{prefix}"))["run"])

    async def events(self, run: str, after: int = 0, limit: int | None = None) -> list[Event]:
        """See `engine.journal.contract.Store`."""
        found: list[Event] = []
        while limit is None or len(found) < limit:
            want = 1000 if limit is None else min(1000, limit - len(found))
            page = await self.api.get(f"/runs/{run}/events", after=after, limit=want)
            found += [_event(item) for item in page["items"]]
            if len(page["items"]) < want:
                break
            after = found[-1].seq
        return found

    async def wait_for_more(
        self, run: str, after: int | Callable[[], int], timeout_s: float
    ) -> bool:
        """See `engine.journal.contract.Store`."""
        seq = after() if callable(after) else after
        wait_s = min(timeout_s, WAIT_MAX_S)
        page = await self.api.get(f"/runs/{run}/events", after=seq, limit=1, wait_s=wait_s)
        return bool(page["items"])

    async def verify(self, run: str | None = None) -> Verified:
        """Has the server recompute every hash."""
        path = f"/audit/runs/{run}/verify" if run else "/audit/verify"
        found = await self.api.get(path)
        if not found["whole"]:
            raise Broken(found["why"], run=found["run"], seq=found["seq"])
        return Verified(found["runs"], found["events"], found["head"])

    async def close(self) -> None:
        await self.api.close()

    def __getattr__(self, name: str) -> Any:
        raise Usage(f"this is not done over --server ({name})", help="do it where the journal is")


def _us(at: str | None) -> int | None:
    if at is None:
        return None
    return us_of(datetime.fromisoformat(at))


def run_row(item: Mapping[str, Any]) -> RunRow:
    return RunRow(
        item["run"],
        item["name"],
        item["environment"],
        item["mode"],
        item["actor"],
        _us(item["started"]) or 0,
        _us(item["finished"]),
        item["status"],
        item["because"],
        item["events"],
    )


def _event(item: Mapping[str, Any]) -> Event:
    return Event(
        item["run"],
        item["seq"],
        item["at_us"],
        item["type"],
        item["version"],
        item["actor"],
        item["body"],
        item["hash"],
    )


def _delivery(item: Mapping[str, Any]) -> Delivery:
    verdicts = tuple(
        Verdict(v["verdict"], v["why"], v["runbook"], v["run"]) for v in item["verdicts"]
    )
    return Delivery(
        item["id"],
        item["source"],
        item["kind"],
        item["about"],
        _us(item["received"]) or 0,
        _us(item["occurred"]),
        item["times"],
        _us(item["last"]) or 0,
        item["replay_of"],
        None if item["verdict"] == "open" else item["verdict"],
        verdicts,
        _us(item["settled"]),
    )
