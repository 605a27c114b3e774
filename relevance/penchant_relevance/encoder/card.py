"""What stands beside a fine-tuned encoder: a card for people, its figures, and how training went as a picture."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from penchant_adapters.encoders.source import FIGURES

from penchant_relevance import cards
from penchant_relevance.sequence_card import training_curves


def beside(name: str, url: str, figures: Mapping[str, Any]) -> dict[str, bytes]:
    """Return the files to write beside an encoder of this name, by name; *url* is where it came from."""
    return {
        "README.md": _card(name, url, figures).encode(),
        FIGURES: json.dumps(figures, indent=2, ensure_ascii=False).encode(),
        "curves.svg": training_curves(figures).encode(),
    }


def licence_of(url: str) -> str:
    """Return the licence that the card of a model in a local folder names; nothing where there is none."""
    card = Path(url.partition(":")[2]) / "README.md"
    if not card.is_file():
        return ""
    head = card.read_text(encoding="utf-8", errors="replace").split("\n---", 1)[0]
    named = [line.partition(":")[2].strip() for line in head.splitlines() if line.startswith("license:")]
    return named[0] if named else ""


def _card(name: str, url: str, figures: Mapping[str, Any]) -> str:
    settings, licence = figures["settings"], licence_of(url)
    front = ["library_name: sentence-transformers", "pipeline_tag: sentence-similarity"]
    front += [f"license: {licence}"] if licence else []
    how = f"adapters of rank {settings['lora']}, merged" if settings["lora"] else "all weights"
    then = "Nothing from the validation window on was learnt from, so `penchant eval --encoder` measures it fairly."
    memory = f"{figures['peak_bytes'] / 2**30:.1f} GiB at most"
    says = f"which is `{licence}`" if licence else "look it up there"
    return f"""---
{chr(10).join(front)}
---

# {name}

`{figures["encoder"]}`, fine-tuned for Penchant on what users liked one after the other: what comes next lies nearer to
what came before. {figures["parameters"]:,} parameters were trained ({how}). The folder has the layout of
sentence-transformers.

| | |
|---|---|
| came from | `{figures["encoder"]}` |
| licence | that of the model it came from, {says}; what it learnt from the log is yours |
{cards.learnt_from(figures)}
| pairs | {figures["pairs"]:,}, those of all epochs together |
| epochs | {settings["epochs"]}, chosen on {figures["halves"][0]:,} asks of the validation window |
| took | {figures["pairs_per_second"]:,.0f} pairs/s, {memory}, on {figures["device"]} |

{cards.judged(figures, "fine-tuning", then)}

![How training went](curves.svg)

It learnt what people did with the lists of their day, and repeats what was usual then. It holds no user, but what it
learnt of words was learnt from users: treat it as the log is treated. `figures.json` has all settings.

    PENCHANT_ENCODER=hf:models/{name} penchant up
"""
