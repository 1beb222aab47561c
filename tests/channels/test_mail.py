"""E-mail against a real SMTP server that takes, refuses, delays, or breaks off."""

from __future__ import annotations

import asyncio
import dataclasses
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from email import message_from_bytes
from email.message import Message as Mail
from email.policy import default
from typing import Any

import pytest
from aiosmtpd.smtp import SMTP, AuthResult

from engine.channels.mail import MailChannel
from engine.errors import AdapterError
from tests.channels.counterparts import untrusted
from tests.channels.test_channels import PAGE

TO_ANA = dataclasses.replace(PAGE, to="ana@example.com", buttons=())


class Server:
    """What a mail server does with a message."""

    def __init__(self) -> None:
        self.mails: list[Mail] = []
        self.problems: list[str] = []
        self.rcpt = "250 OK"
        self.data = "250 taken"
        self.breaks = False
        self.logins = 0
        self.denies: str | None = None
        self.hangs = False
        self.port = 0

    async def handle_RCPT(self, _server, _session, envelope, address, _options) -> str:  # noqa: N802
        if self.rcpt.startswith("2"):
            envelope.rcpt_tos.append(address)
        return self.rcpt

    async def handle_DATA(self, server, _session, envelope) -> str:  # noqa: N802
        if self.data.startswith("2"):
            self.mails.append(message_from_bytes(envelope.content, policy=default))
        if self.breaks:
            server.transport.abort()
        if self.hangs:
            await asyncio.get_running_loop().create_future()
        return self.data

    def login(self, _server, _session, _envelope, _mechanism, auth: Any) -> AuthResult:
        self.logins += 1
        good = (auth.login, auth.password) == (b"runbook", b"right")
        return AuthResult(success=good, handled=False, message=None if good else self.denies)

    def channel(self, **more: Any) -> MailChannel:
        given: dict[str, Any] = {"port": self.port, "sender": "ops@example.com", "tls": "none"}
        return MailChannel("127.0.0.1", **{**given, **more})

    async def refused(self, **more: Any) -> AdapterError:
        with pytest.raises(AdapterError) as caught:
            await self.channel(timeout_s=1.5 if self.hangs else 20.0, **more).send(TO_ANA)
        return caught.value


@asynccontextmanager
async def mail_server(**tls: Any) -> AsyncIterator[Server]:
    made = Server()
    open_: list[SMTP] = []

    def smtp() -> SMTP:
        protocol = SMTP(
            made,
            authenticator=made.login,
            auth_require_tls=bool(tls),
            enable_SMTPUTF8=True,
            **tls,
        )
        open_.append(protocol)
        return protocol

    listening = await asyncio.get_running_loop().create_server(smtp, "127.0.0.1", 0)
    made.port = listening.sockets[0].getsockname()[1]
    yield made
    for protocol in open_:
        if protocol.transport is not None:
            protocol.transport.abort()
    listening.close()
    await listening.wait_closed()
    await asyncio.sleep(0)


@pytest.fixture
async def server() -> AsyncIterator[Server]:
    async with mail_server() as made:
        yield made


async def test_a_mail_says_what_is_wrong_and_is_recognised_when_it_comes_twice(server):
    channel = server.channel()
    first = await channel.send(TO_ANA)
    second = await channel.send(TO_ANA)
    assert first["id"] == second["id"] == server.mails[0]["Message-ID"]
    mail = server.mails[0]
    assert mail["To"] == "ana@example.com"
    assert mail["From"] == "runbook <ops@example.com>"
    assert mail["Subject"] == TO_ANA.title
    assert mail["X-Runbook-Kind"] == "page"
    assert mail["Auto-Submitted"] == "auto-generated"
    below = ["", "-- ", "stratum/redis in production, run r1"]
    assert mail.get_content().splitlines()[-4:] == [f"The run: {TO_ANA.link}", *below]


async def test_what_follows_belongs_to_the_first_mail(server):
    channel = server.channel()
    first = await channel.send(TO_ANA)
    follows = dataclasses.replace(TO_ANA, key="k2", kind="resolved", receipt=first)
    await channel.send(follows)
    assert server.mails[1]["In-Reply-To"] == server.mails[0]["Message-ID"]


