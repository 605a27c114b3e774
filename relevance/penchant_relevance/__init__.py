"""Relevance: how good recommendations are on a log, what would make them better, and models learnt from it."""
