"""E-mail by SMTP. The protocol is aiosmtplib's; what a refusal means is said here.

A message is in doubt once its text was sent and the answer to it was lost: then it is not sent
again. Its Message-ID is made of its key, so that mail programs show what came twice once.
"""

from __future__ import annotations

import asyncio
import hashlib
import socket
import ssl
from collections.abc import Mapping
from email.message import EmailMessage
from email.policy import SMTPUTF8
from email.utils import formataddr
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from engine.channels.fitting import cut, one_line, plain
from engine.errors import AdapterError
from engine.language.shape import Duration
from engine.plugin import reveal
from engine.plugin.channel import Message

if TYPE_CHECKING:
    import aiosmtplib

TEXT_MAX_CHARS = 20_000
"""Of a mail that a person reads on a telephone at night: much more than they will."""

TOLD_MAX_CHARS = 300
"""Of what a server says to a mail."""

SUBJECT_MAX_CHARS = 200
"""Of a subject: mail programs show less."""

SOURCE_MAX_CHARS = 200
"""Of which runbook it is, where: two names."""

ADDRESS_MAX_CHARS = 320
"""Of an address: 64 before the @ and 255 behind it (RFC 5321, 4.5.3.1)."""

AS_SENT = SMTPUTF8.clone(utf8=False, cte_type="7bit")
"""Seven bits: every server takes that, whatever it says that it can do."""

Tls = Literal["starttls", "tls", "none"]


class MailChannel:
    """A mail server.

    host: of the server
    port: 587 unless given
    sender: the address it is from
    sender_name: the name it is from
    username: for logging in
    password: for logging in
    tls: starttls (the connection is made safe before anything is said), tls, or none
    timeout_s: for one message
    """

    family: ClassVar[str] = "mail"
    addressed: ClassVar[bool] = True
    again: bool = False
    text_max_chars: ClassVar[int] = TEXT_MAX_CHARS
    interval_s: ClassVar[float] = 0.2

    def __init__(  # noqa: PLR0913 - the settings of a connection
        self,
        host: str,
        *,
        sender: str,
        port: int = 587,
        sender_name: str = "runbook",
        username: str | None = None,
        password: str | None = None,
        tls: Tls = "starttls",
        timeout_s: Duration = Duration(20.0),  # noqa: B008 - a float
    ) -> None:
        self._host = host
        self._port = port
        self._from = (sender_name, sender)
        self._login = (username, password)
        self._tls = tls
        self._timeout_s = float(timeout_s)

    def fingerprint(self) -> str:
        return f"{reveal(self._host)}:{self._port}"

    async def ping(self) -> str:
        client = await self._connected()
        client.close()
        return f"{self.fingerprint()} takes mail"

    async def send(self, message: Message) -> Mapping[str, Any]:
        to = mail_address(message.to)
        mail = self._mail(message, to)
        until_s = asyncio.get_running_loop().time() + self._timeout_s
        client = await self._connected()
        try:
            told = await self._deliver(client, mail, to, until_s)
        finally:
            client.close()
        return {"id": mail["Message-ID"], "told": one_line(told)[:TOLD_MAX_CHARS], "follows": True}

    async def close(self) -> None:
        """Each message has a connection of its own."""

    def _mail(self, message: Message, to: str) -> EmailMessage:
        name, sender = self._from
        mail = EmailMessage()
        mail["From"] = formataddr((name, reveal(sender)))
        mail["To"] = to
        mail["Subject"] = subject_of(message)
        domain = reveal(sender).rpartition("@")[2] or "runbook.invalid"
        mail["Message-ID"] = message_id(message.key, domain)
        first = (message.receipt or message.thread or {}).get("id")
        if first and first != mail["Message-ID"]:
            mail["In-Reply-To"] = first
            mail["References"] = first
        mail["Auto-Submitted"] = "auto-generated"  # so that no absence notice answers (RFC 3834)
        mail["X-Runbook-Key"] = one_line(message.key)
        mail["X-Runbook-Kind"] = message.kind
        mail.set_content(f"{plain(message.text)}{below(message)}\n")
        return mail

    async def _connected(self) -> aiosmtplib.SMTP:
        """A connection, made safe and logged in. Nothing was sent yet: no error is a doubt."""
        import aiosmtplib  # noqa: PLC0415 - imported when the first mail is sent

        client = aiosmtplib.SMTP(
            hostname=reveal(self._host),
            port=self._port,
            use_tls=self._tls == "tls",
            start_tls=self._tls == "starttls",
            timeout=self._timeout_s,
        )
        user, password = self._login
        try:
            async with asyncio.timeout(self._timeout_s):
                await client.connect()
                if user is not None:
                    await client.login(reveal(user), reveal(password or ""))
        except aiosmtplib.SMTPAuthenticationError as error:
            client.close()
            raise AdapterError(
                f"{self.fingerprint()} refuses the login", retryable=400 <= error.code < 500
            ) from error
        except (aiosmtplib.SMTPException, OSError) as error:
            client.close()
            late = f"it is not ready within {self._timeout_s:g} s"
            what, hint = _no_connection(error, self.fingerprint(), late)
            raise AdapterError(what, help=hint) from error
        return client

    async def _deliver(
        self, client: aiosmtplib.SMTP, mail: EmailMessage, to: str, until_s: float
    ) -> str:
        """What the server said when it took the mail. In doubt is only what happens once its text
        began to leave.
        """
        import aiosmtplib  # noqa: PLC0415 - imported by now

        sender, begun = reveal(self._from[1]), False
        options = [] if f"{sender}{to}".isascii() else ["SMTPUTF8"]
        try:
            async with asyncio.timeout_at(until_s):
                await client.mail(sender, options=options, encoding="utf-8")
                await client.rcpt(to, encoding="utf-8")
                begun = True
                return (await client.data(mail.as_bytes(policy=AS_SENT))).message
        except aiosmtplib.SMTPResponseException as error:
            if error.code < 0:  # what it said is no reply
                raise self._lost(error, begun) from error
            raise _refused(to, error) from error
        except (aiosmtplib.SMTPException, OSError) as error:
            raise self._lost(error, begun) from error
        except ValueError as error:  # nothing of it was sent: it is in no command
            raise AdapterError(f"it cannot be sent: {_said(error)}", retryable=False) from error

    def _lost(self, error: Exception, begun: bool) -> AdapterError:
        told = _said(error) or f"nothing within {self._timeout_s:g} s"
        if begun:
            message = f"{self.fingerprint()} did not say whether it took the mail: {told}"
            return AdapterError(message, maybe_done=True)
        return AdapterError(f"{self.fingerprint()} broke off before the mail was sent: {told}")


