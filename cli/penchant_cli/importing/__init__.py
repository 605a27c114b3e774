"""Files to items and events: read, map, clean, check, take duplicates out, report, send so that it can be resumed.

As a library::

    from penchant_cli.importing import PRESETS, read_events, read_items

    items = list(read_items("movies.csv", PRESETS["movielens_small"].items))
    events = list(read_events("ratings.csv.gz", PRESETS["movielens_small"].events))
"""

from penchant_cli.importing.checking import Checked, check, read_events, read_items
from penchant_cli.importing.errors import FileRefused, SendingStopped
from penchant_cli.importing.options import Options
from penchant_cli.importing.presets import PRESETS, Preset, preset
from penchant_cli.importing.report import Report, Tally

__all__ = [
    "PRESETS",
    "Checked",
    "FileRefused",
    "Options",
    "Preset",
    "Report",
    "SendingStopped",
    "Tally",
    "check",
    "preset",
    "read_events",
    "read_items",
]
