"""Fetches pip as a wheel, for a Python that came without it.

Asks where pip itself would ask: `find-links` folders, the index and the extra indexes, from the
environment (`PIP_INDEX_URL` ...) and pip's configuration files. Both answers of a package index
are understood: JSON (PEP 691) and HTML (PEP 503); either names the SHA-256, and a file that has
none, or another one, is not used.
"""

from __future__ import annotations

import base64
import hashlib
import json
import os
import re
import shlex
import ssl
import urllib.error
import urllib.request
from collections.abc import Callable, Iterable, Iterator
from configparser import ConfigParser, Error
from dataclasses import dataclass
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urldefrag, urljoin, urlsplit, urlunsplit

DEFAULT_INDEX = "https://pypi.org/simple"
TIMEOUT_S = 20
"""For one answer of the index; pip itself waits 15 s."""
ANSWER_MAX_BYTES = 32 * 1024 * 1024
"""Of a page or a wheel; pip's wheel has 2 MB, its page 0.1 MB."""

Version = tuple[int, int]


class NoPip(OSError):
    """pip could not be had; the text says where it was looked for."""

    def __init__(self, tried: Iterable[str]) -> None:
        places = "\n".join(f"  | {line}" for line in tried)
        super().__init__(
            "this system has no ensurepip, and pip could not be fetched; is there a network?\n"
            f"{places}\non Debian and Ubuntu, `apt install python3-venv` does without it"
        )


@dataclass(frozen=True)
class Offer:
    """A file an index offers."""

    name: str
    url: str
    sha256: str
    requires_python: str

    @property
    def version(self) -> tuple[int, ...]:
        """Of a release of pip, () of anything else (another kind of file, a pre-release)."""
        found = re.fullmatch(r"pip-(\d+(?:\.\d+)*)-py3-none-any\.whl", self.name)
        return tuple(int(part) for part in found[1].split(".")) if found else ()

    def suits(self, python: Version) -> bool:
        """True for a release wheel whose `>=` condition this Python meets; pip has no other."""
        least = re.search(r">=\s*(\d+)\.(\d+)", self.requires_python)
        return bool(self.version) and (not least or (int(least[1]), int(least[2])) <= python)


def fetch_pip(folder: Path, python: Version) -> Path:
    """The newest wheel of pip that suits this Python, in `folder`. Raises NoPip."""
    settings = pip_settings()
    tried = []
    for place in places(settings):
        try:
            offers = [offer for offer in place.offers() if offer.suits(python)]
            if not offers:
                tried.append(f"{place.name}: no pip there")
                continue
            best = max(offers, key=lambda offer: offer.version)
            return save(place.fetch(best.url), best, folder)
        except (OSError, ValueError) as e:
            tried.append(f"{place.name}: {e}")
    raise NoPip(tried)


def save(content: bytes, offer: Offer, folder: Path) -> Path:
    found = hashlib.sha256(content).hexdigest()
    if not offer.sha256 or found != offer.sha256:
        raise ValueError(f"{offer.name} has SHA-256 {found}, not {offer.sha256 or 'a given one'}")
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / offer.name
    path.write_bytes(content)
    return path


@dataclass(frozen=True)
class Place:
    """Where pip may be had: an index or a folder."""

    name: str
    offers: Callable[[], list[Offer]]
    fetch: Callable[[str], bytes]


def places(settings: dict[str, str]) -> Iterator[Place]:
    """Folders first (they need no network), then the index, then the extra indexes."""
    fetch = fetcher(settings)
    for where in shlex.split(settings.get("find-links", "")):
        folder = Path(unquote(urlsplit(where).path)) if where.startswith("file:") else Path(where)
        if folder.is_dir():
            yield Place(str(folder), lambda f=folder: list(in_folder(f)), fetch)  # type: ignore[misc]
    if settings.get("no-index", "") in ("1", "true", "yes"):
        return
    indexes = [settings.get("index-url", DEFAULT_INDEX)]
    for url in indexes + shlex.split(settings.get("extra-index-url", "")):
        page = f"{url.rstrip('/')}/pip/{'index.html' if url.startswith('file:') else ''}"
        yield Place(without_password(page), lambda p=page: in_index(p, fetch(p)), fetch)  # type: ignore[misc]


