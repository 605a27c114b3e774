"""Encoders: what turns the words of items, searches and reviews into vectors of one space.

The scheme of a URL picks one: ``builtin:`` or ``hf:NAME_OR_FOLDER``. All are a model (``builtin``, ``huggingface``) run
by a ``worker``; ``cache`` stands in front and remembers.
"""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from importlib import import_module

from penchant_core.errors import EncoderFailed, InvalidSetting

from penchant_adapters.encoders.cache import CacheCounts, CachedEncoder
from penchant_adapters.encoders.model import TextModel
from penchant_adapters.encoders.vectorfile import VectorFile
from penchant_adapters.encoders.worker import WorkerEncoder
from penchant_adapters.settings import Settings
from penchant_adapters.telemetry.metrics import Metrics
from penchant_adapters.vectortypes import Precision, Runtime

__all__ = ["CacheCounts", "CachedEncoder", "VectorFile", "WorkerEncoder", "open_encoder", "opened_encoder"]


def open_encoder(
    url: str,
    *,
    threads: int | None = None,
    device: str = "auto",
    precision: Precision = "auto",
    runtime: Runtime = "auto",
    lost: Callable[[EncoderFailed], None] | None = None,
) -> WorkerEncoder:
    """Load the model that *url* names and return its encoder; blocks for a second or more. Close it with ``aclose``.

    *threads* of the CPU default to one for the built-in model and to torch's choice, all cores, for others. *device*
    is ``auto`` (every GPU, else MPS, else CPU) or one that torch knows; the built-in model runs on the CPU only. *lost*
    hears when the device is of no use any more. Raises ``InvalidSetting`` when the URL, the device, the precision or
    the model cannot be used here.
    """
    scheme, colon, place = url.partition(":")
    if not colon or scheme not in _SCHEMES or url == "hf:":
        raise InvalidSetting(f"{url!r} names no encoder; use builtin: or hf:NAME_OR_FOLDER", field="encoder")
    if threads is not None and threads < 1:
        raise InvalidSetting(f"{threads} is below 1; leave it out for the default", field="encoder threads")
    models, how = _SCHEMES[scheme](place, threads, device, precision, runtime)
    encoder = WorkerEncoder(*models, lost=lost)
    encoder.how = f"{how}, {encoder.dim} numbers a vector, {encoder.model.room.told}"
    return encoder


# A model's module is imported when its scheme is chosen: the built-in one must not need torch, nor wait for it.
def _builtin(
    place: str, threads: int | None, device: str, precision: Precision, runtime: Runtime
) -> tuple[list[TextModel], str]:
    from penchant_adapters.encoders.builtin import UniversalSentenceEncoder  # noqa: PLC0415

    if place:
        raise InvalidSetting(f"'builtin:{place}' has nothing to name after the colon; use builtin:", field="encoder")
    if device not in {"auto", "cpu"}:
        raise InvalidSetting(f"the built-in encoder runs on the CPU only, not on {device!r}", field="device")
    if precision not in {"auto", "float32"}:
        raise InvalidSetting(f"the built-in encoder has float32 only, not {precision!r}", field="encoder precision")
    if runtime != "auto":
        raise InvalidSetting(f"the built-in encoder is a program of its own; leave out {runtime!r}", "encoder runtime")
    threads = threads or 1
    return [UniversalSentenceEncoder(threads)], f"cpu, float32, {threads} threads"


def _hugging_face(
    place: str, threads: int | None, device: str, precision: Precision, runtime: Runtime
) -> tuple[list[TextModel], str]:
    extra = "torch"
    try:
        from penchant_adapters.encoders.source import kind_of  # noqa: PLC0415

        kind = kind_of(place)
        extra = _EXTRAS.get(kind, extra)
        loader = import_module(f"penchant_adapters.encoders.{kind}")
    except ImportError as error:
        missing = f"hf:{place} needs {error.name}; run pip install 'penchant[{extra}]', or use builtin:"
        raise InvalidSetting(missing, field="encoder") from error
    loaded: tuple[list[TextModel], str] = loader.load_models(
        place, threads=threads, device=device, precision=precision, runtime=runtime
    )
    return loaded


_EXTRAS = {"compiled": "int8", "static": "int8"}
"""Kind of model → the extra that is enough for it."""
_SCHEMES = {"builtin": _builtin, "hf": _hugging_face}


@asynccontextmanager
async def opened_encoder(
    url: str,
    settings: Settings,
    metrics: Metrics | None = None,
    lost: Callable[[EncoderFailed], None] | None = None,
) -> AsyncIterator[CachedEncoder]:
    """Open the encoder that *url* names, otherwise as the *settings* say, behind its cache, ready to encode.

    The model is loaded in a thread: a service that has another one goes on answering. *lost* as for ``open_encoder``.
    """
    inner = await asyncio.to_thread(
        open_encoder,
        url,
        threads=settings.encoder_threads,
        device=settings.encoder_device,
        precision=settings.encoder_precision,
        runtime=settings.encoder_runtime,
        lost=lost,
    )
    async with inner, VectorFile(settings.data_dir / "vectors.sqlite") as file:
        await inner.encode(["warm-up"])
        cached = CachedEncoder(inner, file)
        cached.how = inner.how
        if metrics is not None:
            metrics.watch_encoder(inner)
            metrics.watch_texts(cached.counts)
        yield cached
