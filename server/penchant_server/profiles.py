"""The profiles of a running service: files of a folder, read again when they change.

A file that cannot be used changes nothing: the profile before stays. A file that is taken away ends its profile for
requests; streams that are open keep it, and so does the service where it is the default.
"""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

import structlog
from penchant_adapters.contract import sized
from penchant_adapters.profiles import profile_files, read_profile
from penchant_adapters.settings import Settings
from penchant_core.errors import InvalidField, InvalidSetting
from penchant_core.profiles import Profile
from penchant_core.tuning import Tuning

from penchant_server.watched import Stamp, looking, stamp

FIELD = "options.profile"
NAME_BYTES = 64
TOLD = 10
"""Names of profiles that a refusal tells."""
_log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Found:
    """What a look at the folder found."""

    stamps: Mapping[str, Stamp] = field(default_factory=dict)
    """Of every file that is there, by the name of its profile."""
    newer: Mapping[str, Profile] = field(default_factory=dict)
    """Of files that are new or other ones than before."""
    broken: Mapping[str, InvalidSetting] = field(default_factory=dict)
    """The same, where they cannot be used."""


def found(folder: Path, own: Tuning, before: Mapping[str, Stamp]) -> Found:
    """Look at a folder whose files had the stamps *before*. Raises InvalidSetting where it cannot be read."""
    stamps: dict[str, Stamp] = {}
    newer: dict[str, Profile] = {}
    broken: dict[str, InvalidSetting] = {}
    for name, path in profile_files(folder).items():
        if not (seen := _stamped(path)):
            continue
        stamps[name] = seen
        if seen == before.get(name):
            continue
        try:
            newer[name] = read_profile(path, own)
        except InvalidSetting as error:
            broken[name] = error
        if _stamped(path) != seen:
            # What was read may be half of what is being written.
            newer.pop(name, None)
            broken[name] = InvalidSetting(f"{path} changed while it was read", field=f"profiles.{name}")
            stamps[name] = ()
    return Found(stamps, newer, broken)


def _stamped(path: Path) -> Stamp:
    try:
        return stamp(path)
    except OSError:
        return ()


class Profiles:
    """The profiles that requests may name, and the one of requests that name none."""

    def __init__(self, folder: Path | None, default: str, own: Tuning) -> None:
        """Read the folder; raises InvalidSetting. *own* is the service's tuning without a profile."""
        if default and folder is None:
            raise InvalidSetting(f"{default!r} stands in no folder: set profiles too", field="profile")
        self._folder = folder
        self._own = own
        self._default = default
        first = found(folder, own, {}) if folder is not None else Found()
        for error in first.broken.values():
            raise error
        self._stamps = first.stamps
        self._profiles: Mapping[str, Profile] = first.newer
        self._problem = ""
        if default and default not in self._profiles:
            raise InvalidSetting(f"{default!r} is not in {folder}; {self._told()}", field="profile")

    @property
    def default(self) -> Profile | None:
        """The profile of requests that name none; none: the service's own settings."""
        return self._profiles[self._default] if self._default else None

    def named(self, name: str) -> Profile | None:
        """Return the profile of a request, the default for an empty name. Raises ``InvalidField``."""
        if not name:
            return self.default
        profile = self._profiles.get(sized(FIELD, name, NAME_BYTES))
        if profile is None:
            raise InvalidField(FIELD, f"{name!r} is no profile of this service; {self._told()}")
        return profile

    def newest(self, name: str, last: Profile | None) -> Profile | None:
        """Return what ``named`` gave as it is now: *last* itself where its file was taken away."""
        return self._profiles.get(name, last) if name else self.default

    def _told(self) -> str:
        if not self._profiles:
            return "there is none"
        names = sorted(self._profiles)
        more = f" and {len(names) - TOLD:,} more" if len(names) > TOLD else ""
        return f"there are: {', '.join(names[:TOLD])}{more}"

    async def watch(self) -> None:
        """Look at the folder again and again."""
        if self._folder is not None:
            _log.info("profiles", names=[one.label for one in self._profiles.values()], default=self._default)
            await looking(self._look, "profiles")

    async def _look(self) -> None:
        assert self._folder is not None
        try:
            look = await asyncio.to_thread(found, self._folder, self._own, self._stamps)
        except InvalidSetting as error:
            # A folder that is away for a while is no order to end all profiles.
            if self._problem != str(error):
                _log.warning("the profiles cannot be read; those before stay", error=str(error))
            self._problem = str(error)
            return
        self._problem = ""
        self._take(look)

    def _take(self, look: Found) -> None:
        profiles = dict(self._profiles)
        for name in self._stamps.keys() - look.stamps.keys():
            if name == self._default:
                _log.warning("the file of the default profile is gone; the profile stays", profile=name)
            elif name in profiles:
                _log.info("a profile is gone", profile=name, version=profiles.pop(name).version)
        for name, profile in look.newer.items():
            before = profiles.get(name)
            profiles[name] = profile
            if before is not None and before != profile and before.version == profile.version:
                _log.warning("a profile changed under its version", profile=name, version=profile.version)
            elif before != profile:
                _log.info("a profile was taken over", profile=name, version=profile.version)
        for name, error in look.broken.items():
            stays = profiles[name].version if name in profiles else "none: there was none before"
            _log.warning("the file of a profile cannot be used", profile=name, error=str(error), stays=stays)
        self._profiles, self._stamps = profiles, look.stamps


@asynccontextmanager
async def opened_profiles(settings: Settings) -> AsyncIterator[Profiles]:
    """Read the profiles, and look at them again inside the block. Raises InvalidSetting."""
    profiles = Profiles(settings.profiles, settings.profile, settings.tuning)
    watching = asyncio.create_task(profiles.watch())
    try:
        yield profiles
    finally:
        watching.cancel()
        with suppress(asyncio.CancelledError):
            await watching
