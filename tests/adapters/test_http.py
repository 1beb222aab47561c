"""The HTTP connection against a real server that answers well, badly or never."""

from __future__ import annotations

import asyncio
import contextlib
import json
import sys

import http_target
import pytest

from engine.adapters import http_line
from engine.adapters.http import Body, HttpAdapter, HttpAnswer
from engine.errors import AdapterError
from engine.plugin import StepContext
from engine.secret import Vault

CONTEXT = StepContext(run="r1", path="step", key="r1/step", timeout_s=5.0)


@pytest.fixture
async def target():
    async with http_target.http_target() as target:
        yield target


@contextlib.asynccontextmanager
async def connected(url, **settings):
    adapter = HttpAdapter(url, **settings)
    try:
        yield adapter
    finally:
        await adapter.close()


@pytest.fixture
async def http(target):
    async with connected(target.url) as adapter:
        yield adapter.reader(CONTEXT)


def without_time(answer: HttpAnswer) -> dict:
    found = {name: getattr(answer, name) for name in HttpAnswer.__slots__}
    assert found.pop("elapsed_ms") > 0
    return found


class Asked:
    """Notes what is imported and was not before; finds nothing."""

    def __init__(self):
        self.names = []

    def find_spec(self, name, path, target=None):
        self.names.append(name)


async def test_a_request_after_the_first_imports_nothing(http, monkeypatch):
    await http.get("/ok")
    asked = Asked()
    monkeypatch.setattr(sys, "meta_path", [asked, *sys.meta_path])
    await http.get("/ok")
    assert asked.names == []


async def test_a_json_answer_is_read_whole(target, http):
    assert without_time(await http.get("/ok")) == {
        "status": 200,
        "url": f"{target.url}/ok",
        "headers": {"content-length": "34", "content-type": "application/json"},
        "size_bytes": 34,
        "cut": False,
        "json": {"status": "healthy", "n": [1, 2]},
        "text": None,
        "json_problem": None,
    }


@pytest.mark.parametrize(
    ("path", "found", "text", "problem"),
    [
        ("/", None, "hello", None),
        ("/untyped", {"a": 1}, None, None),
        ("/untyped-text", None, "{not json", None),
        ("/null", None, None, None),
        ("/bad-json", None, '{"status": ', "Expecting value"),
        ("/nan", {"lag": "NaN", "big": "Infinity"}, None, None),
        ("/empty", None, None, None),
        ("/binary", None, None, None),
        ("/latin", None, "caf\u00e9", None),
        ("/mojibake", None, "caf\ufffd", None),
        ("/no-such-charset", None, "abc", None),
        ("/chunked", None, "abcde", None),
        ("/gzip", {"a": 1}, None, None),
    ],
)
async def test_a_body_is_json_or_text_or_neither(http, path, found, text, problem):
    answer = await http.get(path)
    assert (answer.json, answer.text) == (found, text)
    assert (problem or "") in (answer.json_problem or "")
    assert bool(problem) == bool(answer.json_problem)


async def test_json_nested_too_deeply_is_told_and_kept_as_text(http):
    answer = await http.get("/deep")
    assert answer.json is None
    assert answer.json_problem == "its lists and mappings are nested too deeply"


async def test_a_huge_body_is_cut_and_says_so(http):
    answer = await http.get("/huge")
    assert (answer.size_bytes, answer.cut, len(answer.text)) == (1024 * 1024, True, 1024 * 1024)


async def test_huge_json_is_not_read_and_says_why(http):
    answer = await http.get("/huge-json")
    assert answer.cut
    assert "longer than 1048576 bytes" in answer.json_problem


async def test_a_compression_bomb_is_cut_at_the_limit(http):
    answer = await http.get("/bomb")
    assert (answer.size_bytes, answer.cut) == (1024 * 1024, True)


async def test_no_compression_is_asked_for(target, http):
    await http.get("/ok")
    assert target.seen[0].headers["accept-encoding"] == "identity"


async def test_headers_are_joined_under_lower_case_names_and_cookies_keep_their_names_only(http):
    answer = await http.get("/cookies")
    assert answer.headers["x-a"] == "1, 2"
    assert answer.headers["set-cookie"] == "sid=(not kept), b=(not kept)"


