"""``penchant compress`` on files of one's own: a table, figures, and a model that a service can read words by."""

import json
from pathlib import Path
from typing import Any

import pytest
from penchant_cli.app import app
from typer.testing import CliRunner

from tests.encoder_models import write_tiny_encoder
from tests.integration.test_train_together_command import circles, files

pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.fixture(autouse=True)
def _one_thread_of_those_that_try(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", "1")


def compress(*words: str) -> Any:
    return CliRunner(env={"COLUMNS": "200"}).invoke(app, ["compress", *words])


@pytest.fixture
def model(tmp_path: Path) -> Path:
    words = ["thing", *map(str, range(24))]
    return write_tiny_encoder(tmp_path / "model", words)


def test_a_recipe_is_compared_and_its_model_is_written(tmp_path: Path, model: Path) -> None:
    out, figures = tmp_path / "models" / "small", tmp_path / "figures.json"
    recipe = "pca=16+bfloat16+turbo8"
    given = [*files(tmp_path, circles()), "--encoder", f"hf:{model}", "--recipe", recipe]
    done = compress(*given, "--out", str(out), "--json", str(figures))
    assert done.exit_code == 0, done.output
    assert f"PENCHANT_ITEM_VECTORS=turbo8 PENCHANT_ENCODER=hf:{out} penchant up" in done.output
    whole, small = json.loads(figures.read_bytes())["figures"]["rows"]
    assert (whole["recipe"], small["recipe"]) == ("as it is", recipe)
    assert (whole["vector_bytes"], small["vector_bytes"]) == (128, 16)
    assert small["model_bytes"] < whole["model_bytes"]
    assert small["texts_per_second"] > 0
    assert small["peak_bytes"] > 1 << 20
    assert recipe in (out / "README.md").read_text()
    again = compress(*given, "--out", str(out))
    assert again.exit_code == 2
    assert "is there and not empty" in again.output


def test_of_the_built_in_model_only_vectors_can_be_smaller(tmp_path: Path) -> None:
    done = compress(*files(tmp_path, circles()), "--recipe", "float16")
    assert done.exit_code == 0, done.output
    assert "float16" in done.output
    refused = compress(*files(tmp_path, circles()), "--recipe", "int8")
    assert refused.exit_code == 2
    assert "builtin: cannot be made anew, so int8 is for models of transformers" in refused.output


def test_to_write_a_model_one_recipe_has_to_be_said(tmp_path: Path, model: Path) -> None:
    done = compress(*files(tmp_path, circles()), "--encoder", f"hf:{model}", "--out", str(tmp_path / "small"))
    assert done.exit_code == 2
    assert "one --recipe that makes another model" in done.output
    assert not (tmp_path / "small").exists()
