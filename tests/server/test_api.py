"""The API: who may do what, starting once, following, errors."""

from __future__ import annotations

import asyncio
import json

import pytest

from engine.server.api_shown import cursor_of
from engine.server.identity import PERMISSIONS, ROLES
from tests.runs import lab
from tests.server.conftest import MADE_BY

START = {"runbook": "p/main", "environment": "test", "inputs": {"word": "w"}}
RUN = "RUN"

ROUTES = [
    ("GET", "/whoami", None, None, None),
    ("GET", "/books", None, None, None),
    ("GET", "/runbooks", None, None, None),
    ("GET", "/runs", None, None, None),
    ("GET", "/runbooks/p/main", None, "read", "p"),
    ("POST", "/runs", START, "run", "p"),
    ("GET", f"/runs/{RUN}", None, "read", "p"),
    ("GET", f"/runs/{RUN}/events", None, "read", "p"),
    ("GET", f"/runs/{RUN}/stream", None, "read", "p"),
    ("GET", f"/runs/{RUN}/preview", None, "read", "p"),
    ("GET", f"/audit/runs/{RUN}", None, "read", "p"),
    ("GET", f"/audit/runs/{RUN}/verify", None, "read", "p"),
    ("POST", f"/runs/{RUN}/answer", {"answer": "yes"}, "speak", "p"),
    ("POST", f"/runs/{RUN}/ack", {"note": "n"}, "speak", "p"),
    ("POST", f"/runs/{RUN}/settle", {"happened": True, "reason": "r"}, "speak", "p"),
    ("POST", f"/runs/{RUN}/cancel", {"reason": "r"}, "speak", "p"),
    ("POST", f"/runs/{RUN}/pause", {"reason": "r"}, "speak", "p"),
    ("POST", f"/runs/{RUN}/resume", None, "speak", "p"),
    ("POST", f"/runs/{RUN}/undo", {"reason": "r"}, "run", "p"),
    ("POST", f"/runs/{RUN}/approve", {"reason": "r"}, "approve", "p"),
    ("POST", f"/runs/{RUN}/deny", {"reason": "r"}, "approve", "p"),
    ("GET", "/audit/verify", None, "read", "*"),
    ("GET", "/guards", None, "read", "*"),
    ("POST", "/guards/freeze", {"reason": "r"}, "guard", "*"),
    ("POST", "/guards/thaw", {"reason": "r"}, "guard", "*"),
    ("GET", "/deliveries", None, "read", "*"),
    ("GET", "/deliveries/none", None, "read", "*"),
    ("POST", "/deliveries/none/replay", None, "run", "*"),
    ("GET", "/tokens", None, "admin", "*"),
    ("POST", "/tokens", {"person": "x", "roles": ["viewer"]}, "admin", "*"),
    ("POST", "/tokens/none/rotate", {}, "admin", "*"),
    ("POST", "/tokens/none/revoke", {"reason": "r"}, "admin", "*"),
]  # fmt: skip


async def _finished(serving) -> str:
    token = await serving.token("admin")
    answer = await serving.call("POST", "/runs", token, START)
    await serving.ended(answer.json()["run"])
    return answer.json()["run"]


async def test_the_matrix_has_every_route_there_is(serving):
    document = (await serving.http.get("/api/v1/openapi.json")).json()
    there = {
        (method.upper(), path.removeprefix("/api/v1"))
        for path, methods in document["paths"].items()
        for method in methods
    }
    shown = {
        RUN: "{run}",
        "/p/main": "/{pack}/{name}",
        "/deliveries/none": "/deliveries/{delivery}",
        "/tokens/none": "/tokens/{token}",
    }
    named = set()
    for method, path, *_ in ROUTES:
        for there_, here in shown.items():
            path = path.replace(there_, here)  # noqa: PLW2901
        named.add((method, path))
    assert named == there


@pytest.mark.parametrize("pack", ["*", "p", "q"])
@pytest.mark.parametrize("role", sorted(ROLES))
async def test_every_route_lets_in_exactly_those_roles_it_is_for(serving, role, pack):
    run = await _finished(serving)
    token = await serving.token(role if pack == "*" else f"{role}:{pack}")
    for method, path, body, permission, wanted in ROUTES:
        answer = await serving.call(method, path.replace(RUN, run), token, body)
        held = wanted is None or pack in ("*", wanted)
        may = permission is None or (held and permission in ROLES[role])
        refused = answer.status_code == 403 or (
            answer.status_code == 404 and "none" not in path and wanted == "p"
        )
        assert refused != may, (method, path, answer.status_code, answer.text)
        assert answer.status_code < 500, (method, path, answer.text)
        if refused and wanted == "p":
            hidden = not (held and "read" in ROLES[role])
            assert answer.status_code == (404 if hidden else 403)


