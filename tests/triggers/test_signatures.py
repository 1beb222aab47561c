"""Who is let in: the vendors' published vectors, and nobody whose signature is strange."""

from __future__ import annotations

import base64
import hashlib
import hmac

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.channels.inbound import verify_slack
from engine.errors import Refused
from engine.secret import signatures

BODY = b'{"event":{"id":"01TEST","event_type":"incident.triggered"}}'
DIGEST = "3b0442533cfdeea35396e1fee1da3b701736c19cb091cd6039ee70d824ae2b9c"

# standardwebhooks.com, the example of the specification's libraries
STANDARD_SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
STANDARD_BODY = b'{"test": 2432232314}'
STANDARD = (
    "msg_p5jXN8AQM9LWM0D4loKWxJek",
    "1614265330",
    "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=",
)
AT_S = 1614265330

# api.slack.com, "Verifying requests from Slack"
SLACK_SECRET = "8f742231b10e8888abcd99yyyzzz85a5"
SLACK_BODY = (
    b"token=xyzz0WbapA4vBCDEFasx0q6G&team_id=T1DC2JH3J&team_domain=testteamnow&channel_id=G8PSS9T3V"
    b"&channel_name=foobar&user_id=U2CERLKJA&user_name=roadrunner&command=%2Fwebhook-collect&text="
    b"&response_url=https%3A%2F%2Fhooks.slack.com%2Fcommands%2FT1DC2JH3J%2F397700885554%2F96rGlfmibIGl"
    b"gcZRskXaIFfN&trigger_id=398738663015.47445629121.803a0bc887a14d10d2c447fce8b6703c"
)
SLACK_AT = "1531420618"
SLACK = "v0=a2114d57b48eac39b9ad189dd8316235a7b4a8d21a10bd27519666489c69b503"


@pytest.mark.parametrize(("header", "secrets", "held"), [
    (f"v1={DIGEST}", ["whsec_test"], True),
    (f"v1={DIGEST}", ["another", "whsec_test"], True),
    (f"v1={'0' * 64},v1={DIGEST}", ["whsec_test"], True),
    (f"v1={'0' * 64}, v1={DIGEST}", ["whsec_test"], True),
    (f"v1={DIGEST},v1={'0' * 64}", ["whsec_test", "another"], True),
    (f"v2={'0' * 64},v1={DIGEST}", ["whsec_test"], True),
    (f"v1={DIGEST}", ["another"], False),
    (f"v0={DIGEST}", ["whsec_test"], False),
    (f"v1={DIGEST.upper()}", ["whsec_test"], False),
    (f"v1={DIGEST[:-1]}", ["whsec_test"], False),
    (DIGEST, ["whsec_test"], False),
    ("v1=", ["whsec_test"], False),
    ("", ["whsec_test"], False),
    (None, ["whsec_test"], False),
    (f"v1={DIGEST}", [], False),
    ("v1=0," * 40 + f"v1={DIGEST}", ["whsec_test"], False),
])  # fmt: skip
def test_any_signature_of_pagerduty_fits_with_any_secret(header, secrets, held):
    assert signatures.pagerduty(BODY, header, secrets) is held
    assert not signatures.pagerduty(BODY + b" ", header, secrets)


def test_a_secret_of_pagerduty_is_the_text_itself_and_not_base64():
    secret = "whsec_" + base64.b64encode(b"inner").decode()
    plain = hmac.new(secret.encode(), BODY, hashlib.sha256).hexdigest()
    decoded = hmac.new(b"inner", BODY, hashlib.sha256).hexdigest()
    assert signatures.pagerduty(BODY, f"v1={plain}", [secret])
    assert not signatures.pagerduty(BODY, f"v1={decoded}", [secret])


def slack_s(
    body: bytes, at: str | None, signed: str | None, secret: str, now_s: float
) -> str | None:
    """Why Slack's signature does not hold; None when it does."""
    given = {"X-Slack-Request-Timestamp": at, "X-Slack-Signature": signed}
    try:
        verify_slack([secret], {k: v for k, v in given.items() if v is not None}, body, now_s)
    except Refused as error:
        return error.message
    return None


def test_an_empty_secret_lets_nobody_in():
    """Everybody can sign with it."""
    signed = hmac.new(b"", BODY, hashlib.sha256)
    assert not signatures.pagerduty(BODY, f"v1={signed.hexdigest()}", [""])
    message = b"m.1614265330." + BODY
    code = base64.b64encode(hmac.new(b"", message, hashlib.sha256).digest()).decode()
    assert signatures.standard(BODY, ("m", "1614265330", f"v1,{code}"), [""], AT_S) is not None
    slack = hmac.new(b"", b"v0:1614265330:" + BODY, hashlib.sha256).hexdigest()
    assert slack_s(BODY, "1614265330", f"v0={slack}", "", AT_S) is not None
    assert not signatures.same("", [""])


@pytest.mark.parametrize(("seconds", "held"), [
    (0, True), (300, True), (-300, True), (301, False), (-301, False),
])  # fmt: skip
def test_standard_webhooks_holds_for_five_minutes_before_and_after(seconds, held):
    now_s = AT_S + seconds
    told = signatures.standard(STANDARD_BODY, STANDARD, [STANDARD_SECRET], now_s)
    assert (told is None) == held


