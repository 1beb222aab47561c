"""Step types and adapters are found through entry points, ours and anybody's."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

import actions.http
import checks.http
import checks.run
from engine.adapters.http import HttpAdapter
from engine.errors import RunbookError
from engine.plugin import UNSAFE, Preview, action, check
from engine.registry import Registry

ROOT = Path(__file__).parents[2]

ENTRY_POINTS = """
[console_scripts]
brewer = brewer:main

[runbook.adapters]
coffee = brewer.adapter:CoffeeAdapter

[runbook.checks]
coffee = brewer.checks

[runbook.actions]
coffee = brewer.actions
"""

ADAPTER = '''
"""A coffee machine, as a third party would connect to one."""

from engine.errors import AdapterError
from engine.plugin import reveal


class CoffeeReader:
    def __init__(self, adapter):
        self.adapter = adapter

    async def level(self, tank):
        return {"tank": tank, "ml": self.adapter.tanks[tank], "host": reveal(self.adapter.host)}


class CoffeeWriter(CoffeeReader):
    async def brew(self, cups, context):
        context.progress(f"{cups} cups")
        if cups > 4:
            raise AdapterError("no water", maybe_done=True)
        return {"cups": cups, "key": context.key}


class CoffeeAdapter:
    """A machine.

    host: where it stands
    """

    family = "coffee"

    def __init__(self, host: str, *, tanks: dict[str, int] | None = None) -> None:
        self.host = host
        self.tanks = tanks or {"water": 500}

    def fingerprint(self):
        return "kitchen"

    async def ping(self):
        return "it hums"

    def reader(self, context):
        return CoffeeReader(self)

    def writer(self, context):
        return CoffeeWriter(self)

    async def close(self):
        pass
'''

CHECKS = '''
from __future__ import annotations

from typing import TYPE_CHECKING

from engine.plugin import check

if TYPE_CHECKING:
    from brewer.adapter import CoffeeReader


@check("coffee.level")
async def level(coffee: CoffeeReader, tank: str = "water") -> dict[str, object]:
    """How much is in a tank.

    tank: which one
    """
    return await coffee.level(tank)
'''

ACTIONS = '''
from __future__ import annotations

from brewer.adapter import CoffeeReader, CoffeeWriter
from engine.plugin import UNSAFE, Preview, StepContext, action


@action("coffee.brew", effect=UNSAFE)
async def brew(coffee: CoffeeWriter, cups: int = 1) -> dict[str, object]:
    """Brews."""
    return await coffee.brew(cups, StepContext(run="r", path="p", key="k"))


@brew.preview
async def would_brew(coffee: CoffeeReader, cups: int = 1) -> Preview:
    return Preview(f"{cups} cups would be brewed", affected=cups)
'''

USE = """
import asyncio, json, sys
from engine.plugin import StepContext, to_json
from engine.registry import Registry
from engine.secret import Vault

async def main():
    registry = Registry()
    before = "brewer" in sys.modules
    signature = registry.get("coffee.level", "check")
    adapter = registry.adapter("coffee")(**Vault({"H": "hidden"}).bind({"host": "${env:H}"}, "c"))
    context = StepContext(run="r", path="p")
    level = await registry.step("coffee.level").call(adapter.reader(context), {"tank": "water"})
    brew = registry.step("coffee.brew")
    made = await brew.call(adapter.writer(context), {"cups": 2})
    would = await brew.would(adapter.reader(context), {"cups": 3})
    return {
        "before": before,
        "families": registry.families(),
        "http_is_loaded": "checks.http" in sys.modules,
        "doc": signature.parameters["tank"].doc,
        "settings": list(registry.connection("coffee")),
        "host_doc": registry.connection("coffee")["host"].doc,
        "level": to_json(level),
        "made": to_json(made),
        "would": to_json(would),
        "metadata_is_loaded": "importlib.metadata" in sys.modules,
    }

print(json.dumps(asyncio.run(main())))
"""


def install(folder: Path, name: str, entry_points: str, **modules: str) -> None:
    """What an installer leaves behind: the package, and a folder of metadata beside it."""
    package = folder / name
    package.mkdir()
    (package / "__init__.py").touch()
    for module, text in modules.items():
        (package / f"{module}.py").write_text(text)
    info = folder / f"{name}-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(entry_points)


def python(folder: Path, program: str) -> str:
    done = subprocess.run(
        [sys.executable, "-c", program],
        env={"PYTHONPATH": f"{folder}:{ROOT}", "PATH": "/usr/bin:/bin"},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_a_family_of_a_third_party_is_found_and_runs(tmp_path):
    install(tmp_path, "brewer", ENTRY_POINTS, adapter=ADAPTER, checks=CHECKS, actions=ACTIONS)
    assert json.loads(python(tmp_path, USE)) == {
        "before": False,
        "families": sorted({"coffee", *Registry().families()}),
        "http_is_loaded": False,
        "doc": "which one",
        "settings": ["host", "tanks"],
        "host_doc": "where it stands",
        "level": {"tank": "water", "ml": 500, "host": "hidden"},
        "made": {"cups": 2, "key": "k"},
        "would": {
            "text": "3 cups would be brewed",
            "affected": 3,
            "sample": [],
            "diff": None,
            "doubt": None,
        },
        "metadata_is_loaded": False,
    }


FOUND = """
import importlib.metadata, json
from engine.registry import GROUPS, installed
ours = {g: {f: sorted(v) for f, v in installed()[g].items()} for g in GROUPS}
theirs = {g: {} for g in GROUPS}
for group in GROUPS:
    for point in importlib.metadata.entry_points(group=group):
        theirs[group].setdefault(point.name, set()).add(point.value)
