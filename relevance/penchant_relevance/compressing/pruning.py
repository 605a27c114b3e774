"""Fewer layers: those that stay are spread evenly, and trained to say what all of them said. Needs penchant[torch].

Recovery is distillation without labels: the smaller network learns the unit vectors of the larger one on the texts
that it will be asked about, whole and cut short, by 1 − cosine (Sanh et al. 2019, DistilBERT, has the choice of layers;
Reimers and Gurevych 2020 the learning of a teacher's sentence vectors). Texts held out say when it has learnt enough.
"""

from collections.abc import Callable, Sequence
from copy import deepcopy
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F  # noqa: N812 its usual name
from penchant_adapters.encoders.huggingface import Parts, pool
from penchant_core.errors import InvalidSetting
from torch import Tensor, nn

SHORT = 0.5
"""Part of the texts that are cut short, drawn anew in every epoch."""
Progress = Callable[[int, int], None]
"""Hears how many steps are done, and of how many."""


@dataclass(frozen=True, slots=True)
class Recovery:
    """How a smaller network is trained."""

    epochs: int = 3
    batch: int = 32
    rate: float = 2e-4
    """Greatest rate of learning, after a tenth of the steps; it falls to 0 with the last."""
    decay: float = 0.01
    held_out: int = 512
    """Texts at most, and a tenth of all, that it does not learn from."""
    most_tokens: int = 64
    seed: int = 20_260_101


@dataclass(frozen=True, slots=True)
class Recovered:
    """How close the smaller network comes to the larger one on texts that it did not learn from."""

    parts: Parts
    curve: list[float]
    """Mean cosine before training and after each epoch; the weights are those of the greatest."""


def layers_of(model: Any) -> nn.ModuleList:
    """Return the layers of a network. Raises ``InvalidSetting`` where they are not to be found."""
    count = getattr(model.config, "num_hidden_layers", None)
    found = [each for each in model.modules() if isinstance(each, nn.ModuleList) and len(each) == count]
    if len(found) != 1:
        raise InvalidSetting(f"a {type(model).__name__} has no one list of layers to choose from", "layers")
    return found[0]


def pruned(parts: Parts, count: int) -> Parts:
    """Return a copy with *count* of the layers. Raises ``InvalidSetting`` where it has no more than that."""
    model = deepcopy(parts.model)
    layers = layers_of(model)
    if count >= len(layers):
        raise InvalidSetting(f"{count} is not below the {len(layers)} layers that there are", "layers")
    kept = np.linspace(0, len(layers) - 1, count).round().astype(int).tolist() if count > 1 else [0]
    chosen = [layers[each] for each in kept]
    while len(layers):
        layers.pop(-1)
    layers.extend(chosen)
    model.config.num_hidden_layers = count
    if isinstance(types := getattr(model.config, "layer_types", None), list):
        model.config.layer_types = [types[each] for each in kept]
    return Parts(parts.name, parts.tokenizer, model, parts.layout, parts.projections)


def recovered(
    teacher: Parts, student: Parts, texts: Sequence[str], recovery: Recovery, progress: Progress
) -> Recovered:
    """Train *student* to say of *texts* what *teacher* says, and keep it as it was after its best epoch.

    Raises ``InvalidSetting`` where there are too few texts.
    """
    if len(texts) < 2 * recovery.batch:
        told = f"{len(texts)} texts are too few to train on; give {2 * recovery.batch} or more"
        raise InvalidSetting(told, "layers")
    torch.manual_seed(recovery.seed)
    chance = np.random.default_rng(recovery.seed)
    texts = [texts[each] for each in chance.permutation(len(texts))]
    held_out = min(recovery.held_out, len(texts) // 10)
    aside, learnt = texts[:held_out], texts[held_out:]
    wanted = _vectors(teacher, aside, recovery)
    curve = [_likeness(student, aside, wanted, recovery)]
    best = _weights(student.model)
    steps = recovery.epochs * (len(learnt) // recovery.batch)
    optimiser = torch.optim.AdamW(student.model.parameters(), lr=recovery.rate, weight_decay=recovery.decay)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, recovery.rate, total_steps=steps + 1, pct_start=0.1)
    for _ in range(recovery.epochs):
        student.model.train()
        for batch in _batches(learnt, recovery.batch, chance):
            with torch.no_grad():
                target = _embedded(teacher, batch, recovery)
            loss = (1.0 - (_embedded(student, batch, recovery) * target).sum(1)).mean()
            optimiser.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            optimiser.step()
            schedule.step()
            progress(schedule.last_epoch, steps)
        student.model.eval()
        curve.append(_likeness(student, aside, wanted, recovery))
        if curve[-1] == max(curve):
            best = _weights(student.model)
    student.model.load_state_dict(best)
    return Recovered(student, curve)


def _batches(texts: Sequence[str], size: int, chance: np.random.Generator) -> list[list[str]]:
    """Return the texts in a new order, some of them cut short: searches and reviews are shorter than titles."""
    order = chance.permutation(len(texts))
    drawn = [_cut_short(texts[each], chance) if chance.random() < SHORT else texts[each] for each in order]
    return [drawn[start : start + size] for start in range(0, len(drawn) - size + 1, size)]


def _cut_short(text: str, chance: np.random.Generator) -> str:
    # Chinese and Japanese have no spaces between words; there characters are cut.
    words, joint = (text.split(), " ") if " " in text.strip() else (list(text), "")
    count = int(chance.integers(1, len(words), endpoint=True)) if words else 0
    start = int(chance.integers(0, len(words) - count, endpoint=True))
    return joint.join(words[start : start + count])


def _embedded(parts: Parts, texts: Sequence[str], recovery: Recovery) -> Tensor:
    """Return the unit vectors of texts, shape (B, dim)."""
    limit = min(parts.most_tokens, recovery.most_tokens)
    tokens = parts.tokens(texts, limit, padding=True, return_tensors="pt")
    states = parts.model(**tokens.to(parts.model.device)).last_hidden_state
    return F.normalize(pool(states, tokens["attention_mask"].to(states.device), parts.layout.pooling))


def _vectors(parts: Parts, texts: Sequence[str], recovery: Recovery) -> Tensor:
    with torch.inference_mode():
        starts = range(0, len(texts), recovery.batch)
        return torch.cat([_embedded(parts, texts[start : start + recovery.batch], recovery) for start in starts])


def _likeness(student: Parts, texts: Sequence[str], wanted: Tensor, recovery: Recovery) -> float:
    return float((_vectors(student, texts, recovery) * wanted).sum(1).mean())


def _weights(model: nn.Module) -> dict[str, Tensor]:
    return {name: value.detach().clone() for name, value in model.state_dict().items()}
