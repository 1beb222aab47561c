r"""A machine of its own: a folder with files, git repositories, and programs nobody has here.

    kind: host
    files:                              # what ends in .gz is compressed
      logs/app.log: "started\n"
      logs/old.log: {text: "stopped\n", age: 40d}      # last written so long ago
    git:
      app:                              # the folder home/app; its remote, if it has one, is app.git
        remote: true
        branches: [staging, production] # beside main, all at the last commit
        commits:
          - {message: first, files: {VERSION: "1.0\n"}, tag: v1.0}
    programs:                           # scripts of /bin/sh, by name; their working folder is home
      docker: |
        echo "$@" >> docker.log

A connection uses it with `cwd: ${service:NAME.home}` and `path: ["${service:NAME.bin}", /usr/bin]`.
The programs keep what they have to know in files, which other services see in their templates as
`services.NAME.files["state/app"]`.
"""

from __future__ import annotations

import asyncio
import gzip
import os
import subprocess
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from engine.sandbox.process import NotStarted
from engine.sandbox.spec import ServiceSpec, Wrong, entries, only, seconds

FILES_MAX = 200
"""Of a host, and those that templates see: a sandbox is small enough to be looked at."""
FILE_SHOWN_MAX_BYTES = 64 * 1024
"""Of a file that templates see; what is longer is left out."""
AGE_MAX_S = 10 * 365 * 86_400.0
"""Of a file: ten years, which no rule about old files looks beyond."""
GIT_S = 20.0
"""For one git command on a small repository."""

_GIT = {
    "GIT_CONFIG_GLOBAL": os.devnull,
    "GIT_CONFIG_SYSTEM": os.devnull,
    "GIT_AUTHOR_NAME": "Sandbox",
    "GIT_AUTHOR_EMAIL": "sandbox@localhost",
    "GIT_COMMITTER_NAME": "Sandbox",
    "GIT_COMMITTER_EMAIL": "sandbox@localhost",
}
"""Nothing of the person's own configuration: hooks, signing keys, templates."""


class Host:
    """One machine, as data and as a folder."""

    def __init__(self, spec: ServiceSpec, folder: Path) -> None:
        self._where = f"services.{spec.name}"
        only(spec.settings, ("files", "git", "programs"), self._where)
        self._spec = spec
        self.home = folder / "home"
        self.bin = folder / "bin"

    def make(self) -> None:
        """Writes all of it. Raises Wrong, NotStarted."""
        self.home.mkdir()
        self.bin.mkdir()
        for name, written in self._mapping("files").items():
            self._file(name, written)
        for name, script in self._mapping("programs").items():
            if "/" in name:
                raise Wrong(f"{name!r} is no name of a program", f"{self._where}.programs")
            file = self.bin / name
            file.write_text(f"#!/bin/sh\ncd {self.home}\n{script}", encoding="utf-8")
            file.chmod(0o755)
        for name, repository in self._mapping("git").items():
            self._repository(name, repository)

    def files(self) -> dict[str, str]:
        """The small text files below home, by their paths."""
        found: dict[str, str] = {}
        for file in sorted(self.home.rglob("*")):
            if ".git" in file.parts or not file.is_file() or len(found) >= FILES_MAX:
                continue
            if file.stat().st_size <= FILE_SHOWN_MAX_BYTES:
                text = file.read_text(encoding="utf-8", errors="replace")
                found[str(file.relative_to(self.home))] = text
        return found

    def _mapping(self, key: str) -> Mapping[str, Any]:
        found = self._spec.settings.get(key) or {}
        if not isinstance(found, Mapping) or len(found) > FILES_MAX:
            raise Wrong(f"takes a mapping of at most {FILES_MAX}", f"{self._where}.{key}")
        return found

    def _inside(self, name: str, key: str) -> Path:
        path = (self.home / name).resolve()
        if not path.is_relative_to(self.home.resolve()):
            raise Wrong(f"{name!r} lies outside of the home folder", f"{self._where}.{key}")
        return path

    def _file(self, name: str, written: Any) -> None:
        where = f"{self._where}.files.{name}"
        given = written if isinstance(written, Mapping) else {"text": written}
        only(given, ("text", "age"), where)
        file = self._inside(name, "files")
        _write(file, str(given.get("text", "")))
        if age_s := seconds(given.get("age", 0), f"{where}.age", AGE_MAX_S):
            then_s = time.time() - age_s
            os.utime(file, (then_s, then_s))

    def _repository(self, name: str, written: Any) -> None:
        where = f"{self._where}.git.{name}"
        if not isinstance(written, Mapping):
            raise Wrong("takes `commits` and `remote`", where)
        only(written, ("commits", "branches", "remote"), where)
        folder = self._inside(name, "git")
        folder.mkdir(parents=True, exist_ok=True)
        _git(folder, "init", "--quiet", "--initial-branch=main")
        for at, commit in entries(written.get("commits"), f"{where}.commits"):
            only(commit, ("message", "files", "tag"), at)
            for path, text in (commit.get("files") or {}).items():
                _write(folder / path, str(text))
            _git(folder, "add", "--all")
            _git(folder, "commit", "--quiet", "--allow-empty", "-m", str(commit.get("message", at)))
            if commit.get("tag"):
                _git(folder, "tag", str(commit["tag"]))
        for branch in written.get("branches") or ():
            _git(folder, "branch", str(branch))
        if written.get("remote"):
            bare = folder.with_name(f"{folder.name}.git")
            _git(self.home, "clone", "--quiet", "--bare", str(folder), str(bare))
            _git(folder, "remote", "add", "origin", str(bare))
            _git(folder, "fetch", "--quiet", "origin")


@asynccontextmanager
async def host_service(host: Host) -> AsyncIterator[dict[str, str]]:
    """The machine, made. Nothing listens: `host` and `port` say where it is and that it does not.

    Tells `home`, `bin`.
    """
    await asyncio.to_thread(host.make)
    yield {"home": str(host.home), "bin": str(host.bin), "host": "localhost", "port": "-"}


def _write(file: Path, text: str) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    if file.suffix == ".gz":
        file.write_bytes(gzip.compress(text.encode(), mtime=0))
    else:
        file.write_text(text, encoding="utf-8")


def _git(folder: Path, *words: str) -> None:
    try:
        done = subprocess.run(  # noqa: S603 - our own words
            ["git", *words],  # noqa: S607 - as the person has it
            cwd=folder,
            env={**_GIT, "PATH": os.environ.get("PATH", ""), "HOME": str(folder)},
            capture_output=True,
            text=True,
            timeout=GIT_S,
            check=False,
        )
    except OSError as e:
        raise NotStarted(f"git cannot be run: {e.strerror}", help="install git") from e
    if done.returncode != 0:
        raise NotStarted(f"git {words[0]} ended with {done.returncode}: {done.stderr.strip()}")
