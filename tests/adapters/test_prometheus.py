"""The prometheus checks on the real server and on a fake of it: one contract."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from engine.errors import AdapterError
from engine.language.expect import judge
from engine.sandbox.http import http_service
from engine.sandbox.prometheus import PrometheusService
from engine.sandbox.spec import ServiceSpec
from tests.adapters.prometheus_target import (
    MANY_TO_MANY,
    TWO,
    FakePrometheus,
    asked,
    connected,
    fake_prometheus,
    prometheus_server,
)
from tests.parts import uses

FAKES = ["fake", "sandbox"]

_TWO = [{"labels": {"n": "a"}, "value": 1}, {"labels": {"n": "b"}, "value": 7}]
SANDBOX = {
    "queries": {
        "1": {"scalar": 1},
        '"a"': {"text": "a"},
        "no_such_metric": [],
        "vector(3)": 3,
        "vector(1)/0": "+Inf",
        "vector(-1)/0": "-Inf",
        "vector(0)/0": "NaN",
        TWO: _TWO,
        f"{TWO} or vector(0)/0": [*_TWO, {"value": "NaN"}],
        "vector(1)[1m:1s]": {"matrix": []},
        "vector(time())": "{{ at_s }}",
        "vector(time()) < 1795223750": "{{ at_s if at_s < 1795223750 else none }}",
        "sum(1": {"error": "1:6: parse error: unclosed left parenthesis", "type": "bad_data"},
        "1 +\n  up{": {
            "error": "2:6: parse error: unexpected end of input inside braces",
            "type": "bad_data",
        },
        MANY_TO_MANY: {"error": "multiple matches for labels: many-to-one"},
    },
    "alerts": [
        {
            "name": "Always",
            "labels": {"severity": "page", "zone": zone},
            "annotations": {"summary": "it fires"},
            "value": value,
        }
        for zone, value in (("a", 1), ("b", 2))
    ]
    + [
        {"name": "Later", "state": "pending", "value": 0},
        {"name": "Never", "state": "inactive"},
        {"name": "Broken", "error": "found duplicate series for the match group"},
    ],
}
"""What the stand-in of the sandbox is told, so that it answers as the real one does."""


@pytest.fixture(scope="module")
def real_url():
    with prometheus_server() as url:
        yield url


@pytest.fixture
async def fake():
    async with fake_prometheus() as fake:
        yield fake


@pytest.fixture
async def sandbox_url():
    service = PrometheusService.read(ServiceSpec("metrics", "prometheus", SANDBOX))
    async with http_service(service, lambda: datetime.now(UTC)) as told:
        yield told["url"]
        assert service.problems == []


@pytest.fixture(params=["real", *FAKES] if uses("prometheus") else FAKES)
def url(request):
    """Of the real server, of the fake and of the sandbox's: the same test, the same outcome."""
    if request.param != "fake":
        return request.getfixturevalue(f"{request.param}_url")
    fake: FakePrometheus = request.getfixturevalue("fake")
    return fake.url


@pytest.mark.parametrize(
    ("query", "kind", "value", "values"),
    [
        ("vector(3)", "vector", 3.0, [3.0]),
        ("1", "scalar", 1.0, [1.0]),
        (TWO, "vector", None, [1.0, 7.0]),
        ("vector(1)/0", "vector", "Infinity", ["Infinity"]),
        ("vector(-1)/0", "vector", "-Infinity", ["-Infinity"]),
    ],
)
async def test_samples_are_numbers_although_prometheus_sends_texts(url, query, kind, value, values):
    found, judged = await asked(url, "query", query=query)
    assert (found["kind"], found["value"], found["values"]) == (kind, value, values)
    assert (found["count"], found["nan"], judged.holds) == (len(values), 0, True)


async def test_each_series_comes_with_its_labels_and_its_time(url):
    found, _ = await asked(url, "query", query=TWO)
    assert [(s["labels"], s["value"]) for s in found["series"]] == [
        ({"n": "a"}, 1.0),
        ({"n": "b"}, 7.0),
    ]
    assert all(s["at_s"] > 1.7e9 for s in found["series"])
    assert (found["min"], found["max"]) == (1.0, 7.0)


async def test_a_text_is_found_and_keeps_no_bound(url):
    found, judged = await asked(url, "query", query='"a"')
    assert (found["kind"], found["value"], judged.holds) == ("string", "a", False)


@pytest.mark.parametrize(
    ("bound", "series", "holds"),
    [
        ({"lt": 8}, "all", True),
        ({"lt": 5}, "all", False),
        ({"lt": 5}, "any", True),
        ({"gt": 8}, "any", False),
        ({"ge": 1, "le": 7}, "all", True),
        ({"between": [1, 6]}, "all", False),
        ({"between": [1, 6]}, "at least 1", True),
        ({"eq": 7}, "at least 2", False),
        ({"ne": 3}, "at least 2", True),
        ({"ne": 3}, "at least 3", False),
    ],
)
async def test_a_bound_holds_for_as_many_series_as_are_asked_for(url, bound, series, holds):
    _, judged = await asked(url, "query", query=TWO, bound=bound, series=series)
    assert judged.holds is holds


