"""What stands beside a sequence model: a card for people, its figures, and how training went as a picture."""

import json
from collections.abc import Mapping
from typing import Any

from penchant_core.sequence import About

from penchant_relevance.report.charts import Line, curves


def beside(about: About, figures: Mapping[str, Any]) -> dict[str, bytes]:
    """Return the files to write beside a model, by name."""
    return {
        "README.md": _card(about, figures).encode(),
        "figures.json": json.dumps(figures, indent=2, ensure_ascii=False).encode(),
        "curves.svg": training_curves(figures).encode(),
    }


def _card(about: About, figures: Mapping[str, Any]) -> str:
    log, settings = figures["log"], figures["settings"]
    return f"""# {about.name}

A sequence model for Penchant, version `{about.version}`: a transformer of {settings["blocks"]} blocks and
{figures["parameters"]:,} parameters that reads the newest {settings["length"]} things a user liked, and says where
among the items the next one lies. Items that it never saw have a place by their words.

| | |
|---|---|
| learnt from | {figures["data"]}: {log["events"]:,} events of {log["users"]:,} users on {log["items"]:,} items |
| words read by | `{about.encoder}`; with another encoder the service refuses it |
| weight in the score | {about.weight:g} |
| epochs | {settings["epochs"]}, chosen on {figures["halves"][0]:,} asks of the validation window |

{judged_words(figures, "without the model", "with it")} Then it was trained anew on the
whole log, for as many epochs. `penchant eval --with-sequence` measures the same on the test.

![How training went](curves.svg)

It learnt what people did with the lists of their day, and repeats what was usual then. It holds no user, but what it
learnt of items was learnt from users: treat it as the log is treated. `figures.json` has all settings.

    PENCHANT_SEQUENCE_MODEL=models/{about.name} penchant up
"""


def judged_words(figures: Mapping[str, Any], without: str, with_it: str) -> str:
    """Return what the judging half says, in a sentence."""
    lead = figures["lead"]
    worth = "better" if figures["clear"] else "perhaps better" if figures["better"] else "not better"
    return f"""Judged on {figures["halves"][1]:,} asks of users who had no say in that, {figures["measure"]} is
{figures["default"]:.4f} {without} and {figures["mixed"]:.4f} {with_it}: {lead["mean"]:+.4f}, 95 % interval
{lead["low"]:+.4f} to {lead["high"]:+.4f}; **{worth}**."""


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
