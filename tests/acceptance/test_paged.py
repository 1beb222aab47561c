"""Somebody is paged at two in the morning: the whole way from an alert to the one who takes it, by
a real `runbook serve`, over real sockets, while the engine dies in between.
"""

from __future__ import annotations

import asyncio
import signal
import subprocess
from collections import Counter
from contextlib import AsyncExitStack
from random import Random

import httpx
import pytest

from tests.acceptance.oncall import ALERT, SECRETS, SERVE, journal, until, world
from tests.server.process import RUNBOOK, server

KILLS_MAX = 4
"""Of one story: each start takes seconds."""


class Fate:
    """Kills the engine, and starts it anew: between two things that happen, and when a message has
    just arrived somewhere and is not answered yet. What it does follows from the seed.
    """

    def __init__(self, serving, seed):
        self.serving = serving
        self.kills = 0
        self._random = Random(seed)
        self._calm = seed is None
        self._restart = None

    def strike(self, _what=""):
        if self._calm or self.kills >= KILLS_MAX or self._restart is not None:
            return
        if self._random.random() < 0.4:
            self.kills += 1
            self.serving.kill(signal.SIGKILL)
            self._restart = asyncio.ensure_future(asyncio.to_thread(self.serving.start))

    async def between(self):
        self.strike()
        await self.up()

    async def up(self):
        while self._restart is not None:
            restart = self._restart
            await restart
            if self._restart is restart:
                self._restart = None


class Night:
    """One story, and what is to be true of it whatever died."""

    def __init__(self, folder, around, serving, seed):
        self.folder, self.around, self.serving = folder, around, serving
        self.fate = Fate(serving, seed)
        around.strike = self.fate.strike

    def types(self):
        return Counter(event.type for event in self.events())

    def events(self):
        return journal(self.folder)

    def told(self):
        """By which channels somebody was told."""
        keys = [event.body["key"] for event in self.events() if event.type == "Told"]
        return [key.rpartition(":")[2] for key in keys]

    def where(self):
        lines = [f"{e.seq} {e.type} {str(e.body)[:300]}" for e in self.events()]
        return "\n".join([*lines, self.serving.log()[-3000:]])

    async def sees(self, what):
        found = await until(what, self.where)
        await self.fate.between()
        return found

    async def ask(self, method, path, **given):
        """Asks again where the engine was killed meanwhile: as a person would."""
        async with httpx.AsyncClient(base_url=self.serving.url, timeout=60) as http:
            for _ in range(10):
                await self.fate.up()
                try:
                    return await http.request(method, path, **given)
                except httpx.TransportError:
                    continue
        raise TimeoutError(self.where())

    async def alert(self):
        headers = {"Authorization": "Bearer alertmanager-token"}
        told = await self.ask("POST", "/webhooks/alertmanager", json=ALERT, headers=headers)
        assert told.status_code == 202

    async def is_told(self):
        """The alert comes in, and one way after the other is taken; the path of the mail's link."""
        self.around.slack.mood = [503] * 200
        await self.alert()
        await self.sees(lambda: self.around.twilio.taken)
        mails = await self.sees(lambda: self.around.post.mails)
        text = mails[0].get_content()
        return text.partition("Take it: http://runbook.test")[2].split()[0]

    async def is_taken(self, link):
        for _ in range(3):
            opened = await self.ask("GET", link)
            assert (opened.status_code, "Take it?" in opened.text) == (200, True)
        assert self.types()["Acknowledged"] == 0
        self.around.slack.mood.clear()
        await self.ask("POST", link)
        await self.sees(lambda: self.types()["Acknowledged"])
        await self.sees(lambda: self.types()["RunFinished"])
        await self.sees(lambda: self.types()["EscalationClosed"] == 2)

    def holds(self):
        events = self.events()
        calls = [e for e in events if e.body.get("escalation") != "status"]
        due = [(e.body["level"], e.body["round"]) for e in calls if e.type == "LevelDue"]
        assert due[:2] == [(1, 1), (2, 1)]
        assert len(set(due)) == len(due)
        taken = [e.seq for e in events if e.type == "Acknowledged"]
        assert [e.actor["name"] for e in events if e.type == "Acknowledged"] == ["bo"]
        begun = [e for e in events if e.type == "TellStarted" and e.body["kind"] == "page"]
        assert [e.body["key"] for e in begun if e.seq > taken[0]] == []
        ends = [e.body["outcome"] for e in events if e.type == "RunFinished"]
        assert ends == ["resolved"]
        assert next(e.body["status"] for e in events if e.type == "StepFinished") == "failed"
        self._once(events)

    def is_written_up(self):
        """The post-mortem says who was told and who took it; and no secret is in it."""
        words = [*RUNBOOK, "report", "last", "--format"]
        given = {"cwd": self.folder, "env": self.serving.environ, "capture_output": True}
        pages = [subprocess.run([*words, form], check=True, **given) for form in ("md", "html")]
        said = [page.stdout.decode() for page in pages]
        assert "The alert DiskFull (instance=db-1) began" in said[0]
        assert "Team notified: Ana Lim was told by sms" in said[0]
        assert "Bo Ek took it by mail" in said[0]
        kept = [(self.folder / "journal.db").read_bytes().decode(errors="replace")]
        assert not [one for one in SECRETS.values() for text in [*said, *kept] if one in text]

    def _once(self, events):
        """Nobody heard of one thing twice by one channel."""
        around = self.around
        assert around.problems() == []
        assert len(around.twilio.taken) == 1
        mails = Counter(mail["Message-ID"] for mail in around.post.mails)
        assert set(mails.values()) == {1}
        keys = Counter(one["metadata"]["event_payload"]["key"] for one in around.slack.taken)
        assert set(keys.values()) <= {1}
        doubts = [e for e in events if e.type == "TellFailed" and e.body["doubt"]]
        assert all(e.body["dropped"] for e in doubts if not e.body["key"].endswith(":mail"))
        self._all_know([e.body["key"] for e in doubts], self._in_doubt(events, doubts))

    def _in_doubt(self, events, doubts):
        """Incidents of which it is not known whether PagerDuty has them: somebody had taken what
        they are about by the time an engine was there again that could have told it once more. They
        hear all the same how it ended.
        """
        begun = {e.body["key"]: e for e in events if e.type == "TellStarted"}
        of = [begun[e.body["key"]] for e in doubts if e.body["key"].endswith(":page")]
        level = lambda e: e.body["summons"].partition(":")[0].rpartition(".")[0]  # noqa: E731
        known = [(e.run, e.body["escalation"], e.body.get("group") or level(e)) for e in of]
        return {":".join(one) for one in known}

    def _all_know(self, doubts, in_doubt):
        """Where people were told they are told how it ended, in place where that is possible; where
        that was cut short, it is not known whether they were.
        """
        incidents = {}
        for action, key, _ in self.around.pagerduty.taken:
            incidents.setdefault(key, []).append(action)
        begins = {actions[0] for key, actions in incidents.items() if key not in in_doubt}
        assert begins <= {"trigger"}, self.where()
        assert {actions[-1] for actions in incidents.values()} == {"resolve"}, self.where()
        if not any(key.endswith(":mail") for key in doubts):
            assert "Resolved: [SEV1] Disk of the" in self.around.post.mails[-1]["Subject"]
        if any(key.endswith(":room") for key in doubts):
            return
        room = [one["text"] for one in self.around.slack.taken if one["channel"] == "#incidents"]
        over = "Resolved: [SEV1] Disk of the orders database"
        assert not room or any(one.startswith(over) for one in room)
        assert all(one.startswith(("Status: [SEV1] ", over)) for one in room)


