"""Numbers of fewer bits: whether a model still says the same with them, on a fixed sample of texts."""

import numpy as np
from penchant_core.errors import InvalidSetting
from penchant_core.vectors import Matrix

LEAST_COSINE = 0.99
"""Of a text's vector with the same text's vector in full precision."""
SAMPLE = (
    "waterproof trail running shoes",
    "Argan oil, 4 oz",
    "a",
    "The strings are bright at first and dead after a week; I will not buy them again. " * 4,
    "结实的手机壳，适合送礼",
    "香蕉和苹果都是好吃的水果",
    "走るための軽い靴",
    "حذاء للجري في الجبال",
    "Kaffeemaschine mit Mahlwerk, 1450 W",
    "zapatillas ligeras para correr por la montaña",
    "👟🏔️ 2026",
    "SKU 48-1516/2342 (42) £12.50",
)
"""Short and long, in several scripts."""


def likeness(rows: Matrix, full: Matrix) -> float:
    """Return the least cosine of a row of one with the same row of the other; shapes (texts, dim)."""
    lengths = np.linalg.norm(rows, axis=1) * np.linalg.norm(full, axis=1)
    with np.errstate(all="ignore"):
        cosines = np.einsum("ij,ij->i", rows, full) / lengths
    return float(np.nan_to_num(cosines, nan=-1.0).min())


def refuse_unlike(place: str, precision: str, found: float, least: float = LEAST_COSINE) -> None:
    """Raise ``InvalidSetting`` where vectors are less alike than they may be."""
    if found < least:
        raise InvalidSetting(
            f"hf:{place} in {precision} gives other vectors here: a cosine of {found:.3f} with those of full precision,"
            f" {least:g} is the least; use float32",
            field="encoder precision",
        )
