"""What is called for is taken by the button and by the link that were really sent."""

from __future__ import annotations

import re

from tests.server.test_asking import CONTACTS, Desk, desk

__all__ = ["desk"]

CALLS = """title: Calls for somebody
steps:
  - {id: call, escalate: default, message: "the disk is full", wait: acknowledged}
"""
LEVELS = """policies:
  default:
    - {who: [ana], by: [slack]}
    - {who: [cy], by: [mail], after: 1s}
"""


async def called(desk: Desk, books) -> tuple[str, str, str]:
    """A run, the value of its button in Slack, and the path of its link in a mail."""
    (books / "p/contacts.yaml").write_text(CONTACTS + LEVELS)
    desk.serving.write(CALLS, "p/asking")
    token = await desk.serving.token("operator", person="dan")
    body = {"runbook": "p/asking", "environment": "test"}
    run = str((await desk.serving.call("POST", "/runs", token, body)).json()["run"])
    await desk.until(run, lambda events: desk.count(events, "page") == 1)
    desk.serving.clock.t_us += 2_000_000
    await desk.until(run, lambda events: desk.count(events, "page") == 2)
    mail = next(m for m in desk.mail.mails if m["To"] == "cy@example.com")
    found = re.search(r"https://runbook.example(/take/\S+)", mail.get_content())
    assert found is not None, mail.get_content()
    return run, desk.button("Take it", "U1"), found[1]


async def taken(desk: Desk, run: str) -> list[tuple[str, str]]:
    events = await desk.serving.parts.store.events(run)
    return [(e.actor["name"], e.body["via"]) for e in events if e.type == "Acknowledged"]


async def test_the_link_of_a_mail_is_taken_as_whom_it_was_sent_to_and_the_button_is_no_link(
    desk, books
):
    run, button, link = await called(desk, books)
    assert (await desk.serving.http.post(f"/take/{button}")).status_code == 403
    pressed = await desk.press(link.removeprefix("/take/"), user="U1")
    assert pressed.json()["text"] == "Nothing done: this is a link of a mail, and no button"
    assert await taken(desk, run) == []
    assert "<form" in (await desk.serving.http.get(link)).text
    assert (await desk.serving.http.post(link)).status_code == 200
    assert await taken(desk, run) == [("cy", "mail")]


async def test_the_button_of_slack_is_taken_as_who_pressed_it(desk, books):
    run, button, _ = await called(desk, books)
    assert (await desk.press(button, user="U777")).json()["text"] == "Taken by Bea."
    assert await taken(desk, run) == [("bea", "Slack")]
