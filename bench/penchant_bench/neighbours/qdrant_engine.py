"""Collections and aliases in a directory, each collection one shard of the Qdrant engine."""

import json
import os
import shutil
from pathlib import Path
from typing import Any
from urllib.parse import quote, unquote

import qdrant_edge as edge
from qdrant_client import grpc

from penchant_bench.neighbours.qdrant_values import Unknown, known

_DISTANCES = {
    grpc.Cosine: edge.Distance.Cosine,
    grpc.Dot: edge.Distance.Dot,
    grpc.Euclid: edge.Distance.Euclid,
    grpc.Manhattan: edge.Distance.Manhattan,
}

SCHEMAS = {
    grpc.FieldTypeKeyword: (edge.PayloadSchemaType.Keyword, grpc.Keyword),
    grpc.FieldTypeInteger: (edge.PayloadSchemaType.Integer, grpc.Integer),
    grpc.FieldTypeFloat: (edge.PayloadSchemaType.Float, grpc.Float),
}
"""Kinds of payload indexes."""


class NotFound(Exception):
    """Something is not there."""


class Exists(Exception):
    """Something is there already."""


class Collection:
    """A collection: what it was made with, and its shard."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.made_with = grpc.CreateCollection.FromString((path / "config").read_bytes())
        self.shard = edge.EdgeShard.load(str(path / "shard"))
        self.fields: dict[str, int] = {}
        if (path / "fields").exists():
            self.fields = json.loads((path / "fields").read_text())

    def add_vector(self, name: str, dense: grpc.DenseVectorCreationConfig | None) -> None:
        """Let points have another vector, a sparse one where it is not said to be *dense*."""
        if dense is None:
            self.shard.update(edge.UpdateOperation.create_sparse_vector(name))
        else:
            known(dense, "size", "distance")
            self.shard.update(edge.UpdateOperation.create_dense_vector(name, dense.size, _DISTANCES[dense.distance]))

    def index(self, name: str, field_type: int, schema: edge.PayloadSchemaType) -> None:
        """Make an index of a payload field."""
        self.shard.update(edge.UpdateOperation.create_field_index(name, schema))
        self.fields[name] = field_type
        _write(self.path / "fields", json.dumps(self.fields).encode())


class Engine:
    """All collections of a directory, and their aliases."""

    def __init__(self, directory: Path) -> None:
        self._collections = directory / "collections"
        self._collections.mkdir(parents=True, exist_ok=True)
        self._aliases = directory / "aliases.json"
        self.aliases: dict[str, str] = json.loads(self._aliases.read_text()) if self._aliases.exists() else {}
        self.collections: dict[str, Collection] = {}
        for path in sorted(self._collections.iterdir()):
            if path.suffix:
                # Left by a death in the midst of making or deleting it.
                shutil.rmtree(path)
            else:
                self.collections[unquote(path.name)] = Collection(path)

    def collection(self, name: str) -> Collection:
        """Return a collection by its name or alias."""
        found = self.collections.get(self.aliases.get(name, name))
        if found is None:
            raise NotFound(f"Not found: Collection `{name}` doesn't exist!")
        return found

    def create(self, request: grpc.CreateCollection) -> None:
        """Make a collection, wholly or not at all."""
        name = request.collection_name
        if name in self.collections or name in self.aliases:
            raise Exists(f"Wrong input: Collection `{name}` already exists!")
        path = self._collections / quote(name, safe="")
        draft = path.with_suffix(".draft")
        draft.mkdir()
        edge.EdgeShard.create(str(draft / "shard"), _config(request)).close()
        _write(draft / "config", request.SerializeToString())
        draft.rename(path)
        self.collections[name] = Collection(path)

    def delete(self, name: str) -> bool:
        """Delete a collection and its aliases."""
        collection = self.collections.pop(name, None)
        if collection is None:
            return False
        self.alias({alias: of for alias, of in self.aliases.items() if of != name})
        collection.shard.close()
        gone = collection.path.rename(collection.path.with_suffix(".deleted"))
        shutil.rmtree(gone)
        return True

    def alias(self, aliases: dict[str, str]) -> None:
        """Replace all aliases at once."""
        _write(self._aliases, json.dumps(aliases).encode())
        self.aliases = aliases

    def close(self) -> None:
        """Flush and close every collection."""
        for collection in self.collections.values():
            collection.shard.flush()
            collection.shard.close()


def changed(aliases: dict[str, str], actions: Any, there: Any) -> dict[str, str]:
    """Return the aliases after all of the actions, which are checked before any counts."""
    aliases = dict(aliases)
    for action in actions:
        match action.WhichOneof("action"):
            case "create_alias":
                name, alias = action.create_alias.collection_name, action.create_alias.alias_name
                if name not in there:
                    raise NotFound(f"Not found: Collection `{name}` doesn't exist!")
                if alias in there:
                    raise Exists(f"Wrong input: Collection `{alias}` already exists!")
                aliases[alias] = name
            case "rename_alias":
                old, new = action.rename_alias.old_alias_name, action.rename_alias.new_alias_name
                if old not in aliases:
                    raise NotFound(f"Not found: Alias {old} does not exists!")
                aliases[new] = aliases.pop(old)
            case "delete_alias":
                aliases.pop(action.delete_alias.alias_name, None)
            case other:
                raise Unknown(f"AliasOperations.{other}")
    return aliases


def _config(request: grpc.CreateCollection) -> edge.EdgeConfig:
    dense: dict[str, edge.EdgeVectorParams] = {}
    if request.vectors_config.WhichOneof("config") == "params":
        dense[""] = _dense(request.vectors_config.params)
    for name, params in request.vectors_config.params_map.map.items():
        dense[name] = _dense(params)
    sparse = {name: edge.EdgeSparseVectorParams() for name in request.sparse_vectors_config.map}
    return edge.EdgeConfig(vectors=dense, sparse_vectors=sparse)


def _dense(params: grpc.VectorParams) -> edge.EdgeVectorParams:
    if params.HasField("multivector_config"):
        raise Unknown("VectorParams.multivector_config")
    datatype = None
    if params.datatype:
        datatype = getattr(edge.VectorStorageDatatype, grpc.Datatype.Name(params.datatype))
    return edge.EdgeVectorParams(size=params.size, distance=_DISTANCES[params.distance], datatype=datatype)


def _write(path: Path, content: bytes) -> None:
    draft = path.with_suffix(".draft")
    with draft.open("wb") as file:
        file.write(content)
        os.fsync(file.fileno())
    draft.rename(path)
