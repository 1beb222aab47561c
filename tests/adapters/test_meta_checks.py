"""What the meta checks find, and how they judge it, on the stand-in."""

from __future__ import annotations

import pytest

from engine.errors import AdapterError
from tests.adapters.meta_target import NOW, SECRET, TOKEN, stand_in

APP = {"app_id": "1000", "app_secret": SECRET}
ALL = ["ads_management", "ads_read", "business_management", "pages_read_engagement",
       "pages_show_list"]  # fmt: skip


@pytest.mark.parametrize("settings", [{}, APP], ids=["by itself", "by the app"])
async def test_a_good_token_passes_and_says_how_long_it_lasts_by_metas_clock(settings):
    async with stand_in(settings) as meta:
        found, judged = await meta.check("token")
    assert judged.holds
    assert (found["valid"], found["problem"], found["missing"]) == (True, None, [])
    assert (found["days_left"], found["data_access_days_left"]) == (60.0, 90.0)
    assert found["expires_at"] == "2027-01-20T02:00:00Z"
    assert (found["scopes"], found["kind"], found["app_id"]) == (ALL, "SYSTEM_USER", "1000")


async def test_a_token_that_never_expires_has_no_days_left():
    async with stand_in(token={"expires_in": None, "data_access_in": None}) as meta:
        found, judged = await meta.check("token")
    assert judged.holds
    assert (found["expires_at"], found["days_left"]) == (None, None)
    assert (found["data_access_expires_at"], found["data_access_days_left"]) == (None, None)


async def test_the_days_left_shrink_with_metas_clock_and_not_with_ours():
    async with stand_in() as meta:
        await meta.check("token")
        meta.moves(days=50, hours=12)
        found, _ = await meta.check("token")
    assert found["days_left"] == 9.5


async def test_an_expired_token_fails_the_check_and_says_so_in_words():
    async with stand_in(APP) as meta:
        await meta.check("token")
        meta.moves(days=61)
        found, judged = await meta.check("token")
    assert not judged.holds
    assert found["problem"].startswith("Meta does not take the token: it expired; ")
    assert found["days_left"] == -1.0


@pytest.mark.parametrize("settings", [{}, APP], ids=["by itself", "by the app"])
@pytest.mark.parametrize(
    ("subcode", "words"),
    [
        (458, "the person removed the app"),
        (459, "the person must first pass a checkpoint"),
        (460, "the password was changed"),
        (463, "it expired"),
        (464, "the person's account is not confirmed"),
        (467, "it is invalid: logged out, or revoked"),
        (492, "its session is bad"),
    ],
)
async def test_a_dead_token_is_an_answer_with_its_reason(settings, subcode, words):
    async with stand_in(settings, token={"died": subcode}) as meta:
        found, judged = await meta.check("token")
    assert (found["valid"], judged.holds) == (False, False)
    assert words in found["problem"]


async def test_an_app_secret_of_another_app_is_an_error_and_says_nothing_of_the_token():
    async with stand_in({"app_id": "1000", "app_secret": "of-another-app"}) as meta:
        with pytest.raises(AdapterError, match="does not take the token") as caught:
            await meta.check("token")
    assert not caught.value.retryable


@pytest.mark.parametrize(
    ("scopes", "missing"),
    [
        (ALL, []),
        ([s for s in ALL if s != "ads_read"], []),
        ([s for s in ALL if s != "ads_management"], []),
        (ALL[2:], ["ads_read or ads_management"]),
        (["ads_read"], ["business_management", "pages_read_engagement", "pages_show_list"]),
        ([], ["ads_read or ads_management", "business_management", "pages_read_engagement",
              "pages_show_list"]),
    ],
)  # fmt: skip
async def test_missing_scopes_are_listed_in_words(scopes, missing):
    async with stand_in(token={"scopes": scopes}) as meta:
        for name in ("token", "permissions"):
            found, judged = await meta.check(name)
            assert (found["missing"], judged.holds) == (missing, not missing)


