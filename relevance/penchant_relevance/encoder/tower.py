"""An encoder while it learns: a tokenizer, a transformer, pooling; all of its weights, or low-rank adapters.

Source of the adapters: Hu et al. 2022, "LoRA: Low-Rank Adaptation of Large Language Models", by PEFT. They are
merged into the weights that are written, so whoever reads them needs to know nothing of it.

Shapes: B texts, T tokens, C numbers of a vector.
"""

import copy
import json
import tempfile
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F  # noqa: N812 its usual name
from penchant_adapters.encoders.huggingface import Parts, load_parts, pool
from penchant_adapters.encoders.layout import NO_PROMPTS, written_layout
from penchant_adapters.encoders.source import kind_of
from penchant_adapters.encoders.worker import MAX_CHARACTERS
from penchant_adapters.wholefiles import write_whole
from penchant_core.errors import InvalidSetting
from torch import Tensor, nn

from penchant_relevance.counting import Floats32
from penchant_relevance.encoder.settings import EncoderSettings

_WHICH = "name a transformer, a folder or a hub model, such as hf:sentence-transformers/all-MiniLM-L6-v2"
WEIGHTS = "model.safetensors"
STEP = 512
"""Texts between two reports of progress."""
Arrays = Mapping[str, Tensor]


class Tower:
    """An encoder that learns."""

    def __init__(self, parts: Parts, settings: EncoderSettings) -> None:
        self.parts = parts
        self._tokens = min(settings.tokens, parts.most_tokens)
        model = parts.model
        for name, weight in model.named_parameters():
            # Token states are pooled here; a pooler of its own would learn nothing.
            weight.requires_grad_(not name.startswith("pooler."))
        for module in model.modules():
            if isinstance(module, nn.Dropout):
                module.p = settings.dropout
        if settings.lora:
            import peft  # noqa: PLC0415 takes seconds

            adapters = peft.LoraConfig(
                r=settings.lora,
                lora_alpha=2 * settings.lora,
                lora_dropout=settings.dropout,
                target_modules="all-linear",
                exclude_modules=r".*pooler.*",
            )
            with warnings.catch_warnings():
                # PEFT asks by a name that transformers is about to give up.
                warnings.simplefilter("ignore", FutureWarning)
                model = peft.get_peft_model(model, adapters)
        self.model = model

    @property
    def device(self) -> torch.device:
        """Where it runs."""
        found: torch.device = self.parts.model.device
        return found

    @property
    def mask(self) -> str | None:
        """The token that stands for a hidden word, where there is one."""
        found: str | None = self.parts.tokenizer.mask_token
        return found

    def learning(self) -> dict[str, nn.Parameter]:
        """Return the weights that are trained, by name."""
        return {name: weight for name, weight in self.model.named_parameters() if weight.requires_grad}

    def weights(self) -> dict[str, Tensor]:
        """Return a copy of the weights that are trained."""
        return {name: weight.detach().cpu().clone() for name, weight in self.learning().items()}

    def set(self, weights: Arrays) -> None:
        """Put weights in place."""
        with torch.no_grad():
            for name, weight in self.learning().items():
                weight.copy_(weights[name])

    def tokens(self, texts: Sequence[str]) -> Any:
        """Return the tokens of texts, of each as many as training reads."""
        return self.parts.tokens([text[:MAX_CHARACTERS] for text in texts], self._tokens)

    def forward(self, tokens: Any, chosen: Sequence[int]) -> Tensor:
        """Return unit vectors (B, C) of the chosen ones of *tokens*."""
        rows = {key: [values[i] for i in chosen] for key, values in tokens.items()}
        inputs = self.parts.tokenizer.pad(rows, return_tensors="pt").to(self.device)
        with mixed(self.device):
            states = self.model(**inputs).last_hidden_state.float()  # (B, T, C)
        return F.normalize(pool(states, inputs["attention_mask"], self.parts.layout.pooling), dim=-1)

    def encode(self, texts: Sequence[str], told: Callable[[int, int], None] = lambda *_: None) -> Floats32:
        """Return what a service would be given for texts: unit rows (texts, C); *told* hears how many are done."""
        self.model.eval()
        encoder = replace(self.parts, model=self.model).encoder
        found = [np.empty((0, encoder.dim), np.float32)]
        for start in range(0, len(texts), STEP):
            with mixed(self.device):
                found.append(encoder.encode([text[:MAX_CHARACTERS] for text in texts[start : start + STEP]]))
            told(min(len(texts), start + STEP), len(texts))
        rows = np.concatenate(found)
        unit: Floats32 = rows / np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1e-12)
        return unit

    def merged(self) -> Any:
        """Return a transformer with the adapters in its weights; it stands alone."""
        return self.model if self.model is self.parts.model else self.model.merge_and_unload()

    def write(self, folder: Path, beside: Mapping[str, bytes]) -> None:
        """Write the encoder in the layout of sentence-transformers, with files *beside* it, its weights last.

        Raises ``InvalidSetting`` where it cannot be written.
        """
        with tempfile.TemporaryDirectory() as draft:
            merged = copy.deepcopy(self).merged()
            merged.save_pretrained(draft, max_shard_size="1TB")
            self.parts.tokenizer.save_pretrained(draft)
            written = {path.name: path.read_bytes() for path in Path(draft).iterdir() if path.is_file()}
        layout = written_layout(self.parts.layout, int(merged.config.hidden_size))
        files = {name: json.dumps(said, indent=2).encode() for name, said in layout.items()}
        last = {WEIGHTS: written.pop(WEIGHTS)}
        try:
            for name, content in (written | files | dict(beside) | last).items():
                path = folder / name
                path.parent.mkdir(parents=True, exist_ok=True)
                write_whole(path, content)
        except OSError as error:
            raise InvalidSetting(f"cannot write {folder}: {error.strerror}", field="out") from error


def mixed(device: torch.device) -> torch.autocast:
    """Return the block in which a network computes: in bfloat16 on CUDA, where it can, else as its weights are."""
    able = device.type == "cuda" and torch.cuda.is_bf16_supported()
    return torch.autocast(device.type, torch.bfloat16, enabled=able)


def opened_tower(url: str, settings: EncoderSettings, device: torch.device) -> Tower:
    """Load the encoder of a URL to be trained. Raises ``InvalidSetting`` where it cannot be."""
    scheme, _, place = url.partition(":")
    if scheme != "hf" or not place or kind_of(place) != "huggingface":
        raise InvalidSetting(f"{url} cannot be trained: {_WHICH}", field="encoder")
    parts = load_parts(place, device, torch.float32)
    if parts.layout.dense:
        raise InvalidSetting(f"{url} has layers behind the pooling and cannot be trained: {_WHICH}", field="encoder")
    # It learns from texts as they are, and is asked for them as they are.
    return Tower(replace(parts, layout=replace(parts.layout, prompts=NO_PROMPTS)), settings)
