"""Scenarios: what a runbook does when its steps find what a file says, without any connection.

`<runbook>.test.yaml` beside a runbook holds them. A scenario is played by the same `decide` and
`conclude` as a real run, in virtual time, so it takes milliseconds however long the runbook waits.
"""
