"""How a service of the neighbour answers: the codes of a server, and UNIMPLEMENTED, by name, for what it lacks."""

from collections.abc import Awaitable, Callable
from functools import wraps
from time import perf_counter
from typing import Any, TypeVar

from google.protobuf.message import Message
from grpc import StatusCode
from grpc.aio import ServicerContext

from penchant_bench.neighbours.qdrant_engine import Exists, NotFound
from penchant_bench.neighbours.qdrant_values import Unknown

Reply = TypeVar("Reply", bound=Message)
Context = ServicerContext[Any, Any]


def answered(method: Callable[[Any, Any], Awaitable[Reply]]) -> Callable[[Any, Any, Context], Awaitable[Reply]]:
    """Turn what a method raises into the code that a server answers."""

    @wraps(method)
    async def call(self: Any, request: Any, context: Context) -> Reply:
        try:
            began = perf_counter()
            reply = await method(self, request)
            if "time" in reply.DESCRIPTOR.fields_by_name:
                reply.time = perf_counter() - began  # type: ignore[attr-defined]  # most replies have it
        except Unknown as error:
            await context.abort(StatusCode.UNIMPLEMENTED, f"this neighbour does not know {error}")
        except NotFound as error:
            await context.abort(StatusCode.NOT_FOUND, str(error))
        except Exists as error:
            await context.abort(StatusCode.ALREADY_EXISTS, str(error))
        except Exception as error:  # noqa: BLE001 the engine has one kind of error
            missing = "No point with id" in str(error)
            await context.abort(StatusCode.NOT_FOUND if missing else StatusCode.INVALID_ARGUMENT, str(error))
        return reply

    return call


def unknown(name: str) -> Callable[[Any, Any, Context], Awaitable[Message]]:
    """Return a method that refuses by its name."""

    @answered
    async def method(_: Any, request: Any) -> Message:
        raise Unknown(f"{name} ({type(request).__name__})")

    return method


def completed(services: type) -> None:
    """Give a class of services the methods of the protocol that it does not have."""
    for name in vars(services.__mro__[1]):
        if not name.startswith("_") and name not in vars(services):
            setattr(services, name, unknown(name))
