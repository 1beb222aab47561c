"""People sign on through their own identity provider (OpenID Connect, by Authlib).

Who comes back from it gets a token of a working day in a cookie: the same thing that programs use,
so that there is one place where it is decided who may do what.
"""

from __future__ import annotations

import secrets
import sys
import warnings
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from starlette.requests import Request
from starlette.responses import JSONResponse, RedirectResponse, Response
from starlette.routing import Route

from engine.core.events import Actor
from engine.errors import StepError
from engine.server import problems
from engine.server.identity import SIGNED_ON, Grants
from engine.server.parts import SESSION_COOKIE, Parts
from engine.server.problems import Problem
from engine.server.settings import SignOn

if TYPE_CHECKING:
    from authlib.integrations.httpx_client import AsyncOAuth2Client

SESSION_S = 10 * 3600.0
"""A working day: who is on call signs on at its beginning."""

STATE_COOKIE = "runbook_sign_on"
STATE_S = 600
"""From leaving for the provider to coming back."""

TIMEOUT_S = 10.0
SCOPE = "openid profile email groups"


async def begin(request: Request) -> Response:
    """Sends the browser to the provider."""
    parts, settings = _settings(request)
    state, nonce, verifier = (secrets.token_urlsafe(32) for _ in range(3))
    found = await _metadata(settings)
    async with _client(request, settings) as client:
        url, _ = client.create_authorization_url(
            found["authorization_endpoint"], state=state, nonce=nonce, code_verifier=verifier
        )
    answer = RedirectResponse(url, 303)
    _set(answer, STATE_COOKIE, f"{state}.{nonce}.{verifier}", STATE_S, parts)
    return answer


async def back(request: Request) -> Response:
    """The browser comes back, with a code that the provider changes for who it is."""
    parts, settings = _settings(request)
    kept = request.cookies.get(STATE_COOKIE, "").split(".")
    if len(kept) != 3 or not secrets.compare_digest(kept[0], request.query_params.get("state", "")):
        raise Problem(400, "sign-on", "Not signed on", "this answer belongs to no sign-on of yours")
    if "error" in request.query_params:
        told = request.query_params.get("error_description") or request.query_params["error"]
        raise Problem(403, "sign-on", "Not signed on", told[:500])
    claims = await _claims(request, settings, (kept[1], kept[2]))
    person = str(claims.get("preferred_username") or claims.get("email") or claims["sub"])
    grants = grants_of(settings, claims)
    if not grants:
        detail = f"{person} is in no group that may do anything here"
        raise Problem(403, "sign-on", "Nothing is yours here", detail)
    maker = Actor(f"{SIGNED_ON}{settings.issuer}", "sign-on")
    _, text = await parts.mint.make(person, grants, (), SESSION_S, maker)
    answer = RedirectResponse("/api/v1/whoami", 303)
    _set(answer, SESSION_COOKIE, text, int(SESSION_S), parts)
    answer.delete_cookie(STATE_COOKIE)
    return answer


async def leave(request: Request) -> Response:
    """Ends the session of this browser."""
    parts: Parts = request.app.state.parts
    own = {f"{request.url.scheme}://{request.url.netloc}", parts.settings.public_url}
    if request.headers.get("origin") not in own:
        raise Problem(403, "forged", "From another page", "the origin is not ours")
    text = request.cookies.get(SESSION_COOKIE)
    who = await parts.door.who(f"Bearer {text}", "-") if text else None
    if who is not None:
        await parts.mint.revoke(who.via, "signed off", who.actor)
    answer = JSONResponse({"signed_on": False})
    answer.delete_cookie(SESSION_COOKIE)
    return answer


def grants_of(settings: SignOn, claims: Mapping[str, Any]) -> Grants:
    """The roles of somebody, by the groups that the provider says they are in."""
    groups = claims.get(settings.groups_claim) or []
    found: dict[str, list[str]] = {}
    named = [groups] if isinstance(groups, str) else [g for g in groups if isinstance(g, str)]
    for grants in (settings.everybody, *(settings.groups.get(group, {}) for group in named)):
        for pack, roles in grants.items():
            found.setdefault(pack, []).extend(roles)
    return {pack: tuple(dict.fromkeys(roles)) for pack, roles in found.items()}


