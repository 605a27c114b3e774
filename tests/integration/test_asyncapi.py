"""docs/asyncapi.yaml is valid AsyncAPI and says what the protos and the code say."""

import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml
from google.protobuf.descriptor import Descriptor, FieldDescriptor
from google.protobuf.json_format import MessageToDict
from google.protobuf.timestamp_pb2 import Timestamp
from penchant.v1 import catalog_pb2, event_pb2
from penchant_adapters import contract
from penchant_adapters.kafka.decoding import event_message, item_message
from penchant_adapters.kafka.topics import Topics, wanted
from penchant_adapters.settings_groups import KafkaSettings

ROOT = Path(__file__).resolve().parents[2]
SPECS = "@asyncapi/specs@6.11.1"
DOCUMENT: dict[str, Any] = yaml.safe_load((ROOT / "docs" / "asyncapi.yaml").read_text())
SCHEMAS = DOCUMENT["components"]["schemas"]
MESSAGES = {"Event": event_pb2.Event.DESCRIPTOR, "Item": catalog_pb2.Item.DESCRIPTOR}


def schema_of_asyncapi() -> dict[str, Any]:
    """AsyncAPI's own schema of its documents, from npm."""
    folder = ROOT / ".make" / SPECS.replace("/", "-")
    file = folder / "node_modules" / "@asyncapi" / "specs" / "schemas" / "3.0.0.json"
    if not file.exists():
        npm = shutil.which("npm")
        if npm is None:
            pytest.skip("npm is not here to fetch AsyncAPI's schema")
        folder.mkdir(parents=True, exist_ok=True)
        command = [npm, "install", "--prefix", str(folder), "--no-audit", "--no-fund", "--no-save", SPECS]
        subprocess.run(command, check=True, timeout=120, capture_output=True)
    found: dict[str, Any] = json.loads(file.read_text())
    return found


def kind(field: FieldDescriptor) -> str:
    """The JSON type of a field."""
    entry = field.message_type
    if entry is not None and entry.GetOptions().map_entry:
        return "object"
    if field.is_repeated:
        return "array"
    numbers = {FieldDescriptor.CPPTYPE_DOUBLE: "number", FieldDescriptor.CPPTYPE_BOOL: "boolean"}
    return numbers.get(field.cpp_type, "string")


def test_the_document_is_valid_asyncapi() -> None:
    schema = schema_of_asyncapi()
    validator = jsonschema.Draft7Validator(schema)
    assert [error.message for error in validator.iter_errors(DOCUMENT)] == []
    assert not validator.is_valid(DOCUMENT | {"channels": {"events": {"adress": "x"}}})


def test_every_reference_leads_somewhere() -> None:
    found = []

    def visit(node: Any) -> None:
        for value in node.values() if isinstance(node, dict) else node:
            if isinstance(value, dict | list):
                visit(value)
        if isinstance(node, dict) and "$ref" in node:
            target: Any = DOCUMENT
            for part in node["$ref"].removeprefix("#/").split("/"):
                target = target[part]
            found.append(target)

    visit(DOCUMENT)
    assert len(found) >= 10


@pytest.mark.parametrize(("name", "message"), MESSAGES.items())
def test_the_fields_are_those_of_the_proto(name: str, message: Descriptor) -> None:
    properties = SCHEMAS[name]["properties"]
    assert {field.json_name: kind(field) for field in message.fields} == {
        field: schema["type"] for field, schema in properties.items()
    }
    assert SCHEMAS[name]["additionalProperties"] is False


def test_the_limits_are_those_that_are_enforced() -> None:
    event, item = SCHEMAS["Event"]["properties"], SCHEMAS["Item"]["properties"]
    for field in (event["eventId"], event["userId"], event["itemId"], item["itemId"], item["categories"]["items"]):
        assert field["maxLength"] == contract.ID_BYTES
    assert event["text"]["maxLength"] == contract.TEXT_BYTES
    assert item["title"]["maxLength"] == contract.TITLE_BYTES
    assert item["description"]["maxLength"] == contract.DESCRIPTION_BYTES
    assert (event["value"]["minimum"], event["value"]["maximum"]) == contract.ANY_VALUE
    assert item["price"]["maximum"] == contract.GREATEST_PRICE


def test_the_topics_are_those_that_are_made() -> None:
    topics = Topics.of(KafkaSettings())
    made = {spec.name: spec for spec in wanted(KafkaSettings())}
    channels = DOCUMENT["channels"]
    assert channels["events"]["address"] == topics.events
    assert channels["items"]["address"] == topics.items
    dead = channels["dlq"]["parameters"]["topic"]["enum"]
    assert [channels["dlq"]["address"].format(topic=name) for name in dead] == [
        Topics.dlq(topics.events),
        Topics.dlq(topics.items),
    ]
    for name, topic in (("events", topics.events), ("items", topics.items), ("dlq", Topics.dlq(topics.items))):
        binding = channels[name]["bindings"]["kafka"]
        assert binding["partitions"] == made[topic].partitions
        for setting, value in binding["topicConfiguration"].items():
            said = ",".join(value) if isinstance(value, list) else str(value)
            assert said == made[topic].configs[setting], f"{topic}: {setting}"


def test_the_examples_are_read_and_fit_their_schemas() -> None:
    messages = DOCUMENT["components"]["messages"]
    (event,) = (example["payload"] for example in messages["event"]["examples"])
    jsonschema.validate(event, SCHEMAS["Event"])
    read = event_message(event["userId"].encode(), json.dumps(event).encode(), ())
    assert read.occurred_at == Timestamp(seconds=1_795_507_200, nanos=500_000_000)
    assert MessageToDict(read) == event
    (item,) = (example["payload"] for example in messages["item"]["examples"])
    jsonschema.validate(item, SCHEMAS["Item"])
    there = item_message(item["itemId"].encode(), json.dumps(item).encode(), ())
    assert there is not None
    assert MessageToDict(there) == item


def test_the_schemas_refuse_what_the_reader_refuses() -> None:
    for strange in ({"userId": "mei", "type": "view"}, {"userId": "mei", "type": "view", "itemId": "a", "colour": 1}):
        with pytest.raises(jsonschema.ValidationError):
            jsonschema.validate(strange, SCHEMAS["Event"])
