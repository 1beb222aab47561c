"""Text to `Runbook`, or every diagnostic of the text."""