async def test_no_cookie_is_sent_back(target, http):
    await http.get("/cookies")
    await http.get("/ok")
    assert "cookie" not in target.seen[1].headers


async def test_one_connection_serves_many_requests(target, http):
    for _ in range(5):
        await http.get("/ok")
    assert (len(target.seen), target.connections) == (5, 1)


async def test_head_reads_no_body(target, http):
    answer = await http.head("/ok")
    assert (answer.status, answer.size_bytes, target.seen[0].method) == (200, 0, "HEAD")


@pytest.mark.parametrize(
    ("base", "path", "query", "target_seen"),
    [
        ("", "/echo", None, "/echo"),
        ("", "echo", None, "/echo"),
        ("/echo", "", None, "/echo"),
        ("/echo/", "/", None, "/echo/"),
        ("/echo/v1", "/health", None, "/echo/v1/health"),
        ("", "/echo?a=1", {"b": [1, True, None], "c": "x y"}, "/echo?a=1&b=1&b=true&c=x+y"),
        ("", "/echo/a b", None, "/echo/a b"),
        ("/echo", "?a=1", None, "/echo?a=1"),
    ],
)
async def test_a_path_is_joined_below_the_base(target, base, path, query, target_seen):
    async with connected(target.url + base) as adapter:
        answer = await adapter.reader(CONTEXT).get(path, query=query)
    assert answer.json["target"] == target_seen


@pytest.mark.parametrize(
    ("path", "words"),
    [
        ("http://evil.example/", "is an address"),
        ("//evil.example/", "is an address"),
        ("mailto:someone", "is an address"),
        ("/a/../../admin", "climbs with '..'"),
        ("/a/%2e%2E/admin", "climbs with '..'"),
        ("/a\r\nHost: evil", "control character"),
        ("/a\\b", "backslash"),
        ("/a#b", "fragment"),
        ("/" + "a" * 20_000, "20001 characters"),
    ],
)
async def test_a_path_that_leads_elsewhere_is_refused_before_anything_is_sent(
    target, http, path, words
):
    with pytest.raises(AdapterError, match=words) as caught:
        await http.get(path)
    assert (caught.value.maybe_done, caught.value.retryable, target.connections) == (
        False,
        False,
        0,
    )


@pytest.mark.parametrize(
    ("headers", "words"),
    [
        ({"X-A": "b\r\nX-Evil: 1"}, "line break"),
        ({"X-A": "b\nc"}, "line break"),
        ({"X-A\r\nX-Evil": "1"}, "name of a header"),
        ({"X A": "1"}, "name of a header"),
        ({"": "1"}, "name of a header"),
        ({"X-A": "\x00"}, "control character"),
        ({"X-A": "a" * 9000}, "longer than 8192"),
        ({"Content-Length": "0"}, "written by the engine"),
        ({"Transfer-Encoding": "chunked"}, "written by the engine"),
    ],
)
async def test_a_header_that_could_not_be_sent_is_refused_in_words(target, http, headers, words):
    with pytest.raises(AdapterError, match=words):
        await http.get("/ok", headers=headers)
    assert target.connections == 0


async def test_a_bad_header_of_the_connection_is_told_without_its_value(target):
    vault = Vault({"TOKEN": "canary\nsecret"})
    settings = vault.bind({"headers": {"Authorization": "Bearer ${env:TOKEN}"}}, "connection api")
    async with connected(target.url, **settings) as adapter:
        with pytest.raises(AdapterError) as caught:
            await adapter.reader(CONTEXT).get("/ok")
    assert caught.value.message == (
        "the header Authorization (of the connection) has a line break in its value"
    )


async def test_headers_of_the_connection_are_sent_and_those_of_the_step_win(target):
    vault = Vault({"TOKEN": "t0ken-value"})
    settings = vault.bind({"headers": {"X-Token": "a ${env:TOKEN}", "X-B": "c"}}, "connection api")
    async with connected(target.url, **settings) as adapter:
        await adapter.reader(CONTEXT).get("/ok", headers={"x-b": "step"})
    assert target.seen[0].headers["x-token"] == "a t0ken-value"
    assert target.seen[0].headers["x-b"] == "step"


