"""Models of two transformers, one for texts and one for pictures, in one space: CLIP, SigLIP and their kin.

Texts and pictures are parts of one queue and share batches; each part's vector is that of its own transformer
(Radford et al. 2021, arXiv:2103.00020; Zhai et al. 2023, arXiv:2303.15343). Needs ``penchant[torch]``.
"""

from collections.abc import Sequence
from copy import deepcopy
from io import BytesIO
from typing import Any, NamedTuple

import numpy as np
import torch
import transformers
from numpy.typing import NDArray
from penchant_core.errors import InvalidSetting
from penchant_core.vectors import Matrix
from PIL import Image

from penchant_adapters.encoders.devices import (
    ROOMS,
    Streams,
    devices_of,
    name_of,
    number_of,
    threads_each,
    told,
    usable,
)
from penchant_adapters.encoders.layout import Layout
from penchant_adapters.encoders.mixed import Part
from penchant_adapters.encoders.precision import SAMPLE, likeness, refuse_unlike
from penchant_adapters.encoders.schedule import Room
from penchant_adapters.encoders.source import ModelSource
from penchant_adapters.encoders.tokenized import Tokenizer, TokensRead, most_tokens
from penchant_adapters.pictures import pixels
from penchant_adapters.vectortypes import Precision, Runtime


def load_models(
    place: str, *, threads: int | None, device: str, precision: Precision, runtime: Runtime
) -> tuple[list["SeeingModel"], str]:
    """Load the model *place*, a folder, a hub name, or ``NAME@REVISION``, on each device that is meant.

    Returns them with words on how they run. Raises ``InvalidSetting`` when the model cannot be used, or gives other
    vectors in the precision that is wanted.
    """
    if runtime not in ("auto", "torch"):
        raise InvalidSetting(f"hf:{place} sees pictures and is run by torch only", "encoder runtime")
    if threads is not None:
        torch.set_num_threads(threads)
    transformers.utils.logging.disable_progress_bar()  # type: ignore[no-untyped-call]
    devices = devices_of(device)
    number = number_of(devices[0], precision)
    source = ModelSource(place)
    with usable(place):
        layout = source.layout()
        source.refuse_unread(layout)
        given = {"revision": source.revision, "subfolder": layout.transformer, "trust_remote_code": False}
        tokenizer = transformers.AutoTokenizer.from_pretrained(source.name, **given)
        processor = transformers.AutoImageProcessor.from_pretrained(  # type: ignore[no-untyped-call]
            source.name, backend="pil", **given
        )
        network = transformers.AutoModel.from_pretrained(
            source.name, use_safetensors=True, dtype=torch.float32, **given
        ).eval()
        name = source.identity(getattr(network.config, "_commit_hash", None))
        reader = SeeingReader(tokenizer, processor, layout, network.config)
        model = SeeingModel(name, layout, reader, network.to(devices[0]))
        if number is not torch.float32:
            full = model.encode(_SAMPLE)
            network.to(number)
            refuse_unlike(place, name_of(number), likeness(model.encode(_SAMPLE), full))
        models = [model]
        models += [SeeingModel(name, layout, reader, deepcopy(network).to(other)) for other in devices[1:]]
    return models * threads_each(devices), f"{told(devices)}, {name_of(number)}, torch, sees pictures"


class PixelsRead(NamedTuple):
    """One picture as the model takes it."""

    pixels: NDArray[np.float32]
    """Shape (channels, height, width)."""
    length: int
    """Patches, each of which costs what a token does."""


