"""What the meta actions change, what their previews say, and what a second try does."""

from __future__ import annotations

import pytest

from engine.errors import AdapterError
from tests.adapters.meta_target import stand_in

DOWN = {"code": 2, "message": "Service temporarily unavailable", "status": 500, "transient": True}


async def test_a_status_is_set_and_the_former_one_told():
    async with stand_in() as meta:
        found = await meta.act("set_status", id="200", status="PAUSED")
        assert meta.service.world.objects["200"]["status"] == "PAUSED"
    assert (found["status"], found["former"], found["written"]) == ("PAUSED", "ACTIVE", True)
    assert (found["name"], meta.lines()) == ("Autumn", ["GET /200", "POST /200"])


async def test_a_status_that_is_so_already_is_not_written():
    async with stand_in() as meta:
        found = await meta.act("set_status", id="200", status="ACTIVE")
    assert (found["former"], found["written"], meta.lines()) == ("ACTIVE", False, ["GET /200"])


@pytest.mark.parametrize(
    ("name", "params", "former", "key"),
    [
        ("set_status", {"id": "300", "status": "PAUSED"}, "ACTIVE", "former"),
        ("set_budget", {"id": "300", "daily_minor": 9900}, 2500, "former_minor"),
    ],
)
async def test_a_second_try_reads_first_and_does_not_write_what_the_first_wrote(
    name, params, former, key
):
    lost = {"on": "POST /300", "lost": True, "times": 1}
    async with stand_in(faults=[lost]) as meta:
        with pytest.raises(AdapterError) as caught:
            await meta.act(name, **params)
        assert caught.value.maybe_done
        assert caught.value.detail["former"] == former
        found = await meta.act(name, attempt=2, **params)
    assert (found[key], found["written"]) == (former, False)
    assert sum(line.startswith("POST") for line in meta.lines()) == 1


async def test_a_second_try_writes_what_the_first_did_not():
    async with stand_in(faults=[{"on": "POST /300", "fail": "reset", "times": 1}]) as meta:
        with pytest.raises(AdapterError):
            await meta.act("set_status", id="300", status="PAUSED")
        found = await meta.act("set_status", attempt=2, id="300", status="PAUSED")
    assert (found["former"], found["written"]) == ("ACTIVE", True)


@pytest.mark.parametrize(
    ("currency", "per_unit", "shown", "former"),
    [("USD", 100, "99.00 USD", "50.00 USD"), ("JPY", 1, "9900 JPY", "5000 JPY")],
)
async def test_a_budget_is_set_in_minor_units_and_told_as_people_write_it(
    currency, per_unit, shown, former
):
    async with stand_in(accounts=[{"id": "100", "currency": currency}]) as meta:
        found = await meta.act("set_budget", id="200", daily_minor=9900)
        assert meta.service.world.objects["200"]["daily_budget"] == "9900"
    assert (found["minor"], found["former_minor"], found["which"]) == (9900, 5000, "daily")
    assert (found["shown"], found["former_shown"]) == (shown, former)
    assert (found["currency"], found["minor_per_unit"]) == (currency, per_unit)


async def test_a_lifetime_budget_that_was_not_there_has_no_former_one():
    async with stand_in() as meta:
        found = await meta.act("set_budget", id="200", lifetime_minor=100000)
    assert (found["which"], found["former_minor"], found["former_shown"]) == (
        "lifetime",
        None,
        None,
    )


@pytest.mark.parametrize(
    "params", [{}, {"daily_minor": 1, "lifetime_minor": 1}, {"daily_minor": -1}]
)
async def test_one_budget_is_given(params):
    async with stand_in() as meta:
        for ask in (meta.act, meta.would):
            with pytest.raises(AdapterError, match="one budget is given"):
                await ask("set_budget", id="200", **params)
    assert meta.seen == []


async def test_an_ad_has_no_budget():
    async with stand_in() as meta:
        with pytest.raises(AdapterError, match="nonexisting field \\(daily_budget\\)"):
            await meta.act("set_budget", id="400", daily_minor=500)


async def test_a_page_is_no_ad_and_its_status_is_not_set():
    async with stand_in() as meta:
        with pytest.raises(AdapterError, match="nonexisting field"):
            await meta.act("set_status", id="500", status="PAUSED")
    assert meta.lines() == ["GET /500"]


async def test_a_request_makes_an_object_and_answers_its_id():
    async with stand_in() as meta:
        params = {"name": "Winter", "special_ad_categories": [], "daily_budget": 500}
        found = await meta.act("request", method="POST", path="act_100/campaigns", params=params)
        made = meta.service.world.objects[found["id"]]
    assert (made["name"], made["special_ad_categories"], made["status"]) == (
        "Winter",
        "[]",
        "PAUSED",
    )