@pytest.mark.parametrize("scope", PERMISSIONS)
async def test_a_scope_narrows_an_admin_to_itself(serving, scope):
    run = await _finished(serving)
    token = await serving.token("admin", scopes=(scope,))
    for method, path, body, permission, _ in ROUTES:
        answer = await serving.call(method, path.replace(RUN, run), token, body)
        refused = answer.status_code in (403, 404) and "none" not in path
        if permission is not None and permission != scope and "none" not in path:
            assert refused, (method, path, answer.status_code)
        elif permission == scope:
            assert not refused, (method, path, answer.status_code)


async def test_no_credential_and_a_wrong_one_are_answered_late_and_later(serving):
    for _ in range(4):
        answer = await serving.http.get("/api/v1/runs", headers={"authorization": "Bearer x"})
        assert answer.status_code == 401
        assert answer.headers["www-authenticate"] == "Bearer"
        assert answer.headers["content-type"] == "application/problem+json"
    slept = [s for s in serving.clock.slept_s if s in (0.1, 0.2, 0.4, 0.8)]
    assert [s for s in slept if s != 0.2] == [0.1, 0.4, 0.8]
    assert serving.parts.door.refused == 4


async def test_a_token_ends_when_it_is_revoked_or_its_time_is_over(serving):
    admin = await serving.token("admin", person="root")
    made = (await serving.call("POST", "/tokens", admin,
            {"person": "ana", "roles": ["viewer"], "days": 1})).json()  # fmt: skip
    token = made["token"]
    assert (await serving.call("GET", "/runs", token)).status_code == 200
    rotated = (await serving.call("POST", f"/tokens/{made['id']}/rotate", admin,
               {"grace_s": 60})).json()  # fmt: skip
    for one in (token, rotated["token"]):
        assert (await serving.call("GET", "/whoami", one)).json()["name"] == "ana"
    serving.clock.t_us += 61_000_000
    assert (await serving.call("GET", "/runs", token)).status_code == 401
    await serving.call("POST", f"/tokens/{rotated['id']}/revoke", admin, {"reason": "lost"})
    assert (await serving.call("GET", "/runs", rotated["token"])).status_code == 401
    listed = (await serving.call("GET", "/tokens", admin)).json()["items"]
    assert {t["id"]: t["ended_why"] for t in listed}[rotated["id"]] == "lost (root)"
    assert token not in json.dumps(listed)


async def test_only_the_hash_of_a_token_is_in_the_journal(serving):
    text = await serving.token("admin")
    files = list(serving.parts.store.path.parent.glob("journal.db*"))
    assert files
    for path in files:
        assert text.encode() not in path.read_bytes()


async def test_a_start_with_the_same_key_is_one_run_and_with_another_request_an_error(serving):
    token = await serving.token("operator")
    headers = {"Authorization": f"Bearer {token}", "Idempotency-Key": "k1"}
    first, second = [
        await serving.http.post("/api/v1/runs", json=START, headers=headers) for _ in range(2)
    ]
    assert first.status_code == second.status_code == 202
    assert first.json()["run"] == second.json()["run"]
    assert second.json()["how"] == "exists"
    other = await serving.http.post(
        "/api/v1/runs", json={**START, "inputs": {"word": "v"}}, headers=headers
    )
    assert other.status_code == 409
    await serving.ended(first.json()["run"])
    assert lab.Target.effects["w"] == 1


async def test_an_approval_over_http_is_of_whom_the_token_is_and_lets_the_run_go_on(serving):
    ana, bea = await serving.token("operator"), await serving.token("approver", person="bea")
    body = {"runbook": "p/asks", "environment": "test"}
    run = (await serving.call("POST", "/runs", ana, body)).json()["run"]
    path = f"/runs/{run}"
    async with asyncio.timeout(60):
        while not (found := (await serving.call("GET", path, bea)).json())["questions"]:
            await serving.parts.store.wait_for_more(run, found["events"], 5)
    question = found["questions"][0]
    preview = (await serving.call("GET", f"{path}/preview", bea)).json()
    assert preview["preview"]["text"] == "would act on x"
    wrong = await serving.call("POST", f"{path}/approve", bea, {"reason": "r", "hash": "0" * 64})
    assert wrong.status_code == 409
    said = {"reason": "r", "hash": question["evidence"]["hash"]}
    assert (await serving.call("POST", f"{path}/approve", bea, said)).status_code == 200
    assert (await serving.ended(run)).body["outcome"] == "resolved"
    events = await serving.parts.store.events(run)
    approved = next(event for event in events if event.type == "Approved")
    assert approved.actor["name"] == "bea"
    assert approved.actor["means"] == "token"