@pytest.mark.parametrize("seed", [None, 1, 2, 3, 4])
async def test_a_page_reaches_somebody_who_takes_it_whatever_dies_in_between(tmp_path, seed):
    async with AsyncExitStack() as stack:
        around = await stack.enter_async_context(world())
        around.books(tmp_path)
        serving = stack.enter_context(server(tmp_path, more=SERVE, **SECRETS))
        night = Night(tmp_path, around, serving, seed)
        await night.is_taken(await night.is_told())
        night.holds()
        night.is_written_up()


async def test_what_is_being_sent_when_the_server_is_asked_to_end_is_settled_first(
    tmp_path,
):
    async with AsyncExitStack() as stack:
        around = await stack.enter_async_context(world())
        around.books(tmp_path, after="1h")
        serving = stack.enter_context(server(tmp_path, more=SERVE, grace="1m", **SECRETS))
        night = Night(tmp_path, around, serving, None)
        around.delay_s = 1.0
        arrived = []

        def strike(what):
            """Not at the first: the other has perhaps not begun to leave by then."""
            arrived.append(what)
            if len(arrived) == 2:
                serving.process.send_signal(signal.SIGTERM)

        around.strike = strike
        await night.alert()
        assert await asyncio.to_thread(serving.process.wait, 120) == 0
        assert sorted(night.told()) == ["page", "slack"]
        around.strike = lambda _what: None
        await asyncio.to_thread(serving.start)
        await night.sees(lambda: night.types()["RunTakenUp"])
        pages = [e.body for e in night.events() if e.body.get("kind") == "page"]
        assert [page["channel"] for page in pages] == ["slack", "page"]
        assert [one["channel"] for one in around.slack.taken].count("U1") == 1
        assert (len(around.pagerduty.incidents), night.types()["TellFailed"]) == (1, 0)


async def test_what_gets_no_answer_before_the_server_ends_is_looked_for_by_the_next(tmp_path):
    async with AsyncExitStack() as stack:
        around = await stack.enter_async_context(world())
        around.books(tmp_path, after="1h")
        around.slack.mood = ["slow"]
        serving = stack.enter_context(server(tmp_path, more=SERVE, **SECRETS))
        night = Night(tmp_path, around, serving, None)
        await night.alert()
        await night.sees(lambda: around.slack.taken)
        assert await asyncio.to_thread(serving.kill, signal.SIGTERM) == 0
        assert "slack" not in night.told()
        await asyncio.to_thread(serving.start)
        await night.sees(lambda: "slack" in night.told())
        assert [one["channel"] for one in around.slack.taken].count("U1") == 1
        assert night.types()["TellFailed"] == 0
