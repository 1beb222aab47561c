"""What would keep a page from its reader though its service works: a link that takes all the room
there is, a pause that is not kept.
"""

from __future__ import annotations

from dataclasses import replace

import pytest

from engine.adapters.http import HttpAnswer
from engine.channels import slack, twilio
from engine.channels.calling import Calling
from engine.channels.sms import parts
from engine.errors import AdapterError
from tests.channels.messages import PAGE

LONG = "https://sso.example.com/?to=" + "a" * 3000


@pytest.mark.parametrize("chars", [600, 3000])
def test_a_link_that_leaves_no_room_for_words_is_not_in_a_short_message(chars):
    text = twilio.text_of(replace(PAGE, link=LONG[:chars]))
    assert text.startswith(PAGE.title)
    assert "sso.example.com" not in text
    assert parts(text) <= twilio.PARTS_MAX


def test_a_link_that_leaves_room_for_words_is_in_a_short_message_whole():
    text = twilio.text_of(replace(PAGE, link=LONG[:300]))
    assert text.startswith(PAGE.title)
    assert LONG[:300] in text


def test_the_link_of_a_short_message_stays_rather_than_where_it_is_from():
    text = twilio.text_of(replace(PAGE, title="Кэш полон", source="ы" * 64, link=LONG[:150]))
    assert LONG[:150] in text
    assert text.startswith("Кэш полон")
    assert "ыы" not in text


def test_a_link_that_slack_would_not_take_is_left_out_and_the_message_is_taken():
    found = slack.blocks(replace(PAGE, link=LONG), buttons=True)
    assert "sso.example.com" not in str(found)
    assert LONG[:1000] in str(slack.blocks(replace(PAGE, link=LONG[:1000]), buttons=True))


@pytest.mark.parametrize(("headers", "seconds"), [({"retry-after": "3600"}, 3600.0), ({}, 30.0)])
def test_slack_is_left_alone_as_long_as_it_asks_also_where_its_status_is_200(headers, seconds):
    told = {"ok": False, "error": "ratelimited"}
    answer = HttpAnswer(200, "https://slack.example", headers, 1.0, 40, cut=False, json=told)
    with pytest.raises(AdapterError) as failed:
        slack._ok(answer, Calling("https://slack.example"))
    assert failed.value.detail["blocked_for_s"] == seconds