async def test_a_request_deletes():
    async with stand_in() as meta:
        found = await meta.act("request", method="DELETE", path="400")
        assert meta.service.world.objects["400"]["status"] == "DELETED"
    assert found["answer"] == {"success": True}


async def test_success_false_is_a_failure_although_the_status_is_200():
    no = {"on": "* /200", "json": {"success": False}, "after": 1}
    async with stand_in(faults=[no]) as meta:
        with pytest.raises(AdapterError, match="answers 200 and says success: false") as caught:
            await meta.act("set_status", id="200", status="PAUSED")
    assert not caught.value.maybe_done


@pytest.mark.parametrize("path", ["", "/", "v19.0/200", "200?status=PAUSED", "oauth/access_token"])
async def test_a_path_that_is_not_below_the_version_is_refused(path):
    async with stand_in() as meta:
        with pytest.raises(AdapterError):
            await meta.act("request", method="POST", path=path)
        with pytest.raises(AdapterError):
            await meta.check("request", path=path)
    assert meta.seen == []


PAUSE = [{"method": "POST", "path": one, "params": {"status": "PAUSED"}} for one in ("200", "300")]


async def test_a_batch_carries_out_each_call_and_counts_it():
    requests = [*PAUSE, {"method": "GET", "path": "400", "params": {"fields": "name"}}]
    async with stand_in() as meta:
        found = await meta.act("batch", requests=requests)
        assert meta.service.calls == 3
        assert meta.service.world.objects["300"]["status"] == "PAUSED"
    assert (found["sent"], found["done"], found["failed"], found["timed_out"]) == (3, 3, 0, 0)
    assert found["results"][2]["body"] == {"id": "400", "name": "Red shoe"}
    assert len(meta.seen) == 1


async def test_a_batch_tells_the_calls_without_an_answer_and_they_make_another_batch():
    async with stand_in(batch_timeouts=[2]) as meta:
        found = await meta.act("batch", requests=PAUSE, partial="passes")
        assert (found["done"], found["timed_out"], found["again"]) == (1, 1, [PAUSE[1]])
        rest = await meta.act("batch", key="k2", requests=found["again"])
    assert (rest["sent"], rest["done"]) == (1, 1)


async def test_a_batch_that_is_not_whole_is_in_doubt_unless_the_runbook_takes_it():
    async with stand_in(batch_timeouts=[2]) as meta:
        with pytest.raises(AdapterError, match="1 of 2 calls were carried out") as caught:
            await meta.act("batch", requests=PAUSE)
    error = caught.value
    assert (error.maybe_done, error.retryable, error.detail["timed_out"]) == (True, True, 1)
    assert [one["number"] for one in error.detail["left"]] == [2]


async def test_a_batch_of_reads_that_is_not_whole_is_in_no_doubt():
    reads = [{"method": "GET", "path": "200"}, {"method": "GET", "path": "300"}]
    async with stand_in(batch_timeouts=[1]) as meta:
        with pytest.raises(AdapterError) as caught:
            await meta.act("batch", requests=reads)
        assert (caught.value.maybe_done, caught.value.retryable) == (False, True)


async def test_another_try_of_a_batch_sends_only_the_calls_without_an_answer():
    async with stand_in(batch_timeouts=[1]) as meta:
        with pytest.raises(AdapterError):
            await meta.act("batch", requests=PAUSE)
        found = await meta.act("batch", attempt=2, requests=PAUSE)
    assert (found["sent"], found["done"], found["timed_out"]) == (1, 2, 0)
    assert meta.service.calls == 3


async def test_a_call_of_a_batch_that_is_refused_is_told_in_words_and_not_sent_again():
    requests = [PAUSE[0], {"method": "POST", "path": "300", "params": {"status": "SLEEPING"}}]
    async with stand_in() as meta:
        with pytest.raises(AdapterError, match="Param status must be one of") as caught:
            await meta.act("batch", requests=requests)
    assert (caught.value.maybe_done, caught.value.retryable) == (True, False)


async def test_a_batch_of_refused_calls_changed_nothing():
    requests = [{"method": "POST", "path": "300", "params": {"status": "SLEEPING"}}]
    async with stand_in() as meta:
        with pytest.raises(AdapterError) as caught:
            await meta.act("batch", requests=requests)
    assert not caught.value.maybe_done