def _settings(request: Request) -> tuple[Parts, SignOn]:
    parts: Parts = request.app.state.parts
    if parts.settings.sign_on is None:
        raise problems.not_found("no sign-on is configured here")
    return parts, parts.settings.sign_on


def _client(request: Request, settings: SignOn) -> AsyncOAuth2Client:
    with warnings.catch_warnings(record=True):  # that it would rather have another httpx
        from authlib.integrations.httpx_client import AsyncOAuth2Client  # noqa: PLC0415 - 100 ms

    parts: Parts = request.app.state.parts
    base = parts.settings.public_url or f"{request.url.scheme}://{request.url.netloc}"
    return AsyncOAuth2Client(
        settings.client_id,
        settings.client_secret,
        scope=SCOPE,
        redirect_uri=f"{base}/sign-on/back",
        code_challenge_method="S256",
        timeout=TIMEOUT_S,
    )


async def _metadata(settings: SignOn) -> Mapping[str, Any]:
    return await _get(f"{settings.issuer}/.well-known/openid-configuration")


async def _get(url: str) -> Mapping[str, Any]:
    import httpx  # noqa: PLC0415 - only where somebody signs on

    try:
        async with httpx.AsyncClient(timeout=TIMEOUT_S) as client:
            answer = (await client.get(url)).raise_for_status()
            found = answer.json()
    except (httpx.HTTPError, ValueError) as error:
        raise _silent(error) from error
    return found if isinstance(found, dict) else {}


async def _token(client: AsyncOAuth2Client, url: str, **given: str) -> Mapping[str, Any]:
    try:
        token: Mapping[str, Any] = await client.fetch_token(
            url, grant_type="authorization_code", **given
        )
    except _transport_errors() as error:
        raise _silent(error) from error
    return token


def _transport_errors() -> tuple[type[Exception], ...]:
    """What no answer is told by: authlib takes httpx2 in place of httpx where it is installed."""
    names = [name for name in ("httpx", "httpx2") if name in sys.modules]
    return tuple(sys.modules[name].HTTPError for name in names)


def _silent(error: Exception) -> Problem:
    return problems.ours(f"the identity provider does not answer: {type(error).__name__}")


async def _claims(request: Request, settings: SignOn, kept: tuple[str, str]) -> Mapping[str, Any]:
    """What the provider says of whoever signed on, its signature, issuer and nonce checked."""
    from authlib.common.errors import AuthlibBaseError  # noqa: PLC0415 - 100 ms
    from authlib.oidc.core import CodeIDToken  # noqa: PLC0415
    from joserfc import jwt  # noqa: PLC0415
    from joserfc.errors import JoseError  # noqa: PLC0415
    from joserfc.jwk import KeySet  # noqa: PLC0415

    nonce, verifier = kept
    found = await _metadata(settings)
    try:
        async with _client(request, settings) as client:
            token = await _token(
                client,
                found["token_endpoint"],
                code=request.query_params.get("code", ""),
                code_verifier=verifier,
            )
        keys: Any = await _get(found["jwks_uri"])
        raw = jwt.decode(token["id_token"], KeySet.import_key_set(keys), algorithms=_ALGORITHMS)
        options = {
            "iss": {"essential": True, "value": settings.issuer},
            "aud": {"essential": True, "value": settings.client_id},
        }
        claims = CodeIDToken(
            raw.claims, raw.header, options, {"client_id": settings.client_id, "nonce": nonce}
        )
        claims.validate()
    except (AuthlibBaseError, JoseError, KeyError, ValueError, StepError) as error:
        told = f"the identity provider's answer does not hold: {type(error).__name__}"
        raise Problem(403, "sign-on", "Not signed on", told) from error
    return dict(claims)


_ALGORITHMS = ["RS256", "ES256", "EdDSA", "PS256"]
"""How a provider may sign; none that uses a shared secret, and not `none`."""


def _set(answer: Response, name: str, value: str, life_s: int, parts: Parts) -> None:
    secure = parts.settings.public_url.startswith("https")
    answer.set_cookie(name, value, life_s, httponly=True, samesite="lax", secure=secure)


ROUTES = [
    Route("/sign-on", begin),
    Route("/sign-on/back", back),
    Route("/sign-off", leave, methods=["POST"]),
]
