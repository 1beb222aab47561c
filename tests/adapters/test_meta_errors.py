"""Every kind of refusal: in words, whether it may have happened, whether another try helps."""

from __future__ import annotations

import pytest

from engine.adapters.http_request import Call
from engine.adapters.meta_call import account_path, checked_params, checked_version, only_reads
from engine.adapters.meta_errors import refusal, scrubbed, told
from engine.errors import AdapterError
from tests.adapters.meta_target import TOKEN, stand_in

RATE = [4, 17, 32, 341, 613, 80000, 80001, 80002, 80003, 80004, 80005, 80006, 80008, 80009, 80014]


@pytest.mark.parametrize(
    ("code", "kind", "in_doubt", "retryable"),
    [
        *[(code, "rate_limit", False, True) for code in RATE],
        (1, "transient", True, True),
        (2, "transient", True, True),
        (3, "permission", False, False),
        (10, "permission", False, False),
        (200, "permission", False, False),
        (299, "permission", False, False),
        (300, "unknown", False, False),
        (100, "parameter", False, False),
        (102, "token", False, False),
        (190, "token", False, False),
        (368, "unknown", False, False),
        (80007, "unknown", False, False),
    ],
)
async def test_a_code_says_what_kind_of_refusal_it_is(code, kind, in_doubt, retryable):
    fault = {"on": "* /200", "code": code, "message": "as documented"}
    async with stand_in(faults=[fault]) as meta:
        with pytest.raises(AdapterError, match="as documented") as of_read:
            await meta.check("request", path="200")
        with pytest.raises(AdapterError, match="as documented") as of_change:
            await meta.act("request", method="POST", path="200")
    read, change = of_read.value, of_change.value
    assert (read.detail["kind"], read.detail["code"]) == (kind, code)
    assert (read.maybe_done, read.retryable) == (False, retryable)
    assert (change.maybe_done, change.retryable) == (in_doubt, retryable)


@pytest.mark.parametrize("kind_code", [4, 2, 10, 190])
async def test_every_refusal_that_has_a_cure_names_it(kind_code):
    async with stand_in(faults=[{"on": "* /200", "code": kind_code}]) as meta:
        with pytest.raises(AdapterError) as caught:
            await meta.check("request", path="200")
    assert caught.value.help


@pytest.mark.parametrize(
    ("error", "status", "kind"),
    [
        ({"code": 9999, "is_transient": True}, 400, "transient"),
        ({"code": 9999}, 500, "unknown"),
        ({"code": 4, "is_transient": True}, 400, "rate_limit"),
        ({"code": "190", "error_subcode": "463"}, 401, "token"),
        ({}, 429, "rate_limit"),
        ({}, 503, "transient"),
        ({}, 404, "unknown"),
        ({"code": "x"}, 400, "unknown"),
    ],
)
def test_what_a_code_does_not_say_the_status_and_is_transient_do(error, status, kind):
    assert refusal(error, status).kind == kind


@pytest.mark.parametrize(
    ("status", "in_doubt"), [(400, False), (404, False), (500, True), (502, True)]
)
async def test_an_answer_without_an_error_of_metas_is_judged_by_its_status(status, in_doubt):
    fault = {"on": "* /200", "json": "gateway", "status": status}
    async with stand_in(faults=[fault]) as meta:
        with pytest.raises(AdapterError) as caught:
            await meta.act("request", method="POST", path="200")
    assert caught.value.maybe_done is in_doubt


async def test_an_answer_that_is_no_graph_s_leaves_a_change_in_doubt():
    async with stand_in(faults=[{"on": "* /200", "json": "proxy says hello"}]) as meta:
        with pytest.raises(AdapterError, match="no JSON") as of_change:
            await meta.act("request", method="POST", path="200")
        with pytest.raises(AdapterError, match="no JSON") as of_read:
            await meta.check("request", path="200")
    assert (of_change.value.maybe_done, of_read.value.maybe_done) == (True, False)


async def test_an_error_in_an_answer_of_200_is_an_error():
    fault = {"on": "* /200", "code": 10, "message": "not yours", "status": 200}
    async with stand_in(faults=[fault]) as meta:
        with pytest.raises(AdapterError, match="Meta does not permit it"):
            await meta.check("request", path="200")


@pytest.mark.parametrize(
    ("subcode", "words"),
    [(33, "no such object"), (1487534, "too much is asked for at once"), (999, "as Meta says")],
)
def test_a_sub_code_of_a_parameter_is_told_in_words(subcode, words):
    found = refusal({"code": 100, "error_subcode": subcode, "message": "as Meta says"}, 400)
    assert words in told(found, change=False, wait_max_s=0).message


def test_what_meta_tells_the_user_is_told():
    error = {"code": 1, "message": "m", "error_user_title": "Sorry", "error_user_msg": "Try later"}
    assert refusal(error, 400).message == "m - Sorry - Try later"


async def test_an_app_secret_that_does_not_fit_is_named():
    settings = {"app_secret": "of-another-app"}
    async with stand_in(settings) as meta:
        with pytest.raises(AdapterError, match="Invalid appsecret_proof") as caught:
            await meta.check("account")
    assert caught.value.help == "is `app_secret` of the connection that of the token's app?"


