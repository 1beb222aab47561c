"""The engine over HTTP: what arrives starts runs, and people and programs speak to them.

| module | is |
|---|---|
| settings | the configuration file of `runbook serve` |
| keeper | drives the runs of this process |
| intake, dispatch | from what arrived to runs, through the ledger |
| webhooks | the doors of PagerDuty, Alertmanager and others |
| identity, access | who may do what |
| api_* | `/api/v1` |
| health, metrics | what watches us |
| app, serve | all of it put together, and its process |
"""
