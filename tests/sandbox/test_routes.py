"""An HTTP service without a network: what its description means."""

from __future__ import annotations

import json
from datetime import UTC, datetime

import pytest

from engine.config.fields import plain
from engine.errors import Collector
from engine.language.source import parse
from engine.sandbox.routes import Answer, Behaviour, Request
from engine.sandbox.spec import ServiceSpec

NOW = datetime(2026, 11, 21, 2, 0, tzinfo=UTC)


def service(text):
    collector = Collector()
    settings = plain(parse(text, "sandbox.yaml", collector))
    assert collector.found == []
    return Behaviour.read(ServiceSpec("api", "http", settings))


def ask(behaviour, method, target, *, body=b"", **headers):
    """`x_key="a"` is a header `x-key: a`."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return behaviour.answer(Request(method, target, named, body), NOW)


def told(answer):
    return answer.status, json.loads(answer.body)


def test_the_first_route_that_fits_answers():
    api = service("""
routes:
  - {on: GET /a, text: first}
  - {on: GET /a, text: second}
  - {on: "POST,PUT /a", status: 204}
  - {on: "* /rest/*", text: "{{ request.params.rest }}"}
""")
    assert ask(api, "GET", "/a") == Answer(
        200, (("Content-Type", "text/plain; charset=utf-8"),), b"first"
    )
    assert [ask(api, m, "/a").status for m in ("POST", "PUT", "DELETE")] == [204, 204, 404]
    assert ask(api, "PATCH", "/rest/of/it").body == b"of/it"


def test_a_parameter_takes_one_part_of_the_path():
    api = service("routes: [{on: 'GET /jobs/{id}', json: '{{ request.params.id }}'}]")
    assert told(ask(api, "GET", "/jobs/7")) == (200, "7")
    assert ask(api, "GET", "/jobs/7/8").status == 404
    assert ask(api, "GET", "/jobs/").status == 404


def test_a_dot_in_a_path_is_a_dot():
    api = service("routes: [{on: GET /a.b}]")
    assert [ask(api, "GET", path).status for path in ("/a.b", "/aXb")] == [200, 404]


def test_the_state_changes_before_the_answer_is_rendered():
    api = service("""
state: {n: 1, deep: {}}
routes:
  - {on: POST /n, set: {n: "{{ state.n + 1 }}", deep.er: "{{ state.n }}"}, json: "{{ state }}"}
""")
    assert told(ask(api, "POST", "/n")) == (200, {"n": 2, "deep": {"er": 1}})
    assert told(ask(api, "POST", "/n")) == (200, {"n": 3, "deep": {"er": 2}})


def test_services_of_one_description_do_not_share_their_state():
    settings = {"state": {"said": []}, "routes": [{"on": "POST /", "set": {"said": [1]}}]}
    one, two = (Behaviour.read(ServiceSpec("api", "http", settings)) for _ in range(2))
    ask(one, "POST", "/")
    assert (one.state, two.state) == ({"said": [1]}, {"said": []})


def test_a_token_is_asked_for_by_a_route_that_comes_before():
    api = service("""
tells: {token: secret-token}
routes:
  - on: "* /api/*"
    when: request.headers.authorization | default("") != "Bearer " ~ tells.token
    status: 401
    headers: {WWW-Authenticate: Bearer}
  - {on: GET /api/state, json: {ok: true}}
""")
    assert ask(api, "GET", "/api/state").status == 401
    assert ask(api, "GET", "/api/state", authorization="Bearer wrong").status == 401
    assert ask(api, "GET", "/api/state", authorization="Bearer secret-token").status == 200


def test_a_throttle_counts_its_calls_and_lets_the_rest_pass():
    api = service("""
routes:
  - {on: POST /login, when: calls > 2, status: 429, headers: {Retry-After: "30"}}
  - {on: POST /login, json: {}}
""")
    assert [ask(api, "POST", "/login").status for _ in range(4)] == [200, 200, 200, 200]
    api = service("""
state: {hits: 0}
routes:
  - {on: "* /*", pass: true, set: {hits: "{{ state.hits + 1 }}"}}
  - {on: POST /login, when: state.hits > 2, status: 429, headers: {Retry-After: "30"}}
  - {on: POST /login, json: {}}
""")
    assert [ask(api, "POST", "/login").status for _ in range(4)] == [200, 200, 429, 429]


def test_a_route_that_passes_adds_its_headers_and_its_delay():
    api = service("""
routes:
  - on: "* /*"
    pass: true
    when: request.headers.origin | default("") in ["https://app.example"]
    headers: {Access-Control-Allow-Origin: "{{ request.headers.origin }}"}
    delay: 100ms
  - {on: OPTIONS /api, status: 204}
""")
    allowed = ask(api, "OPTIONS", "/api", origin="https://app.example")
    assert dict(allowed.headers)["Access-Control-Allow-Origin"] == "https://app.example"
    assert (allowed.status, allowed.delay_s) == (204, 0.1)
    assert "Access-Control-Allow-Origin" not in dict(ask(api, "OPTIONS", "/api").headers)


def test_the_time_is_that_of_the_request():
    api = service("routes: [{on: GET /, json: {at: '{{ now - 90 }}'}}]")
    assert told(ask(api, "GET", "/")) == (200, {"at": "2026-11-21T01:58:30Z"})


def test_a_body_that_is_no_json_reads_as_none():
    api = service("routes: [{on: POST /, json: ['{{ request.json }}', '{{ request.text }}']}]")
    assert told(ask(api, "POST", "/", body=b"a=1")) == (200, [None, "a=1"])


def test_faults_of_a_route_are_told_to_whoever_serves_it():
    api = service("routes: [{on: GET /, fail: reset, delay: 1s}]")
    answer = ask(api, "GET", "/")
    assert (answer.fail, answer.delay_s) == ("reset", 1.0)


def test_a_fault_puts_routes_before_the_others():
    api = service("first: [{on: GET /, status: 500}]\nroutes: [{on: GET /, status: 200}]")
    assert ask(api, "GET", "/").status == 500


@pytest.mark.parametrize("wrong", ["json: '{{ state.nothing }}'", "status: '{{ [] }}'"])
def test_a_description_that_goes_wrong_answers_500_and_is_kept_for_the_test(wrong):
    api = service(f"routes: [{{on: GET /, {wrong}}}]")
    assert ask(api, "GET", "/").status == 500
    assert len(api.problems) == 1


def test_what_came_in_is_kept():
    api = service("routes: []")
    ask(api, "POST", "/a?b=1", body=b"x")
    assert [(r.method, r.path, r.body) for r in api.requests] == [("POST", "/a", b"x")]
