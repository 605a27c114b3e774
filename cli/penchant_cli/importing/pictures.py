"""Pictures of items out of a folder: files named like the items, made as small as the contract wants them."""

from collections import Counter
from io import BytesIO
from pathlib import Path

from penchant_adapters.pictures import BROKEN, BYTES, MOST, upright
from PIL import Image

from penchant_cli.importing.errors import FileRefused

SIDES = (512, 384, 256, 128)
"""Pixels, largest first: models look at some 224 to 384 of them, and 128 always fit."""
KINDS = (".jpg", ".jpeg", ".png", ".webp", ".gif", ".bmp", ".tif", ".tiff")


class Pictures:
    """The folder."""

    def __init__(self, folder: Path, notes: Counter[str]) -> None:
        """Raises ``FileRefused`` where there is no such folder. *notes*: what becomes of pictures, counted."""
        if not folder.is_dir():
            raise FileRefused(f"--images {folder}: is no folder")
        self._folder = folder
        self._notes = notes

    def of(self, item_id: str) -> list[bytes]:
        """Return thumbnails of ``ITEM_ID.jpg`` (png, webp …) and of what is in the folder ``ITEM_ID``, 4 at most."""
        files = self._files(item_id)
        if not files:
            self._notes["without a picture"] += 1
        if len(files) > MOST:
            self._notes[f"with more than {MOST} pictures, the first of which were taken"] += 1
        found = []
        for file in files[:MOST]:
            try:
                found.append(thumbnail(file))
            except BROKEN:
                self._notes["pictures that cannot be read, left out"] += 1
        return found

    def _files(self, item_id: str) -> list[Path]:
        if "/" in item_id or "\\" in item_id or item_id in {".", ".."}:
            return []  # no file of this folder is called so
        own = [self._folder / f"{item_id}{kind}" for kind in KINDS]
        folder = self._folder / item_id
        inside = sorted(folder.iterdir()) if folder.is_dir() else []
        return [file for file in (*own, *inside) if file.suffix.lower() in KINDS and file.is_file()]


def thumbnail(file: Path) -> bytes:
    """Return a picture as a JPEG of 512 pixels or fewer a side, and at most 65,536 bytes.

    Raises what Pillow raises for a file that it cannot read.
    """
    with Image.open(file) as picture:
        picture.draft("RGB", (2 * SIDES[0], 2 * SIDES[0]))
        whole = upright(picture)
    for side in SIDES:
        small = whole.copy()
        small.thumbnail((side, side))
        small.save(made := BytesIO(), "JPEG", quality=85, optimize=True)
        if len(made.getvalue()) <= BYTES:
            break
    return made.getvalue()
