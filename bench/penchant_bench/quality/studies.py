"""Public data sets that are asked something else than what comes next; each has a measurement of its own."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from penchant_core.errors import InvalidSetting

from penchant_bench.quality import datasets, friends, reviews_zh
from penchant_bench.quality.study import Asking, Study

STUDIES: Mapping[str, Study] = {friends.NAME: friends.measure, reviews_zh.NAME: reviews_zh.measure}


def public_sets() -> tuple[str, ...]:
    """Return the names of all public data sets, those that are logs first."""
    return (*datasets.NAMES, *STUDIES)


def studied(name: str, folder: Path, asking: Asking) -> dict[str, Any]:
    """Measure one of ``STUDIES``; *folder* holds the sets. Raises ``InvalidSetting`` when it is not there."""
    if not (folder / name).is_dir():
        raise InvalidSetting(f"{folder} has no folder {name}/; put it there as its SOURCE.md says", field="data")
    return STUDIES[name](folder / name, asking)
