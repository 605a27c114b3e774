"""What can be done to make an encoder and its vectors smaller, said in a few words: ``layers=3+pca=192+int8``."""

from dataclasses import dataclass, replace
from typing import get_args

from penchant_adapters.vectortypes import BYTES, VectorType
from penchant_core.errors import InvalidSetting

LEAST_DIM = 8
_KEPT = [kind for kind in get_args(VectorType) if kind != "float32"]
STEPS = f"layers=N, dim=N, pca=N, bfloat16, int8, static, {', '.join(_KEPT)}"
"""The steps that there are."""


@dataclass(frozen=True, slots=True)
class Recipe:
    """Steps, each at most once; the order in which they are said does not matter."""

    layers: int | None = None
    """Layers of the network that stay; they are trained to say what all of them said."""
    dim: int | None = None
    """Numbers of a vector that stay."""
    principal: bool = False
    """The numbers along the axes on which texts differ most, instead of the first ones."""
    weights: str = ""
    """``bfloat16`` or ``int8``; ``static``: a table of tokens' vectors in place of the network; empty: as they are."""
    vectors: VectorType = "float32"
    """How a store keeps vectors of items."""

    @property
    def name(self) -> str:
        """The recipe as it is said."""
        cut = f"{'pca' if self.principal else 'dim'}={self.dim}" if self.dim else ""
        kept = "" if self.vectors == "float32" else self.vectors
        layers = f"layers={self.layers}" if self.layers else ""
        return "+".join(filter(None, (layers, cut, self.weights, kept))) or "as it is"

    @property
    def remakes(self) -> bool:
        """Tell whether it makes another model, not only other vectors in the store."""
        return self.model != Recipe()

    @property
    def model(self) -> "Recipe":
        """The steps that make a model."""
        return replace(self, vectors="float32")

    def bytes_of(self, dim: int) -> float:
        """Return the bytes of a vector in a store, of a model with *dim* numbers."""
        return (self.dim or dim) * BYTES[self.vectors]


def recipe_of(text: str) -> Recipe:
    """Read a recipe. Raises ``InvalidSetting`` naming the step."""
    found = Recipe()
    for step in text.split("+"):
        word, _, value = step.strip().partition("=")
        before = found
        if word in {"layers", "dim", "pca"}:
            least = 1 if word == "layers" else LEAST_DIM
            if not value.isdecimal() or int(value) < least:
                raise _refusal(text, f"{step!r} needs a whole number from {least} on")
            found = _cut(found, word, int(value))
        elif word in {"bfloat16", "int8", "static"} and not value and not found.weights:
            found = replace(found, weights=word)
        elif word in BYTES and word != "float32" and not value and found.vectors == "float32":
            found = replace(found, vectors=word)
        if found == before:
            raise _refusal(text, f"{step!r} is no step, or there is one like it already")
    if found.weights == "static" and (found.layers or (found.dim and not found.principal)):
        raise _refusal(text, "a static model has no layers, and no order of its numbers; pca=N leaves some out")
    return found


def _cut(recipe: Recipe, word: str, value: int) -> Recipe:
    if word == "layers":
        return recipe if recipe.layers else replace(recipe, layers=value)
    return recipe if recipe.dim else replace(recipe, dim=value, principal=word == "pca")


def _refusal(text: str, why: str) -> InvalidSetting:
    return InvalidSetting(f"{text!r}: {why}; steps are joined by +: {STEPS}", "recipe")


def usual(dim: int, layers: int | None) -> list[Recipe]:
    """Return what is worth a look, for a model of *layers* with vectors of *dim* numbers; none: it cannot be remade."""
    kept = [Recipe(vectors=kind) for kind in _KEPT]
    if layers is None:
        return kept
    cuts = [
        Recipe(dim=cut, principal=principal)
        for cut in (dim // 2, dim // 4)
        for principal in (False, True)
        if cut >= LEAST_DIM
    ]
    half = Recipe(layers=max(1, layers // 2))
    small = replace(half, dim=max(LEAST_DIM, dim // 2), principal=True, weights="int8", vectors="turbo8")
    whole = [Recipe(weights=weights) for weights in ("bfloat16", "int8", "static")]
    return [*whole, *cuts, half, *kept, small]