@pytest.mark.parametrize("headers", [
    ("msg_other", STANDARD[1], STANDARD[2]),
    ("msg_\udcff", STANDARD[1], STANDARD[2]),
    (STANDARD[0], "1614265331", STANDARD[2]),
    (STANDARD[0], STANDARD[1], STANDARD[2].replace("v1,", "v1a,")),
    (STANDARD[0], STANDARD[1], STANDARD[2].lower()),
    (None, STANDARD[1], STANDARD[2]),
    (STANDARD[0], None, STANDARD[2]),
    (STANDARD[0], STANDARD[1], None),
    (STANDARD[0], "١٦١٤٢٦٥٣٣٠", STANDARD[2]),
    (STANDARD[0], "1614265330.0", STANDARD[2]),
    (STANDARD[0], "-1614265330", STANDARD[2]),
    (STANDARD[0], "9" * 5000, STANDARD[2]),
    (STANDARD[0], "\u00b2", STANDARD[2]),
    (STANDARD[0], STANDARD[1], STANDARD[2].replace("v1,", "v0,")),
    (STANDARD[0], STANDARD[1], "v1,AAAA " * 20 + STANDARD[2]),
])  # fmt: skip
def test_standard_webhooks_signs_the_id_the_time_and_the_body(headers):
    assert signatures.standard(STANDARD_BODY, headers, [STANDARD_SECRET], AT_S) is not None


def test_standard_webhooks_takes_any_signature_and_any_secret_while_one_is_rotated():
    headers = (STANDARD[0], STANDARD[1], f"v1,AAAA {STANDARD[2]} v2,x")
    secrets = ["whsec_b3RoZXI=", STANDARD_SECRET]
    assert signatures.standard(STANDARD_BODY, headers, secrets, AT_S) is None
    assert signatures.standard(STANDARD_BODY + b" ", headers, secrets, AT_S) is not None


@pytest.mark.parametrize(("secret", "key"), [
    ("plain-secret", b"plain-secret"),
    ("aW5uZXI=", b"aW5uZXI="),
    ("whsec_aW5uZXI=", b"inner"),
    ("whsec_no base64!", b"whsec_no base64!"),
    ("whsec_\u00e9", "whsec_\u00e9".encode()),
])  # fmt: skip
def test_a_secret_of_standard_webhooks_is_base64_behind_its_prefix_and_else_the_text(secret, key):
    signed = base64.b64encode(hmac.new(key, b"m.1614265330." + BODY, hashlib.sha256).digest())
    headers = ("m", "1614265330", f"v1,{signed.decode()}")
    assert signatures.standard(BODY, headers, [secret], AT_S) is None


@pytest.mark.parametrize(("header", "bearer", "basic"), [
    ("Bearer abc", "abc", None),
    ("bearer  abc ", "abc", None),
    ("Bearer", None, None),
    ("Bearer  ", None, None),
    ("abc", None, None),
    ("Basic dTpwOnE=", None, ("u", "p:q")),
    ("BASIC  dTpwOnE= ", None, ("u", "p:q")),
    ("Basic Og==", None, ("", "")),
    ("Digest dTpwOnE=", None, None),
    ("Basic dTpw!OnE=", None, None),
    ("Basic dTpwOnE", None, None),
    ("Basic /w==", None, None),
    ("Basic dXA=", None, None),
    ("", None, None),
    (None, None, None),
])  # fmt: skip
def test_who_somebody_says_they_are_is_read_of_a_header_in_the_form_it_has(header, bearer, basic):
    assert signatures.bearer(header) == bearer
    assert signatures.basic(header) == basic


def test_the_published_vector_of_slack_holds_for_five_minutes():
    at_s = int(SLACK_AT)
    for seconds, held in ((0, True), (300, True), (301, False), (-301, False)):
        told = slack_s(SLACK_BODY, SLACK_AT, SLACK, SLACK_SECRET, at_s + seconds)
        assert (told is None) == held
    assert slack_s(SLACK_BODY + b"x", SLACK_AT, SLACK, SLACK_SECRET, at_s) is not None
    assert slack_s(SLACK_BODY, SLACK_AT, SLACK[3:], SLACK_SECRET, at_s) is not None


def test_a_plain_token_is_one_of_these_and_nothing_like_them():
    tokens = ["token-of-now", "token-of-before"]
    assert signatures.same("token-of-before", tokens)
    for other in (None, "", "token", "token-of-now ", "TOKEN-OF-NOW", "token-of-now\x00", "\udcff"):
        assert not signatures.same(other, tokens)
    assert signatures.same("gehört-ö", ["gehört-ö"])


def test_a_secret_that_is_no_utf_8_is_taken_as_the_environment_has_it():
    raw = b"secret-\xff\xfe"
    signed = hmac.new(raw, BODY, hashlib.sha256).hexdigest()
    assert signatures.pagerduty(BODY, f"v1={signed}", [raw.decode("utf-8", "surrogateescape")])


WORDS = st.one_of(
    st.none(),
    st.text(),
    st.text(alphabet="v012=,.; abcdef\udcff\x00é"),
    st.sampled_from([f"v1={DIGEST}", STANDARD[2], SLACK, "Basic Og==", "Bearer x", "Basic !"]),
)


@given(st.binary(max_size=200), WORDS, WORDS, WORDS, st.floats(allow_nan=True))
def test_no_strange_input_raises_and_none_is_let_in(body, one, two, three, now_s):
    secrets = ["a-secret-of-ours", "whsec_no base64 !"]
    assert not signatures.pagerduty(body, one, secrets)
    assert signatures.standard(body, (one, two, three), secrets, now_s) is not None
    assert slack_s(body, one, two, secrets[0], now_s) is not None
    assert not signatures.same(signatures.bearer(one), secrets)
    pair = signatures.basic(one)
    assert pair is None or len(pair) == 2
