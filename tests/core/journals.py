"""Runs of every kind of entry, with failures, retries, people and time: what the laws are held
against.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from tests.core.world import Oops, World, book, once

YES = ("Answered", {"answer": "yes", "note": ""})
DONE = ("Answered", {"answer": "done", "note": "did it"})
SEEN = ("Answered", {"answer": "acknowledged", "note": None})


@dataclass(frozen=True)
class Story:
    """A runbook, what its steps find, and what people say."""

    text: str
    script: dict[str, Any] = field(default_factory=dict)
    people: dict[str, Any] = field(default_factory=dict)
    others: dict[str, str] = field(default_factory=dict)
    more: dict[str, Any] = field(default_factory=dict)
    """What its `RunStarted` says beside the inputs."""

    def world(self) -> World:
        """`t.act` must not be done twice here; `t.strike` is declared idempotent."""
        made = once(book(self.text, **self.others))
        return World(made, self.script, people=self.people, more=self.more)

    def told(self) -> World:
        return self.world().begin().go()


STORIES: dict[str, Story] = {
    "plain": Story(
        """
steps:
  - {id: a, check: t.look, expect: result.ok}
  - {id: b, action: t.act, with: {what: "{{ a.ok }}"}}
  - {id: c, action: t.strike, idempotent: true}
  - {id: d, check: t.look, when: not b.ok}
outputs: {was: "{{ a.ok }}"}
"""
    ),
    "choose and group": Story(
        """
steps:
  - choose:
      - {when: false, steps: [{id: no, action: t.act}]}
      - name: second
        when: true
        steps:
          - group: careful
            id: g
            steps: [{id: a, action: t.act}, {id: b, action: t.act}]
            on_failure: [{id: mend, action: t.act, with: {what: "{{ failure.why }}"}}]
            always: [{id: tidy, action: t.act}]
  - {id: last, action: t.act}
""",
        {"choose-1/way-2/g/b": Oops("no")},
    ),
    "parallel": Story(
        """
steps:
  - id: p
    limit: 2
    parallel:
      - {id: a, action: t.act}
      - group: two
        id: g
        steps: [{id: b, check: t.look}, {id: c, action: t.act}, {wait: 5s}]
      - {id: d, action: t.act, on_failure: continue}
  - {id: last, action: t.act}
""",
        {"p/branch-3/d": Oops()},
    ),
    "each": Story(
        """
steps:
  - id: all
    each: "['x', 'y', 'z']"
    as: host
    limit: 2
    steps:
      - {id: look, check: t.look, with: {what: "{{ host }}"}}
      - {id: fix, action: t.act, when: "item != 'y'", with: {what: "{{ host }}"}}
  - {id: last, action: t.act}
"""
    ),
    "again and again": Story(
        """
steps:
  - {id: a, action: t.act, retry: {attempts: 3, delay: 2s}}
  - {id: b, check: t.look, expect: result.ok, within: 1m, every: 10s}
  - {id: c, check: t.look, expect: result.ok, hold: 30s, every: 10s}
  - {id: d, action: t.act}
""",
        {"a": [Oops(), Oops(), {"ok": True}], "b": [{"ok": False}, Oops(), {"ok": True}]},
    ),
    "people": Story(
        """
steps:
  - {id: sure, check: t.confirm, with: {question: sure?}}
  - {id: hands, action: t.do, with: {instructions: pull the plug}}
  - {id: e, escalate: default, message: look at this, wait: acknowledged}
  - {id: a, action: t.act}
""",
        people={"sure": YES, "hands": DONE, "e": SEEN},
    ),
    "a runbook in a runbook": Story(
        """
steps:
  - {id: sub, runbook: t/sub, inputs: {n: 4}, on_failure: [{id: mend, action: t.act}]}
  - {id: again, runbook: t/sub, inputs: {n: 5}}
  - {id: last, action: t.act, with: {what: "{{ again.twice }}"}}
""",
        {"sub/strike": Oops()},
        others={
            "sub": """
inputs: {n: {type: integer}}
steps:
  - {id: strike, action: t.strike, idempotent: true, with: {what: "{{ inputs.n }}"}}
  - {end: resolved, because: done}
  - {id: never, action: t.act}
on_failure: [{id: after, action: t.act}]
always: [{id: tidy, action: t.act}]
outputs: {twice: "{{ 2 * inputs.n }}"}
"""
        },
    ),
    "failing": Story(
        """
steps:
  - {id: a, action: t.act}
  - {id: b, check: t.look, expect: result.ok, on_failure: [{id: try, action: t.act}]}
  - {id: c, action: t.act}
on_failure: [{escalate: default, message: "{{ failure.title }}"}, {id: after, action: t.act}]
always: [{id: tidy, action: t.act}]
""",
        {"b": {"ok": False}, "b/on_failure/try": Oops("no luck")},
    ),
    "ended from a branch": Story(
        """
steps:
  - parallel:
      - group: one
        id: one
        steps: [{id: a, action: t.act}, {wait: 1h}, {id: b, action: t.act}]
        always: [{id: tidy, action: t.act}]
      - group: two
        id: two
        steps: [{id: c, check: t.look}, {wait: 1s}, {end: unresolved, because: enough}]
  - {id: last, action: t.act}
always: [{id: at_last, action: t.act}]
"""
    ),
    "over its time": Story(
        """
steps:
  - group: slow
    id: g
    timeout: 10s
    steps: [{id: a, action: t.act}, {wait: 1h}, {id: b, action: t.act}]
    on_failure: [{id: mend, action: t.act}]
    always: [{id: tidy, action: t.act}]
  - {id: last, action: t.act}
"""
    ),
    "probed": Story(
        """
steps:
  - {id: a, action: t.strike, probe: {check: t.look, id: there, expect: result.ok}}
  - {id: b, action: t.strike, probe: {check: t.look, id: then, expect: result.ok}}
  - {id: last, action: t.act}
""",
        {
            "a": Oops("reply lost", maybe_done=True),
            "b": [Oops("reply lost", maybe_done=True), {"ok": True}],
            "b/probe-1/then": {"ok": False},
        },
    ),
    "not approved in time": Story(
        """
steps:
  - id: a
    action: t.act
    approve: {by: [lead], within: 10m}
    on_failure: [{id: mend, action: t.act}]
  - {id: b, action: t.act, approve: {by: [lead], within: 10m}}
on_failure: [{id: after, action: t.act}]
"""
    ),
    "only guided": Story(
        """
autonomy: guide
steps:
  - {id: a, check: t.look}
  - {id: b, action: t.act, with: {what: "{{ a.ok }}"}}
  - {id: c, action: t.strike, idempotent: true, undo: [{id: back, action: t.act}]}
  - {id: d, check: t.look, expect: false, on_failure: undo}
""",
        people={"b": DONE, "c": DONE, "d/on_failure/back": DONE, "c/undo/back": DONE},
        more={"autonomy": "guide"},
    ),
    "in doubt": Story(
        """
steps:
  - parallel: [{id: a, action: t.act}, {id: b, action: t.act}]
  - {id: last, action: t.act}
""",
        {"parallel-1/branch-1/a": Oops("reply lost", maybe_done=True)},
        {"parallel-1/branch-1/a": ("DoubtSettled", {"happened": True, "reason": "seen"})},
    ),
}
