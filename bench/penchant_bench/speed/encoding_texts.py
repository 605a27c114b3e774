"""Made-up texts of several lengths, the same in every run."""

import random

from penchant_adapters.encoders.worker import MAX_CHARACTERS

SEED = 20260101
_WORDS = [
    "light",
    "waterproof",
    "trail",
    "running",
    "shoes",
    "for",
    "women",
    "argan",
    "oil",
    "shampoo",
    "guitar",
    "strings",
    "bright",
    "tone",
    "phone",
    "case",
    "leather",
    "battery",
    "lasts",
    "two",
    "days",
    "after",
    "a",
    "week",
    "I",
    "would",
    "buy",
    "it",
    "again",
    "the",
    "colour",
    "is",
    "nice",
    "but",
    "size",
    "runs",
    "small",
    "delivery",
    "was",
    "late",
    "and",
    "the",
    "box",
    "damaged",
    "great",
    "value",
    "compared",
    "with",
    "others",
    "sounds",
    "warm",
    "coffee",
    "grinder",
    "steel",
    "mountain",
    "blue",
    "children",
]
_KINDS = {"short": 7, "product": 34, "review": 260}
"""Kind of text → its words."""
_MIXED = (("short", 0.5), ("product", 0.35), ("review", 0.15))


def texts_of(kind: str, size: int) -> list[str]:
    """Return made-up texts of a kind, or a mixture."""
    dice = random.Random(f"{SEED} {kind} {size}")  # noqa: S311 the same for everybody
    kinds, shares = zip(*(_MIXED if kind == "mixed" else [(kind, 1.0)]), strict=True)
    chosen = dice.choices(kinds, shares, k=size)
    return [
        " ".join(dice.choices(_WORDS, k=round(_KINDS[one] * dice.uniform(0.7, 1.3))))[:MAX_CHARACTERS] for one in chosen
    ]