@pytest.mark.parametrize(
    ("url", "settings"),
    [
        ("http://ana:p%40ss@127.0.0.1:{port}", {}),
        ("http://127.0.0.1:{port}", {"username": "ana", "password": "p@ss"}),
    ],
)
async def test_credentials_become_basic_authentication_and_are_in_no_url(target, url, settings):
    async with connected(url.format(port=target.port), **settings) as adapter:
        answer = await adapter.reader(CONTEXT).get("/ok")
        assert "p@ss" not in repr(adapter.address)
    assert target.seen[0].headers["authorization"] == "Basic YW5hOnBAc3M="
    assert answer.url == f"{target.url}/ok"


async def test_telling_query_values_are_left_out_of_the_url_that_is_kept(target, http):
    answer = await http.get("/ok", query={"api_key": "abc", "page": 2})
    assert answer.url == f"{target.url}/ok?api_key=(not kept)&page=2"
    assert target.seen[0].target == "/ok?api_key=abc&page=2"


async def test_a_redirect_is_an_answer_unless_the_connection_follows(http):
    assert (await http.get("/moved")).status == 302


@pytest.mark.parametrize(
    ("path", "status", "requests"),
    [("/moved", 200, 2), ("/moved-away", 302, 1), ("/moved-round", 302, 6)],
)
async def test_redirects_are_followed_on_the_same_host_only_and_not_for_ever(
    target, path, status, requests
):
    async with connected(target.url, follow_redirects=True) as adapter:
        answer = await adapter.reader(CONTEXT).get(path)
    assert (answer.status, len(target.seen)) == (status, requests)


async def test_the_reading_side_has_no_way_to_send_another_method(target, http):
    call = http.call("POST", "/echo", body=Body(json={"a": 1}))
    with pytest.raises(AdapterError, match="reading side sends no POST"):
        await http._line.send(call)
    assert target.connections == 0
    assert not hasattr(http, "request")


@pytest.mark.parametrize(
    ("body", "sent", "content_type"),
    [
        (Body(json={"ä": [1, None]}), '{"ä":[1,null]}', "application/json"),
        (
            Body(form={"a": "x y", "b": [1, 2]}),
            "a=x+y&b=1&b=2",
            "application/x-www-form-urlencoded",
        ),
        (Body(text="hé"), "hé", "text/plain; charset=utf-8"),
        (Body(), "", None),
    ],
)
async def test_a_change_sends_its_body(target, body, sent, content_type):
    async with connected(target.url) as adapter:
        answer = await adapter.writer(CONTEXT).request("post", "/echo", body=body)
    assert (answer.json["method"], answer.json["body"]) == ("POST", sent)
    assert answer.json["headers"].get("content-type") == content_type


async def test_two_bodies_are_refused(target):
    async with connected(target.url) as adapter:
        with pytest.raises(AdapterError, match="one body, and json and text are given"):
            await adapter.writer(CONTEXT).request("POST", "/echo", body=Body(json=1, text="a"))


async def test_the_idempotency_key_is_the_same_for_every_attempt(target):
    async with connected(target.url, idempotency_header="Idempotency-Key") as adapter:
        for attempt in (1, 2):
            context = StepContext(run="r1", path="s", key="r1/s", attempt=attempt)
            await adapter.writer(context).request("POST", "/echo")
        await adapter.reader(CONTEXT).get("/echo")
    keys = [request.headers.get("idempotency-key") for request in target.seen]
    assert keys == ["r1/s", "r1/s", None]


@pytest.mark.parametrize(
    ("status", "maybe_done", "retryable"),
    [
        (301, False, False),
        (400, False, False),
        (404, False, False),
        (408, False, True),
        (429, False, True),
        (500, True, True),
        (501, False, True),
        (503, True, True),
    ],
)
async def test_a_change_that_is_answered_with_a_refusal_was_not_made(
    target, status, maybe_done, retryable
):
    async with connected(target.url) as adapter:
        with pytest.raises(AdapterError, match=f"was answered with {status}") as caught:
            await adapter.writer(CONTEXT).request("POST", f"/status/{status}")
    assert (caught.value.maybe_done, caught.value.retryable) == (maybe_done, retryable)
    assert caught.value.detail["status"] == status


async def test_what_a_refusal_says_is_kept_with_the_error(target):
    async with connected(target.url) as adapter:
        with pytest.raises(AdapterError) as caught:
            await adapter.writer(CONTEXT).request("POST", "/refuses-in-words")
    assert caught.value.detail["json"] == {"error": "already running"}


