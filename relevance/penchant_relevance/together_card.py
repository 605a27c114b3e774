"""What stands beside weights between items: a card for people, and all figures."""

import json
from collections.abc import Mapping
from typing import Any

from penchant_core.together import AboutTogether

from penchant_relevance import cards


def beside(about: AboutTogether, pairs: int, figures: Mapping[str, Any]) -> dict[str, bytes]:
    """Return the files to write beside weights of so many *pairs*, by name."""
    return {
        "README.md": _card(about, pairs, figures).encode(),
        "figures.json": json.dumps(figures, indent=2, ensure_ascii=False).encode(),
    }


def _card(about: AboutTogether, pairs: int, figures: Mapping[str, Any]) -> str:
    settings, then = figures["settings"], "Then they were fitted anew on the whole log."
    fades = "not at all" if about.rank_decay == 1.0 else f"to {about.rank_decay:g} with each newer moment"
    return f"""# {about.name}

Weights between items for Penchant, version `{about.version}`: of every item the {figures["kept"]} strongest items that
speak for it or against it, fitted on a log (EASE), {pairs:,} pairs. They come on top of what is counted live.

| | |
|---|---|
{cards.learnt_from(figures)}
| penalty | {settings["penalty"]:g} |
| what a user did fades | {fades} |
| weight in the score | {about.weight:g} |

{cards.judged(figures, "the weights", then)}
`penchant eval --with-together` measures the same on the test.

They hold what people did with the lists of their day, and repeat what was usual then. They hold no user, but what they
say of items was learnt from users: treat them as the log is treated. `figures.json` has all settings.

    PENCHANT_TOGETHER_MODEL=models/{about.name} penchant up
"""
