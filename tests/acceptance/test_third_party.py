"""A family of somebody else's: a package is installed with pip, and its steps are steps."""

from __future__ import annotations

import json
import subprocess
import sys
import zipfile

import pytest

from tests.acceptance.program import Done, Program

ENTRY_POINTS = """\
[runbook.adapters]
coffee = brewer.adapter:CoffeeAdapter

[runbook.checks]
coffee = brewer.checks

[runbook.actions]
coffee = brewer.actions
"""

ADAPTER = '''\
"""A coffee machine: its state is a file, so that a test can look at it."""

import json
from pathlib import Path

from engine.plugin import AdapterError


class Reader:
    def __init__(self, tank):
        self.tank = Path(tank)

    async def level(self):
        if not self.tank.exists():
            raise AdapterError("the machine is not there", help="plug it in")
        return json.loads(self.tank.read_text())


class Writer(Reader):
    async def brew(self, cups):
        now = await self.level()
        self.tank.write_text(json.dumps({"ml": now["ml"] - 120 * cups}))
        return {"cups": cups, "ml": now["ml"] - 120 * cups}


class CoffeeAdapter:
    """A machine.

    tank: the file of its tank
    """

    family = "coffee"

    def __init__(self, tank: str) -> None:
        self._tank = tank

    def fingerprint(self):
        return "kitchen"

    async def ping(self):
        level = await Reader(self._tank).level()
        return f"{level['ml']} ml"

    def reader(self, context):
        return Reader(self._tank)

    def writer(self, context):
        return Writer(self._tank)

    async def close(self):
        pass
'''

CHECKS = '''\
from engine.plugin import check


@check("coffee.level", expect={"ml": {"ge": 120}})
async def level(coffee, unit: str = "ml") -> dict[str, int]:
    """What is in the tank.

    unit: of the answer
    """
    return await coffee.level()


@check("coffee.broken")
async def broken(coffee) -> dict[str, int]:
    """Has a bug."""
    return {"ml": {}["nothing there"]}
'''

ACTIONS = '''\
from engine.plugin import IDEMPOTENT, Preview, action


@action("coffee.brew", effect=IDEMPOTENT)
async def brew(coffee, cups: int = 1) -> dict[str, int]:
    """Brews.

    cups: how many
    """
    return await coffee.brew(cups)


@brew.preview
async def would_brew(coffee, cups: int = 1) -> Preview:
    return Preview(f"{cups} cups would be brewed", affected=cups)


@action("coffee.spill", effect=IDEMPOTENT)
async def spill(coffee) -> dict[str, int]:
    """Has a bug behind its change."""
    await coffee.brew(1)
    raise LookupError("the cup")


@spill.preview
async def would_spill(coffee) -> Preview:
    return Preview("a cup would go")
'''

PREVIEW = ACTIONS.partition("@brew.preview")[0]


def installed(program: Program, **modules: str) -> None:
    """A wheel as a build makes it, installed as pip does it."""
    wheel = program.folder / "brewer-1.0-py3-none-any.whl"
    info = "brewer-1.0.dist-info"
    files = {
        "brewer/__init__.py": "",
        **{f"brewer/{name}.py": text for name, text in modules.items()},
        f"{info}/METADATA": "Metadata-Version: 2.1\nName: brewer\nVersion: 1.0\n",
        f"{info}/WHEEL": "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
        f"{info}/entry_points.txt": ENTRY_POINTS,
    }
    with zipfile.ZipFile(wheel, "w") as archive:
        for name, text in files.items():
            archive.writestr(name, text)
        archive.writestr(f"{info}/RECORD", "".join(f"{name},,\n" for name in files))
    site = program.folder / "site"
    subprocess.run(
        [sys.executable, "-m", "pip", "install", "--quiet", "--no-index", "--no-deps",
         "--disable-pip-version-check", "--root-user-action=ignore", "--target", site, wheel],
        check=True,
    )  # fmt: skip
    program.environ["PYTHONPATH"] = str(site)


