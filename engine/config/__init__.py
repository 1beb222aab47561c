"""Packs of runbooks, their environments and contacts: what is where, read and checked.

A folder of books holds packs; a pack is a folder:

| file | is |
|---|---|
| `PACK/NAME.yaml` | the runbook `PACK/NAME` |
| `PACK/NAME.test.yaml` | its scenarios |
| `PACK/environments/NAME.yaml` | an environment |
| `PACK/contacts.yaml` | people, roles, escalation policies |
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Collection, Iterable, Mapping
from pathlib import Path
from stat import S_ISREG
from typing import NamedTuple, TypeVar

from engine.config.contacts import Channel, Contacts, Level, Person, Severity
from engine.config.contacts_read import ContactsReader
from engine.config.environment import Connection, Environment, EnvironmentReader
from engine.config.fields import Fields
from engine.errors import Collector, Diagnosed, Usage
from engine.language.catalog import Catalog
from engine.language.model import Runbook
from engine.language.nodes import Node
from engine.language.source import parse, read
from engine.language.words import did_you_mean, listed, named

__all__ = [
    "Books",
    "Channel",
    "Connection",
    "Contacts",
    "Environment",
    "Level",
    "Person",
    "Severity",
]

DEFAULT_FOLDER = "runbooks"
VARIABLE = "RUNBOOK_BOOKS"
SANDBOX = "sandbox"
"""The environment that needs no server of the user's."""

LOADED_MAX = 1000
"""Runbooks that are kept as they were made from their texts (30 KiB each): a server asks all of
them for each event."""

PLACES_MAX = 256
"""Environments that are kept as they were made from their texts: all runs of a pack in one have the
same."""

T = TypeVar("T")

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]*")
_NOT_RUNBOOKS = ("contacts.yaml",)


class _Loaded(NamedTuple):
    """A runbook, and all it was made of."""

    catalog: Catalog
    source: tuple[str, str]
    called: Mapping[str, tuple[str, str] | None]
    runbook: Runbook


class _Known(NamedTuple):
    """Contacts, their file, and its stamp."""

    path: Path
    stamp: object
    contacts: Contacts