async def test_a_title_cannot_add_a_header(server):
    evil = dataclasses.replace(TO_ANA, title="full\r\nBcc: eve@example.com", key="a\r\nX: y")
    await server.channel().send(evil)
    (mail,) = server.mails
    assert mail["Bcc"] is None
    assert mail["X"] is None


@pytest.mark.parametrize(("said", "again"), [("550 no such user", False), ("451 later", True)])
async def test_a_refused_reader_is_no_doubt_and_4xx_may_be_tried_again(server, said, again):
    server.rcpt = said
    error = await server.refused()
    assert (error.maybe_done, error.retryable) == (False, again)
    assert said.partition(" ")[2] in error.message


@pytest.mark.parametrize(("said", "again"), [("554 spam", False), ("452 full", True)])
async def test_a_refused_text_is_no_doubt(server, said, again):
    server.data = said
    error = await server.refused()
    assert (error.maybe_done, error.retryable) == (False, again)
    assert server.mails == []


async def test_a_mail_whose_answer_is_lost_is_in_doubt(server):
    server.breaks = True
    assert (await server.refused()).maybe_done
    assert len(server.mails) == 1


async def test_a_server_that_does_not_answer_leaves_it_in_doubt(server):
    server.hangs = True
    assert (await server.refused()).maybe_done


async def test_nobody_there_is_no_doubt(server):
    error = await server.refused(port=9)
    assert (error.maybe_done, error.retryable) == (False, True)
    assert error.message == "127.0.0.1:9 refuses connections"
    assert error.help == "is the server up, and the port right?"


async def test_a_server_without_starttls_gets_nothing_where_it_is_asked_for(server):
    error = await server.refused(tls="starttls")
    assert not error.maybe_done
    assert "`tls: none`" in error.help
    assert server.mails == []


@pytest.mark.parametrize("password", ["right", "wrong"])
async def test_a_login_and_a_mail_go_through_starttls_to_whom_somebody_vouches_for(
    password, tmp_path, monkeypatch
):
    context = untrusted(tmp_path)
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "untrusted.pem"))  # now it is trusted
    async with mail_server(tls_context=context, require_starttls=True) as server:
        login = {"username": "runbook", "password": password, "tls": "starttls"}
        if password == "right":
            await server.channel(**login).send(TO_ANA)
        else:
            error = await server.refused(**login)
            assert (error.maybe_done, error.retryable) == (False, False)
    assert len(server.mails) == (password == "right")


async def test_starttls_with_whom_nobody_vouches_for_gets_no_login_and_no_mail(tmp_path):
    async with mail_server(tls_context=untrusted(tmp_path), require_starttls=True) as server:
        login = {"username": "runbook", "password": "right", "tls": "starttls"}
        error = await server.refused(**login)
    assert not error.maybe_done
    assert "is not trusted" in error.message
    assert "SSL_CERT_FILE" in error.help
    assert (server.mails, server.logins) == ([], 0)


async def test_a_login_that_is_refused_for_now_may_be_tried_again(server):
    server.denies = "454 4.7.0 Temporary authentication failure"
    error = await server.refused(username="runbook", password="wrong")
    assert (error.maybe_done, error.retryable) == (False, True)


async def test_a_greylisted_mail_is_taken_when_it_comes_again(server):
    server.rcpt = "451 4.7.1 greylisted, come again"
    error = await server.refused()
    assert (error.maybe_done, error.retryable, error.detail) == (False, True, {"code": 451})
    server.rcpt = "250 OK"
    await server.channel().send(dataclasses.replace(TO_ANA, attempt=2))
    assert len(server.mails) == 1


async def test_a_reader_with_an_address_that_is_not_ascii_is_written_to(server):
    await server.channel().send(dataclasses.replace(TO_ANA, to="j\u00f6rg@example.com"))
    assert server.mails[0]["To"] == "j\u00f6rg@example.com"


async def test_a_login_is_used_and_a_wrong_one_is_not_tried_again(server):
    channel = server.channel(username="runbook", password="right")
    assert await channel.ping() == f"127.0.0.1:{server.port} takes mail"
    await channel.send(TO_ANA)
    error = await server.refused(username="runbook", password="wrong")
    assert (error.maybe_done, error.retryable) == (False, False)
    assert "wrong" not in error.message, error.message
