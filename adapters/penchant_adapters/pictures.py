"""Pictures of items: what of them is taken in, and how a file becomes pixels."""

import asyncio
from collections.abc import Sequence
from io import BytesIO

from penchant_core.errors import InvalidField
from penchant_core.model import Item
from PIL import Image, ImageOps, UnidentifiedImageError

MOST = 4
"""Pictures of an item."""
BYTES = 65_536
"""Of a picture's file: a thumbnail. Models look at some 224 pixels a side."""
SIDE = 1_024
"""Pixels. A file of a few bytes may unfold to any number of them."""
FORMATS = ("JPEG", "PNG", "WEBP")

BROKEN = (OSError, ValueError, SyntaxError, EOFError, Image.DecompressionBombError)
"""What the library raises for bytes that are no picture."""


def checked(field: str, files: Sequence[bytes]) -> tuple[bytes, ...]:
    """Return files that look like pictures, by their first bytes. Raises ``InvalidField``."""
    if len(files) > MOST:
        raise InvalidField(field, f"has {len(files)} pictures, at most {MOST} are allowed")
    for number, file in enumerate(files):
        _check(f"{field}[{number}]", file)
    return tuple(files)


def _check(field: str, file: bytes) -> None:
    if not file:
        raise InvalidField(field, "is empty")
    if len(file) > BYTES:
        raise InvalidField(
            field, f"has {len(file):,} bytes, at most {BYTES:,} are allowed; send a thumbnail of 256–512 pixels a side"
        )
    try:
        with Image.open(BytesIO(file), formats=FORMATS) as picture:
            width, height = picture.size
    except UnidentifiedImageError as error:
        raise InvalidField(field, "is no JPEG, PNG or WebP") from error
    except BROKEN as error:
        raise InvalidField(field, f"cannot be read: {error}") from error
    if max(width, height) > SIDE:
        raise InvalidField(field, f"is {width:,} × {height:,} pixels, at most {SIDE:,} a side are allowed")


def pixels(file: bytes) -> Image.Image:
    """Return a picture upright and in red, green and blue. Raises ``ValueError`` for a file that is damaged."""
    try:
        with Image.open(BytesIO(file), formats=FORMATS) as picture:
            return upright(picture)
    except BROKEN as error:
        raise ValueError(f"a picture of {len(file):,} bytes is damaged: {error}") from error


def upright(picture: Image.Image) -> Image.Image:
    """Return a picture as it is to be looked at: turned as its camera says, on white, in red, green and blue.

    Raises one of ``BROKEN`` for a file that is damaged.
    """
    turned = ImageOps.exif_transpose(picture)
    if turned.has_transparency_data:
        turned = Image.alpha_composite(Image.new("RGBA", turned.size, "white"), turned.convert("RGBA"))
    return turned.convert("RGB")


async def damaged(item: Item) -> InvalidField | None:
    """Return what is wrong with an item's pictures further on than their first bytes; decodes them in a thread."""
    if not item.images:
        return None
    return await asyncio.to_thread(_damaged, item.images)


def _damaged(images: Sequence[bytes]) -> InvalidField | None:
    for number, file in enumerate(images):
        try:
            pixels(file)
        except ValueError as error:
            return InvalidField(f"item.images[{number}]", str(error))
    return None
