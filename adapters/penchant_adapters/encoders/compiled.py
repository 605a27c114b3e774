"""Networks that run on a CPU by OpenVINO, without torch: those in whole numbers that ``penchant compress`` wrote.

Such a model is a folder of sentence-transformers whose network is ``openvino/openvino_model_qint8_quantized.xml``.
Needs the extra ``penchant[int8]``.
"""

import sys
from pathlib import Path
from typing import Any

import numpy as np
from penchant_core.errors import InvalidSetting
from penchant_core.vectors import Matrix
from safetensors.numpy import load_file

from penchant_adapters.encoders.precision import SAMPLE, likeness, refuse_unlike
from penchant_adapters.encoders.schedule import Room
from penchant_adapters.encoders.source import COMPILED, SAMPLED, ModelSource
from penchant_adapters.encoders.tokenized import TokenizedModel, Tokenizer, Tokens, most_tokens, pool
from penchant_adapters.vectortypes import Precision, Runtime

# It would tell its makers what is done with it; without this module it tells nothing.
sys.modules.setdefault("openvino_telemetry", None)  # type: ignore[arg-type]

import openvino  # noqa: E402
import transformers  # noqa: E402

_NUMBERS = {"float32": openvino.Type.f32, "bfloat16": openvino.Type.bf16}


def load_models(
    place: str, *, threads: int | None, device: str, precision: Precision, runtime: Runtime
) -> tuple[list[TokenizedModel], str]:
    """Load the model of a folder and say how it runs.

    Raises ``InvalidSetting`` when it cannot be used, not on this *device*, or gives other vectors here than where it
    was made.
    """
    if device not in {"auto", "cpu"}:
        raise InvalidSetting(f"hf:{place} is for CPUs, not for {device!r}; use the model it was made from", "device")
    if runtime not in ("auto", "openvino"):
        raise InvalidSetting(f"hf:{place} is for OpenVINO; for torch use the model it was made from", "encoder runtime")
    if precision != "auto":
        raise InvalidSetting(
            f"hf:{place} is in int8; for {precision} use the model it was made from", "encoder precision"
        )
    source = ModelSource(place)
    try:
        layout = source.layout()
        source.refuse_unread(layout)
        tokenizer = transformers.AutoTokenizer.from_pretrained(place, trust_remote_code=False)
        config = transformers.AutoConfig.from_pretrained(place, trust_remote_code=False)
        reader = Tokenizer(tokenizer, layout, most_tokens(tokenizer, layout, config))
        name, projections = source.identity(None), source.projections(layout)
        models = [
            TokenizedModel(name, layout, reader, network, projections)
            for network in networks(f"{place}/{COMPILED}", layout.pooling, threads)
        ]
        if (sample := Path(place, SAMPLED)).exists():
            told = load_file(sample)
            refuse_unlike(place, "int8", likeness(models[0].encode(SAMPLE), told["full"]), float(told["least"]))
    except (OSError, ValueError, ImportError, RuntimeError, KeyError) as error:
        raise InvalidSetting(
            f"hf:{place} cannot be used: {error}; make it again: penchant compress", "encoder"
        ) from error
    return models, f"cpu, int8, OpenVINO, {len(models)} streams"


class CompiledNetwork:
    """A network that OpenVINO has made ready for this CPU; keeps what ``Network`` promises, in one thread at a time.

    ``number`` is what it calculates with: ``float32`` on a CPU that does not know what was wanted.
    """

    # As fast as with more, in a stream of one core or two.
    room = Room(64, 256)
    exhausted: type[Exception] = MemoryError

    def __init__(self, compiled: openvino.CompiledModel, pooling: str) -> None:
        number = compiled.get_property("INFERENCE_PRECISION_HINT").get_type_name()
        self.number = next(name for name, short in _NUMBERS.items() if short.get_type_name() == number)
        self._names = [each.get_any_name() for each in compiled.inputs]
        self._request = compiled.create_infer_request()
        self._pooling = pooling

    def pooled(self, tokens: Tokens) -> Matrix:
        """Return one row per text."""
        states = self._request.infer([np.ascontiguousarray(tokens[name]) for name in self._names])[0]  # (B, T, dim)
        return pool(states, tokens["attention_mask"], self._pooling)


def networks(model: Any, pooling: str, threads: int | None, number: str = "float32") -> list[CompiledNetwork]:
    """Return a network, or the file of one, as often as this CPU is best asked at once; they share their weights.

    *threads* are those of all together; none: all cores. What is calculated in floats is in *number*,
    ``float32`` or ``bfloat16``: left alone, OpenVINO takes bfloat16 on a CPU that knows it, be it slower or not.
    """
    given: dict[str, Any] = {"PERFORMANCE_HINT": "THROUGHPUT", "INFERENCE_PRECISION_HINT": _NUMBERS[number]}
    if threads is not None:
        given["INFERENCE_NUM_THREADS"] = threads
    compiled = openvino.Core().compile_model(model, "CPU", given)
    streams = int(compiled.get_property("OPTIMAL_NUMBER_OF_INFER_REQUESTS"))
    return [CompiledNetwork(compiled, pooling) for _ in range(streams)]
