"""Where a connection's kubeconfig is, what it says of the server, and a folder of our own for
kubectl's cache.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from engine.errors import AdapterError

KUBECONFIG_MAX_BYTES = 1024 * 1024
"""Of a kubeconfig; with fifty clusters and their certificates it has 300 KiB."""

FOLDER_PREFIX = "runbook-kubectl-"


class Place:
    """The kubeconfig of one connection, as a file, and the folder that goes with it.

    A kubeconfig given as text (`${file:...}` of a secret, `${env:...}`) is written to a file that
    only this account may read, and removed with the folder; that of a process which was killed goes
    when the next one makes its own.
    """

    def __init__(self, given: str | None) -> None:
        self._given = given or "~/.kube/config"
        self._folder: Path | None = None

    @property
    def _is_text(self) -> bool:
        return "\n" in self._given or self._given.lstrip().startswith("{")

    @property
    def folder(self) -> Path:
        if self._folder is None:
            _sweep(Path(tempfile.gettempdir()))
            self._folder = Path(tempfile.mkdtemp(prefix=f"{FOLDER_PREFIX}{os.getpid()}-"))
            if self._is_text:
                file = self._folder / "config"
                file.touch(mode=0o600)
                file.write_text(self._given, encoding="utf-8")
        return self._folder

    @property
    def file(self) -> Path:
        return self.folder / "config" if self._is_text else Path(self._given).expanduser()

    def server(self, context: str) -> str:
        """`host:port` of the context's cluster; empty where the kubeconfig does not say."""
        try:
            text = self._given if self._is_text else _read(Path(self._given).expanduser())
        except OSError:
            return ""
        return _server(text, context)

    def missing(self) -> AdapterError | None:
        """The error for a kubeconfig that cannot be read, or None."""
        if self._is_text:
            return None
        file = Path(self._given).expanduser()
        try:
            with file.open("rb"):
                return None
        except OSError as e:
            return AdapterError(
                f"the kubeconfig {file} cannot be read: {e.strerror}",
                help="`kubeconfig` of the connection says where it is",
                retryable=False,
                detail={"kind": "kubeconfig"},
            )

    def close(self) -> None:
        folder, self._folder = self._folder, None
        if folder is not None:
            shutil.rmtree(folder, ignore_errors=True)


def _read(file: Path) -> str:
    with file.open("rb") as opened:
        return opened.read(KUBECONFIG_MAX_BYTES).decode("utf-8", "replace")


def _server(text: str, context: str) -> str:
    import yaml  # noqa: PLC0415 - there already in a run; kept out of what a test of names needs

    try:
        config = yaml.load(text, Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader))  # noqa: S506
        used = _named(config, "contexts", context)["context"]["cluster"]
        url = urlsplit(_named(config, "clusters", used)["cluster"]["server"])
        port = url.port or (80 if url.scheme == "http" else 443)
    except (yaml.YAMLError, KeyError, TypeError, ValueError, StopIteration, RecursionError):
        return ""  # kubectl itself says what is wrong with it
    return f"{url.hostname}:{port}" if url.hostname else ""


def _named(config: Any, what: str, name: str) -> Any:
    return next(entry for entry in config[what] if entry["name"] == name)


def _sweep(where: Path) -> None:
    """Removes the folders of processes that are gone."""
    for folder in where.glob(f"{FOLDER_PREFIX}*"):
        pid = folder.name.removeprefix(FOLDER_PREFIX).partition("-")[0]
        if pid.isdigit() and not _alive(int(pid)):
            shutil.rmtree(folder, ignore_errors=True)


def _alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except (PermissionError, OverflowError):
        return True
    return True
