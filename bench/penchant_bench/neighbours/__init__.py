"""Neighbours for tests and measurements: what a machine without containers can have of the real ones."""
