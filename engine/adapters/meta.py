"""Meta's Graph and Marketing API, over the HTTP adapter's connection."""

from __future__ import annotations

import time
from collections.abc import Sequence

from engine.adapters.http import HttpAdapter
from engine.adapters.meta_call import account_path, checked_version
from engine.adapters.meta_health import insights, rate_limits, token
from engine.adapters.meta_line import GraphLine
from engine.adapters.meta_reader import MetaReader
from engine.adapters.meta_records import Insights, RateLimits, Token
from engine.adapters.meta_usage import USES, Budget
from engine.adapters.meta_writer import Memory, MetaWriter
from engine.language.shape import Duration
from engine.plugin import SecretText, StepContext, reveal

__all__ = ["GraphReader", "MetaAdapter", "MetaReader", "MetaWriter"]

STEPS_REMEMBERED = 500
"""Steps of a run whose earlier attempts are kept in mind, the latest of them."""


class MetaAdapter:
    """A connection to Meta's Graph and Marketing API.

    Steps are tried again as Meta asks for it, or as their own `retry` says. A call that Meta is
    known to refuse is not sent, because asking makes a block last longer.

    version: of the API, such as v18.0; it stands in every path
    access_token: of a system user, a person or a page; it is sent in a header only
    app_secret: of the token's app; proves each call, and lets the app ask about the token
    app_id: of the token's app
    account: the ad account of steps that name none, with or without act_
    base_url: where Meta is
    timeout_s: for the whole of one answer
    blocked_wait_s: the longest block that is left to `retry`; behind a longer one a step ends
    proxy: URL of a proxy; those of environment variables are not used
    ca_file: certificates to trust besides the usual ones, PEM
    """

    family = "meta"

    def __init__(  # noqa: PLR0913 - the settings of a connection
        self,
        version: str,
        access_token: str,
        *,
        app_secret: str | None = None,
        app_id: str | None = None,
        account: str | None = None,
        base_url: str = "https://graph.facebook.com",
        timeout_s: Duration = Duration(30.0),  # noqa: B008 - a float
        blocked_wait_s: Duration = Duration(30.0),  # noqa: B008 - a float
        proxy: str | None = None,
        ca_file: str | None = None,
    ) -> None:
        self._given_version = version
        self._token = access_token
        self._app_secret = app_secret
        self._app_id = app_id
        self._account = account
        self._base_url = base_url
        self._way = (proxy, ca_file)
        self._timeout_s = timeout_s
        self._http: HttpAdapter | None = None
        self._memories: dict[str, Memory] = {}
        self.blocked_wait_s = float(blocked_wait_s)
        self.budget = Budget(time.monotonic)

    @property
    def version(self) -> str:
        return checked_version(reveal(self._given_version))

    @property
    def account(self) -> str | None:
        return account_path(reveal(self._account)) if self._account else None

    @property
    def proof(self) -> dict[str, str]:
        """The parameter that proves that whoever has the token has the app's secret too."""
        return self.proof_of(reveal(self._token))

    def proof_of(self, token: str) -> dict[str, str]:
        """`appsecret_proof` for a token: HMAC-SHA256 of it with the app's secret. It is no secret
        by itself: without the token it is worth nothing.
        """
        if not self._app_secret:
            return {}
        from hmac import digest  # noqa: PLC0415 - only where there is a secret

        made = digest(reveal(self._app_secret).encode(), token.encode(), "sha256")
        return {"appsecret_proof": made.hex()}

    @property
    def token(self) -> str:
        return reveal(self._token)

    @property
    def app_token(self) -> str | None:
        """The app's own token, which may ask about any token of the app."""
        if not (self._app_id and self._app_secret):
            return None
        return f"{reveal(self._app_id)}|{reveal(self._app_secret)}"

    def fingerprint(self) -> str:
        """`host:port/version`, the account and the app, where these are no secrets."""
        parts = [f"{HttpAdapter(self._base_url).fingerprint()}/{self.version}"]
        if self._account and not isinstance(self._account, SecretText):
            parts.append(str(self.account))
        if self._app_id and not isinstance(self._app_id, SecretText):
            parts.append(f"app {self._app_id}")
        return " ".join(parts)

    async def ping(self) -> str:
        reader = self.reader(StepContext(run="", path="ping"))
        found = await reader.get("me", {"fields": "id,name"})
        who = found.body.get("name") or found.body.get("id")
        said = "; ".join([f"Meta answers {who} with {found.version}", *found.warnings])
        return f"{said}; {self.budget.now().worst_percent:g} % of its limits are used"

    def budget_names(self) -> tuple[str, ...]:
        """One for each use that Meta counts by itself; see `engine.runner.budgets`."""
        return tuple(f"meta {self.fingerprint()} {use}" for use in USES)

    def budgets(self) -> dict[str, tuple[float, float]]:
        """What the answers of this run told."""
        found = {}
        for use, name in zip(USES, self.budget_names(), strict=True):
            used, met = self.budget.used(use), self.budget.block(use)
            if used is not None:
                found[name] = (used, met.blocked_for_s if met is not None else 0.0)
        return found

    def recall(self, name: str, used: float, blocked_for_s: float) -> None:
        """What the answers of other runs told."""
        if blocked_for_s > 0:
            self.budget.recall(name.rpartition(" ")[2], used, blocked_for_s)

    def reader(self, context: StepContext) -> GraphReader:
        return GraphReader(GraphLine(self, context, writes=False), self)

    def writer(self, context: StepContext) -> MetaWriter:
        memory = self._memories.setdefault(context.key, {}) if context.key else {}
        while len(self._memories) > STEPS_REMEMBERED:
            self._memories.pop(next(iter(self._memories)))
        return MetaWriter(GraphLine(self, context, writes=True), self.account, memory)

    async def close(self) -> None:
        http, self._http = self._http, None
        if http is not None:
            await http.close()

    def opened(self) -> HttpAdapter:
        """The HTTP connection, made late: the token is revealed no sooner than it is needed."""
        if self._http is None:
            proxy, ca_file = self._way
            self._http = HttpAdapter(
                self._base_url,
                headers={"Authorization": f"Bearer {self.token}", "Accept": "application/json"},
                timeout_s=self._timeout_s,
                proxy=proxy,
                ca_file=ca_file,
            )
        return self._http


class GraphReader(MetaReader):
    """The reading side, with what it asks about the connection itself."""

    __slots__ = ("_adapter",)

    def __init__(self, line: GraphLine, adapter: MetaAdapter) -> None:
        super().__init__(line, adapter.account)
        self._adapter = adapter

    async def token(self, wanted: Sequence[str]) -> Token:
        """What Meta knows of the connection's token."""
        adapter = self._adapter
        return await token(self, self._line, adapter.token, adapter.app_token, wanted)

    async def rate_limits(self, account: str | None) -> RateLimits:
        """How much of Meta's limits is used, by a call that costs little."""
        named = account or self._adapter.account
        path = self.account_path(named) if named else "me"
        return await rate_limits(self, self._line, path)

    async def insights(self, account: str | None, level: str, days: int) -> Insights:
        """How fresh the numbers of an account are."""
        return await insights(self, account, level, days)
