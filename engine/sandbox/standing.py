"""Sandboxes that stay up between commands: who finds one, starts one, speaks to one.

A record per pack, in the user's state folder, says where it is; it counts as long as its process
answers. The process is `holder`.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import shutil
import socket
import subprocess
import sys
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from engine.errors import Refused, RunbookError, Usage
from engine.sandbox.process import FOLDER_PREFIX, alive

SOCKET = "control"
ANSWER_S = 5.0
"""For its process to answer when it is only asked: it takes a millisecond, more while it starts
servers anew."""
CHANGE_S = 120.0
"""For servers to start anew, or to end."""
STAYS_S = 8 * 3600.0
"""How long one stays when nobody ends it: a working day."""


class NotUp(RunbookError):
    """A sandbox that does not come up, or does not answer."""

    exit_code = 3


def _answered(said: Mapping[str, Any]) -> RunbookError:
    """The error that its process tells, with the exit code it has there."""
    kinds: Mapping[int, type[RunbookError]] = {2: Usage, 6: Refused}
    return kinds.get(int(said["code"]), NotUp)(str(said["error"]), help=said.get("help"))


@dataclass(frozen=True, slots=True)
class Standing:
    """A sandbox that is up."""

    file: Path
    record: Mapping[str, Any]

    @property
    def pack(self) -> str:
        return str(self.record["pack"])

    @property
    def services(self) -> Mapping[str, str]:
        found: Mapping[str, str] = self.record["services"]
        return found

    def has(self, connections: Collection[str]) -> bool:
        """Whether none of these connections was left out."""
        return not set(self.record["left_out"]).intersection(connections)

    def call(
        self, asked: Mapping[str, Any], limit_s: float, told: Callable[[str], None] | None = None
    ) -> dict[str, Any]:
        """Says something to its process and gives its last word. Raises NotUp, Usage."""
        path = Path(self.record["folder"]) / SOCKET
        try:
            with socket.socket(socket.AF_UNIX) as s:
                s.settimeout(limit_s)
                s.connect(str(path))
                s.sendall(json.dumps(dict(asked)).encode() + b"\n")
                with s.makefile("r", encoding="utf-8") as lines:
                    return _last(lines, told)
        except OSError as e:
            raise NotUp(
                f"the sandbox of {self.pack} does not answer: {e}",
                help=f"`runbook sandbox down {self.pack}` removes what is left of it",
            ) from e

    def answers(self) -> bool:
        try:
            self.call({"do": "ask"}, ANSWER_S)
        except RunbookError:
            return False
        return True


def _last(lines: Iterator[str], told: Callable[[str], None] | None) -> dict[str, Any]:
    """Tells what is on the way, and gives what comes of it. Raises NotUp, Usage."""
    printed: list[str] = []
    letters: list[Any] = []
    for line in lines:
        try:
            said: dict[str, Any] = json.loads(line)
        except ValueError:
            printed.append(line.rstrip())
            continue
        if "error" in said:
            raise _answered(said)
        if "letter" in said:
            letters.append(said["letter"])
        elif "told" not in said:
            return {**said, "letters": letters} if "inbox" in said else said
        elif told:
            told(said["told"])
    raise NotUp("the sandbox ended before it was up", help="\n".join(printed[-20:]) or None)


def records(folder: Path) -> Iterator[Standing]:
    """What is written of sandboxes, whether or not they are up still."""
    for file in sorted(folder.glob("*.json")):
        with contextlib.suppress(OSError, ValueError):
            yield Standing(file, json.loads(file.read_text(encoding="utf-8")))


def standing(folder: Path, pack: str) -> Standing | None:
    """The sandbox of a pack, when it is up."""
    for one in records(folder):
        if one.pack == pack and alive(int(one.record["pid"])) and one.answers():
            return one
    return None


@dataclass(frozen=True, slots=True)
class Wish:
    """A sandbox that shall be up."""

    pack: str
    books: Sequence[str]
    fault: str = ""
    stays_s: float = STAYS_S


def start(folder: Path, wish: Wish, told: Callable[[str], None]) -> Standing:
    """Starts it, and comes back when it is up. Raises NotUp, Usage.

    Of two that start it at once the second waits, and gets the first one's.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / f"{wish.pack}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        return standing(folder, wish.pack) or _start(folder, wish, told)


def _start(folder: Path, wish: Wish, told: Callable[[str], None]) -> Standing:
    file = folder / f"{wish.pack}.json"
    words = [sys.executable, "-m", "engine.sandbox.holder", wish.pack, str(file)]
    words += [str(wish.stays_s), wish.fault, *(str(Path(one).absolute()) for one in wish.books)]
    log = folder / f"{wish.pack}.log"
    with log.open("w", encoding="utf-8") as errors:
        process = subprocess.Popen(  # noqa: S603 - our own words
            words,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=errors,
            text=True,
            start_new_session=True,  # Ctrl-C later on is for other commands
            env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
        )
    assert process.stdout is not None  # noqa: S101 - it is a pipe
    with process.stdout:
        try:
            said = _last(process.stdout, told)
        except BaseException:
            process.terminate()
            process.wait(CHANGE_S)
            raise
    process.returncode = 0  # it is let go of, and not waited for: it outlives this command
    return Standing(file, said["up"])


def end(one: Standing) -> bool:
    """Ends it and removes what is left of it. Whether it was up still."""
    up = False
    with contextlib.suppress(RunbookError):
        one.call({"do": "down"}, CHANGE_S)
        up = True
    pid = int(one.record["pid"])
    if up:
        _wait_gone(one.file, pid)
    for suffix in (".json", ".log", ".lock"):
        one.file.with_suffix(suffix).unlink(missing_ok=True)
    left = Path(one.record["folder"])
    if left.name.startswith(
        f"{FOLDER_PREFIX}{pid}-"
    ):  # nothing else is removed, whatever is written
        shutil.rmtree(left, ignore_errors=True)
    return up


def _wait_gone(file: Path, pid: int) -> None:
    """Waits until its servers and its folder are gone."""
    import time  # noqa: PLC0415  only to end one

    until = time.monotonic() + CHANGE_S
    while alive(pid) and time.monotonic() < until:
        with contextlib.suppress(ChildProcessError):
            os.waitpid(pid, os.WNOHANG)  # where this very process started it
        time.sleep(0.02)
    if alive(pid):
        raise NotUp(f"process {pid} does not end", help=f"look at it, then remove {file}")
