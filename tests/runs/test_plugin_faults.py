"""An adapter or step of somebody else's does what it must not: the run says so, and goes on."""

from __future__ import annotations

import pytest

from engine.config import Books
from engine.errors import RunbookError, Usage
from engine.registry import Registry
from engine.secret import Vault
from engine.wiring import Engine
from tests.runs import lab
from tests.runs.conftest import ALICE, Bench

ACT = "steps: [{id: a, action: lab.act, target: there, with: {word: w}}]"
LOOK = "steps: [{id: a, check: lab.look, target: there, with: {word: w}}]"


class Faulty(lab.LabAdapter):
    """host: the method that raises what no adapter may raise"""

    def _raise_in(self, method: str) -> None:
        if str(self._host) in (method, "${env:FAULTY}"):
            raise LookupError(f"no {method} in c4n4ry-value")

    def fingerprint(self) -> str:
        self._raise_in("fingerprint")
        return "somewhere"

    async def ping(self) -> str:
        self._raise_in("ping")
        return "here"

    async def close(self) -> None:
        await super().close()
        self._raise_in("close")


@pytest.fixture
def faulty(bench: Bench) -> Bench:
    registry = Registry.of([lab], [Faulty])
    given = bench.engine
    bench.engine = Engine(books=given.books, registry=registry, store=given.store)
    return bench


def names(*methods: str) -> str:
    made = ", ".join(f"{m}: {{adapter: lab, host: {m}}}" for m in methods)
    return f"connections: {{there: {{adapter: lab}}, {made}}}\n"


@pytest.mark.parametrize("returned", [7, {"when": object()}])
async def test_an_action_that_returns_no_json_is_done_so_it_is_in_doubt(bench, on, returned):
    async def give():
        return returned

    on["w"] = give
    result = await bench.run(ACT)
    assert (result.status, result.exit_code) == ("in doubt", 3)
    assert lab.Target.effects == {"w": 1}


async def test_a_check_that_returns_no_json_is_errored(bench, on):
    async def give():
        return 7

    on["w"] = give
    result = await bench.run(LOOK)
    assert (result.status, result.exit_code) == ("failed", 3)
    assert "a result is a mapping at its top" in (result.because or "")


async def test_a_connection_that_does_not_close_changes_nothing_about_the_run(faulty):
    faulty.environment(names("close"))
    async with faulty.engine._connected(
        faulty.engine.books.environment("p", "test", faulty.engine.registry), Vault({})
    ) as connections:
        for name in ("there", "close"):
            connections.adapter(name)
    assert lab.Target.open == 0


async def test_doctor_asks_the_others_too_when_one_adapter_raises_what_it_must_not(faulty):
    faulty.environment(names("ping", "fingerprint"))
    pings = await faulty.engine.doctor("p", "test")
    assert [(p.connection, p.ok, p.message) for p in pings] == [
        ("there", True, "here"),
        ("ping", False, "LookupError: no ping in c4n4ry-value"),
        ("fingerprint", False, "LookupError: no fingerprint in c4n4ry-value"),
    ]
    assert pings[1].help == "a fault of the adapter, not of the target"


async def test_an_adapter_that_cannot_say_where_it_points_is_told_without_its_secret(
    faulty, monkeypatch
):
    monkeypatch.setenv("FAULTY", "c4n4ry-value")
    faulty.environment("connections: {there: {adapter: lab, host: '${env:FAULTY}'}}\n")
    with pytest.raises(RunbookError) as caught:
        await faulty.run(LOOK)
    assert caught.value.message.startswith("connection there: LookupError: no fingerprint in ")
    assert "c4n4ry" not in caught.value.message
    assert await faulty.engine.store.runs() == []


@pytest.mark.parametrize(
    ("say", "type_"),
    [
        (lambda e, run: e.answer(run, "a", "yes", "it is c4n4ry-value", ALICE), "Answered"),
        (lambda e, run: e.cancel(run, "c4n4ry-value is out", ALICE), "CancelRequested"),
    ],
)
async def test_what_a_person_says_to_a_run_is_recorded_without_its_secrets(
    bench, monkeypatch, say, type_
):
    monkeypatch.setenv("LAB_HOST", "c4n4ry-value")
    bench.environment("connections: {there: {adapter: lab, host: '${env:LAB_HOST}'}}\n")
    text = "steps: [{id: a, check: lab.ask, with: {question: q}}, {check: lab.look, target: there}]"
    run = (await bench.run(text)).run
    event = await say(bench.engine, run)
    assert event.type == type_
    assert "c4n4ry" not in repr(await bench.events(run))
    assert "secret LAB_HOST" in repr(event.body)


async def test_a_person_can_speak_to_a_run_whose_environment_is_gone(bench):
    run = (await bench.run("steps: [{id: a, check: lab.ask, with: {question: q}}]")).run
    (bench.folder / "p/environments/test.yaml").unlink()
    bench.engine.books = Books([bench.folder])
    event = await bench.engine.answer(run, "", "yes", "note", ALICE)
    assert event.body["note"] == "note"


async def test_surroundings_that_are_wrong_are_a_wrong_call(bench):
    bench.environment("connections: {there: {adapter: lab, host: '${env:NO_SUCH_THING}'}}\n")
    with pytest.raises(Usage, match="NO_SUCH_THING"):
        await bench.run(LOOK)


@pytest.mark.parametrize(
    "step",
    [
        "{id: b, action: lab.act, target: there, with: {word: c4n4ry-value-2}}",
        '{id: b, action: lab.act, target: there, with: {word: "{{ a.seen }}"}}',
        '{id: b, check: lab.look, target: there, with: {word: "{{ a.seen }}"}}',
    ],
)
async def test_a_parameter_with_a_secret_in_it_is_not_sent_altered_but_refused(
    bench, on, monkeypatch, step
):
    """It is recorded without the secret, and what is done is what is recorded: so nothing."""

    async def leak():
        return {"seen": "it is c4n4ry-value"}

    on["w"] = leak
    monkeypatch.setenv("LAB_HOST", "c4n4ry-value")
    bench.environment("connections: {there: {adapter: lab, host: '${env:LAB_HOST}'}}\n")
    text = f"steps: [{{id: a, check: lab.look, target: there, with: {{word: w}}}}, {step}]"
    result = await bench.run(text)
    assert (result.status, result.exit_code) == ("failed", 3)
    assert "b: the parameter `word` holds a secret (LAB_HOST)" in (result.because or "")
    assert lab.Target.effects == {}


async def test_a_secret_may_be_noted_because_a_note_goes_nowhere(bench, on, monkeypatch):
    monkeypatch.setenv("LAB_HOST", "c4n4ry-value")
    bench.environment("connections: {there: {adapter: lab, host: '${env:LAB_HOST}'}}\n")
    look = "{check: lab.look, target: there}"
    text = f"steps: [{look}, {{id: a, check: lab.ask, with: {{question: is it c4n4ry-value}}}}]"
    assert (await bench.run(text)).status == "waiting"
