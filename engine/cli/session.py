"""What the commands of one call share: the options given before the command, and what they lead to.

Everything that costs an import is imported where it is used: completion and `--help` make a
`Session` too.
"""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import AsyncIterator, Collection, Coroutine, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from shlex import quote
from typing import TYPE_CHECKING, Any, TypeVar

from engine.cli.output import Output
from engine.errors import Refused, Usage

if TYPE_CHECKING:
    from engine.config import Books, Environment
    from engine.core.events import Actor
    from engine.journal.contract import Store
    from engine.journal.sqlite import SqliteStore
    from engine.language.model import Runbook
    from engine.registry import Registry
    from engine.sandbox import Sandbox
    from engine.sandbox.standing import Standing
    from engine.wiring import Engine

T = TypeVar("T")

DEFAULT_FOLDER = "runbooks"

SERVER_VARIABLE = "RUNBOOK_SERVER"
"""The environment variable that names a server; its token is in RUNBOOK_TOKEN."""

INBOX_COLUMNS = 100
"""Of what came to an inbox: longer lines are hard to read."""

SANDBOX = "sandbox"
"""The environment whose services are started for the time of a command."""


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What stands around a run: the fields of a sandbox's services, and inputs its fault brings
    along."""

    services: Mapping[str, str] | None = None
    inputs: Mapping[str, Any] = field(default_factory=dict)
    own: Sandbox | None = None
    """One that goes with the command."""


@dataclass(slots=True)
class Session:
    """One call of the command line."""

    books: tuple[str, ...] = ()
    store_url: str | None = None
    server: str | None = None
    json: bool = False
    color: bool | None = None
    own_sandbox: bool = False
    """Whether a run in the sandbox gets one of its own, though one is up."""
    output: Output = field(init=False)
    _books: Books | None = field(init=False, default=None)
    _registry: Registry | None = field(init=False, default=None)

    def __post_init__(self) -> None:
        self.output = Output(json=self.json, color=self.color, command=self._command())

    def set(self, option: str, value: Any) -> None:
        """Takes one of the options that every command has; see `options`."""
        if option == "books":
            self.books += tuple(value)
        elif option == "store":
            self.store_url = value
        elif option == "server":
            self.server = value
        elif option == "json":
            self.json = value
        elif option == "no_color":
            self.color = False
        self.output = Output(json=self.json, color=self.color, command=self._command())

    def _command(self) -> str:
        """`runbook`, with the options that a suggested command needs to find the same run.

        An address with a password in it is not repeated.
        """
        words = [called_as()]
        for folder in self.books:
            words += ["--books", folder]
        if self.server is not None:
            words += ["--server", self.server]
        if self.store_url is not None and "@" not in self.store_url:
            words += ["--store", self.store_url]
        return " ".join(map(quote, words))

    @property
    def book_folders(self) -> tuple[str, ...]:
        """Where packs are looked for, whether or not these folders are there."""
        if self.books:
            return self.books
        named = os.environ.get("RUNBOOK_BOOKS", "")
        return tuple(part for part in named.split(os.pathsep) if part) or (DEFAULT_FOLDER,)

    @property
    def server_url(self) -> str | None:
        """The server that is asked instead of doing it here; None: it is done here."""
        return self.server or os.environ.get(SERVER_VARIABLE) or None

    def find_books(self) -> Books:
        if self._books is None and self.server_url is not None:
            from engine.cli.remote import fetch_books  # noqa: PLC0415  httpx

            self._books = fetch_books(self.server_url)
        if self._books is None:
            from engine.config import Books  # noqa: PLC0415  reads YAML

            self._books = Books.find(self.books, os.environ)
        return self._books

    @property
    def registry(self) -> Registry:
        if self._registry is None:
            from engine.registry import Registry  # noqa: PLC0415  imports plugins as they are asked for

            self._registry = Registry()
        return self._registry

    def load(self, name: str) -> Runbook:
        return self.find_books().load(name, self.registry)

    @property
    def store_address(self) -> str:
        return self.store_url or os.environ.get("RUNBOOK_STORE") or default_store_url()

    @asynccontextmanager
    async def open_store(self) -> AsyncIterator[Store]:
        from engine.journal.open import open_store  # noqa: PLC0415  only what touches runs needs it

        store: Store
        if self.server_url is not None:
            from engine.cli.remote import RemoteStore, api_of  # noqa: PLC0415  httpx

            store = RemoteStore(api_of(self.server_url))
        else:
            store = open_store(self.store_address)
        try:
            yield store
        finally:
            await store.close()

    def lasting(self, store: Store) -> SqliteStore:
        """The store, where it has a ledger and tokens. Raises Usage."""
        from engine.journal.sqlite import SqliteStore  # noqa: PLC0415  only what needs these

        if self.server_url is not None:
            raise Usage("this is not done over --server", help="do it where the journal is")
        if not isinstance(store, SqliteStore):
            raise Usage("this takes a journal that lasts", help="--store sqlite:///PATH")
        return store

    def engine(self, store: Store) -> Engine:
        from engine.wiring import Engine  # noqa: PLC0415  the whole engine

        if self.server_url is not None:
            from engine.cli.remote import RemoteStore  # noqa: PLC0415  httpx
            from engine.cli.remote_engine import RemoteEngine  # noqa: PLC0415

            if isinstance(store, RemoteStore):
                return RemoteEngine(self.find_books(), self.registry, store)
        return Engine(books=self.find_books(), registry=self.registry, store=store)

    def pack_of(self, given: str | None, command: str) -> str:
        """The pack that is named, or the only one there is. Raises Usage."""
        packs = self.find_books().packs()
        if given is not None or len(packs) == 1:
            return given or packs[0]
        known = f"there are: {', '.join(packs) or 'none'}"
        raise Usage(f"say which pack: runbook {command} PACK --env NAME", help=known)

    def environment(self, name: str, given: str | None) -> str:
        """The environment of a run of this runbook, see `environment_of`. Raises Usage."""
        return self.environment_of(self.find_books().path(name).parent.name, given)

    def environment_of(self, pack: str, given: str | None) -> str:
        """The environment that is named, or `sandbox` where the pack has no other. Raises Usage."""
        if given is not None:
            return given
        known = self.find_books().environments(pack)
        if known == (SANDBOX,):
            return SANDBOX
        if not known:
            raise Usage(
                f"the pack {pack} has no environments",
                help="write one, with its connections: PACK/environments/NAME.yaml",
            )
        raise Usage(
            "say where it is to run: --env NAME",
            help=f"there {'is one:' if len(known) == 1 else 'are'} {', '.join(known)}",
        )

    def environment_to_ask(self, pack: str, given: str | None) -> str:
        """The same for what only looks: the only one beside the sandbox need not be named."""
        real = [name for name in self.find_books().environments(pack) if name != SANDBOX]
        return real[0] if given is None and len(real) == 1 else self.environment_of(pack, given)

    @asynccontextmanager
    async def sandbox(
        self, pack: str, environment: str, runbook: Runbook | None
    ) -> AsyncIterator[Surroundings]:
        """What is started around the work: nothing, but for an environment named `sandbox`.

        With a runbook: what it talks to, with its fault in place. Without: all connections,
        healthy.
        """
        if environment != SANDBOX or self.server_url is not None:
            yield Surroundings()
            return
        from engine.sandbox import (  # noqa: PLC0415  servers, only where wanted
            Sandbox,
            connections_of,
            fault_of,
        )

        place = self.find_books().environment(pack, SANDBOX, self.registry)
        needed = connections_of(runbook) if runbook is not None else self._startable(place)
        name = runbook.name if runbook is not None else ""
        if not self.own_sandbox and (up := self._standing(place, needed)) is not None:
            fault = fault_of(place, name)
            yield Surroundings(up.services, fault.inputs if fault else {})
            return
        async with Sandbox(
            place, name, needed, self._told_of_sandbox, with_fault=runbook is not None
        ) as sandbox:
            yield Surroundings(sandbox.services, sandbox.inputs, sandbox)

    def _startable(self, place: Environment) -> tuple[str, ...]:
        """The connections of a sandbox whose programs are installed; of the others it is said."""
        from engine.sandbox import missing  # noqa: PLC0415  servers, only where wanted

        lacks = {name: missing(place, [name]) for name in place.connections}
        for name, why in lacks.items():
            if why:
                self._told_of_sandbox(f"{name} is left out: {'; '.join(why)}")
        return tuple(name for name, why in lacks.items() if not why)

    def tell_of_inbox(self, around: Surroundings) -> None:
        """What people were told, before the inbox is gone with its sandbox."""
        from engine.cli.inbox import counted, listed  # noqa: PLC0415  only where somebody was told

        sandbox = around.own
        letters = [letter.to_json() for letter in sandbox.letters] if sandbox is not None else []
        if sandbox is None or not letters or self.json:
            return
        self._told_of_sandbox(f"{counted(len(letters))} to its inbox{sandbox.hurried}")
        for line in listed(letters, min(self.output.width, INBOX_COLUMNS)):
            self.output.note(line)

    def _standing(self, place: Environment, needed: Collection[str]) -> Standing | None:
        """The sandbox of this pack that `runbook sandbox up` left up, with all that is needed."""
        from engine.sandbox.standing import standing  # noqa: PLC0415  only where wanted

        up = standing(sandboxes_folder(), place.pack)
        if up is None or Path(place.file).resolve() != Path(up.record["environment"]):
            return None
        if not up.has(needed):
            self._told_of_sandbox("the one that is up lacks what this needs: one of its own")
            return None
        how = f"broken: {up.record['fault']}" if up.record["fault"] else "healthy"
        self._told_of_sandbox(f"the one that is up since {up.record['since']}, {how}")
        if Path(place.file).stat().st_mtime_ns != up.record["written_ns"]:
            self._told_of_sandbox(f"{place.file} was changed since: down and up again to see it")
        return up

    def _told_of_sandbox(self, text: str) -> None:
        self.output.note(self.output.error_style.paint(f"sandbox: {text}", "dim"))

    def actor(self, as_name: str | None, runbook: str, environment: str) -> Actor:
        """Who acts: the operating system's user, or for whom that user speaks. Raises Refused."""
        from engine.core.events import Actor  # noqa: PLC0415
        from engine.wiring import os_actor  # noqa: PLC0415

        user = os_actor()
        if self.server_url is not None and as_name is not None:
            raise Usage("--as goes with a journal of your own", help="a server knows who you are")
        if as_name is None:
            return user
        if not as_name.strip():
            raise Usage("--as takes the name of a person")
        place = self.find_books().environment(
            runbook.partition("/")[0], environment, self.registry, only=()
        )
        if not place.may_speak_as(user.name):
            raise Refused(
                f"{user.name} may not use --as in environment {environment}",
                help=f"`allow_as` in {place.file} says who may",
            )
        return Actor(as_name.strip(), "as", via=user.name)

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        """Runs asynchronous work to its end; a cancelled one counts as interrupted."""
        import asyncio  # noqa: PLC0415  65 ms that --help and completion do not pay

        try:
            return asyncio.run(_cancellable(work))
        except asyncio.CancelledError as e:
            raise KeyboardInterrupt from e