theirs = {g: {f: sorted(v) for f, v in fs.items()} for g, fs in theirs.items()}
print(json.dumps([ours, theirs]))
"""


def test_our_reading_of_entry_points_finds_what_importlib_finds(tmp_path):
    install(tmp_path, "brewer", ENTRY_POINTS, adapter=ADAPTER, checks=CHECKS, actions=ACTIONS)
    install(tmp_path, "nothing_of_ours", "[console_scripts]\na = b:c\n")
    ours, theirs = json.loads(python(tmp_path, FOUND))
    assert ours == theirs
    assert ours["runbook.checks"]["coffee"] == ["brewer.checks"]


def module(name: str, **things: Any) -> ModuleType:
    made = ModuleType(name)
    vars(made).update(things)
    for thing in things.values():
        getattr(thing, "_function", thing).__module__ = name
    return made


async def look(side: Any) -> dict[str, Any]:
    return {}


async def would(side: Any) -> Preview:
    return Preview("")


def a_check(name: str = "t.look") -> Any:
    async def function(side: Any) -> dict[str, Any]:
        return {}

    return check(name)(function)


def an_action(name: str = "t.act", *, previewed: bool = True) -> Any:
    async def function(side: Any) -> dict[str, Any]:
        return {}

    made = action(name, effect=UNSAFE)(function)
    if previewed:
        made.preview(would)
    return made


def test_an_action_without_a_preview_is_refused():
    with pytest.raises(RunbookError, match=r"the action 't\.act' of brewer has no preview"):
        Registry.of([module("brewer", act=an_action(previewed=False))])


def test_a_name_that_is_taken_is_refused_with_both_modules():
    with pytest.raises(RunbookError, match=r"check 't\.look' is defined twice: in one and in two"):
        Registry.of([module("one", look=a_check()), module("two", look=a_check())])


def test_a_check_and_an_action_may_share_a_name():
    registry = Registry.of([checks.http, actions.http], [HttpAdapter])
    assert registry.get("http.request").kind == "check"
    assert registry.get("http.request", "check").effect == "reads"
    assert registry.get("http.request", "action").effect == "unsafe"
    assert registry.step("http.request", "action").signature.kind == "action"
    assert registry.types() == ("http.health", "http.request")


def test_a_step_type_that_was_only_imported_does_not_belong_to_a_module():
    one = module("one", look=a_check())
    two = ModuleType("two")
    two.look = one.look
    assert Registry.of([one, two]).types() == ("t.look",)


def test_an_unknown_step_type_is_told_with_the_nearest():
    with pytest.raises(RunbookError, match=r"no check or action is named 'run\.valeu'") as caught:
        Registry.of([checks.run]).step("run.valeu")
    assert caught.value.help == "did you mean 'run.value'?"


def test_a_type_that_is_there_in_the_other_kind_only_is_none():
    assert Registry.of([checks.run]).get("run.value", "action") is None


def test_an_unknown_adapter_is_told_with_the_nearest():
    with pytest.raises(RunbookError, match="no adapter is named 'htp'") as caught:
        Registry().adapter("htp")
    assert caught.value.help == "did you mean 'http'?"


def test_the_settings_of_a_connection_are_the_parameters_of_its_adapter():
    settings = Registry.of([], [HttpAdapter]).connection("http")
    assert settings["base_url"].required
    assert settings["base_url"].doc.startswith("where it is")
    assert settings["timeout_s"].shape.take("2s") == 2.0
    assert Registry.of().connection("http") is None


def entry_points(**groups: dict[str, tuple[str, ...]]) -> dict[str, dict[str, tuple[str, ...]]]:
    names = ("checks", "actions", "adapters")
    return {f"runbook.{name}": groups.get(name, {}) for name in names}


@pytest.mark.parametrize(
    ("found", "words"),
    [
        ({"adapters": {"x": ("no_such_module:X",)}}, "no_such_module cannot be imported"),
        ({"adapters": {"x": ("json:NoSuch",)}}, "should be the class NoSuch of json"),
        ({"adapters": {"x": ("json",)}}, "should be the class"),
        ({"adapters": {"x": ("json:JSONDecoder",)}}, "has no family, fingerprint, .* and no close"),
        (
            {"adapters": {"x": ("engine.adapters.http:HttpAdapter",)}},
            "is of the family http, not x",
        ),
        ({"adapters": {"x": ("a:B", "c:D")}}, "is defined twice: in a:B and c:D"),
    ],
)
def test_an_adapter_that_is_none_is_told(found, words):
    with pytest.raises(RunbookError, match=words):
        Registry(entry_points(**found)).adapter("x")


def test_a_module_of_another_family_is_told():
    registry = Registry(entry_points(checks={"x": ("checks.run",)}))
    with pytest.raises(
        RunbookError, match=r"checks\.run defines 'run\..*', installed as the family x"
    ):
        registry.get("x.value")


def test_a_module_that_cannot_be_imported_is_told_with_its_reason(tmp_path, monkeypatch):
    (tmp_path / "explodes_on_import.py").write_text("1 / 0")
    monkeypatch.syspath_prepend(str(tmp_path))
    registry = Registry(entry_points(checks={"x": ("explodes_on_import",)}))
    with pytest.raises(
        RunbookError, match="explodes_on_import cannot be imported: ZeroDivisionError"
    ):
        registry.get("x.a")


def test_every_installed_step_type_has_docs_for_itself_and_its_parameters():
    registry = Registry()
    found = [registry.get(name, kind) for name in registry.types() for kind in ("check", "action")]
    for signature in filter(None, found):
        assert signature.doc, signature.type
        assert all(p.doc for p in signature.parameters.values()), signature.type
