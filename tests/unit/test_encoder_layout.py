"""How a model's folder is read, and how texts of different lengths are cut into batches."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from penchant_adapters.encoders.batches import padded_batches
from penchant_adapters.encoders.layout import Dense, Layout, read_layout, written_layout
from penchant_core.errors import InvalidSetting


@given(lengths=st.lists(st.integers(1, 50)), most=st.integers(1, 200))
def test_padded_batches_lose_nothing_and_keep_the_bound(lengths: list[int], most: int) -> None:
    batches = list(padded_batches(lengths, most))
    assert sorted(i for batch in batches for i in batch) == list(range(len(lengths)))
    for batch in batches:
        assert len(batch) == 1 or len(batch) * max(lengths[i] for i in batch) <= most


_TRANSFORMER = {"type": "sentence_transformers.models.Transformer", "path": ""}
_POOLING = {"type": "sentence_transformers.models.Pooling", "path": "1_Pooling"}
_NORMALIZE = {"type": "sentence_transformers.models.Normalize", "path": "2_Normalize"}
_STATIC = {"type": "sentence_transformers.models.StaticEmbedding", "path": "0_Table"}
_DENSE = {"type": "sentence_transformers.models.Dense", "path": "2_Dense"}


def pooled(*parts: dict[str, str], **config: object) -> dict[str, object]:
    return {"modules.json": [_TRANSFORMER, _POOLING, *parts], "1_Pooling/config.json": config}


@pytest.mark.parametrize(
    ("files", "layout"),
    [
        ({}, Layout()),
        (pooled(_NORMALIZE, pooling_mode_cls_token=True, pooling_mode_mean_tokens=False), Layout(pooling="cls")),
        (pooled(pooling_mode_mean_sqrt_len_tokens=True), Layout(pooling="mean")),
        (pooled(pooling_mode="max"), Layout(pooling="max")),
        (pooled(pooling_mode="lasttoken"), Layout(pooling="lasttoken")),
        ({"sentence_bert_config.json": {"max_seq_length": 128, "do_lower_case": True}}, Layout("", "mean", 128, True)),
        ({"sentence_bert_config.json": {"max_seq_length": 8192}}, Layout(max_tokens=512)),
        ({"modules.json": [_STATIC, _NORMALIZE]}, Layout("0_Table", static=True)),
        ({"config.json": {"model_type": "model2vec"}}, Layout(static=True)),
        (pooled(_DENSE, pooling_mode="mean"), Layout(dense=(Dense("2_Dense", tanh=True),))),
        (
            pooled(_DENSE, pooling_mode="mean") | {"2_Dense/config.json": {"activation_function": "torch.nn.Identity"}},
            Layout(dense=(Dense("2_Dense", tanh=False),)),
        ),
    ],
)
def test_the_layout_of_sentence_transformers_is_respected(files: dict[str, object], layout: Layout) -> None:
    assert read_layout(files.get) == layout


@pytest.mark.parametrize("pooling", ["cls", "mean", "max", "lasttoken"])
def test_a_layout_that_is_written_is_read_back(pooling: str) -> None:
    layout = Layout(pooling=pooling, max_tokens=64, lowercase=True, dense=(Dense("2_Dense", tanh=False),))
    files = written_layout(layout, 8) | {"2_Dense/config.json": {"activation_function": "torch.nn.Identity"}}
    assert read_layout(files.get) == layout


@pytest.mark.parametrize(
    "files",
    [
        pooled(_DENSE, pooling_mode_mean_tokens=True)
        | {"2_Dense/config.json": {"activation_function": "torch.nn.ReLU"}},
        pooled(_DENSE, pooling_mode_mean_tokens=True) | {"2_Dense/config.json": {"use_residual": True}},
        pooled(_NORMALIZE, _DENSE, pooling_mode_mean_tokens=True),
        pooled({"type": "sentence_transformers.models.LSTM", "path": "2_LSTM"}, pooling_mode_mean_tokens=True),
        pooled(pooling_mode_weightedmean_tokens=True),
        pooled(pooling_mode_cls_token=True, pooling_mode_max_tokens=True),
        pooled(pooling_mode="guess"),
    ],
)
def test_parts_that_would_change_the_vectors_are_refused(files: dict[str, object]) -> None:
    with pytest.raises(InvalidSetting):
        read_layout(files.get)
