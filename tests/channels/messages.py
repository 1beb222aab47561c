"""Messages of every kind, with texts that systems say: what each channel is to send as its vendor
takes it.
"""

from __future__ import annotations

import dataclasses
from typing import Any

from hypothesis import strategies as st

from engine.plugin.channel import Button, Message

LINK = "https://runbook.example.com/runs/r1?tab=log&at=2026-11-21T10:00"
TAKE = "https://runbook.example.com/take/" + "WyJyMTpjYWxsOjEiXQ" * 12

PAGE = Message(
    key="r1:on_failure/call:1.1.1:ana:page",
    group="r1:on_failure/call:1.1",
    run="r1",
    kind="page",
    title="[SEV1] Redis is full: 97 %",
    text="Redis is full\n\nTake it, or somebody else is called: runbook ack r1 (by 10:15 UTC)",
    name="Ana Lim",
    source="stratum/redis in production",
    link=LINK,
    take_link=TAKE,
    incident="PINC1",
    buttons=(Button("Take it", "opaque-1"),),
    details={"policy": "default", "level": 1, "wrong": "Redis is full"},
)

HOSTILE: dict[str, str] = {
    "mentions": "<!channel> <!here|now> <@U0123ABC> @here @channel #general <https://evil.example|x>",
    "another header": "full\r\nBcc: eve@example.org\r\n\r\nanother text",
    "markup": "<script>alert(1)</script><a href='https://evil.example'>log in</a> <b>&amp;</b>",
    "a formula": "=cmd|' /C calc'!A0\t+1\t-1\t@SUM(1)",
    "an end of mail": "first\n.\nMAIL FROM:<eve@example.org>\n..dots",
    "controls": "\x00\x07\x1b[31mred\x1b[0m \x1b]0;title\x07\x7f\x85\u2028\x9b1m",
    "halves of characters": "\ud83d and \udc00 and \udfff\ud800",
    "not characters": "\ufffe\uffff\ufdd0",
    "emoji": "\U0001f469\u200d\U0001f469\u200d\U0001f467 \U0001f1e9\U0001f1ea \u2764\ufe0f " * 4,
    "right to left": "\u202e\u05e9\u05dc\u05d5\u05dd\u202c \u0627\u0644\u062e\u0627\u062f\u0645",
    "accents": "e\u0301" * 40 + "Z\u0351\u036b\u0343" * 20,
    "quotes": "\"'`\\{{7*7}}${env:HOME}%s%(x)s\n```\n",
    "spaces": " \t\n \n",
}
"""What a log line, a name or an answer of a system may hold."""


def said(name: str, **more: Any) -> tuple[str, Message]:
    return name, dataclasses.replace(PAGE, **more)


MESSAGES: dict[str, Message] = dict(
    [
        said("a page"),
        said("a status", kind="status", title="Status: Redis is full: open for 15 min"),
        said("taken", kind="acknowledged", title="Taken: Redis is full"),
        said("over", kind="resolved", title="Over: Redis is full"),
        said("without link and buttons", link=None, take_link=None, buttons=()),
        said(
            "several buttons", buttons=tuple(Button(f"Way {n}", f"v{n}", n == 2) for n in range(4))
        ),
        said("a button that holds too much", buttons=(Button("b" * 90, "v" * 3000),)),
        said("no text", text=""),
        said("nothing", title="", text="", source="", link=None),
        said("a warning", severity="warning"),
        said("long", title="t" * 200, text="word " * 4000),
        said("long, of emoji", title="\U0001f525" * 200, text="\U0001f525\ufe0f" * 10_000),
        said("long, of what is escaped", title="<" * 200, text="&<>" * 7000),
        said("one endless letter", text="a" + "\u0301" * 20_000),
        *(said(name, title=text[:200], text=text) for name, text in HOSTILE.items()),
        *(said(f"much of {name}", text=text * 400) for name, text in HOSTILE.items()),
    ]
)

ANY_TEXT = st.one_of(
    st.text(alphabet=st.characters(exclude_categories=[]), max_size=300),
    st.lists(st.sampled_from(sorted(HOSTILE.values())), max_size=6).map("".join),
    st.builds(lambda text, n: text * n, st.text(min_size=1, max_size=20), st.integers(1, 2000)),
)
"""Whatever a system says, halves of characters included."""