def mail_address(to: str | None) -> str:
    """An address that can stand in a header and in a command. Raises AdapterError: it comes from
    the contacts, or from whoever keeps a rota.
    """
    if to is None:
        raise AdapterError("no mail address is given", retryable=False)
    if not to or len(to) > ADDRESS_MAX_CHARS or to != one_line(to) or " " in to:
        shown = cut(one_line(to), 50)
        raise AdapterError(f"`{shown}` is no mail address", retryable=False)
    return to


def _said(told: object) -> str:
    """What a server said, as it may stand in an error: a reply is whatever octets it sent."""
    return one_line(str(told))[:TOLD_MAX_CHARS]


def _refused(to: str, error: Any) -> AdapterError:
    """A reply of the server: 4xx may be tried again, 5xx not (RFC 5321, 4.2.1)."""
    code, text = int(error.code), _said(error.message)
    return AdapterError(
        f"the mail to {to} was refused with {code}: {text}",
        retryable=400 <= code < 500,
        detail={"code": code},
    )


def subject_of(message: Message) -> str:
    """It is never empty: nobody opens such a mail, and SendGrid refuses it."""
    return cut(one_line(message.title), SUBJECT_MAX_CHARS) or "runbook"


def below(message: Message) -> str:
    """What stands below the text of a mail: where the reader takes it or answers, where the run is
    looked at, and which run it is, where.
    """
    found = f"\n\nTake it: {message.take_link}" if message.take_link else ""
    found += answering(message)
    found += f"\n\nThe run: {message.link}" if message.link else ""
    source = cut(one_line(message.source), SOURCE_MAX_CHARS)
    where = ", ".join(part for part in (source, f"run {one_line(message.run)}") if part)
    return f"{found}\n\n-- \n{where}"


def answering(message: Message) -> str:
    """Where a question is answered: opened, the link asks; it counts once something is pressed."""
    if message.answer_link is None:
        return ""
    return f"\n\nAnswer here (your own link, do not pass it on):\n{message.answer_link}"


def message_id(key: str, domain: str) -> str:
    return f"<{hashlib.sha256(key.encode()).hexdigest()[:40]}@{domain}>"


def _no_connection(error: BaseException, where: str, late: str) -> tuple[str, str | None]:
    """Why there is no connection, and what mends it."""
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, socket.gaierror):
            name = where.rpartition(":")[0]
            return f"the name {name} is not known to DNS", "is the host right?"
        if isinstance(cause, ConnectionRefusedError):
            return f"{where} refuses connections", "is the server up, and the port right?"
        if isinstance(cause, ssl.SSLCertVerificationError):
            hint = "mend the certificate, or name its authority in SSL_CERT_FILE"
            return f"the certificate of {where} is not trusted: {_said(cause.verify_message)}", hint
        cause = cause.__cause__ or cause.__context__
    mend = "`tls: tls` where it is safe from the start, `tls: none` where it never is"
    told = _said(error) or late
    return f"no connection to {where}: {told}", mend if "STARTTLS" in told else None
