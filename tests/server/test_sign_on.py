"""People sign on through a provider that signs what it says, and only what it says counts."""

from __future__ import annotations

import json
import time
from contextlib import asynccontextmanager
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest
import uvicorn
from joserfc import jwt
from joserfc.jwk import RSAKey
from starlette.applications import Starlette
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from engine.server.settings import SignOn
from tests.server.conftest import serving_in

KEY = RSAKey.generate_key(2048, {"kid": "k1", "use": "sig"})


class Provider:
    """An OpenID Connect provider that lets everybody in, and lies when a test says so."""

    def __init__(self):
        self.url = ""
        self.claims = {"sub": "u1", "preferred_username": "ana", "groups": ["sre"]}
        self.key = KEY
        self.issuer = None
        self.nonce = None
        self.token_url = None
        self.seen = {}

    async def metadata(self, _request):
        return JSONResponse({
            "issuer": self.url, "authorization_endpoint": f"{self.url}/authorize",
            "token_endpoint": self.token_url or f"{self.url}/token", "jwks_uri": f"{self.url}/keys",
        })  # fmt: skip

    async def keys(self, _request):
        return JSONResponse({"keys": [KEY.as_dict(private=False)]})

    async def token(self, request):
        form = parse_qs((await request.body()).decode())
        self.seen["token"] = form
        if form.get("code") != ["good"] or "code_verifier" not in form:
            return JSONResponse({"error": "invalid_grant"}, 400)
        now = int(time.time())
        claims = {
            "iss": self.issuer or self.url, "aud": "runbook", "iat": now, "exp": now + 60,
            "nonce": self.nonce or self.seen["nonce"], **self.claims,
        }  # fmt: skip
        signed = jwt.encode({"alg": "RS256", "kid": "k1"}, claims, self.key)
        return JSONResponse({"access_token": "a", "token_type": "Bearer", "id_token": signed})


@asynccontextmanager
async def provided():
    made = Provider()
    routes = [
        Route("/.well-known/openid-configuration", made.metadata),
        Route("/keys", made.keys),
        Route("/token", made.token, methods=["POST"]),
        Route("/authorize", lambda _request: Response("never asked")),
    ]
    config = uvicorn.Config(Starlette(routes=routes), port=0, log_config=None, lifespan="off")
    server = uvicorn.Server(config)
    config.load()
    server.lifespan = config.lifespan_class(config)
    await server.startup()
    made.url = f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
    server.should_exit = True
    yield made
    await server.shutdown()


@pytest.fixture
async def provider():
    async with provided() as made:
        yield made


@pytest.fixture
async def serving(books, tmp_path, provider):
    groups = {"sre": {"*": ("operator",)}, "leads": {"p": ("approver",)}}
    sign_on = SignOn(provider.url, "runbook", "client-secret-1", groups)
    async with serving_in(books, tmp_path / "journal.db", sign_on=sign_on) as made:
        yield made


async def begun(serving, provider) -> str:
    """Signs on as far as the provider; the state it was given."""
    answer = await serving.http.get("/sign-on")
    assert answer.status_code == 303
    asked = parse_qs(urlsplit(answer.headers["location"]).query)
    assert asked["code_challenge_method"] == ["S256"]
    assert asked["client_id"] == ["runbook"]
    provider.seen["nonce"] = asked["nonce"][0]
    return asked["state"][0]


async def test_who_signs_on_may_do_what_the_groups_may_and_is_named_in_events(serving, provider):
    state = await begun(serving, provider)
    answer = await serving.http.get(f"/sign-on/back?code=good&state={state}")
    assert answer.status_code == 303
    assert (await serving.http.get(answer.headers["location"])).status_code == 200
    cookie = answer.headers["set-cookie"]
    assert "HttpOnly" in cookie
    assert "SameSite=lax" in cookie
    who = (await serving.http.get("/api/v1/whoami")).json()
    assert (who["name"], who["roles"]) == ("ana", {"*": ["operator"]})
    origin = {"origin": "http://runbook"}
    body = {"runbook": "p/main", "environment": "test"}
    run = (await serving.http.post("/api/v1/runs", json=body, headers=origin)).json()["run"]
    await serving.ended(run)
    actor = (await serving.parts.store.events(run, 0, 1))[0].actor
    assert (actor["name"], actor["means"]) == ("ana", "sign-on")
    off = await serving.http.post("/sign-off", headers=origin)
    assert off.status_code == 200
    cookie = {"cookie": cookie.split(";")[0]}
    again = httpx.AsyncClient(transport=httpx.ASGITransport(serving.app), base_url="http://runbook")
    async with again:
        assert (await again.get("/api/v1/whoami", headers=cookie)).status_code == 401


@pytest.mark.parametrize("lie", ["state", "code", "nonce", "issuer", "key", "aud", "expired"])
async def test_what_does_not_hold_lets_nobody_in(serving, provider, lie):
    state = await begun(serving, provider)
    code = "good"
    if lie == "state":
        state = "other"
    elif lie == "code":
        code = "stolen"
    elif lie == "nonce":
        provider.nonce = "other"
    elif lie == "issuer":
        provider.issuer = "https://evil.example"
    elif lie == "key":
        provider.key = RSAKey.generate_key(2048, {"kid": "k1"})
    elif lie == "aud":
        provider.claims["aud"] = "another"
    else:
        provider.claims["exp"] = 1_000_000
    answer = await serving.http.get(f"/sign-on/back?code={code}&state={state}")
    assert answer.status_code in (400, 403), answer.text
    assert "runbook_session" not in answer.headers.get("set-cookie", "")
    assert "client-secret-1" not in answer.text + serving.log.getvalue()


async def test_who_is_in_no_group_gets_nothing(serving, provider):
    provider.claims["groups"] = ["sales"]
    state = await begun(serving, provider)
    answer = await serving.http.get(f"/sign-on/back?code=good&state={state}")
    assert answer.status_code == 403
    assert "in no group" in answer.json()["detail"]


async def test_a_provider_that_does_not_answer_is_not_the_fault_of_who_signs_on(books, tmp_path):
    sign_on = SignOn("http://127.0.0.1:9", "runbook", "client-secret-1", {})
    async with serving_in(books, tmp_path / "journal.db", sign_on=sign_on) as serving:
        answer = await serving.http.get("/sign-on")
        assert answer.status_code == 503
        assert json.loads(answer.text)["type"] == "urn:runbook:unavailable"


async def test_a_provider_that_is_gone_meanwhile_is_said_to_be(serving, provider):
    state = await begun(serving, provider)
    provider.token_url = "http://127.0.0.1:9/token"
    answer = await serving.http.get(f"/sign-on/back?code=good&state={state}")
    assert answer.status_code == 503
    assert answer.json()["detail"] == "the identity provider does not answer: ConnectError"
    assert "client-secret-1" not in answer.text + serving.log.getvalue()
