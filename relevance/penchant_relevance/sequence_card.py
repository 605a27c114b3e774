"""What stands beside a sequence model: a card for people, its figures, and how training went as a picture."""

import json
from collections.abc import Mapping
from typing import Any

from penchant_core.sequence import About

from penchant_relevance import cards
from penchant_relevance.report.charts import Line, curves


def beside(about: About, figures: Mapping[str, Any]) -> dict[str, bytes]:
    """Return the files to write beside a model, by name."""
    return {
        "README.md": _card(about, figures).encode(),
        "figures.json": json.dumps(figures, indent=2, ensure_ascii=False).encode(),
        "curves.svg": training_curves(figures).encode(),
    }


def _card(about: About, figures: Mapping[str, Any]) -> str:
    settings = figures["settings"]
    then = "Then it was trained anew on the whole log, for as many epochs."
    return f"""# {about.name}

A sequence model for Penchant, version `{about.version}`: a transformer of {settings["blocks"]} blocks and
{figures["parameters"]:,} parameters that reads the newest {settings["length"]} things a user liked, and says where
among the items the next one lies. Items that it never saw have a place by their words.

| | |
|---|---|
{cards.learnt_from(figures)}
| words read by | `{about.encoder}`; with another encoder the service refuses it |
| weight in the score | {about.weight:g} |
| epochs | {settings["epochs"]}, chosen on {figures["halves"][0]:,} asks of the validation window |

{cards.judged(figures, "the model", then)}
`penchant eval --with-sequence` measures the same on the test.

![How training went](curves.svg)

It learnt what people did with the lists of their day, and repeats what was usual then. It holds no user, but what it
learnt of items was learnt from users: treat it as the log is treated. `figures.json` has all settings.

    PENCHANT_SEQUENCE_MODEL=models/{about.name} penchant up
"""


def training_curves(figures: Mapping[str, Any]) -> str:
    """Return losses and measures, epoch by epoch, as a picture; the epoch that was chosen is marked."""
    curve = figures["curve"]
    losses = [
        Line("trained on", [epoch["loss"] for epoch in curve], "base"),
        Line("validation", [epoch["validation_loss"] for epoch in curve], "ours"),
    ]
    worths = [
        Line("alone", [epoch["alone"] for epoch in curve], "part"),
        Line("in the score", [epoch["mixed"] for epoch in curve], "ours"),
    ]
    return curves({"loss": losses, str(figures["measure"]): worths}, figures["settings"]["epochs"])
