"""A secret that is looked for afterwards, in whatever form it may have come out."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

import psutil

WINDOW_CHARS = 8
"""So much of a secret is a leak already: half of a secret, left by a cut, is as good as all of it
to whoever can guess the rest.
"""


@dataclass(frozen=True)
class Canary:
    """`core` is letters and digits, which every escaping leaves alone; around it stands what every
    escaping changes.
    """

    name: str
    core: str

    @property
    def value(self) -> str:
        return f"c/{self.core}+'\"&=%\\<é"

    @property
    def ascii(self) -> str:
        """For headers."""
        return f"c/{self.core}+'\"&=%\\<"

    @property
    def in_url(self) -> str:
        return quote(self.value, safe="")

    def forms(self) -> dict[str, str]:
        """As a target may give it back."""
        octets = self.value.encode()
        return {
            "itself": self.value,
            "in a url": quote(self.value),
            "in a url twice": quote(self.in_url),
            "hex": octets.hex(),
            "HEX": octets.hex().upper(),
            "in words": f"the token is {self.value}, they said",
            **{f"base64 behind {n}": b64encode(b"x" * n + octets).decode() for n in range(3)},
        }

    def traces(self) -> Iterator[bytes]:
        """Octets, any of which is a part of this secret in some form."""
        for start in range(len(self.core) - WINDOW_CHARS + 1):
            window = self.core[start : start + WINDOW_CHARS].encode()
            yield window
            yield window.hex().encode()
            yield window.hex().upper().encode()
            for offset in range(3):
                yield _base64_of(window, offset)


def _base64_of(window: bytes, offset: int) -> bytes:
    """The characters that depend on nothing but the window, `offset` octets into a triple."""
    encoded = b64encode(b"\0" * offset + window)
    first = (offset * 8 + 5) // 6
    return encoded[first : (offset + len(window)) * 8 // 6]


def leaks(canaries: Mapping[str, Canary], seen: Mapping[str, bytes]) -> list[str]:
    """Where which canary was found, with what stands around it."""
    found = []
    for where, octets in seen.items():
        for canary in canaries.values():
            at = next((octets.find(t) for t in canary.traces() if t in octets), -1)
            if at >= 0:
                found.append(f"{canary.name} in {where}: {octets[max(0, at - 60) : at + 40]!r}")
    return found


def command_lines(pid: int) -> dict[str, bytes]:
    """The argument lists of a process and of all that it started, as anybody on this machine can
    read them. Not of all others: another run of this test may just give a secret on purpose.
    """
    found = {}
    for one in (psutil.Process(pid), *psutil.Process(pid).children(recursive=True)):
        with suppress(OSError):  # it has ended
            found[f"/proc/{one.pid}/cmdline"] = Path(f"/proc/{one.pid}/cmdline").read_bytes()
    return found
