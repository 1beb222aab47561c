"""The journal: an append-only list of events for each run, in a store that survives a crash."""