async def test_a_call_without_proof_is_refused_where_the_app_asks_for_it():
    async with stand_in(app={"require_proof": True}) as meta:
        with pytest.raises(AdapterError, match="require an appsecret_proof"):
            await meta.check("account")


def test_a_token_in_a_link_of_an_answer_is_left_out():
    link = f"https://graph.facebook.com/v18.0/1?access_token={TOKEN}&limit=5"
    nested = {"ads": {"paging": {"next": link}}, "list": [link, 7, None]}
    kept = "https://graph.facebook.com/v18.0/1?access_token=(not kept)&limit=5"
    assert scrubbed(nested) == {"ads": {"paging": {"next": kept}}, "list": [kept, 7, None]}


def test_a_token_in_what_meta_says_is_left_out():
    said = {"code": 1, "message": f"failed at /x?access_token={TOKEN} and appsecret_proof%3Dabc"}
    assert TOKEN not in refusal(said, 500).message
    assert "abc" not in refusal(said, 500).message


def get(target):
    return Call("GET", f"https://graph.facebook.com/v18.0/{target}", {})


def post(target, body):
    return Call("POST", f"https://graph.facebook.com/v18.0/{target}", {}, body.encode())


VALIDATE = "execution_options=%5B%22validate_only%22%5D"


@pytest.mark.parametrize(
    "call",
    [
        get("act_1/insights?fields=spend&level=ad"),
        get("200?fields=name&appsecret_proof=ab"),
        post("debug_token", "input_token=x&method=GET"),
        post("200", f"status=PAUSED&{VALIDATE}"),
        post("act_1/ads", f"name=x&{VALIDATE}&appsecret_proof=ab"),
    ],
    ids=str,
)
def test_these_only_read(call):
    assert only_reads(call)


@pytest.mark.parametrize(
    "call",
    [
        get("200?method=delete"),
        get("200?METHOD=delete"),
        get("200?method[]=delete"),
        get("?batch=%5B%5D"),
        Call("GET", "https://graph.facebook.com/v18.0/200", {}, b"method=delete"),
        Call("DELETE", "https://graph.facebook.com/v18.0/200", {}),
        Call("PUT", "https://graph.facebook.com/v18.0/200", {}),
        post("200", "status=PAUSED"),
        post("200", ""),
        post("200", "status=PAUSED&execution_options=%5B%22include_recommendations%22%5D"),
        post("200", f"{VALIDATE}&execution_options=%5B%5D"),
        post("200", f"execution_options%5B0%5D=x&{VALIDATE}"),
        post("200", f"{VALIDATE}&method=delete"),
        post("200", "execution_options=validate_only"),
        post(f"200?{VALIDATE}", "status=PAUSED"),
        post("200", "input_token=x&method=GET"),
        post("debug_token", "input_token=x&method=POST"),
        post("debug_token", "input_token=x&method=GET&method=POST"),
        post("debug_token", "input_token=x"),
        post("", f"batch=%5B%5D&{VALIDATE}"),
    ],
    ids=str,
)
def test_these_could_write_and_do_not_leave_the_reading_side(call):
    assert not only_reads(call)


@pytest.mark.parametrize(
    "name", ["access_token", "appsecret_proof", "method", "Method", "method[0]", "batch", " method"]
)
async def test_a_step_gives_no_parameter_that_changes_what_a_call_is(name):
    with pytest.raises(AdapterError, match="cannot be given by a step"):
        checked_params({name: "delete"})
    async with stand_in() as meta:
        with pytest.raises(AdapterError, match="cannot be given by a step"):
            await meta.check("request", path="200", params={name: "delete"})
    assert meta.seen == []


async def test_the_reading_side_has_no_way_to_change():
    from tests.adapters.meta_target import context  # noqa: PLC0415 - beside its only use

    async with stand_in() as meta:
        reader = meta.adapter.reader(context())
        for ask in (
            reader._line.change("POST", "200", {"status": "PAUSED"}),
            reader._line.change("DELETE", "200", {}),
            reader._line.batch("[]"),
        ):
            with pytest.raises(AdapterError, match=r"reading side sends no"):
                await ask
        assert not hasattr(reader, "set_status")
    assert meta.seen == []


@pytest.mark.parametrize("version", ["18.0", "v18", "latest", "v18.0/..", ""])
def test_a_version_that_is_none_is_refused(version):
    with pytest.raises(AdapterError, match=r"written like v18\.0"):
        checked_version(version)


@pytest.mark.parametrize("account", ["act_", "act_1/../2", "me", "act_act_1"])
def test_an_account_that_is_none_is_refused(account):
    with pytest.raises(AdapterError, match="an ad account is a number"):
        account_path(account)


async def test_an_account_is_named_by_the_step_or_by_the_connection():
    async with stand_in({"account": None}) as meta:
        with pytest.raises(AdapterError, match="no ad account is named"):
            await meta.check("account")
        found, _ = await meta.check("account", account="100")
    assert found["id"] == "act_100"
