"""Measurements: speed, memory and forecast quality, each against a named reference in the same run."""
