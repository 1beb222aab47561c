"""Every runbook of ours: right, tried without connections, rehearsed, and run in its sandbox.

One test each. What it saw is printed as a table at the end of the session, a line for a runbook.
"""

from __future__ import annotations

import time
from contextlib import AsyncExitStack

import pytest
import pytest_asyncio

from engine.cli.linting import Linting
from engine.sandbox import Sandbox, connections_of, fault_of
from engine.scenario.batch import Job, try_job
from engine.wiring.scenarios import ContactsOf
from tests.runbooks.every import BOOKS, Stage

NAMES = BOOKS.names()
SCENARIOS_MIN = 2

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def healthy(registry):
    """The sandbox of a pack without any fault, up until the last test: who finds nothing to do
    leaves it as it was.
    """
    async with AsyncExitStack() as stack:
        up: dict[str, Sandbox] = {}

        async def of(pack: str) -> Sandbox:
            if pack not in up:
                place = BOOKS.environment(pack, "sandbox", registry)
                sandbox = Sandbox(place, "", tuple(place.connections), with_fault=False)
                up[pack] = await stack.enter_async_context(sandbox)
            return up[pack]

        yield of


@pytest.mark.parametrize("name", NAMES)
async def test_a_runbook_keeps_what_is_promised_of_all(
    name, registry, healthy, tmp_path, record_property
):
    begun_s = time.monotonic()
    runbook = linted(name, registry)
    scenarios = tried(name, registry)
    place = BOOKS.environment(name.partition("/")[0], "sandbox", registry)
    fault = fault_of(place, name)
    assert fault is not None, f"the sandbox has no fault for {name}"
    stage = Stage(registry, name, tmp_path)

    async with Sandbox(place, name, connections_of(runbook)) as sandbox:
        rehearsed = await rehearse(stage, sandbox)
        broken, again = await twice(stage, sandbox)
    inputs = {key: value for key, value in fault.inputs.items() if runbook.inputs[key].required}
    if fault.anyway is None:
        without = await stage.run(await healthy(place.pack), inputs)
        assert without.began == [], f"there is no fault, and it acts: {without}"
    else:
        async with Sandbox(place, name, connections_of(runbook), with_fault=False) as sandbox:
            without = await stage.run(sandbox, inputs)
    assert without.status == "resolved", str(without)

    if without.same(broken) and fault.anyway is None:
        # The questions of the rehearsal can be enough for a fault that passes by itself.
        async with Sandbox(place, name, connections_of(runbook)) as sandbox:
            broken, again = await twice(stage, sandbox)
        assert not without.same(broken), f"the fault makes no difference: {without}"
    told = {
        "runbook": name,
        "scenarios": str(scenarios),
        "rehearsed": rehearsed.status,
        "with its fault": broken.told,
        "again": again.told,
        "without": without.told,
        "seconds": f"{time.monotonic() - begun_s:.1f}",
    }
    record_property("row of runbooks", told)


def linted(name, registry):
    lint = Linting(BOOKS, registry)
    lint.runbook(name, BOOKS.path(name))
    assert [f"{one.place}: {one.code} {one.what}" for one in lint.found.values()] == []
    return BOOKS.load(name, registry)


def tried(name, registry):
    """How many scenarios there are: at least two, and all hold."""
    callers = ContactsOf(BOOKS, registry)
    found = try_job(Job(BOOKS, name, BOOKS.scenarios(name), callers), registry, (), False)
    assert found.problem is None, found.problem
    assert [(one.scenario, one.lines) for one in found.results if not one.holds] == []
    assert len(found.results) >= SCENARIOS_MIN, f"{name} has {len(found.results)} scenarios"
    return len(found.results)


async def rehearse(stage, sandbox):
    """What runs through has to be rehearsed through, or to where nobody can tell."""
    seen = await stage.run(sandbox, sandbox.inputs, rehearsal=True)
    if sandbox.fault.ends == "resolved":
        assert seen.exit_code in (0, 3), f"the rehearsal does not get on: {seen}"
    return seen


async def twice(stage, sandbox):
    """From the fault to the end that it declares, and again right after."""
    fault = sandbox.fault
    async with stage.stand(sandbox) as it:
        first = await it.run(sandbox.inputs)
        assert first.status == fault.ends, f"`ends` of its fault says {fault.ends}: {first}"
        again = await it.run(sandbox.inputs)
    assert again.status in (fault.ends, "resolved", "refused"), str(again)
    if fault.ends == "resolved" and fault.anyway is None:
        assert again.began == [], f"a second run finds nothing to do, or is refused: {again}"
    problems = [p for service in sandbox.behaviours.values() for p in service.problems]
    assert problems == []
    return first, again