async def test_a_bound_that_does_not_hold_says_which_series_breaks_it(url):
    found, judged = await asked(url, "query", query=TWO, bound={"lt": 5})
    assert found["misses"] == ['{n="b"} is 7, not less than 5']
    assert "is 7, not less than 5" in judged.lines[0]


@pytest.mark.parametrize(
    ("query", "bound", "holds"),
    [
        ("vector(1)/0", {"gt": 5}, True),
        ("vector(1)/0", {"lt": 5}, False),
        ("vector(-1)/0", {"lt": 5}, True),
    ],
)
async def test_infinities_are_compared_as_the_numbers_they_are(url, query, bound, holds):
    _, judged = await asked(url, "query", query=query, bound=bound)
    assert judged.holds is holds


async def test_no_series_is_an_error_unless_the_runbook_says_that_it_fails(url):
    with pytest.raises(AdapterError, match="found no series") as caught:
        await asked(url, "query", query="no_such_metric")
    assert caught.value.retryable
    found, judged = await asked(url, "query", query="no_such_metric", empty="failed")
    assert (found["count"], found["values"], found["value"]) == (0, None, None)
    assert (found["misses"], judged.holds) == (["the query found no series"], False)


@pytest.mark.parametrize("series", ["all", "any", "at least 1"])
async def test_no_series_never_keeps_a_bound(url, series):
    _, judged = await asked(
        url, "query", query="no_such_metric", empty="failed", bound={"ge": 0}, series=series
    )
    assert not judged.holds


@pytest.mark.parametrize(
    "expect", [{"values": {"every": {"lt": 5}}}, {"value": {"lt": 5}}, {"values": {"length": 0}}]
)
async def test_nothing_can_be_expected_of_the_values_of_no_series(url, expect):
    found, _ = await asked(url, "query", query="no_such_metric", empty="failed")
    assert not judge(expect, {"result": found}).holds


async def test_nan_is_an_error_unless_the_runbook_says_that_it_fails(url):
    with pytest.raises(AdapterError, match="answers NaN") as caught:
        await asked(url, "query", query="vector(0)/0")
    assert caught.value.retryable
    found, judged = await asked(url, "query", query="vector(0)/0", nan="failed")
    assert (found["value"], found["nan"], found["min"], judged.holds) == ("NaN", 1, None, False)


@pytest.mark.parametrize(
    ("bound", "series", "holds"),
    [
        ({"ne": 5}, "all", False),
        ({"ne": 5}, "at least 3", False),
        ({"ne": 5}, "at least 2", True),
        (None, "all", False),
    ],
)
async def test_nan_among_series_keeps_no_bound(url, bound, series, holds):
    query = f"{TWO} or vector(0)/0"
    found, judged = await asked(url, "query", query=query, nan="failed", bound=bound, series=series)
    assert (found["nan"], judged.holds) == (1, holds)


async def test_nan_fits_no_expectation(url):
    found, _ = await asked(url, "query", query="vector(0)/0", nan="failed")
    for expect in ({"value": {"lt": 5}}, {"value": {"ge": 5}}, {"values": {"every": {"lt": 5}}}):
        assert not judge(expect, {"result": found}).holds


@pytest.mark.parametrize(
    ("query", "words", "place", "hint"),
    [
        ("sum(1", "unclosed left parenthesis", (1, 6), "sum(1\n     ^"),
        ("1 +\n  up{", "unexpected end of input inside braces", (2, 6), "  up{\n     ^"),
    ],
)
async def test_a_bad_query_is_told_in_prometheus_s_words_and_with_its_place(
    url, query, words, place, hint
):
    with pytest.raises(AdapterError, match=words) as caught:
        await asked(url, "query", query=query)
    error = caught.value
    assert (error.detail["line"], error.detail["column"], error.help) == (*place, hint)
    assert (error.retryable, error.detail["error_type"]) == (False, "bad_data")


async def test_a_query_that_cannot_be_carried_out_says_why(url):
    with pytest.raises(AdapterError, match="does not answer the query") as caught:
        await asked(url, "query", query=MANY_TO_MANY)
    assert (caught.value.retryable, caught.value.detail["error_type"]) == (False, "execution")


async def test_a_range_of_samples_is_no_answer_to_an_instant_query(url):
    with pytest.raises(AdapterError, match="a range of samples"):
        await asked(url, "query", query="vector(1)[1m:1s]")