@pytest.mark.parametrize("status", [200, 202, 303, 404])
async def test_a_change_is_done_when_the_status_says_so_or_is_accepted(target, status):
    async with connected(target.url) as adapter:
        writer = adapter.writer(CONTEXT)
        answer = await writer.request("DELETE", f"/status/{status}", accept=(404,))
    assert answer.status == status


AFTER_SENDING = ["/silent", "/stalls", "/reset", "/closed", "/half", "/garbage", "/not-gzip"]


@pytest.mark.parametrize("path", AFTER_SENDING)
async def test_after_the_request_left_a_read_is_errored_and_a_change_is_in_doubt(target, path):
    async with connected(target.url, timeout_s=0.5) as adapter:
        with pytest.raises(AdapterError) as of_read:
            await adapter.reader(CONTEXT).get(path)
        with pytest.raises(AdapterError) as of_change:
            await adapter.writer(CONTEXT).request("POST", path)
    assert (of_read.value.maybe_done, of_read.value.retryable) == (False, True)
    assert of_change.value.maybe_done
    assert "the change may have been made" in of_change.value.message
    assert f"127.0.0.1:{target.port}" in of_change.value.message


async def nothing_listens(_stack):
    return f"http://127.0.0.1:{http_target.refusing_port()}", "refuses connections", True


async def nobody_answers(stack):
    return f"http://127.0.0.1:{stack.enter_context(http_target.deaf_port())}", "no connection", True


async def no_such_name(_stack):
    return "http://no-such-host.invalid", "not known to DNS", True


async def no_tls(stack):
    target = await stack.enter_async_context(http_target.http_target())
    return f"https://127.0.0.1:{target.port}", "no TLS with", False


async def tls_begins_and_never_ends(stack):
    def never(_reader, writer):
        stack.callback(writer.close)

    silent = await asyncio.start_server(never, "127.0.0.1", 0)
    await stack.enter_async_context(silent)
    return f"https://127.0.0.1:{silent.sockets[0].getsockname()[1]}", "no connection to", True


async def read(adapter):
    await adapter.reader(CONTEXT).get("/ok")


async def change(adapter):
    await adapter.writer(CONTEXT).request("POST", "/ok")


CLIENT, WHOLE = 0.5, 1.9
"""`OURS_OF_TIMEOUT` such that the client's own limit ends it, or that for the whole: with so much
room between them that a busy machine does not exchange the two.
"""


BEFORE_SENDING = [nothing_listens, nobody_answers, no_such_name, no_tls, tls_begins_and_never_ends]


@pytest.mark.parametrize("fault", BEFORE_SENDING, ids=lambda fault: fault.__name__)
@pytest.mark.parametrize("ask", [read, change], ids=lambda ask: ask.__name__)
async def test_before_the_request_left_nothing_is_in_doubt(fault, ask, monkeypatch):
    monkeypatch.setattr(http_line, "OURS_OF_TIMEOUT", CLIENT)
    async with contextlib.AsyncExitStack() as stack:
        url, words, retryable = await fault(stack)
        endless = fault in (nobody_answers, tls_begins_and_never_ends)
        timeout_s = 0.3 if endless else 20.0  # the others say it themselves
        adapter = await stack.enter_async_context(connected(url, timeout_s=timeout_s))
        with pytest.raises(AdapterError) as caught:
            await ask(adapter)
    assert words in caught.value.message
    assert (caught.value.maybe_done, caught.value.retryable) == (False, retryable)
    assert caught.value.detail["sent"] is False


@pytest.fixture(params=[CLIENT, WHOLE], ids=["the client's", "the whole"])
def limits(request, monkeypatch):
    monkeypatch.setattr(http_line, "OURS_OF_TIMEOUT", request.param)


@pytest.mark.parametrize("method", ["GET", "POST"])
@pytest.mark.parametrize(
    ("path", "words"),
    [
        (None, "no connection to"),
        ("/silent", "did not answer within"),
        ("/stalls", "did not finish its answer within"),
    ],
)
async def test_whichever_limit_ends_a_request_it_is_said_how_far_it_was(
    target, limits, method, path, words
):
    with http_target.deaf_port() as deaf:
        url = f"http://127.0.0.1:{deaf}" if path is None else target.url
        async with connected(url, timeout_s=0.5) as adapter:
            if path is not None:
                await read(adapter)  # so that there is a connection already
            with pytest.raises(AdapterError, match=words) as caught:
                await adapter.writer(CONTEXT).request(method, path or "/")
    assert caught.value.maybe_done is (path is not None and method == "POST")