class SeeingReader:
    """A tokenizer and what prepares pictures, as a model wants them."""

    # A picture is larger than that and comes alone: some milliseconds, and an urgent text waits for no more.
    room = Room(64, 1 << 14)

    def __init__(self, tokenizer: Any, processor: Any, layout: Layout, config: Any) -> None:
        """Raises ``ValueError`` if texts cannot be padded."""
        # SigLIP learnt from texts that were filled up, and looks at its last token.
        filled = config.model_type == "siglip"
        self._tokens = Tokenizer(tokenizer, layout, most_tokens(tokenizer, layout, config.text_config), filled=filled)
        self._processor = processor
        sight = config.vision_config
        self._patches = (sight.image_size // sight.patch_size) ** 2 + 1

    def read(self, parts: Sequence[Part]) -> list[TokensRead | PixelsRead]:
        """Return the tokens of each text and the pixels of each picture. Raises ``ValueError`` for a damaged one."""
        texts = iter(self._tokens.read([part for part in parts if isinstance(part, str)] or [""]))
        return [self._seen(part) if isinstance(part, bytes) else next(texts) for part in parts]

    def _seen(self, file: bytes) -> PixelsRead:
        prepared = self._processor(images=pixels(file), return_tensors="np")["pixel_values"][0]
        return PixelsRead(np.asarray(prepared, np.float32), self._patches)

    def padded(self, read: Sequence[TokensRead]) -> dict[str, NDArray[np.int64]]:
        """Return the tokens of some texts as arrays, padded to the longest."""
        return dict(self._tokens.padded(read))


class SeeingModel:
    """Two transformers; keeps what ``TextModel`` promises."""

    padded, sees = True, True
    exhausted: type[Exception] = torch.OutOfMemoryError

    def __init__(self, name: str, layout: Layout, reader: SeeingReader, network: Any) -> None:
        self.name, self.prompts = layout.named(name), layout.prompts
        self.reader = reader
        self.room = ROOMS[network.device.type]
        self._network = network
        self._streams = Streams(network.device)
        # What does not see or read shows at start.
        self.dim = self.encode(_SAMPLE[-2:]).shape[1]

    def vectors(self, given: Sequence[TokensRead | PixelsRead]) -> Matrix:
        """Return one row per part, shape (len(given), dim), not yet of unit length."""
        texts = [one for one in given if isinstance(one, TokensRead)]
        seen = [one.pixels for one in given if isinstance(one, PixelsRead)]
        found: list[Matrix] = []
        with self._streams.mine(), torch.inference_mode():
            if texts:
                tokens = {name: torch.from_numpy(rows) for name, rows in self.reader.padded(texts).items()}
                found.append(self._features(self._network.get_text_features, tokens))
            if seen:
                pictures = torch.from_numpy(np.stack(seen)).to(self._network.dtype)
                found.append(self._features(self._network.get_image_features, {"pixel_values": pictures}))
        # Texts first, then pictures: back to the order they came in.
        order = np.argsort([isinstance(one, PixelsRead) for one in given], kind="stable")
        rows = np.empty((len(given), found[0].shape[1]), np.float32)
        rows[order] = np.concatenate(found)
        return rows

    def _features(self, tower: Any, given: dict[str, torch.Tensor]) -> Matrix:
        features = tower(**{name: one.to(self._network.device) for name, one in given.items()}).pooler_output
        rows: Matrix = features.float().cpu().numpy()
        return rows

    def encode(self, parts: Sequence[Part]) -> Matrix:
        """Return one row per part, in order, from the thread that asks; for those who do nothing else meanwhile."""
        return np.concatenate([self.vectors([one]) for one in self.reader.read(parts)])


def _sample() -> list[Part]:
    """Return a few texts and pictures: plain, and with a slope each way."""
    slope = np.linspace(0, 255, 64, dtype=np.uint8)
    pictures = [
        np.full((64, 64, 3), 200, np.uint8),
        np.stack([np.tile(slope, (64, 1))] * 3, axis=2),
        np.stack([np.tile(slope[:, None], (1, 64)), np.tile(slope, (64, 1)), np.zeros((64, 64), np.uint8)], axis=2),
    ]
    files = []
    for picture in pictures:
        Image.fromarray(picture).save(file := BytesIO(), "PNG")
        files.append(file.getvalue())
    return [*SAMPLE, *files]


_SAMPLE = _sample()
