"""Profiles as files: a folder with one ``NAME.toml`` for each.

::

    version = "3"          # required: 1–64 characters, told in every reply

    [scoring]              # what is left out is the service's own setting
    content = 0.05
    half_life_days = "none"

    [weights]
    view = 0.2

    [about]                # for people; the service passes it over
    ndcg = 0.142

Hidden files and files of other names are passed over, so drafts and what Kubernetes puts into a mounted folder are.
"""

import json
import re
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import fields
from numbers import Integral, Real
from pathlib import Path
from typing import Any

from penchant_core.errors import InvalidSetting
from penchant_core.profiles import Profile
from penchant_core.tuning import Tuning

from penchant_adapters.wholefiles import write_whole

PROFILES = 100
"""In one folder, at most."""
FILE_BYTES = 1 << 20
"""Of one file, at most."""
NONE = "none"
"""What stands for no number where a setting may have none: TOML has no word for it."""
TABLES = ("scoring", "weights", "about")
_SUFFIX = ".toml"
_BARE_KEY = re.compile(r"[A-Za-z0-9_-]+")


def profile_files(folder: Path) -> dict[str, Path]:
    """Return name → file of every profile in a folder, by name. Raises InvalidSetting where it cannot be read."""
    try:
        found = sorted(path for path in folder.iterdir() if path.suffix == _SUFFIX and not path.name.startswith("."))
    except OSError as error:
        raise InvalidSetting(
            f"cannot read the folder {folder}: {error.strerror}; make it, or leave the setting empty", field="profiles"
        ) from error
    if len(found) > PROFILES:
        raise InvalidSetting(f"{folder} has {len(found):,} profiles, at most {PROFILES} are allowed", field="profiles")
    return {path.stem: path for path in found}


def read_profile(path: Path, own: Tuning) -> Profile:
    """Return the profile of a file, for a service with the tuning *own*.

    Raises InvalidSetting naming profile, field, limit and value.
    """
    place = f"profiles.{path.stem}"
    found = _parsed(path, place)
    for unknown in found.keys() - {"version", *TABLES}:
        raise InvalidSetting(f"unknown; known: version, {', '.join(TABLES)}", field=f"{place}.{unknown}")
    version = found.get("version")
    if version is None:
        raise InvalidSetting('is required, for example version = "1"', field=f"{place}.version")
    if not isinstance(version, str):
        raise InvalidSetting(f'{version!r} is not text; write version = "{version}"', field=f"{place}.version")
    for name in TABLES:
        if not isinstance(found.get(name, {}), dict):
            raise InvalidSetting(f"{found[name]!r} is not a table", field=f"{place}.{name}")
    scoring = {name: None if value == NONE else value for name, value in found.get("scoring", {}).items()}
    return Profile.of(own, path.stem, version, scoring, found.get("weights", {}))


def _parsed(path: Path, place: str) -> dict[str, Any]:
    try:
        with path.open("rb") as file:
            content = file.read(FILE_BYTES + 1)
    except OSError as error:
        raise InvalidSetting(f"cannot read {path}: {error.strerror}", field=place) from error
    if len(content) > FILE_BYTES:
        raise InvalidSetting(f"{path} has more than {FILE_BYTES:,} bytes", field=place)
    try:
        return tomllib.loads(content.decode())
    # A thousand brackets are no TOML to speak of either.
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, RecursionError) as error:
        raise InvalidSetting(f"{path} is not TOML: {error}", field=place) from error


def write_profile(folder: Path, profile: Profile, about: Mapping[str, object] | None = None) -> Path:
    """Write a profile whole, every number of it, and return its file; on disk before this returns.

    Whoever reads meanwhile finds the old file or the new one. *about* holds texts, numbers, truth values, lists and
    mappings of them. Raises InvalidSetting where it cannot be written, TypeError for other values in *about*.
    """
    content = _text(profile, about or {}).encode()
    path = folder / f"{profile.name}{_SUFFIX}"
    if len(content) > FILE_BYTES:
        raise InvalidSetting(
            f"{path} would have {len(content):,} bytes, at most {FILE_BYTES:,} are allowed; shorten what it is about",
            field=f"profiles.{profile.name}.about",
        )
    try:
        folder.mkdir(parents=True, exist_ok=True)
        write_whole(path, content)
    except OSError as error:
        raise InvalidSetting(f"cannot write {path}: {error.strerror}", field="profiles") from error
    return path


def _text(profile: Profile, about: Mapping[str, object]) -> str:
    numbers = {each.name: getattr(profile.scoring, each.name) for each in fields(profile.scoring)}
    tables: dict[str, dict[str, object]] = {
        "scoring": {name: NONE if value is None else value for name, value in numbers.items()},
        "weights": dict(profile.weights.by_type),
        "about": dict(about),
    }
    lines = [f"version = {_value('version', profile.version)}"]
    for name, table in tables.items():
        if table:
            lines += ["", f"[{name}]", *_pairs(name, table)]
    return "\n".join(lines) + "\n"


def _pairs(place: str, table: Mapping[str, object]) -> Iterator[str]:
    for key, value in table.items():
        name = key if _BARE_KEY.fullmatch(key) else _quoted(key)
        yield f"{name} = {_value(f'{place}.{key}', value)}"


def _value(place: str, value: object) -> str:
    match value:
        case str():
            return _quoted(value)
        case bool():
            return str(value).lower()
        case Integral():
            return str(int(value))
        case Real():
            return repr(float(value))
        case Mapping():
            return "{" + ", ".join(_pairs(place, value)) + "}"
        case Sequence():
            return "[" + ", ".join(_value(f"{place}[]", one) for one in value) + "]"
    raise TypeError(f"{place}: {value!r} cannot be written; give text, numbers, truth values, lists or mappings")


def _quoted(text: str) -> str:
    # JSON's escapes are TOML's, but for the one control character that JSON leaves as it is.
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")
