"""How a model's folder asks to be used: the layout of sentence-transformers, read without that library.

``modules.json`` lists the parts, ``1_Pooling/config.json`` says how token states become one vector,
``sentence_bert_config.json`` how much of a text the model was trained on. A plain transformer has none of them and gets
mean pooling. Parts that would change the vectors and are not supported here are refused, never skipped.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple

from penchant_core.errors import InvalidSetting

MOST_TOKENS = 512
"""No text is longer for a model, whatever it could take: attention costs memory by the square."""

_POOLINGS = {
    "pooling_mode_cls_token": "cls",
    "pooling_mode_mean_tokens": "mean",
    "pooling_mode_mean_sqrt_len_tokens": "mean",  # differs by a positive factor, and vectors become unit vectors
    "pooling_mode_max_tokens": "max",
    "pooling_mode_lasttoken": "lasttoken",
}
_POOLING_FOLDER = "1_Pooling"
_STATIC = "StaticEmbedding"
_SEEING = "CLIPModel"
_SUPPORTED = ("Transformer", _STATIC, _SEEING, "Pooling", "Dense", "Normalize")
_SEEING_TYPES = {"clip", "siglip", "chinese_clip", "altclip", "metaclip_2"}
_ACTIVATIONS = {"Identity": False, "Tanh": True}


@dataclass(frozen=True, slots=True)
class Dense:
    """A layer behind the pooling."""

    folder: str
    tanh: bool


class Prompts(NamedTuple):
    """What a model wants before texts, to know which are sought and which are found."""

    item: str = ""
    said: str = ""

    def of(self, said: bool) -> str:
        """Return what is put before a text that users said, or that stands with an item."""
        return self.said if said else self.item


NO_PROMPTS = Prompts()


@dataclass(frozen=True, slots=True)
class Layout:
    """What a model's folder says beside its weights."""

    transformer: str = ""
    """Subfolder of the transformer, or of the table."""
    pooling: str = "mean"
    """``cls``, ``mean``, ``max`` or ``lasttoken``."""
    max_tokens: int = MOST_TOKENS
    lowercase: bool = False
    dense: tuple[Dense, ...] = ()
    """Layers behind the pooling, in their order."""
    static: bool = False
    """A table of tokens' vectors instead of a transformer."""
    sees: bool = False
    """Two transformers, one for texts and one for pictures, whose vectors are of one space."""
    prompts: Prompts = NO_PROMPTS

    def named(self, name: str) -> str:
        """Return a model's *name*, which tells if its texts have prompts: without them its vectors are others."""
        return f"{name}+prompts" if any(self.prompts) else name

    def inside(self, name: str) -> str:
        """Return the path of a file of the transformer, or of the table."""
        return _join(self.transformer, name)


def read_layout(read: Callable[[str], Any]) -> Layout:
    """Return the layout of a model; *read* gives the JSON of a file in its folder, or None where there is none.

    Raises ``InvalidSetting`` for parts and poolings that are not supported.
    """
    paths: dict[str, str] = {}
    dense: list[Dense] = []
    for module in read("modules.json") or ():
        kind = str(module["type"]).rpartition(".")[2]
        if kind not in _SUPPORTED:
            raise InvalidSetting(
                f"the model has a part of type {kind}; {', '.join(_SUPPORTED)} are supported", "encoder"
            )
        if kind == "Dense":
            if "Normalize" in paths:
                raise InvalidSetting(
                    "the model has a Dense part behind a Normalize part; that is not supported", "encoder"
                )
            dense.append(_dense(str(module["path"]), read(_join(str(module["path"]), "config.json")) or {}))
        paths[kind] = str(module["path"])
    plain = None if paths else (read("config.json") or {}).get("model_type")
    static, sees = _STATIC in paths or plain == "model2vec", _SEEING in paths or plain in _SEEING_TYPES
    folder = paths.get(_STATIC if static else _SEEING if sees else "Transformer", "")
    settings = read(_join(folder, "sentence_bert_config.json")) or {}
    return Layout(
        transformer=folder,
        pooling=_pooling(read(_join(paths["Pooling"], "config.json")) or {}) if "Pooling" in paths else "mean",
        max_tokens=min(settings.get("max_seq_length") or MOST_TOKENS, MOST_TOKENS),
        lowercase=bool(settings.get("do_lower_case", False)),
        dense=tuple(dense),
        static=static,
        sees=sees,
        prompts=_prompts(read("config_sentence_transformers.json") or {}),
    )


def written_layout(layout: Layout, width: int) -> dict[str, Any]:
    """Return the JSON of the files that say a *layout* of *width* numbers, by name: what ``read_layout`` reads.

    The transformer stands in the folder itself, and vectors become unit vectors, as they do here. Of layers behind the
    pooling it says where they are; each has files of its own.
    """
    dense = [(each.folder, "Dense") for each in layout.dense]
    named = [("", "Transformer"), (_POOLING_FOLDER, "Pooling"), *dense, (f"{len(dense) + 2}_Normalize", "Normalize")]
    modules = [
        {"idx": number, "name": str(number), "path": path, "type": f"sentence_transformers.models.{kind}"}
        for number, (path, kind) in enumerate(named)
    ]
    prompts = {"query": layout.prompts.said, "document": layout.prompts.item}
    modes = {key: key == _key(layout.pooling) for key in _POOLINGS}
    return {
        "modules.json": modules,
        "sentence_bert_config.json": {"max_seq_length": layout.max_tokens, "do_lower_case": layout.lowercase},
        f"{_POOLING_FOLDER}/config.json": {"word_embedding_dimension": width, **modes},
        **({"config_sentence_transformers.json": {"prompts": prompts}} if any(layout.prompts) else {}),
    }


def _key(pooling: str) -> str:
    return next(key for key, how in _POOLINGS.items() if how == pooling)


def _join(folder: str, name: str) -> str:
    return f"{folder}/{name}" if folder else name


def _dense(folder: str, config: dict[str, Any]) -> Dense:
    activation = str(config.get("activation_function", "Tanh")).rpartition(".")[2]  # Tanh is that library's default
    if config.get("use_residual"):
        raise InvalidSetting(f"{folder} has a residual connection, which is not supported", "encoder")
    if activation not in _ACTIVATIONS:
        raise InvalidSetting(f"{folder} ends with {activation}; {', '.join(_ACTIVATIONS)} are supported", "encoder")
    return Dense(folder, _ACTIVATIONS[activation])


def _prompts(config: dict[str, Any]) -> Prompts:
    """Return the prompts that sentence-transformers takes for documents and for queries."""
    named = config.get("prompts") or {}
    usual = named.get(config.get("default_prompt_name"), "")
    document = next((named[name] for name in ("document", "passage", "corpus") if name in named), usual)
    return Prompts(item=str(document), said=str(named.get("query", usual)))


def _pooling(config: dict[str, Any]) -> str:
    chosen = [key for key, value in config.items() if key.startswith("pooling_mode_") and value is True]
    if isinstance(mode := config.get("pooling_mode"), str):  # how newer versions write it
        chosen = [f"pooling_mode_{mode}" if mode == "lasttoken" else f"pooling_mode_{mode}_tokens"]
        chosen = ["pooling_mode_cls_token"] if mode == "cls" else chosen
    if len(chosen) != 1 or chosen[0] not in _POOLINGS:
        raise InvalidSetting(f"the model pools by {chosen}; one of cls, mean, max, lasttoken is supported", "encoder")
    return _POOLINGS[chosen[0]]