async def test_a_step_may_ask_for_other_scopes():
    async with stand_in(token={"scopes": ["a"]}) as meta:
        found, _ = await meta.check("token", scopes=["a or b", "c"])
    assert found["missing"] == ["c"]


async def test_declined_permissions_are_told_apart():
    async with stand_in(token={"scopes": ["ads_read"], "declined": ["pages_show_list"]}) as meta:
        found, _ = await meta.check("permissions")
    assert (found["granted"], found["declined"]) == (["ads_read"], ["pages_show_list"])


async def test_the_token_is_asked_about_in_a_form_and_never_in_an_address():
    async with stand_in(APP) as meta:
        await meta.check("token")
    [request] = meta.seen
    assert (request.method, request.target) == ("POST", "/v18.0/debug_token")
    assert request.headers["authorization"] == f"Bearer 1000|{SECRET}"
    assert f"input_token={TOKEN}&method=GET" in request.body.decode()


async def test_an_active_account_passes():
    async with stand_in() as meta:
        found, judged = await meta.check("account")
    assert judged.holds
    assert (found["id"], found["status"], found["access"]) == ("act_100", "ACTIVE", True)
    assert (found["currency"], found["minor_per_unit"]) == ("USD", 100)


@pytest.mark.parametrize(
    ("number", "reason", "status", "words"),
    [
        (2, 3, "DISABLED", "payment risk"),
        (3, 0, "UNSETTLED", None),
        (9, 0, "IN_GRACE_PERIOD", None),
        (101, 7, "CLOSED", "closed for good"),
        (77, 99, "STATUS_77", "reason 99"),
    ],
)
async def test_an_account_that_does_not_deliver_fails_with_its_status_in_words(
    number, reason, status, words
):
    account = {"id": "100", "status": number, "disable_reason": reason, "currency": "JPY"}
    async with stand_in(accounts=[account]) as meta:
        found, judged = await meta.check("account", account="act_100")
    assert not judged.holds
    assert (found["status"], found["disable_reason"]) == (status, words)
    assert found["minor_per_unit"] == 1


@pytest.mark.parametrize(
    ("accounts", "words"),
    [
        ([{"id": "100", "hidden": True}], "Meta does not permit it"),
        ([{"id": "101"}], "no such object, or this token may not see it"),
    ],
)
async def test_an_account_the_token_may_not_see_is_an_answer(accounts, words):
    async with stand_in(accounts=accounts) as meta:
        found, judged = await meta.check("account")
    assert (found["access"], judged.holds) == (False, False)
    assert words in found["problem"]


async def test_an_account_cannot_be_asked_by_a_dead_token():
    async with stand_in(token={"died": 463}) as meta:
        with pytest.raises(AdapterError, match="it expired"):
            await meta.check("account")


@pytest.mark.parametrize(
    ("age", "age_days", "holds"), [("0d", 0, True), ("1d", 1, True), ("2d", 2, False)]
)
async def test_insights_are_as_old_as_their_latest_day(age, age_days, holds):
    async with stand_in(insights={"age": age, "days": 10}) as meta:
        found, judged = await meta.check("insights")
    assert (found["age_days"], found["days"], judged.holds) == (age_days, 7 - age_days, holds)
    assert found["rows"][0]["spend"] == "12.50"


async def test_the_days_of_insights_are_the_accounts_own():
    account = {"id": "100", "timezone_offset_h": -5}
    async with stand_in(accounts=[account]) as meta:
        assert meta.now == NOW
        found, _ = await meta.check("insights", days=3)
    assert (found["today"], found["latest"], found["age_days"]) == ("2026-11-20", "2026-11-20", 0)
    assert [row["date_stop"] for row in found["rows"]] == ["2026-11-20", "2026-11-19", "2026-11-18"]


async def test_an_account_without_numbers_is_never_fresh():
    async with stand_in(insights={"age": "30d", "days": 3}) as meta:
        found, judged = await meta.check("insights")
    assert (found["latest"], found["age_days"], judged.holds) == (None, None, False)


