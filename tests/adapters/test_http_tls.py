"""HTTP over TLS, through a proxy, and with secrets that must not come back in what is recorded."""

from __future__ import annotations

import asyncio
import base64
import json
import ssl
from pathlib import Path

import http_target
import pytest

from engine.adapters.http import HttpAdapter
from engine.errors import AdapterError
from engine.plugin import StepContext, to_json
from engine.secret import Vault

CONTEXT = StepContext(run="r", path="p", timeout_s=5.0)
CERTIFICATE = Path(__file__).with_name("loopback.pem")
"""For 127.0.0.1, signed by itself, with its key; trusted by nobody else."""


@pytest.fixture
async def target():
    async with http_target.http_target() as target:
        yield target


@pytest.fixture
async def tls_port():
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(CERTIFICATE)

    async def answer(reader, writer):
        await reader.readuntil(b"\r\n\r\n")
        writer.write(http_target.ANSWERS["/ok"])
        await writer.drain()
        writer.close()

    async with await asyncio.start_server(answer, "127.0.0.1", 0, ssl=context) as server:
        yield server.sockets[0].getsockname()[1]


async def status(url, **settings):
    adapter = HttpAdapter(url, **settings)
    try:
        return (await adapter.reader(CONTEXT).get("/ok")).status
    finally:
        await adapter.close()


async def test_a_certificate_that_nobody_vouches_for_is_not_trusted(tls_port):
    with pytest.raises(AdapterError, match="is not trusted: self-signed certificate") as caught:
        await status(f"https://127.0.0.1:{tls_port}")
    assert (caught.value.maybe_done, caught.value.retryable) == (False, False)
    assert caught.value.help == "give the connection `ca_file`, or mend the certificate"


async def test_a_certificate_for_another_name_is_not_trusted(tls_port):
    with pytest.raises(AdapterError, match="is not trusted: Hostname mismatch"):
        await status(f"https://localhost:{tls_port}", ca_file=str(CERTIFICATE))


@pytest.mark.parametrize("settings", [{"ca_file": str(CERTIFICATE)}, {"verify": False}])
async def test_a_certificate_is_trusted_when_the_connection_says_so(tls_port, settings):
    assert await status(f"https://127.0.0.1:{tls_port}", **settings) == 200


async def test_a_ca_file_that_is_not_there_is_told():
    with pytest.raises(AdapterError, match="certificates of the connection cannot be read"):
        await status("https://127.0.0.1:1", ca_file="/no/such/file")


async def test_a_proxy_is_asked_when_the_connection_names_one(target):
    assert await status("http://service.invalid", proxy=target.url) == 404
    assert target.seen[0].target == "http://service.invalid/ok"


async def test_proxies_of_the_environment_are_not_used(target, monkeypatch):
    monkeypatch.setenv("HTTP_PROXY", f"http://127.0.0.1:{http_target.refusing_port()}")
    monkeypatch.setenv("ALL_PROXY", f"http://127.0.0.1:{http_target.refusing_port()}")
    assert await status(target.url) == 200


ENVIRON = {"TOKEN": "t0k/en+c4n4ry", "PASSWORD": "p4ss c4n4ry", "KEY": "k3y=c4n4ry"}


def has_canary(record: str) -> bool:
    values = ENVIRON.values()
    forms = [*values, *(base64.b64encode(f"ana:{v}".encode()).decode() for v in values)]
    return "c4n4ry" in record or any(form in record for form in forms)


@pytest.mark.parametrize("path", ["/echo", "/stalls", "/closed", "/status/500"])
async def test_what_a_target_echoes_of_our_secrets_is_not_in_the_record(target, path):
    vault = Vault(ENVIRON)
    settings = {
        "base_url": target.url,
        "username": "ana",
        "password": "${env:PASSWORD}",
        "headers": {"X-Token": "${env:TOKEN}", "X-Key": "a ${env:KEY} b"},
        "timeout_s": 0.1,
    }
    adapter = HttpAdapter(**vault.bind(settings, "connection api"))
    try:
        found = to_json(await adapter.writer(CONTEXT).request("POST", path))
        assert has_canary(json.dumps(found))
    except AdapterError as e:
        found = {"message": e.message, "help": e.help, "detail": e.detail}
    finally:
        await adapter.close()
    assert target.seen[0].headers["x-token"] == ENVIRON["TOKEN"]
    assert not has_canary(json.dumps(vault.redactor().json(found)))
