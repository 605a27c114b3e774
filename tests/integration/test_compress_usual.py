"""``penchant compress`` without a recipe, on a log too short for one of the usual ones."""

import json
from pathlib import Path

import pytest

from tests.encoder_models import write_tiny_encoder
from tests.integration.test_compress_command import compress
from tests.integration.test_train_together_command import circles, files

pytestmark = pytest.mark.usefixtures("one_thread")


def test_the_usual_recipes_are_tried_and_one_that_does_not_suit_is_left_out(tmp_path: Path) -> None:
    model = write_tiny_encoder(tmp_path / "model", ["thing", *map(str, range(24))])
    done = compress(*files(tmp_path, circles()), "--encoder", f"hf:{model}", "--json", str(tmp_path / "figures.json"))
    assert done.exit_code == 0, done.output
    assert "layers=1 is left out: layers: 24 texts are too few to train on; give 64 or more" in done.output
    rows = json.loads((tmp_path / "figures.json").read_bytes())["figures"]["rows"]
    tried = [row["recipe"] for row in rows]
    assert tried[:4] == ["as it is", "bfloat16", "int8", "static"]
    assert "layers=1" not in tried
