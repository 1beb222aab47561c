"""For every action: its process is killed between announcing it and recording what came of it."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from engine.registry import Registry
from tests.every_action import CONNECTIONS, SAMPLES, every_action

ROOT = Path(__file__).parents[2]
ACTIONS = every_action()
IDEMPOTENT = [
    name
    for name in ACTIONS
    if (found := Registry().get(name, "action")) is not None and found.effect == "idempotent"
]


class Killer:
    """Starts engines that die; see `dying`."""

    def __init__(self) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-W", "error", "-m", "tests.acceptance.dying"],
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ, "EVERY_TOKEN": "no-token-of-anybody"},
        )

    def drive(self, order: dict[str, Any]) -> tuple[int, list[str]]:
        """Its exit code (negative: the signal), and what it said."""
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write(json.dumps(order) + "\n")
        self.process.stdin.flush()
        code = int(self.process.stdout.readline())
        return code, Path(order["said"]).read_text().splitlines()

    def close(self) -> None:
        assert self.process.stdin is not None
        self.process.stdin.close()
        assert self.process.stdout is not None
        self.process.stdout.close()
        self.process.wait(60)


@pytest.fixture(scope="module")
def killer() -> Iterator[Killer]:
    made = Killer()
    yield made
    made.close()


@pytest.fixture
def order(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    books = tmp_path / "books" / "p" / "environments"
    books.mkdir(parents=True)
    return {
        "books": str(tmp_path / "books"),
        "store": f"sqlite:///{tmp_path}/journal.db",
        "said": str(tmp_path / "said"),
        "effects": str(tmp_path / "effects"),
        "run": None,
        "die": None,
        "approve": False,
    }


def write(order: dict[str, Any], type_: str, *, probed: bool) -> None:
    """A runbook of one action, whose probe (if it has one) looks for the mark it leaves."""
    books = Path(order["books"]) / "p"
    signature = Registry().get(type_, "action")
    assert signature is not None
    lines = ["title: One action", "steps:", f"  - id: act\n    action: {type_}"]
    lines.append(f"    with: {json.dumps(SAMPLES[type_])}")
    connections = ["  machine: {adapter: command, allowed: [test]}"]
    if signature.takes_target:
        lines.append("    target: there")
        connections.append(f"  there: {CONNECTIONS[signature.family]}")
    if probed:
        argv = json.dumps(["test", "-s", order["effects"]])
        lines.append(f"    probe: {{check: command.run, target: machine, with: {{argv: {argv}}}}}")
    elif signature.effect == "unsafe":
        lines.append("    approve: {by: [lead]}")
        (books / "contacts.yaml").write_text("people: {bob: {os_user: bob, roles: [lead]}}\n")
    (books / "main.yaml").write_text("\n".join(lines) + "\n")
    (books / "environments" / "test.yaml").write_text("\n".join(["connections:", *connections, ""]))
    order["type"] = type_


def effects(order: dict[str, Any]) -> int:
    file = Path(order["effects"])
    return len(file.read_text().splitlines()) if file.exists() else 0


def test_every_action_has_a_sample():
    assert set(ACTIONS) - set(SAMPLES) == set()


@pytest.mark.parametrize("moment", ["before", "after"])
@pytest.mark.parametrize("type_", ACTIONS)
def test_a_probe_settles_it_and_the_effect_is_there_once(
    killer: Killer, order: dict[str, Any], type_: str, moment: str
):
    write(order, type_, probed=True)
    code, said = killer.drive({**order, "die": moment})
    assert (code, len(said)) == (-signal.SIGKILL, 1)
    assert effects(order) == (moment == "after")
    run = said[0].removeprefix("run ")
    code, said = killer.drive({**order, "run": run})
    assert (code, said) == (0, ["status resolved"])
    assert effects(order) == 1


@pytest.mark.parametrize("type_", IDEMPOTENT)
def test_without_a_probe_what_is_harmless_is_done_again(
    killer: Killer, order: dict[str, Any], type_: str
):
    write(order, type_, probed=False)
    _, said = killer.drive({**order, "die": "after"})
    run = said[0].removeprefix("run ")
    assert killer.drive({**order, "run": run}) == (0, ["status resolved"])
    assert effects(order) == 2


@pytest.mark.parametrize("type_", sorted(set(ACTIONS) - set(IDEMPOTENT)))
def test_without_a_probe_what_is_not_is_in_doubt_and_not_done_again(
    killer: Killer, order: dict[str, Any], type_: str
):
    write(order, type_, probed=False)
    _, said = killer.drive(order)
    run = said[0].removeprefix("run ")
    assert said[1:] == ["status waiting"]
    code, _ = killer.drive({**order, "run": run, "approve": True, "die": "after"})
    assert code == -signal.SIGKILL
    for _ in range(2):
        assert killer.drive({**order, "run": run}) == (0, ["status in doubt"])
    assert effects(order) == 1
