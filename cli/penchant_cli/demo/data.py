"""Reads the demonstration's items and its story, one JSON object a line, as messages of the contract."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.resources import files
from typing import Any

from google.protobuf.json_format import ParseDict
from penchant.v1.catalog_pb2 import Item
from penchant.v1.event_pb2 import Event


@dataclass(frozen=True, slots=True)
class Step:
    """One event of the story."""

    event: Event
    """Without id and time: the player gives it both."""
    note: str
    """What to notice once it is applied, one English sentence."""


def items() -> list[Item]:
    """Return the catalogue: shop items, courses, articles and funds, in English and Chinese."""
    return [ParseDict(line, Item()) for line in _lines("catalogue.jsonl")]


def story() -> list[Step]:
    """Return the shoppers' play, in the order of its events."""
    return [Step(note=line.pop("note"), event=ParseDict(line, Event())) for line in _lines("story.jsonl")]


def _lines(name: str) -> Iterator[dict[str, Any]]:
    text = (files("penchant_cli.demo") / name).read_text(encoding="utf-8")
    # Not splitlines(): it also cuts at separators that JSON allows inside a string.
    return (json.loads(line) for line in text.split("\n") if line)