async def test_a_window_has_the_least_the_most_the_mean_and_the_last_of_each_series(url):
    found, judged = await asked(
        url, "range", query="vector(time())", window=100.0, step=10.0, end=1795223800.0
    )
    assert judged.holds
    [span] = found["series"]
    assert (span["min"], span["max"], span["avg"]) == (1795223700.0, 1795223800.0, 1795223750.0)
    assert (span["first"], span["last"], span["last_at_s"]) == (
        1795223700.0,
        1795223800.0,
        1795223800.0,
    )
    assert (span["count"], span["nan"], span["ended"]) == (11, 0, False)
    assert span["points"][-1] == [1795223800.0, 1795223800.0]
    assert (found["start_s"], found["end_s"], found["step_s"]) == (1795223700.0, 1795223800.0, 10.0)


async def test_a_window_without_an_end_ends_at_prometheus_s_own_now(url):
    found, _ = await asked(url, "range", query=TWO, window=600.0)
    assert (found["step_s"], found["series"][0]["count"]) == (10.0, 61)
    assert found["end_s"] - found["start_s"] == 600.0


@pytest.mark.parametrize(
    ("of", "bound", "holds"),
    [
        ("last", {"gt": 1795223799}, True),
        ("min", {"gt": 1795223799}, False),
        ("max", {"gt": 1795223799}, True),
        ("avg", {"between": [1795223749, 1795223751]}, True),
    ],
)
async def test_a_bound_of_a_window_is_for_the_number_it_names(url, of, bound, holds):
    query = {"query": "vector(time())", "window": 100.0, "step": 10.0, "end": 1795223800.0}
    _, judged = await asked(url, "range", **query, of=of, bound=bound)
    assert judged.holds is holds


async def test_a_series_that_ended_before_the_window_has_no_last_number(url):
    found, judged = await asked(
        url, "range", query="vector(time()) < 1795223750", window=100.0, step=10.0,
        end=1795223800.0, bound={"gt": 0},
    )  # fmt: skip
    assert (found["series"][0]["ended"], judged.holds) == (True, False)


async def test_only_the_newest_points_are_kept(url):
    found, _ = await asked(
        url, "range", query="vector(time())", window=500.0, step=1.0, end=1795223800.0
    )
    [span] = found["series"]
    assert (span["count"], len(span["points"]), span["points"][0][0]) == (501, 60, 1795223741.0)


async def test_more_points_than_a_runbook_can_read_are_not_asked_for(url):
    with pytest.raises(AdapterError, match="more than 1000 points"):
        await asked(url, "range", query="1", window=3600.0, step=1.0)


@pytest.mark.parametrize(
    ("query", "words"), [("no_such_metric", "found no series"), ("vector(0)/0", "answers NaN")]
)
async def test_an_empty_window_and_nan_in_it_are_errors_or_failures(url, query, words):
    with pytest.raises(AdapterError, match=words):
        await asked(url, "range", query=query, window=60.0)
    _, judged = await asked(url, "range", query=query, window=60.0, empty="failed", nan="failed")
    assert not judged.holds


async def test_an_alert_that_fires_fails_the_check(url):
    found, judged = await asked(url, "alert", name="Always")
    assert (found["state"], found["firing"], found["pending"]) == ("firing", 2, 0)
    assert judged.lines == ("firing: expected 0, was 2",)
    assert found["alerts"][0]["labels"]["severity"] == "page"
    assert found["alerts"][0]["annotations"] == {"summary": "it fires"}
    assert {a["value"] for a in found["alerts"]} == {1.0, 2.0}


async def test_alerts_are_told_apart_by_their_labels(url):
    found, _ = await asked(url, "alert", name="Always", labels={"zone": "b"})
    assert found["firing"] == 1
    found, judged = await asked(url, "alert", name="Always", labels={"zone": "c"})
    assert (found["state"], judged.holds) == ("inactive", True)


@pytest.mark.parametrize(("name", "state"), [("Later", "pending"), ("Never", "inactive")])
async def test_an_alert_that_does_not_fire_passes_and_says_how_it_stands(url, name, state):
    found, judged = await asked(url, "alert", name=name)
    assert (found["state"], found["firing"], judged.holds) == (state, 0, True)


async def test_an_alert_that_no_rule_has_is_an_error_and_not_fine(url):
    with pytest.raises(AdapterError, match="no alerting rule named Alwyas") as caught:
        await asked(url, "alert", name="Alwyas")
    assert not caught.value.retryable


async def test_an_alert_whose_rule_cannot_be_evaluated_is_an_error_and_not_fine(url):
    with pytest.raises(AdapterError, match="the alerting rule Broken says nothing: "):
        await asked(url, "alert", name="Broken")


async def test_ping_asks_a_query(url):
    async with connected(url) as adapter:
        assert await adapter.ping() == f"{url.partition('//')[2]} answers queries"
