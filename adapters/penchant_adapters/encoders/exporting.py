"""A network of torch as OpenVINO reads it. Needs both, and loads neither before it is asked."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn
from torch.export.decomp_utils import CustomDecompTable

import penchant_adapters.encoders.compiled  # noqa: F401 first: it keeps OpenVINO from telling its makers what is done

# isort: split
import openvino
from openvino.frontend import FrontEndManager
from openvino.frontend.pytorch.fx_decoder import TorchFXPythonDecoder
from openvino.frontend.pytorch.torchdynamo.export_decompositions import ops_to_not_decompose

if TYPE_CHECKING:
    from penchant_adapters.encoders.huggingface import Parts

STATES = "last_hidden_state"
"""Name of what the network gives: the states of tokens, shape (B, T, width)."""


class _States(nn.Module):
    """A network that takes its inputs by place and gives the states of tokens only."""

    def __init__(self, model: Any, names: Sequence[str]) -> None:
        super().__init__()
        self.model, self._names = model, names

    def forward(self, *inputs: Tensor) -> Tensor:
        """Return the states, shape (B, T, width)."""
        found: Tensor = self.model(**dict(zip(self._names, inputs, strict=True))).last_hidden_state
        return found


def exported(parts: "Parts") -> openvino.Model:
    """Return the network of *parts*, on a CPU and in float32, for texts of any number and length.

    Raises what torch and OpenVINO raise of networks that they cannot follow.
    """
    example = dict(parts.tokens(["ready", "ready to encode"], parts.most_tokens, padding=True, return_tensors="pt"))
    shape = {0: torch.export.Dim.DYNAMIC, 1: torch.export.Dim.DYNAMIC}
    with torch.no_grad():
        program = torch.export.export(
            _States(parts.model, list(example)),
            tuple(example.values()),
            dynamic_shapes={"inputs": (shape,) * len(example)},
        )
    # Not by openvino.convert_model: it takes the whole process's log for itself, for good where it fails.
    table: Any = CustomDecompTable()  # type: ignore[no-untyped-call]
    for op in ops_to_not_decompose():
        table.pop(op, None)
    # Held until the end: the model that is read calls it, and does not hold it.
    decoder = TorchFXPythonDecoder(program.run_decompositions(table).module(), dynamic_shapes=True)
    reader = FrontEndManager().load_by_framework("pytorch")
    whole = reader.convert(reader.load(decoder))
    for port, name in zip(whole.inputs, example, strict=True):
        port.get_tensor().set_names({name})
    whole.outputs[0].get_tensor().set_names({STATES})
    return whole
