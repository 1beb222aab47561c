"""A pack whose runs call people: by Slack and SMS, then by SMS and mail."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Final

PRODUCTION: Final = """\
connections:
  slack: {adapter: slack, token: "${env:SLACK_TOKEN}"}
  twilio: {adapter: twilio, account: AC1, token: "${env:TWILIO_TOKEN}", sender: "+491"}
  mail: {adapter: mail, host: mail.example.com, sender: runbook@example.com}
"""
CONTACTS: Final = """\
people:
  ada: {name: Ada Lu, os_user: ada, roles: [on-call], channels: {sms: "+4915112345678", slack: U1}}
  bob:
    roles: [lead]
    channels: {sms: "+4915112345679", mail: bob@example.com}
    quiet: {from: "22:00", until: "07:00"}
  cem: {channels: {sms: "+4915112345670"}}
rotas:
  weekly: {order: [ada, cem], since: 2027-01-04, handover: "MON 09:00"}
channels:
  sms: {connection: twilio}
  slack: {connection: slack}
  mail: {connection: mail}
  room: {connection: slack, to: "#incidents"}
severities:
  SEV1: {respond_within: 5m, critical: true, status: {every: 15m, by: [room]}}
  SEV3: {respond_within: 4h}
policies:
  default:
    - {who: [on-call], by: [slack, sms]}
    - {who: [bob], by: [sms, mail], after: 15m}
  weekly:
    reopen_after: 1h
    levels:
      - {who: [weekly], by: [sms], repeat: {every: 5m, times: 2}}
  missing:
    - {who: [dba], by: [sms]}
roles:
  on-call: carries the pager
  lead: leads
  dba: nobody has it yet
"""
RUNBOOK: Final = """\
title: The shop is down
steps:
  - {id: ask, check: human.confirm, with: {question: is it up?}}
  - {escalate: default, id: call, message: The shop is down, wait: acknowledged}
  - {id: again, check: run.value, with: {value: 1}}
"""


def shop(folder: Path, runbook: str = RUNBOOK, scenarios: str = "", **more: str) -> Path:
    """Its folder, with the runbook `shop/down`."""
    pack = folder / "runbooks" / "shop"
    files: Mapping[str, str] = {
        "environments/production.yaml": PRODUCTION,
        "contacts.yaml": more.get("contacts", CONTACTS),
        "down.yaml": runbook,
        "down.test.yaml": scenarios,
    }
    for name, text in files.items():
        file = pack / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
    return pack
