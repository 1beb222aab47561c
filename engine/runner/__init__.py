"""Performs effects: the only place that awaits the world for a run."""