def in_folder(folder: Path) -> Iterator[Offer]:
    """Wheels of a local folder; what the system's owner put there is taken at its word."""
    for path in folder.glob("pip-*.whl"):
        digest = hashlib.sha256(path.read_bytes()).hexdigest()
        yield Offer(path.name, path.as_uri(), digest, "")


def in_index(page: str, answer: bytes) -> list[Offer]:
    """What an index's page of pip offers, whichever of the two formats it answered."""
    text = answer.decode("utf-8", "replace")
    if text.lstrip().startswith("{"):
        return [
            Offer(
                entry["filename"],
                urljoin(page, entry["url"]),
                entry.get("hashes", {}).get("sha256", ""),
                entry.get("requires-python") or "",
            )
            for entry in json.loads(text)["files"]
            if not entry.get("yanked")
        ]
    links = Links(page)
    links.feed(text)
    return links.offers


class Links(HTMLParser):
    """Reads a page of PEP 503: one `<a>` for a file, its SHA-256 behind the `#` of the link."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.page = page
        self.offers: list[Offer] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        known = dict(attrs)
        if tag == "base" and known.get("href"):
            self.page = urljoin(self.page, known["href"] or "")
        if tag != "a" or not known.get("href") or "data-yanked" in known:
            return
        url, fragment = urldefrag(urljoin(self.page, known["href"] or ""))
        name = unquote(urlsplit(url).path.rsplit("/", 1)[-1])
        sha256 = fragment.removeprefix("sha256=") if fragment.startswith("sha256=") else ""
        self.offers.append(Offer(name, url, sha256, known.get("data-requires-python") or ""))


def fetcher(settings: dict[str, str]) -> Callable[[str], bytes]:
    """Fetches as pip would: its certificate file, its proxy, a password in the address."""
    context = ssl.create_default_context(cafile=settings.get("cert") or None)
    handlers: list[urllib.request.BaseHandler] = [urllib.request.HTTPSHandler(context=context)]
    if settings.get("proxy"):
        proxy = settings["proxy"]
        handlers.append(urllib.request.ProxyHandler({"http": proxy, "https": proxy}))
    opener = urllib.request.build_opener(*handlers)

    def fetch(url: str) -> bytes:
        request = urllib.request.Request(without_password(url))  # noqa: S310  file: is meant too
        request.add_header(
            "Accept", "application/vnd.pypi.simple.v1+json, text/html;q=0.1, */*;q=0.01"
        )
        parts = urlsplit(url)
        if parts.username:
            pair = f"{unquote(parts.username)}:{unquote(parts.password or '')}"
            request.add_header("Authorization", f"Basic {base64.b64encode(pair.encode()).decode()}")
        with opener.open(request, timeout=TIMEOUT_S) as answer:
            content: bytes = answer.read(ANSWER_MAX_BYTES + 1)
        if len(content) > ANSWER_MAX_BYTES:
            raise ValueError(f"{without_password(url)} answers more than {ANSWER_MAX_BYTES} bytes")
        return content

    return fetch


def without_password(url: str) -> str:
    parts = urlsplit(url)
    return urlunsplit(parts._replace(netloc=parts.netloc.rpartition("@")[2]))


def pip_settings() -> dict[str, str]:
    """pip's options from its configuration files and, above them, from the environment."""
    settings: dict[str, str] = {}
    for file in configuration_files():
        parser = ConfigParser(interpolation=None)
        try:
            parser.read(file, encoding="utf-8")
        except (Error, UnicodeDecodeError):
            continue  # pip itself will say so, with the line
        for section in ("global", "install"):
            if parser.has_section(section):
                settings.update({k.replace("_", "-"): v for k, v in parser.items(section)})
    for name, value in os.environ.items():
        if name.startswith("PIP_") and value:
            settings[name.removeprefix("PIP_").lower().replace("_", "-")] = value
    return settings


def configuration_files() -> list[Path]:
    """pip's own order: system, user (old place, then new), and the one the environment names."""
    named = os.environ.get("PIP_CONFIG_FILE")
    if named == os.devnull:
        return []
    home = Path.home()
    shared = os.environ.get("XDG_CONFIG_DIRS", "/etc/xdg").split(os.pathsep)
    user = Path(os.environ.get("XDG_CONFIG_HOME") or home / ".config")
    files = [Path(folder) / "pip" / "pip.conf" for folder in shared]
    files += [Path("/etc/pip.conf"), home / ".pip" / "pip.conf", user / "pip" / "pip.conf"]
    return files + ([Path(named)] if named else [])