@pytest.fixture
def kitchen(program: Program) -> Program:
    program.write(
        "p/environments/test.yaml", "connections:\n  machine: {adapter: coffee, tank: tank}\n"
    )
    program.write(
        "p/morning.yaml",
        """\
        title: Coffee
        steps:
          - {id: before, check: coffee.level, target: machine}
          - {id: brewed, action: coffee.brew, target: machine, with: {cups: 2}}
          - {id: after, check: coffee.level, target: machine, expect: {ml: 760}}
        outputs: {left: "{{ after.ml }}"}
        """,
    )
    (program.folder / "tank").write_text('{"ml": 1000}')
    return program


def tank(program: Program) -> int:
    return int(json.loads((program.folder / "tank").read_text())["ml"])


def run(program: Program, name: str) -> Done:
    return program("run", f"p/{name}", "--env", "test")


def test_an_installed_family_is_linted_run_recorded_and_listed(kitchen: Program):
    installed(kitchen, adapter=ADAPTER, checks=CHECKS, actions=ACTIONS)
    assert kitchen("lint", "p").code == 0
    doctor = kitchen("doctor", "p", "--env", "test")
    assert (doctor.code, "kitchen" in doctor.out, "1000 ml" in doctor.out) == (0, True, True)

    done = kitchen("--json", "run", "p/morning", "--env", "test")
    assert (done.code, done.objects[-1]["outputs"], tank(kitchen)) == (0, {"left": 760}, 760)
    shown = kitchen("audit", "show").out
    assert 'coffee.brew at machine {"cups": 2}' in shown
    assert "connection machine: kitchen" in shown

    schema = json.loads(kitchen("schema").out)
    text = json.dumps(schema)
    assert [name in text for name in ("coffee.level", "coffee.brew", "of the answer")] == [True] * 3


def test_what_it_takes_is_checked_like_anybody_elses(kitchen: Program):
    installed(kitchen, adapter=ADAPTER, checks=CHECKS, actions=ACTIONS)
    kitchen.write(
        "p/wrong.yaml",
        """\
        title: Coffee
        steps:
          - {id: brewed, action: coffee.brew, target: machine, with: {cup: 2}}
          - {id: level, check: coffee.levle, target: machine}
          - {id: other, action: coffee.brew, target: machine, with: {cups: many}}
        """,
    )
    done = kitchen("lint", "p/wrong")
    assert done.code == 2
    assert [line.split()[1] for line in done.out.splitlines() if line.startswith("runbooks/")] == [
        "RB310",
        "RB301",
        "RB312",
    ]
    assert done.out.count("did you mean") == 2


def test_a_bug_in_it_is_the_outcome_of_a_step_and_its_traceback_is_in_the_trail(kitchen: Program):
    installed(kitchen, adapter=ADAPTER, checks=CHECKS, actions=ACTIONS)
    for name, kind in (("broken", "check"), ("spill", "action")):
        kitchen.write(
            f"p/{name}.yaml",
            f"title: Bug\nsteps:\n  - {{id: it, {kind}: coffee.{name}, target: machine}}\n",
        )
    broken = run(kitchen, "broken")
    assert (broken.code, "errored   it - KeyError: 'nothing there'" in broken.out) == (3, True)
    trail = kitchen("--json", "audit", "show").out
    assert "Traceback" in trail
    assert "brewer/checks.py" in trail

    spilled = run(kitchen, "spill")
    assert (spilled.code, "in doubt  it - LookupError: the cup" in spilled.out) == (3, True)
    assert (tank(kitchen), kitchen("resume").code, tank(kitchen)) == (880, 3, 880)


def test_an_action_without_a_preview_is_refused(kitchen: Program):
    installed(kitchen, adapter=ADAPTER, checks=CHECKS, actions=PREVIEW)
    done = run(kitchen, "morning")
    assert (done.code, tank(kitchen)) == (2, 1000)
    assert "the action 'coffee.brew' of brewer.actions has no preview" in done.err
    assert "say with its `.preview` what a dry run does instead" in done.err


def test_without_the_package_the_runbook_is_told_to_be_wrong(kitchen: Program):
    done = kitchen("lint", "p")
    assert done.code == 2
    assert "RB810 unknown adapter 'coffee'" in done.out
    assert "RB301 there is no check 'coffee.level'" in done.out
