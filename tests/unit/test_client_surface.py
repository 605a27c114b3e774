"""What the package offers to its users, and nothing else."""

import inspect
from importlib.metadata import version
from importlib.resources import files

import grpc
import penchant
import pytest
from google.rpc import status_pb2
from penchant import aio, errors
from penchant.v1 import event_pb2

VERBS = {
    "close",
    "delete_items",
    "get_item",
    "interests",
    "item_pages",
    "list_items",
    "raw",
    "recommend",
    "record",
    "record_many",
    "recorder",
    "search",
    "similar",
    "stream",
    "upsert_items",
    "watch",
}


def public(thing: object) -> set[str]:
    return {name for name in dir(thing) if not name.startswith("_")}


def test_the_public_names_are_these() -> None:
    assert penchant.__all__ == [
        "Acknowledged",
        "Cancelled",
        "Client",
        "DeadlineExceeded",
        "DeleteResult",
        "Event",
        "Evidence",
        "FailedPrecondition",
        "Freshness",
        "Interest",
        "Interests",
        "Internal",
        "InvalidArgument",
        "Item",
        "ListOptions",
        "NotFound",
        "Overloaded",
        "PenchantError",
        "PermissionDenied",
        "Reason",
        "ReasonKind",
        "Recommendation",
        "Recommendations",
        "Recorded",
        "Recorder",
        "Refused",
        "Stream",
        "Tls",
        "Trigger",
        "Unauthenticated",
        "Unavailable",
        "Unimplemented",
        "Update",
        "UpsertResult",
        "__version__",
        "aio",
        "kafka_record",
    ]
    assert all(hasattr(penchant, name) for name in penchant.__all__)
    assert aio.__all__ == ["Client", "Recorder", "Stream"]


def test_both_clients_have_the_same_verbs_with_the_same_parameters() -> None:
    assert public(aio.Client) == VERBS
    assert public(penchant.Client) == VERBS
    for name in (VERBS - {"raw"}) | {"__init__"}:
        mine, theirs = (inspect.signature(getattr(face, name)) for face in (penchant.Client, aio.Client))
        assert [(one.name, one.kind, one.default) for one in mine.parameters.values()] == [
            (one.name, one.kind, one.default) for one in theirs.parameters.values()
        ]


def test_retries_beyond_the_limit_are_refused_when_the_client_is_made() -> None:
    for face in (penchant.Client, aio.Client):
        with pytest.raises(ValueError, match="retries: 5 is not within 0–4"):
            face(retries=5)


def test_a_closed_client_opens_no_new_connection() -> None:
    client = penchant.Client()
    client.close()
    with pytest.raises(RuntimeError, match="closed"):
        client.raw  # noqa: B018  (reading it connects)


def test_the_version_is_the_distributions() -> None:
    assert penchant.__version__ == version("penchant")


def test_the_package_says_that_it_is_typed() -> None:
    assert files("penchant").joinpath("py.typed").is_file()


@pytest.mark.parametrize("code", [code for code in grpc.StatusCode if code is not grpc.StatusCode.OK])
def test_every_code_becomes_an_error_that_is_exported(code: grpc.StatusCode) -> None:
    error = errors.from_status(status_pb2.Status(code=code.value[0], message="m"))
    assert type(error).__name__ in penchant.__all__
    assert str(error) == "m"


def test_a_connection_that_ends_during_a_write_is_unavailable() -> None:
    ended = grpc.aio.AioRpcError(
        grpc.StatusCode.INTERNAL, grpc.aio.Metadata(), grpc.aio.Metadata(), "Internal error from Core", ""
    )
    assert isinstance(errors.from_call(ended), errors.Unavailable)


def test_the_tree_in_the_docstring_is_the_tree() -> None:
    drawn = [line.split()[1] for line in (errors.__doc__ or "").splitlines() if line.strip().startswith(("├", "└"))]
    assert drawn == [cls.__name__ for cls in errors.PenchantError.__subclasses__()]


def test_an_event_becomes_a_record_of_the_topic() -> None:
    key, value = penchant.kafka_record(penchant.Event("梅", "view", item_id="tent"))
    event = event_pb2.Event.FromString(value)
    assert (key.decode(), event.user_id, event.type, event.item_id) == ("梅", "梅", "view", "tent")
    assert event.event_id
    with pytest.raises(errors.InvalidArgument, match=r"event\.user_id: is empty"):
        penchant.kafka_record(penchant.Event("", "view"))


def test_an_event_that_no_request_has_room_for_is_refused_by_name() -> None:
    with pytest.raises(errors.InvalidArgument, match=r"event: 1048\d{3} bytes, a request takes at most") as told:
        penchant.kafka_record(penchant.Event("u", "review", text="x" * (1 << 20)))
    assert told.value.field == "event"
