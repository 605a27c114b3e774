"""What stands beside a model that a recipe made."""

import json
from collections.abc import Mapping
from typing import Any

from penchant_adapters.encoders.source import FIGURES

from penchant_relevance.compressing.table import measure_of


def card(name: str, encoder: str, figures: Mapping[str, Any]) -> dict[str, bytes]:
    """Return the files to write beside a model, by name; *figures* are its row of the comparison."""
    measure = measure_of(figures)
    cost = figures[measure]["cost"]
    worth = f"{cost['mean']:+.4f} (95 % interval {cost['low']:+.4f} to {cost['high']:+.4f})"
    text = f"""# {name}

Made from `{encoder}` by the recipe `{figures["recipe"]}`. Its licence is that of the model it was made from.

On {figures["asks"]:,} asks of a validation window {measure} was {figures[measure]["mean"]:.4f}, which is {worth}
against the model it was made from, at {figures["times_as_fast"]:.1f} times its texts per second on the machine that
measured both. `{FIGURES}` has all figures.

    PENCHANT_ENCODER=hf:models/{name} penchant up
"""
    return {"README.md": text.encode(), FIGURES: json.dumps(figures, indent=2, ensure_ascii=False).encode()}
