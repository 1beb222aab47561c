"""The pages of the manual, played: their files are written, their commands run, what they print is
put beside what the page says.

A block of YAML with `file=PATH` is a file of the folder that the commands run in. In a block of
kind `console` a line `$ WORDS` is a command by ada, `bob$ WORDS` one by bob, and the lines below it
are what it prints. `python -m tests.docs` writes them anew.
"""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "engine" / "docs"
PERSON = Path(__file__).with_name("person.py")
CALL_MAX_S = 180.0

BLOCK = re.compile(
    r"^```(?P<kind>\w+)(?: file=(?P<file>\S+))?\n(?P<text>.*?)^```$", re.MULTILINE | re.DOTALL
)
COMMAND = re.compile(r"^(?P<who>[a-z]*)\$ (?P<words>.*)$")

SHOP = FOLDER / "shop.md"
"""What every page has: an environment and people. And a database of twelve orders, four of them
stuck. At the warehouse nobody is there: port 9 of the loopback.
"""


def pages() -> list[Path]:
    return sorted(FOLDER.glob("*.md"))


@contextmanager
def world() -> Iterator[Path]:
    """A folder of a name that is always as long, so that tables are always as wide."""
    folder = Path(tempfile.mkdtemp(prefix="runbook-docs-", dir="/tmp"))
    try:
        shop = list(BLOCK.finditer(SHOP.read_text()))
        for block in shop:
            if block["file"]:
                _write(folder / block["file"], block["text"])
        (orders,) = [block["text"] for block in shop if "sqlite3" in block["text"]]
        subprocess.run(["sh", "-c", orders], cwd=folder, check=True)
        yield folder
    finally:
        shutil.rmtree(folder)


def played(text: str) -> str:
    """A page with what its commands print now."""
    with world() as folder:

        def block(found: re.Match[str]) -> str:
            if found["file"]:
                _write(folder / found["file"], found["text"])
            if found["kind"] != "console":
                return found[0]
            return f"```console\n{''.join(_said(found['text'], folder))}```"

        return _steady(BLOCK.sub(block, text), folder)


def _write(file: Path, text: str) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text)


def _said(text: str, folder: Path) -> Iterator[str]:
    for line in text.splitlines():
        command = COMMAND.match(line)
        if command is None:
            continue
        yield f"{line}\n"
        yield _call(command["words"], command["who"] or "ada", folder)


def _call(words: str, who: str, folder: Path) -> str:
    """What a command prints. `$?` is shown where the page asks for it by `; echo $?`."""
    person = f"{shlex.quote(sys.executable)} {shlex.quote(str(PERSON))} {who}"
    script = re.sub(r"^runbook ", f"{person} ", words)
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    elsewhere = ("RUNBOOK_", "XDG_", "LC_", "LANG", "COLUMNS")  # of whoever runs the tests
    kept = {k: v for k, v in os.environ.items() if not k.startswith(elsewhere)}
    done = subprocess.run(
        ["sh", "-c", script],
        cwd=folder,
        env={
            **kept,
            "PATH": path,
            "RUNBOOK_STORE": f"sqlite:///{folder}/journal.db",
            "LC_ALL": "C.UTF-8",
            "TZ": "UTC",
            "XDG_STATE_HOME": f"{folder}/state",
        },
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        stdin=subprocess.DEVNULL,
        timeout=CALL_MAX_S,
        check=False,
        text=True,
    )
    return done.stdout


_RUN = re.compile(r"\d{8}-\d{6}-[0-9a-z]{8}")
_OTHERWISE = (
    (r"\b[0-9a-f]{64}\b", "5f0c" + "7a1e" * 15),
    (r"\b[0-9a-f]{12}\b", "5f0c7a1e7a1e"),
    (r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d", "2026-11-21 02:15:00"),
    (r"\d{4}-\d\d-\d\d \d\d:\d\d UTC", "2026-11-21 02:15 UTC"),
    (r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d+Z", "2026-11-21T02:15:00Z"),
    (r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\+00:00", "2026-11-21T02:15:00+00:00"),
    (r"127\.0\.0\.1:\d{4,5}", "127.0.0.1:40000"),
    (r"until \d\d:\d\d:\d\d", "until 02:30:00"),
    (r"(?m)^(#\d+) \d\d:\d\d:\d\d", r"\1 02:15:00"),
    (r" #[0-9a-f]{6}\b", " #5f0c7a"),
    (r"(?<!\d )(?<!:)(?<!at )\b([A-Z][a-z]{2} )?\d\d:\d\d UTC", "02:20 UTC"),
    (r"\b\d+(\.\d+)? (ms|s)\b", "4 ms"),
    (r"\b\d+(\.\d+)?s ago", "4s ago"),
    (r"taken up by [^;\s]+", "taken up by host:4711"),
)
"""What is another every time, and what stands for it in a page."""


def _steady(text: str, folder: Path) -> str:
    text = text.replace(str(folder), "/tmp/runbook-docs-00000000")
    names: dict[str, str] = {}
    for found in _RUN.findall(text):
        names.setdefault(found, f"20261121-021500-{'abcdefgh'[len(names) % 8] * 8}")
    text = _RUN.sub(lambda found: names[found[0]], text)
    for pattern, stands_for in _OTHERWISE:
        text = re.sub(pattern, stands_for, text)
    return "".join(f"{line.rstrip()}\n" for line in text.splitlines())
