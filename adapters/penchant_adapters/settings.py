"""Settings: read once, frozen, strict. From ``PENCHANT_*`` variables and, before them, a TOML file."""

import os
import re
import tomllib
from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from pathlib import Path
from typing import Any, Self

from penchant_core.errors import InvalidSetting
from penchant_core.tuning import GREATEST_WEIGHT, TYPE_WEIGHTS, Covisitation, Scoring, Tuning, Weights
from pydantic import BaseModel, Field, ValidationError, field_validator
from pydantic_settings import (
    BaseSettings,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
    SettingsError,
    TomlConfigSettingsSource,
)

from penchant_adapters.settings_groups import AccessSettings, KafkaSettings, QdrantSettings, TelemetrySettings
from penchant_adapters.vectortypes import Precision, Runtime, VectorType

PREFIX = "PENCHANT_"
NESTING = "__"
FOREIGN = re.compile(r"PENCHANT_(TEST_\w*|CONFIG|TARGET|API_KEY|OPERATOR_KEY|CLIENT_(TLS|CA|CERT|KEY))")
"""Variables of tests, of the choice of the file, and of the command line's clients."""


class Settings(BaseSettings):
    """Everything an operator can choose."""

    model_config = SettingsConfigDict(
        env_prefix=PREFIX, env_nested_delimiter=NESTING, extra="forbid", frozen=True, use_attribute_docstrings=True
    )

    listen: str = Field(default="127.0.0.1:50551", min_length=1)
    """Address and port to serve on; port 0 takes a free one."""
    data_dir: Path = Path(".penchant")
    """Directory of the embedded store, one process at a time, and of what a process remembers over restarts."""
    store: str = "qdrant://127.0.0.1:6334"
    """Vector store of ``consume`` and ``serve``: ``qdrant://HOST:PORT`` (its gRPC port), ``qdrants://`` with TLS."""
    encoder: str = "builtin:"
    """Model that reads texts: ``builtin:`` or ``hf:NAME_OR_PATH``. A store keeps to those it was given."""
    encoders_beside: tuple[str, ...] = Field(default=(), max_length=2)
    """Models, as in ``encoder``, whose vectors ``consume`` writes too: for another one to take over while serving."""
    encoder_threads: int | None = Field(default=None, ge=1, le=256)
    """Threads of the encoder; none: one for the built-in model, all cores for others."""
    encoder_device: str = "auto"
    """``auto``, ``cpu``, ``cuda`` (every GPU), ``cuda:1``, ``mps``: where an ``hf:`` model runs."""
    encoder_precision: Precision = "auto"
    """Numbers that an ``hf:`` model computes with: ``float32``, ``bfloat16``, ``float16``; ``auto``: half as many bits
    on a GPU. Refused at the start where the vectors would be others."""
    encoder_runtime: Runtime = "auto"
    """What computes an ``hf:`` model: ``torch``, ``openvino`` (a CPU, float32); ``auto``: OpenVINO where it is
    installed and there is no GPU."""
    item_vectors: VectorType = "float32"
    """What the embedded store keeps of a number of an item's vector: ``float32``, ``float16``, or a byte or half of one
    by TurboQuant (``turbo8``, ``turbo4``). Chosen when a store is made; ``penchant copy`` makes one of another kind."""
    sequence_model: Path | None = None
    """Folder of a model that ``penchant train sequence`` wrote; none: the score is of words and counts alone."""
    together_model: Path | None = None
    """Folder of weights between items that ``penchant train together`` wrote; none: only what is counted live says what
    goes together."""
    weights: Mapping[str, float] = Field(default_factory=dict)
    """Event type → weight, −10 to 10, beside or instead of the built-in ones."""
    scoring: Scoring = Field(default_factory=Scoring)
    """The mixture of the score."""
    profiles: Path | None = None
    """Folder of profiles, other mixtures and weights that requests may name: a file ``NAME.toml`` for each, read again
    when it changes. None: there are no profiles."""
    profile: str = ""
    """Profile of requests that name none; empty: ``scoring`` and ``weights`` as they stand here."""
    covisitation: Covisitation = Field(default_factory=Covisitation)
    """How co-visitation is counted; a store keeps to the settings it was made with."""
    max_pending_events: int = Field(default=20_000, ge=1, le=1_000_000)
    """Events that may wait to be learnt; more are refused with RESOURCE_EXHAUSTED."""
    max_streams: int = Field(default=1_000, ge=1, le=100_000)
    """Streams of recommendations open at once."""
    max_calls: int = Field(default=256, ge=1, le=100_000)
    """Unary calls in progress at once."""
    stream_max_age: float = Field(default=3600.0, ge=1.0, le=86_400.0)
    """Seconds after which a stream ends with a resume token."""
    push_interval: float = Field(default=0.05, ge=0.0, le=60.0)
    """Seconds at least between two pushes on one stream; the first push after a quiet time goes at once."""
    flush_interval: float = Field(default=1.0, ge=0.05, le=3600.0)
    """Seconds at most that a write stands in the log only; a power cut may cost so much, a crash nothing."""
    max_log_bytes: int = Field(default=512 << 20, ge=256 << 20)
    """Bytes of write-ahead logs after which the store is flushed and they are cut, to 128 MiB at most."""
    min_free_bytes: int = Field(default=128 << 20, ge=0)
    """Bytes of the disk below which writes are refused."""
    shutdown_grace: float = Field(default=5.0, ge=0.0, le=600.0)
    """Seconds that calls in progress have to end after SIGTERM."""

    kafka: KafkaSettings = Field(default_factory=KafkaSettings)
    """The log of ``consume`` and ``serve``."""
    qdrant: QdrantSettings = Field(default_factory=QdrantSettings)
    """The vector store of ``consume`` and ``serve``."""
    access: AccessSettings = Field(default_factory=AccessSettings)
    """Who may call the service."""
    telemetry: TelemetrySettings = Field(default_factory=TelemetrySettings)
    """What operators see."""

    @field_validator("weights")
    @classmethod
    def _weights_within_limits(cls, weights: Mapping[str, float]) -> Mapping[str, float]:
        for name, weight in weights.items():
            if not name or len(name.encode()) > 64:  # noqa: PLR2004 the limit of Event.type
                raise ValueError(f"{name!r} must be 1–64 bytes")
            if not -GREATEST_WEIGHT <= weight <= GREATEST_WEIGHT:
                raise ValueError(f"{name} = {weight} is not within {-GREATEST_WEIGHT:g} and {GREATEST_WEIGHT:g}")
        return weights

    @property
    def tuning(self) -> Tuning:
        """The numbers of the theory."""
        return Tuning(Weights({**TYPE_WEIGHTS, **self.weights}), self.covisitation, self.scoring)

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Arguments before variables before the file."""
        del dotenv_settings, file_secret_settings
        return init_settings, env_settings, TomlConfigSettingsSource(settings_cls, os.environ.get("PENCHANT_CONFIG"))

    @classmethod
    def read(cls, **given: Any) -> Self:
        """Read the settings; *given* ones come first. Raises ``InvalidSetting`` naming the setting."""
        _refuse_unknown(cls)
        file = os.environ.get("PENCHANT_CONFIG")
        if file and not Path(file).is_file():
            raise InvalidSetting(f"there is no file {file}", field="PENCHANT_CONFIG")
        try:
            return cls(**{name: value for name, value in given.items() if value is not None})
        except tomllib.TOMLDecodeError as error:
            raise InvalidSetting(f"{file} is not TOML: {error}", field="PENCHANT_CONFIG") from error
        except SettingsError as error:
            raise InvalidSetting(str(error)) from error
        except ValidationError as error:
            first = error.errors()[0]
            name = ".".join(str(part) for part in first["loc"])
            hint = ""
            if first["type"] in ("extra_forbidden", "unexpected_keyword_argument"):
                hint = f"; known settings: {', '.join(_known(cls, name))}"
            raise InvalidSetting(f"{first['msg']} (given {first.get('input')!r}){hint}", field=name) from error


def _known(cls: type[Settings], name: str) -> list[str]:
    top, dot, _ = name.partition(".")
    kind: Any = cls.model_fields[top].annotation if dot else None
    if isinstance(kind, type) and issubclass(kind, BaseModel):
        return sorted(kind.model_fields)
    return sorted(field.name for field in fields(kind)) if is_dataclass(kind) else sorted(cls.model_fields)


def _refuse_unknown(cls: type[Settings]) -> None:
    for name in os.environ:
        if not name.startswith(PREFIX) or FOREIGN.fullmatch(name):
            continue
        top = name.removeprefix(PREFIX).lower().split(NESTING)[0]
        if top not in cls.model_fields:
            known = ", ".join(sorted(PREFIX + field.upper() for field in cls.model_fields))
            raise InvalidSetting(f"unknown setting; known: {known}", field=name)
