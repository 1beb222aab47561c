"""What a provider told one run, the next one knows."""

from __future__ import annotations

from engine.journal.contract import Budget
from tests.runs import lab

LOOK = "steps: [{id: look, check: lab.look, target: there, with: {word: w}}]"


class Told(lab.LabAdapter):
    """An adapter whose provider told something."""

    heard: dict[str, tuple[float, float]] = {}  # noqa: RUF012 - set by the test
    recalled: list[tuple[str, float, float]] = []  # noqa: RUF012 - as above

    def budget_names(self):
        return ("lab here", "lab there")

    def budgets(self):
        return self.heard

    def recall(self, name, used, blocked_for_s):
        self.recalled.append((name, used, round(blocked_for_s)))


async def test_the_next_run_is_told_what_this_one_heard(bench, monkeypatch):
    monkeypatch.setitem(bench.engine.registry._adapters, "lab", Told)
    monkeypatch.setattr(Told, "heard", {"lab here": (0.8, 60.0)})
    monkeypatch.setattr(Told, "recalled", [])
    await bench.run(LOOK)
    assert Told.recalled == []
    kept = await bench.engine.store.budget("lab here")
    assert isinstance(kept, Budget)
    assert (kept.used, kept.blocked_until_us > bench.engine.clock.t_us) == (0.8, True)
    await bench.run(LOOK)
    assert Told.recalled == [("lab here", 0.8, 60)]


async def test_a_rehearsal_is_told_too(bench, monkeypatch):
    monkeypatch.setitem(bench.engine.registry._adapters, "lab", Told)
    monkeypatch.setattr(Told, "heard", {"lab here": (1.0, 60.0)})
    monkeypatch.setattr(Told, "recalled", [])
    await bench.run(LOOK)
    await bench.run(LOOK, rehearsal=True)
    assert [name for name, *_ in Told.recalled] == ["lab here"]


async def test_an_adapter_without_budgets_is_left_alone(bench):
    assert (await bench.run(LOOK)).status == "resolved"
    assert await bench.engine.store.budget("lab here") is None