async def test_a_run_that_waits_for_an_answer_is_parked_and_goes_on_when_somebody_answers(serving):
    text = "title: t\nsteps:\n  - {id: sure, check: human.confirm, with: {text: sure?}}\n"
    serving.write(
        text.replace("human.confirm, with: {text: sure?}", "lab.ask, with: {question: q}")
    )
    token = await serving.token("operator")
    body = {"runbook": "p/main", "environment": "test"}
    run = (await serving.call("POST", "/runs", token, body)).json()["run"]
    async with asyncio.timeout(60):
        while serving.parts.keeper.parked == 0 or serving.parts.keeper.driven:
            await serving.parts.store.wait_for_more(run, 99, 0.01)
    answer = await serving.call("POST", f"/runs/{run}/answer", token, {"answer": "yes"})
    assert answer.status_code == 200
    assert (await serving.ended(run)).body["outcome"] == "resolved"
    second = (await serving.call("POST", "/runs", token, body)).json()["run"]
    async with asyncio.timeout(60):
        while serving.parts.keeper.parked == 0:
            await serving.parts.store.wait_for_more(second, 99, 0.01)
    await serving.parts.engine.answer(second, "", "yes", "from a command line", MADE_BY)
    assert (await serving.ended(second)).body["outcome"] == "resolved"


async def test_lists_come_in_pages_and_only_of_packs_that_are_theirs(serving):
    admin = await serving.token("admin")
    runs = []
    for _ in range(5):
        runs.append((await serving.call("POST", "/runs", admin, START)).json()["run"])
        await serving.call("POST", "/runs", admin, {"runbook": "q/other", "environment": "test"})
    viewer = await serving.token("viewer:p")
    seen, cursor = [], None
    while True:
        more = f"&cursor={cursor}" if cursor else ""
        page = (await serving.call("GET", f"/runs?limit=2{more}", viewer)).json()
        seen += [item["run"] for item in page["items"]]
        cursor = page["next"]
        if cursor is None:
            break
    assert seen == runs[::-1]
    for bad in ("x", "W10=", cursor_of(-1, "a"), "a" * 501):
        assert (await serving.call("GET", f"/runs?cursor={bad}", viewer)).status_code in (400, 422)


async def test_more_requests_than_a_token_has_are_told_when_to_come_again(serving):
    """In a minute of a clock that stands: on a slow machine 140 requests take long enough."""
    serving.parts.pace._clock = serving.clock
    token = await serving.token("viewer")
    answers = [await serving.call("GET", "/whoami", token) for _ in range(140)]
    late = [answer for answer in answers if answer.status_code == 429]
    assert late
    assert late[0].headers["retry-after"] == "1"
    assert {answer.status_code for answer in answers} == {200, 429}


async def test_errors_are_problems_that_say_what_and_how_to_mend_it(serving):
    admin = await serving.token("admin")
    call = serving.call
    missing = await call("POST", "/runs", admin, {**START, "runbook": "p/none"})
    assert (missing.status_code, missing.json()["type"]) == (404, "urn:runbook:not-found")
    wrong = await call("POST", "/runs", admin, {**START, "inputs": {"word": "a b"}})
    assert wrong.status_code == 400
    assert "has to match" in wrong.json()["detail"]
    unknown = await call("POST", "/runs", admin, {**START, "typo": 1})
    assert unknown.json()["errors"] == [
        {"where": "body/typo", "what": "Extra inputs are not permitted"}
    ]
    serving.write("title: t\nsteps: [{chek: lab.look}]\n")
    broken = await call("POST", "/runs", admin, START)
    assert broken.status_code == 422
    assert broken.json()["errors"][0]["place"].endswith("main.yaml:2:10")


async def test_a_frozen_system_refuses_and_says_so_in_the_list_of_guards(serving):
    admin = await serving.token("admin")
    await serving.call("POST", "/guards/freeze", admin, {"reason": "audit"})
    begun = (await serving.call("POST", "/runs", admin, START)).json()
    assert begun["how"] == "refused"
    rows = (await serving.call("GET", "/guards", admin)).json()["items"]
    assert [(row["guard"], row["why"]) for row in rows] == [("frozen", "ana: audit")]
    await serving.call("POST", "/guards/thaw", admin, {"reason": "done"})
    assert (await serving.call("POST", "/runs", admin, START)).json()["how"] == "started"


async def test_a_page_of_somebody_else_cannot_speak_with_the_cookie_of_a_session(serving):
    token = await serving.token("admin")
    cookies = {"cookie": f"runbook_session={token}"}
    get = await serving.http.get("/api/v1/whoami", headers=cookies)
    assert get.status_code == 200
    for origin, status in (("http://evil.example", 403), ("http://runbook", 202), (None, 403)):
        headers = cookies | ({"origin": origin} if origin else {})
        answer = await serving.http.post("/api/v1/runs", json=START, headers=headers)
        assert answer.status_code == status


async def test_what_is_refused_says_which_role_may_do_it_and_what_does_not_fit(serving):
    run = await _finished(serving)
    operator, approver = await serving.token("operator"), await serving.token("approver")
    frozen = await serving.call("POST", "/guards/freeze", operator, {"why": "audit"})
    assert frozen.json()["detail"] == (
        "this takes the permission `guard` (of the role admin) for all packs"
    )
    said = {"reason": "they wait since noon", "hash": "0000"}
    bent = await serving.call("POST", f"/runs/{run}/approve", approver, said)
    assert bent.json()["detail"] == "the request has a value that does not fit"
    assert [one["where"] for one in bent.json()["errors"]] == ["body/hash"]