def called_as() -> str:
    """`runbook`, or its path where the shell does not find it: suggestions work as they stand."""
    program = Path(sys.argv[0])
    if program.name != "runbook" or shutil.which("runbook") == sys.argv[0]:
        return "runbook"
    here = Path.cwd()
    return str(program.relative_to(here) if program.is_relative_to(here) else program)


async def _cancellable(work: Coroutine[Any, Any, T]) -> T:
    from engine.cli.signals import cancel_on_signals  # noqa: PLC0415  imports asyncio

    cancel_on_signals()
    return await work


def default_store_path() -> Path:
    """`journal.db` in the user's state folder, as the XDG base directories have it."""
    state = os.environ.get("XDG_STATE_HOME", "")
    folder = Path(state) if Path(state).is_absolute() else Path("~/.local/state").expanduser()
    return folder / "runbook" / "journal.db"


def sandboxes_folder() -> Path:
    """Where the sandboxes that stay up are written down."""
    return default_store_path().parent / "sandboxes"


def default_store_url() -> str:
    return f"sqlite:///{default_store_path()}"


def redacted(text: str, folders: tuple[str, ...]) -> str:
    """The text without the values of the secrets that the environments at hand refer to.

    For the message of a bug: nobody knows how far it came, so every secret that could have been in
    use is taken out, also those that no run had asked for yet.
    """
    from engine.secret import Vault  # noqa: PLC0415  only for a bug

    vault = Vault(os.environ)
    for folder in folders:
        for file in Path(folder).glob("*/environments/*.yaml"):
            with suppress(OSError):
                vault.learn(file.read_text(encoding="utf-8", errors="replace"))
    return vault.redactor().text(text)