async def test_the_step_has_less_time_when_the_attempt_has(target):
    async with connected(target.url, timeout_s=30) as adapter:
        reader = adapter.reader(StepContext(run="r", path="s", timeout_s=0.05))
        with pytest.raises(
            AdapterError, match=r"did not (answer|finish its answer) within 0\.05 s"
        ):
            await reader.get("/silent")


async def test_a_cancelled_request_gives_its_connection_back(target):
    async with connected(target.url) as adapter:
        reader = adapter.reader(CONTEXT)
        task = asyncio.create_task(reader.get("/silent"))
        await target.arrived.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert (await reader.get("/ok")).status == 200


async def test_ping_takes_any_answer_for_an_answer(target):
    async with connected(f"{target.url}/status/500") as adapter:
        assert await adapter.ping() == f"127.0.0.1:{target.port} answers HEAD with 500"


async def test_ping_says_why_nothing_answers():
    async with connected(f"http://127.0.0.1:{http_target.refusing_port()}") as adapter:
        with pytest.raises(AdapterError, match="refuses connections"):
            await adapter.ping()


async def test_nothing_connects_before_the_first_request(target):
    async with connected(target.url) as adapter:
        adapter.reader(CONTEXT)
        adapter.writer(CONTEXT)
        adapter.fingerprint()
    assert target.connections == 0


async def test_closing_twice_is_harmless_and_a_closed_connection_opens_again(target):
    adapter = HttpAdapter(target.url)
    await adapter.close()
    await adapter.reader(CONTEXT).get("/ok")
    await adapter.close()
    await adapter.reader(CONTEXT).get("/ok")
    await adapter.close()
    assert target.connections == 2


@pytest.mark.parametrize(
    ("base_url", "fingerprint"),
    [
        ("http://h", "h:80"),
        ("https://h/", "h:443"),
        ("https://user:pw@H.example:8443/api/v1/", "h.example:8443/api/v1"),
        ("http://[::1]:8080/x", "[::1]:8080/x"),
        ("${env:HOOK}", "hooks.example:443"),
    ],
)
def test_the_fingerprint_says_where_and_holds_no_secret(base_url, fingerprint):
    vault = Vault({"HOOK": "https://bot:pw@hooks.example/services/T0/B0/abcdef"})
    adapter = HttpAdapter(vault.bind(base_url, "connection api"))
    assert adapter.fingerprint() == fingerprint


@pytest.mark.parametrize(
    "base_url",
    [
        "h",
        "ftp://h",
        "http://",
        "http://h:99999",
        "http://h/?a=1",
        "http://h/#x",
        "http://h\n.example",
    ],
)
def test_a_base_url_that_is_none_is_refused_without_repeating_it(base_url):
    with pytest.raises(AdapterError) as caught:
        HttpAdapter(base_url).fingerprint()
    assert "base_url" in caught.value.message
    assert base_url in ("h", "http://") or base_url not in caught.value.message


async def test_a_rendered_request_shows_what_would_be_sent_and_nothing_of_the_connection(target):
    async with connected(target.url, headers={"X-Token": "canary"}) as adapter:
        reader = adapter.reader(CONTEXT)
        call = reader.call(
            "PATCH", "/a", body=Body(json={"b": 1}), query={"token": "x"}, headers={"If-Match": "7"}
        )
    assert reader.rendered(call) == (
        f"PATCH {target.url}/a?token=(not kept)\nIf-Match: 7\nContent-Type: application/json\n\n"
        + json.dumps({"b": 1}, separators=(",", ":"))
    )
    assert target.connections == 0


@pytest.mark.parametrize(
    ("body", "octets"),
    [
        (Body(json={"name": "a\ud800b"}), b'{"name":"a\\ud800b"}'),
        (Body(form={"name": "a\ud800b"}), b"name=a%3Fb"),
        (Body(text="a\ud800b"), b"a?b"),
    ],
)
def test_half_a_character_of_a_target_is_sent_as_well_as_can_be(body, octets):
    assert body.encoded()[0] == octets