async def test_a_get_answers_an_object_with_the_fields_asked_for():
    async with stand_in() as meta:
        found, _ = await meta.check("request", path="200", fields=["name", "daily_budget"])
    assert found["object"] == {"id": "200", "name": "Autumn", "daily_budget": "5000"}
    assert (found["data"], found["more"]) == (None, False)


CAMPAIGNS = [
    {"id": str(200 + n), "kind": "campaign", "account": "100", "name": f"c{n}"} for n in range(60)
]


@pytest.mark.parametrize(
    ("pages", "count", "more"), [(1, 25, True), (2, 50, True), (3, 60, False), (9, 60, False)]
)
async def test_a_list_is_read_page_by_page_up_to_the_limit(pages, count, more):
    async with stand_in(objects=CAMPAIGNS) as meta:
        found, _ = await meta.check("request", path="act_100/campaigns", pages=pages)
    assert (found["count"], len(found["data"]), found["more"]) == (count, count, more)
    assert len({c["id"] for c in found["data"]}) == count
    assert found["pages"] == len(meta.seen)


async def test_a_list_goes_on_where_an_earlier_step_ended():
    async with stand_in(objects=CAMPAIGNS) as meta:
        first, _ = await meta.check("request", path="act_100/campaigns")
        rest, _ = await meta.check(
            "request", path="act_100/campaigns", params={"after": first["after"]}, pages=5
        )
    assert rest["count"] == 35


async def test_the_link_to_the_next_page_is_not_followed_because_a_token_is_in_it():
    async with stand_in(objects=CAMPAIGNS) as meta:
        found, _ = await meta.check("request", path="act_100/campaigns", pages=3)
    assert all("access_token" not in request.target for request in meta.seen)
    assert TOKEN not in repr(found)


async def test_tokens_of_pages_are_left_out_of_what_is_kept():
    async with stand_in() as meta:
        found, _ = await meta.check("request", path="me/accounts")
    assert found["data"] == [{"id": "500", "name": "Shoes", "access_token": "(not kept)"}]


async def test_rate_limits_pass_where_meta_tells_none():
    async with stand_in() as meta:
        found, judged = await meta.check("rate_limits")
    assert judged.holds
    assert (found["limited"], found["worst_percent"], found["meters"]) == (False, 0.0, [])


async def test_rate_limits_tell_the_worst_of_all():
    usage = {
        "x-app-usage": {"call_count": 12, "total_time": 40, "total_cputime": 3},
        "x-ad-account-usage": {"acc_id_util_pct": 9.67, "reset_time_duration": 100},
    }
    async with stand_in(usage=usage) as meta:
        found, judged = await meta.check("rate_limits")
    assert judged.holds
    assert (found["worst_percent"], found["worst"], found["blocked_for_s"]) == (40.0, "app", 0.0)
    assert [m["limit"] for m in found["meters"]] == ["app", "ad_account"]


async def test_rate_limits_fail_while_meta_refuses_and_are_not_asked_again_meanwhile():
    limit = {"calls": 2, "code": 80004, "block": "5m", "extends": "1m"}
    async with stand_in(rate_limit=limit) as meta:
        await meta.check("rate_limits")
        await meta.check("rate_limits")
        refused, judged = await meta.check("rate_limits")
        assert (refused["limited"], refused["asked"], judged.holds) == (True, True, False)
        assert refused["blocked_for_s"] == 300.0
        assert refused["blocked"] == "ads_management of 100"
        sent = len(meta.seen)
        meta.moves(minutes=2)
        again, _ = await meta.check("rate_limits")
        assert (again["limited"], again["asked"]) == (True, False)
        assert (again["blocked_for_s"], len(meta.seen)) == (180.0, sent)
        meta.moves(minutes=3)
        over, judged = await meta.check("rate_limits")
    assert (over["limited"], judged.holds) == (False, True)


async def test_ping_says_who_answers_with_which_version():
    async with stand_in(versions=["v19.0"]) as meta:
        assert await meta.adapter.ping() == (
            "Meta answers sandbox system user with v19.0; version v19.0 answered although v18.0 was"
            " asked: v18.0 has expired; 0 % of its limits are used"
        )