class Books:
    """The packs in some folders. Every answer is what the files say at that moment: a runbook is
    read again each time, and made anew when a text it was made of is another one.
    """

    def __init__(self, folders: Iterable[Path | str]) -> None:
        self.folders = tuple(Path(folder) for folder in folders)
        self._packs: dict[str, Path] | None = None
        self._loaded: dict[str, _Loaded] = {}
        self._places: dict[tuple[object, ...], tuple[Catalog, str, Environment]] = {}
        self._contacts: dict[str, _Known] = {}
        """As they were read, and a stamp of the file: every run that calls people has them."""
        self._broken: dict[str, tuple[object, str]] = {}
        """The stamp of a file that cannot be read, and why, where older contacts are kept."""
        self.keeps_contacts = False
        """Whether contacts that cannot be read any more are as they were last: a server goes on
        calling people while somebody edits the file.
        """

    @classmethod
    def find(cls, given: Iterable[str] = (), environ: Mapping[str, str] | None = None) -> Books:
        """The folders of `--books`, else of RUNBOOK_BOOKS (several with `:` between), else
        `./runbooks`.

        Raises Usage where a folder is not there.
        """
        folders = tuple(given)
        if folders:
            source = "--books"
        elif (environ or {}).get(VARIABLE):
            folders = tuple(f for f in (environ or {})[VARIABLE].split(os.pathsep) if f)
            source = VARIABLE
        else:
            folders, source = (DEFAULT_FOLDER,), ""
        for folder in folders:
            if not Path(folder).is_dir():
                of = f" of {source}" if source else ""
                raise Usage(
                    f"the folder {named(folder)}{of} is not there",
                    help=f"runbooks are looked for in ./{DEFAULT_FOLDER}, --books or {VARIABLE}",
                )
        return cls(folders)

    def packs(self) -> tuple[str, ...]:
        return tuple(sorted(self._folders()))

    def names(self) -> tuple[str, ...]:
        """Every runbook, `pack/name`."""
        return tuple(
            f"{pack}/{path.stem}"
            for pack, folder in sorted(self._folders().items())
            for path in sorted(folder.glob("*.yaml"))
            if _is_runbook(path)
        )

    def path(self, name: str) -> Path:
        """The file of a runbook. Raises Usage when there is none, with the name that was meant."""
        pack, _, stem = name.partition("/")
        folder = self._folders().get(pack)
        path = (folder / f"{stem}.yaml") if folder and _NAME.fullmatch(stem) else None
        if path is None or not _is_runbook(path) or not path.is_file():
            raise Usage(f"no runbook is named {named(name)}", help=self._meant(name, path))
        return path

    def source(self, name: str) -> tuple[str, str]:
        """The file (as it is shown) and the text of a runbook. Raises Usage, Diagnosed."""
        path = self.path(name)
        collector = Collector()
        text = read(path, collector)
        if text is None:
            raise Diagnosed(tuple(collector.found))
        return str(path), text

    def load(self, name: str, catalog: Catalog) -> Runbook:
        """The runbook and those it calls, checked. Raises Usage when there is none, Diagnosed."""
        from engine.language.load import load_runbook  # noqa: PLC0415 - 10 ms that contacts do without

        file, text = self.source(name)
        known = self._loaded.get(name)
        if known is not None and self._holds(known, catalog, (file, text)):
            return known.runbook
        called: dict[str, tuple[str, str] | None] = {}

        def look_up(one: str) -> tuple[str, str] | None:
            called[one] = self._look_up(one)
            return called[one]

        runbook = load_runbook(name, text, file, catalog, look_up)
        if len(self._loaded) >= LOADED_MAX:
            self._loaded.clear()
        self._loaded[name] = _Loaded(catalog, (file, text), called, runbook)
        return runbook

    def _holds(self, known: _Loaded, catalog: Catalog, source: tuple[str, str]) -> bool:
        """Whether a runbook would be made of the same texts again."""
        if known.catalog is not catalog or known.source != source:
            return False
        return all(self._look_up(one) == told for one, told in known.called.items())

    def scenarios(self, name: str) -> Path | None:
        """The file with the scenarios of a runbook, when it has one."""
        path = self.path(name)
        found = path.with_name(f"{path.stem}.test.yaml")
        return found if found.is_file() else None

    def environments(self, pack: str) -> tuple[str, ...]:
        folder = self.pack(pack) / "environments"
        return tuple(sorted(path.stem for path in folder.glob("*.yaml")))

    def environment(
        self, pack: str, name: str, catalog: Catalog, only: Collection[str] | None = None
    ) -> Environment:
        """An environment of a pack, checked. Raises Usage when there is none, Diagnosed.

        only: check the settings of these connections only (what a run uses), not of all
        """
        path = self.pack(pack) / "environments" / f"{name}.yaml"
        if not _NAME.fullmatch(name) or not path.is_file():
            known = self.environments(pack)
            otherwise = f"it has {listed(known, 'and')}" if known else f"write {path}"
            raise Usage(
                f"the pack {named(pack)} has no environment {named(name)}",
                help=did_you_mean(name, known, otherwise),
            )
        key = (pack, name, None if only is None else tuple(only))
        collector = Collector()
        text = read(path, collector)
        made = self._places.get(key)
        if made is not None and made[0] is catalog and made[1] == text:
            return made[2]
        place = _made(
            (path, text, collector),
            lambda fields, root: EnvironmentReader(fields, catalog, only).read(root, pack, name),
        )
        if len(self._places) >= PLACES_MAX:
            self._places.clear()
        self._places[key] = (catalog, text or "", place)
        return place

    def environment_left(self, pack: str, name: str, catalog: Catalog) -> Environment | None:
        """What is left of an environment that is wrong: the connections that can be read. None
        where nothing can.
        """
        path, collector = self.pack(pack) / "environments" / f"{name}.yaml", Collector()
        text = read(path, collector) if _NAME.fullmatch(name) and path.is_file() else None
        root = parse(text, str(path), collector) if text is not None else None
        if root is None or collector.errors:
            return None
        reader = EnvironmentReader(Fields(str(path), collector), catalog, only=())
        return reader.read(root, pack, name)

    def contacts(self, pack: str) -> Contacts:
        """The contacts of a pack; empty where there are none. Raises Usage, Diagnosed."""
        known = self._contacts.get(pack)
        path = known.path if known is not None else self.pack(pack) / "contacts.yaml"
        stamp = _stamp(path)
        if known is not None and known.stamp == stamp:
            self._broken.pop(pack, None)
            return known.contacts
        if known is not None and self.keeps_contacts:
            return self._renewed(pack, stamp, known)
        made = _contacts(path) if stamp is not None else Contacts()
        self._contacts[pack] = _Known(path, stamp, made)
        return made

    def contacts_trouble(self, pack: str) -> str | None:
        """Why the contacts of a pack are older ones; None where they are not."""
        broken = self._broken.get(pack)
        return f"contacts.yaml cannot be read: {broken[1]}" if broken is not None else None

    def _renewed(self, pack: str, stamp: object, known: _Known) -> Contacts:
        """The contacts as they are now; those known where they cannot be read, which is kept."""
        if pack in self._broken and self._broken[pack][0] == stamp:
            return known.contacts
        if stamp is None:
            self._broken[pack] = (stamp, "it is not there any more")
            return known.contacts
        try:
            made = _contacts(known.path)
        except Diagnosed as error:
            self._broken[pack] = (stamp, error.message)
            return known.contacts
        self._broken.pop(pack, None)
        self._contacts[pack] = _Known(known.path, stamp, made)
        return made

    def pack(self, name: str) -> Path:
        """The folder of a pack. Raises Usage when there is none."""
        folder = self._folders().get(name)
        if folder is None:
            known = self.packs()
            otherwise = f"there are {listed(known, 'and')}" if known else None
            raise Usage(
                f"no pack is named {named(name)}", help=did_you_mean(name, known, otherwise)
            )
        return folder

    def _look_up(self, name: str) -> tuple[str, str] | None:
        """For the loader: a called runbook's file and text, or None when there is none."""
        try:
            return self.source(name)
        except Usage:
            return None

    def _folders(self) -> dict[str, Path]:
        if self._packs is None:
            packs: dict[str, Path] = {}
            for books in self.folders:
                for folder in sorted(books.iterdir()):
                    if not folder.is_dir() or not _NAME.fullmatch(folder.name):
                        continue
                    if folder.name in packs:
                        other = packs[folder.name]
                        raise Usage(
                            f"the pack {named(folder.name)} is there twice: {other} and {folder}",
                            help="name one of the folders with --books",
                        )
                    packs[folder.name] = folder
            self._packs = packs
        return self._packs

    def _meant(self, name: str, path: Path | None) -> str | None:
        if path is not None and path.with_suffix(".yml").is_file():
            return f"rename {path.with_suffix('.yml')} to {path.name}"
        known = self.names()
        if not known:
            return f"{listed(map(str, self.folders), 'and')} holds no runbooks: PACK/NAME.yaml"
        if inside := [k for k in known if k.startswith(f"{name}/")]:
            return f"{named(name)} is a pack; its runbooks are {listed(inside, 'and')}"
        file = "/".join(Path(name.removesuffix(".yaml")).parts[-2:])  # somebody gave its path
        same = [k for k in known if k == file or k.partition("/")[2] == name]
        otherwise = f"did you mean {named(same[0])}?" if same else "`runbook list` names them all"
        return did_you_mean(name, known, otherwise)


def _stamp(path: Path) -> object:
    """Another one when the file is another one; None where there is none."""
    try:
        found = path.stat()
    except (OSError, ValueError):
        return None
    return (found.st_mtime_ns, found.st_size, found.st_ino) if S_ISREG(found.st_mode) else None


def _is_runbook(path: Path) -> bool:
    return (
        path.name not in _NOT_RUNBOOKS
        and not path.name.endswith(".test.yaml")
        and _NAME.fullmatch(path.stem) is not None
    )


def _contacts(path: Path) -> Contacts:
    collector = Collector()
    given = (path, read(path, collector), collector)
    return _made(given, lambda fields, root: ContactsReader(fields).read(root))


def _made(given: tuple[Path, str | None, Collector], make: Callable[[Fields, Node], T]) -> T:
    """What a text holds, that was read from a file. Raises Diagnosed with everything that is wrong
    in it.
    """
    path, text, collector = given
    file = str(path)
    root = parse(text, file, collector) if text is not None else None
    made = make(Fields(file, collector), root) if root is not None else None
    if collector.errors or made is None:
        raise Diagnosed(tuple(collector.found), {file: text or ""})
    return made
