"""Pictures of a folder beside a file of items."""

from collections import Counter
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from penchant_adapters import contract
from penchant_adapters.pictures import BYTES
from penchant_cli.importing import FileRefused, Options, check
from penchant_cli.importing.pictures import Pictures, thumbnail
from PIL import Image

from tests.encoder_models import picture


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "pictures"
    (folder / "b").mkdir(parents=True)
    (folder / "a.png").write_bytes(picture(200, 30, 30))
    for name in ("2.webp", "1.jpg", "3.jpeg", "4.png", "5.png", "notes.txt"):
        (folder / "b" / name).write_bytes(picture(30, 30 * int(name[0]) if name[0].isdigit() else 0, 200))
    (folder / "c.jpg").write_bytes(b"no picture")
    (folder / "a.pdf").write_bytes(b"no picture")
    return folder


def test_items_have_the_pictures_that_are_named_like_them(tmp_path: Path, folder: Path) -> None:
    file = tmp_path / "items.csv"
    file.write_text("item_id,title\na,shoes\nb,lamp\nc,oil\nd,rope\n../a,sly\n")
    with check(file, "items", Options(images=folder)) as checked:
        items = {item.item_id: contract.item(item) for _, item in checked.items()}
        notes = checked.report.notes
    assert {item_id: len(item.images) for item_id, item in items.items()} == {"a": 1, "b": 4, "c": 0, "d": 0, "../a": 0}
    greens = [Image.open(BytesIO(image)).getpixel((40, 40)) for image in items["b"].images]
    assert [round(green / 30) for _, green, _ in greens] == [1, 2, 3, 4]  # type: ignore[misc]
    assert notes == {
        "without a picture": 2,
        "with more than 4 pictures, the first of which were taken": 1,
        "pictures that cannot be read, left out": 1,
    }


def test_a_folder_that_is_not_there_refuses_the_file(tmp_path: Path) -> None:
    with pytest.raises(FileRefused, match="is no folder"):
        Pictures(tmp_path / "absent", Counter())


@pytest.mark.parametrize("mode", ["RGB", "RGBA", "L", "P", "1", "CMYK", "I;16"])
def test_any_picture_becomes_a_small_one(tmp_path: Path, mode: str) -> None:
    noise = np.random.default_rng(1).integers(0, 255, (900, 1_600, 3), np.uint8)  # no file is larger for its pixels
    image = Image.fromarray(noise)
    for step in ("L", "I", "I;16") if mode == "I;16" else (mode,):
        image = image.convert(step)
    file = tmp_path / "noise.tif"
    image.save(file)
    small = thumbnail(file)
    assert len(small) <= BYTES
    with Image.open(BytesIO(small)) as made:
        assert (made.format, made.mode) == ("JPEG", "RGB")
        assert max(made.size) <= 512
        assert made.width / made.height == pytest.approx(16 / 9, abs=0.02)
