"""What numbers there are: those that a model computes with, and those that the engine keeps of a vector."""

from typing import Literal

Precision = Literal["auto", "float32", "bfloat16", "float16"]
"""Of a model's weights and states; ``auto``: what is best on its device."""
Runtime = Literal["auto", "torch", "torch_compile", "openvino"]
"""What computes; ``auto``: OpenVINO on a CPU, where it is installed."""
VectorType = Literal["float32", "float16", "turbo8", "turbo4"]
"""``float32`` and ``float16`` are IEEE 754; the others are TurboQuant, a random rotation and then 8 or 4 bits a number
(Zandieh et al. 2025, arXiv:2504.19874)."""

BYTES: dict[VectorType, float] = {"float32": 4.0, "float16": 2.0, "turbo8": 1.0, "turbo4": 0.5}
"""Bytes of a number, without what the engine keeps beside each vector."""
