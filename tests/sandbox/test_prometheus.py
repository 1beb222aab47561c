"""Prometheus in the sandbox: what it answers moves with the other services; mistakes have a place.

That it answers as the real one does is the contract in tests/adapters/test_prometheus.py.
"""

from __future__ import annotations

import httpx
import pytest

from engine.sandbox import Sandbox

ENVIRONMENT = """
services:
  api: {kind: http, state: {ill: true}, routes: [{on: POST /heal, set: {ill: false}, text: ok}]}
  metrics:
    kind: prometheus
    state: {rate: 0.31}
    queries:
      sum(rate(errors[5m])): "{{ state.rate if services.api.ill else 0.001 }}"
      restarts: "{{ asked }}"
    alerts:
      - {name: Ill, state: "{{ 'firing' if services.api.ill else 'inactive' }}"}
connections:
  api: {adapter: http, base_url: "${service:api.url}"}
  metrics: {adapter: prometheus, base_url: "${service:metrics.url}"}
"""


async def asked(client, query):
    answer = await client.get("/api/v1/query", params={"query": query})
    return answer.json()["data"]["result"][0]["value"][1]


async def test_a_query_says_how_the_other_services_are(environment):
    async with (
        Sandbox(environment(ENVIRONMENT), "pack/none", ["api", "metrics"]) as up,
        httpx.AsyncClient(base_url=up.services["metrics.url"], timeout=60) as client,
    ):
        assert await asked(client, "\n  sum(rate(errors[5m]))\n") == "0.31"
        async with httpx.AsyncClient(timeout=60) as other:
            await other.post(f"{up.services['api.url']}/heal")
        assert await asked(client, "sum(rate(errors[5m]))") == "0.001"
        rules = (await client.get("/api/v1/rules")).json()["data"]["groups"][0]["rules"]
        assert [(rule["name"], rule["state"]) for rule in rules] == [("Ill", "inactive")]
        assert [await asked(client, "restarts") for _ in range(2)] == ["1", "2"]
        assert up.behaviours["metrics"].problems == []


async def test_a_query_it_has_no_answer_to_is_refused_in_words_and_not_empty(environment):
    async with (
        Sandbox(environment(ENVIRONMENT), "pack/none", ["api", "metrics"]) as up,
        httpx.AsyncClient(base_url=up.services["metrics.url"], timeout=60) as client,
    ):
        answer = await client.post("/api/v1/query", data={"query": "restart"})
    assert answer.status_code == 422
    assert answer.json()["error"] == "the sandbox has no answer to the query restart"


async def test_a_server_that_is_down_is_down_for_every_query(environment):
    text = ENVIRONMENT.replace("    state: {rate: 0.31}", "    down: true")
    async with (
        Sandbox(environment(text), "pack/none", ["metrics"]) as up,
        httpx.AsyncClient(base_url=up.services["metrics.url"], timeout=60) as client,
    ):
        assert (await client.get("/api/v1/query", params={"query": "1"})).status_code == 503


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ("queries: [up]", "takes a mapping from queries to values"),
        ("queries: {up: {value: 1}}", "unknown key 'value'"),
        ("queries: {up: [{label: {}, value: 1}]}", "unknown key 'label'"),
        ("alerts: [{state: firing}]", "an alert has no name"),
        ("alerts: [{name: A, state: fires}]", "'fires' is no state"),
        ("down: maybe", "takes true, false, reset or hang"),
        ("query: {}", "unknown key 'query'"),
    ],
)
async def test_a_mistake_in_its_description_is_told_with_its_place(mistake, settings, words):
    used = 'adapter: prometheus, base_url: "${service:metrics.url}"'
    assert words in await mistake("metrics", f"metrics: {{kind: prometheus, {settings}}}", used)
