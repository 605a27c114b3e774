"""Profiles: other ways to weigh a ledger, by name and version, that a request may ask for while the service runs.

What may differ is what is read, never what is counted. The mixture of the score and the sizes of the weights only
matter when a ledger is read, so any number of profiles answers from one store. Which types of events are known and
which of them approve decides what was counted: that stays the service's own.
"""

import re
from collections.abc import Mapping
from dataclasses import Field, dataclass, fields, replace
from typing import Any

from penchant_core.errors import InvalidSetting
from penchant_core.tuning import GREATEST_WEIGHT, Scoring, Tuning, Weights

NAME = re.compile(r"[A-Za-z0-9_-][A-Za-z0-9._-]{0,39}")
VERSION_CHARACTERS = 64
RECOUNT = "the counts depend on it, so this needs another setting `weights` and counting anew (penchant rebuild)"


@dataclass(frozen=True, slots=True)
class Profile:
    """All that may change without counting anew. Raises ``InvalidSetting`` for another name or version."""

    name: str
    """1–40 letters, digits and ``. _ -`` of ASCII, no dot first."""
    version: str
    """1–64 printable characters, no outer spaces."""
    scoring: Scoring
    weights: Weights
    """Every type that the service knows."""

    def __post_init__(self) -> None:
        if not NAME.fullmatch(self.name):
            raise InvalidSetting(
                f"{self.name[:80]!r} is no name for a profile: it must be 1–40 of A–Z a–z 0–9 . _ - and not begin "
                "with a dot",
                field="profiles",
            )
        if not _is_version(self.version):
            raise InvalidSetting(
                f"{self.version[:80]!r} must be 1–{VERSION_CHARACTERS} printable characters without outer spaces",
                field=f"profiles.{self.name}.version",
            )

    @property
    def label(self) -> str:
        """What replies name it by: ``name@version``."""
        return f"{self.name}@{self.version}"

    @classmethod
    def of(
        cls, own: Tuning, name: str, version: str, scoring: Mapping[str, object], weights: Mapping[str, object]
    ) -> "Profile":
        """Return the profile of a service with the tuning *own* that differs from it in these numbers.

        Raises ``InvalidSetting`` naming profile, field, limit and value.
        """
        profile = cls(name, version, own.scoring, own.weights)  # checks what is named below
        place = f"profiles.{name}"
        known = {each.name: each for each in fields(Scoring)}
        for unknown in scoring.keys() - known.keys():
            raise InvalidSetting(f"unknown; known: {', '.join(sorted(known))}", field=f"{place}.scoring.{unknown}")
        numbers = {n: _number(f"{place}.scoring.{n}", known[n], value) for n, value in scoring.items()}
        sizes = {t: _weight(f"{place}.weights.{t}", own.weights.by_type, t, value) for t, value in weights.items()}
        return replace(
            profile,
            scoring=replace(own.scoring, **numbers),
            weights=Weights({**own.weights.by_type, **sizes}),
        )

    def instead(self, own: Tuning) -> Tuning:
        """Return a service's tuning with this profile in the place of its own numbers; what is counted stays."""
        return replace(own, scoring=self.scoring, weights=self.weights)


def labelled(text: str) -> bool:
    """Tell whether a text can be the label of a profile."""
    name, _, version = text.partition("@")
    return bool(NAME.fullmatch(name)) and _is_version(version)


def _is_version(text: str) -> bool:
    return 1 <= len(text) <= VERSION_CHARACTERS and text.isprintable() and text == text.strip()


def _number(field: str, setting: Field[Any], value: object) -> Any:
    whole = setting.type is int
    if value is None and setting.type not in (int, float):
        return None
    if isinstance(value, bool) or not isinstance(value, int if whole else int | float):
        raise InvalidSetting(f"{value!r} is not a {'whole number' if whole else 'number'}", field=field)
    low, high = setting.metadata["range"]
    # "not (low <= value <= high)" also refuses NaN.
    if not low <= value <= high:
        raise InvalidSetting(f"{value} is not within {low:g} and {high:g}", field=field)
    return value if whole else float(value)


def _weight(field: str, own: Mapping[str, float], event_type: str, value: object) -> float:
    if event_type not in own:
        raise InvalidSetting(f"is no type of event that the service knows ({', '.join(sorted(own))}): {RECOUNT}", field)
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise InvalidSetting(f"{value!r} is not a number", field)
    if not -GREATEST_WEIGHT <= value <= GREATEST_WEIGHT:
        raise InvalidSetting(f"{value} is not within {-GREATEST_WEIGHT:g} and {GREATEST_WEIGHT:g}", field)
    if (value > 0) - (value < 0) != (own[event_type] > 0) - (own[event_type] < 0):
        raise InvalidSetting(
            f"{value:g} has not the sign of the service's own {own[event_type]:g}: a profile changes how much a type "
            f"of event weighs, never whether it approves; {RECOUNT}",
            field,
        )
    return float(value)
