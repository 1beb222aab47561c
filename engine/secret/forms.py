"""What a secret may look like: the forms in which targets, libraries and shells write it."""

from __future__ import annotations

import json
import re
from base64 import b64encode
from collections.abc import Iterator
from urllib.parse import unquote, unquote_plus

SLASHES_MAX = 16
"""Backslashes that stand for one: after four texts inside quotes, one inside the other."""

LINE_MIN_CHARS = 16
"""Of a line of a long secret (a private key) that is a secret by itself."""

_ALNUM = re.compile(r"[A-Za-z0-9]+")
_DSN_PASSWORD = re.compile(r"\bpassword\s*=\s*(?:'((?:[^'\\]|\\.)*)'|(\S+))", re.IGNORECASE)
_TELLING = re.compile(r"pass|pwd|token|secret|key|sig|auth|credential", re.IGNORECASE)
_SLASHES_AND_CHAR = re.compile(r"(\\*)([^\\]|\Z)", re.DOTALL)
_B64 = "[A-Za-z0-9+/_-]"
_B64_CHAR = {"+": r"(?:\+|-|%2[Bb])", "/": r"(?:/|_|%2[Ff]|\\/)"}


class Form:
    """A secret, or a part of one that is a secret by itself, with all it may look like."""

    __slots__ = ("anchors", "part", "patterns", "shown")

    def __init__(self, part: str, shown: str) -> None:
        self.part = part
        self.shown = shown
        self.patterns = tuple(_patterns(part))
        self.anchors = tuple(dict.fromkeys(_anchors(part)))

    def may_be_in(self, text: str) -> bool:
        return any(anchor in text for anchor in self.anchors)


def parts(value: str) -> Iterator[str]:
    """The secret and its parts that are secrets by themselves, as they are and URL-decoded."""
    for part in (value, *pieces(value)):
        yield part
        if "%" in part:
            yield unquote(part)
        if "+" in part:
            yield unquote_plus(part)


def pieces(value: str) -> Iterator[str]:
    if "\n" in value:
        lines = (line.strip() for line in value.splitlines())
        yield from (li for li in lines if len(li) >= LINE_MIN_CHARS and not li.startswith("-----"))
    for quoted, bare in _DSN_PASSWORD.findall(value):
        yield quoted or bare
    scheme, separator, rest = value.partition("://")
    if not separator:
        return
    netloc = re.split(r"[/?#]", rest, maxsplit=1)[0] if "@" not in rest else rest
    userinfo, at, _ = netloc.rpartition("@")
    if at:
        user, colon, password = userinfo.partition(":")
        yield userinfo
        yield password if colon else user
    path, _, query = rest.rpartition("@")[2].partition("?")
    for pair in query.partition("#")[0].split("&"):
        key, _, found = pair.partition("=")
        if _TELLING.search(key):
            yield found
    if scheme.startswith("http") and len(path) - path.find("/") >= LINE_MIN_CHARS and "/" in path:
        yield path[path.find("/") :]


def _patterns(part: str) -> Iterator[str]:
    """Regular expressions of every form of one secret, longer ones first. None backtracks far."""
    escaped = sorted(set(_escaped(part)) - {part}, key=lambda form: (-len(form), form))
    yield from (re.escape(form) for form in escaped)
    yield _backslashed(part)
    yield "".join(_url_encoded(c) for c in part)
    octets = part.encode("utf-8", "surrogatepass")
    yield from dict.fromkeys((octets.hex(), octets.hex().upper()))
    for offset in range(3):
        core = "".join(_B64_CHAR.get(c, c) for c in _base64_core(octets, offset))
        before = f"{_B64}?" if offset else ""
        yield f"{before}{core}{_B64}?(?:=|%3[Dd]){{0,2}}"


def _url_encoded(char: str) -> str:
    """One character as any URL encoder writes it: bare, `%2F`, `%2f`, `%252F`, a space as `+`."""
    if char.isascii() and char.isalnum():
        return char
    octets = char.encode("utf-8", "surrogatepass")
    once = "".join(f"%(?:25)?(?i:{o:02x})" for o in octets)
    bare = re.escape(char) + (r"|\+" if char == " " else "")
    return f"(?:{once}|{bare})"


def _escaped(part: str) -> Iterator[str]:
    """The whole text as HTML, SQL and shells write it inside quotes."""
    html = part.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    html = html.replace('"', "&quot;")
    yield from (html, html.replace("'", "&#x27;"), html.replace("'", "&#39;"))
    yield part.replace("'", "''")
    yield from (part.replace("'", "'\"'\"'"), part.replace("'", "'\\''"))


def _backslashed(part: str) -> str:
    """The text as JSON, Python and C write it inside quotes, however often one inside another: an
    error that quotes an error that quotes. No backslash is given back, so it takes no time.
    """
    found = ((len(hit[1]), hit[2]) for hit in _SLASHES_AND_CHAR.finditer(part))
    return "".join(_written(least, char) for least, char in found)


def _written(least: int, char: str) -> str:
    """A character with `least` backslashes before it. Letters and digits alone get none."""
    if least == 0 and char.isascii() and char.isalnum():
        return char
    return _slashes(least) + _char(char)


def _slashes(least: int) -> str:
    return rf"\\{{{least},{least * SLASHES_MAX + SLASHES_MAX}}}+"


def _char(char: str) -> str:
    """One character after its backslashes; without any it may also be itself."""
    if not char or (char.isascii() and char.isprintable()):
        return re.escape(char)
    octets = char.encode("utf-8", "surrogatepass")
    forms = {json.dumps(char)[1:-1], ascii(char)[1:-1], repr(octets)[2:-1]}
    written = (_slashes(1).join(map(re.escape, form.split("\\")[1:])) for form in sorted(forms))
    return f"(?:{'|'.join(written)}|{re.escape(char)})"


def _base64_core(octets: bytes, offset: int) -> str:
    """The base64 characters that depend on nothing but these octets when `offset` octets stand
    before them.
    """
    padded = b"\0" * offset + octets
    first = (offset * 8 + 5) // 6
    last = len(padded) * 8 // 6
    return b64encode(padded).decode("ascii")[first:last]


def _anchors(part: str) -> Iterator[str]:
    """Plain texts, one of which is in every text that holds a form of the secret.

    Every way of escaping leaves letters and digits alone. A secret without any has the anchor `""`,
    which is in every text: it costs time, and still is found.
    """
    octets = part.encode("utf-8", "surrogatepass")
    yield _longest_run(part)
    yield from (octets.hex(), octets.hex().upper())
    yield from (_longest_run(_base64_core(octets, offset)) for offset in range(3))


def _longest_run(text: str) -> str:
    return max(_ALNUM.findall(text), key=len, default="")