@pytest.mark.parametrize(
    ("requests", "words"),
    [
        ([], "1 to 50 requests, not 0"),
        ([PAUSE[0]] * 51, "1 to 50 requests, not 51"),
        ([{"method": "PUT", "path": "1"}], "request 1: the method is GET, POST or DELETE"),
        ([PAUSE[0], {"method": "GET", "path": "x", "when": 1}], "request 2: unknown key 'when'"),
        ([{"method": "GET", "path": "1?a=b"}], "request 1: the path '1\\?a=b' has a query"),
        ([{"method": "GET", "path": "1", "params": {"method": "delete"}}], "cannot be given"),
    ],
)
async def test_a_batch_that_is_wrong_is_refused_before_anything_is_sent(requests, words):
    async with stand_in() as meta:
        for ask in (meta.act, meta.would):
            with pytest.raises(AdapterError, match=words):
                await ask("batch", requests=requests)
    assert meta.seen == []


async def test_a_rehearsal_asks_meta_and_changes_nothing():
    async with stand_in() as meta:
        before = repr(meta.service.world.objects)
        status = await meta.would("set_status", id="200", status="PAUSED")
        budget = await meta.would("set_budget", id="200", daily_minor=9900)
        made = await meta.would(
            "request", method="POST", path="act_100/adsets", params={"name": "South"}
        )
        batch = await meta.would("batch", requests=PAUSE)
        assert repr(meta.service.world.objects) == before
    assert status.text == (
        "Autumn (200) would go from ACTIVE to PAUSED; Meta would take it (validate_only)"
    )
    assert budget.text == (
        "the daily budget of Autumn (200) would go from 50.00 USD to 99.00 USD;"
        " Meta would take it (validate_only)"
    )
    assert made.text == ("POST /act_100/adsets\n  name = South\nMeta would take it (validate_only)")
    assert batch.affected == 2
    posts = [r.body.decode() for r in meta.seen if r.method == "POST"]
    assert len(posts) == 5
    assert all("execution_options=%5B%22validate_only%22%5D" in body for body in posts)


@pytest.mark.parametrize(
    ("name", "params"),
    [
        ("set_status", {"id": "200", "status": "ACTIVE"}),
        ("set_budget", {"id": "200", "daily_minor": 5000}),
    ],
)
async def test_a_rehearsal_of_what_is_so_already_says_that_nothing_would_be_written(name, params):
    async with stand_in() as meta:
        preview = await meta.would(name, **params)
    assert "already" in preview.text
    assert preview.affected == 0
    assert all(line.startswith("GET") for line in meta.lines())


async def test_a_rehearsal_fails_where_meta_would_refuse():
    async with stand_in() as meta:
        with pytest.raises(AdapterError, match="Your budget is too low"):
            await meta.would("set_budget", id="200", daily_minor=1)


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("POST", "500"),
        ("POST", "500/feed"),
        ("POST", "200/copies"),
        ("POST", "act_100/adimages"),
        ("DELETE", "200"),
    ],
)
async def test_a_rehearsal_does_not_send_what_meta_has_no_dry_run_for(method, path):
    async with stand_in() as meta:
        before = repr(meta.service.world.objects)
        preview = await meta.would("request", method=method, path=path, params={"name": "x"})
        assert repr(meta.service.world.objects) == before
    assert "Meta has no dry run for it" in preview.text
    assert all(line.startswith("GET") for line in meta.lines())


async def test_a_rehearsal_of_an_object_that_is_not_there_says_so():
    async with stand_in() as meta:
        with pytest.raises(AdapterError, match="no such object"):
            await meta.would("request", method="POST", path="777", params={"name": "x"})


async def test_a_long_batch_is_validated_in_part_and_says_so():
    async with stand_in() as meta:
        preview = await meta.would("batch", requests=PAUSE * 10)
    assert preview.text.endswith("and 10 more, which Meta was not asked about")
    assert (preview.affected, len(meta.seen)) == (20, 20)


@pytest.mark.parametrize(
    ("name", "params"),
    [
        ("set_status", {"id": "200", "status": "PAUSED"}),
        ("request", {"method": "POST", "path": "200", "params": {"name": "x"}}),
    ],
)
async def test_what_meta_could_not_carry_out_just_now_is_in_doubt(name, params):
    async with stand_in(faults=[{"on": "POST /200", **DOWN}]) as meta:
        with pytest.raises(AdapterError, match="the change may have been made") as caught:
            await meta.act(name, **params)
    assert (caught.value.maybe_done, caught.value.retryable) == (True, True)
