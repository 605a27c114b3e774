"""What a measurement on a public data set is asked with that has no items to recommend next."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class Asking:
    """How a study is run."""

    encoder: str
    """URL of the model that reads the words."""
    validation: bool
    """Ask for the targets on which settings are chosen."""
    progress: Callable[[int, int], None]
    """Hears how many texts are encoded, and of how many."""


Study = Callable[[Path, Asking], dict[str, Any]]
"""Takes the data set's folder; returns the document that is written, and raises ``InvalidSetting``."""
