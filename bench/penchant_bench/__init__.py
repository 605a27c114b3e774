"""Measurements: quality beside its baselines, speed beside its physical limit."""
