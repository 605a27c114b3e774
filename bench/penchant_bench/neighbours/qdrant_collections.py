"""The service of Qdrant's protocol that makes, shows and deletes collections and their aliases."""
# ruff: noqa: N802 the names are the protocol's

from qdrant_client import grpc

from penchant_bench.neighbours.qdrant_answers import answered, completed
from penchant_bench.neighbours.qdrant_engine import SCHEMAS, Collection, Engine, changed

_HNSW = grpc.HnswConfigDiff(m=16, ef_construct=100, full_scan_threshold=10_000)
_OPTIMIZER = grpc.OptimizersConfigDiff(
    deleted_threshold=0.2,
    vacuum_min_vector_number=1_000,
    default_segment_number=0,
    indexing_threshold=10_000,
    flush_interval_sec=5,
)
_LOG = grpc.WalConfigDiff(wal_capacity_mb=32, wal_segments_ahead=0)


class Collections(grpc.CollectionsServicer):
    """Makes, lists and deletes collections and aliases."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    @answered
    async def Create(self, request: grpc.CreateCollection) -> grpc.CollectionOperationResponse:
        """Make a collection."""
        self._engine.create(request)
        return grpc.CollectionOperationResponse(result=True)

    @answered
    async def Delete(self, request: grpc.DeleteCollection) -> grpc.CollectionOperationResponse:
        """Delete a collection."""
        return grpc.CollectionOperationResponse(result=self._engine.delete(request.collection_name))

    @answered
    async def CollectionExists(self, request: grpc.CollectionExistsRequest) -> grpc.CollectionExistsResponse:
        """Tell whether there is a collection or alias of that name."""
        name = request.collection_name
        exists = self._engine.aliases.get(name, name) in self._engine.collections
        return grpc.CollectionExistsResponse(result=grpc.CollectionExists(exists=exists))

    @answered
    async def List(self, _: grpc.ListCollectionsRequest) -> grpc.ListCollectionsResponse:
        """Return the collections' names."""
        names = [grpc.CollectionDescription(name=name) for name in self._engine.collections]
        return grpc.ListCollectionsResponse(collections=names)

    @answered
    async def Get(self, request: grpc.GetCollectionInfoRequest) -> grpc.GetCollectionInfoResponse:
        """Return what a collection was made with, and how many points it has."""
        return grpc.GetCollectionInfoResponse(result=_info(self._engine.collection(request.collection_name)))

    @answered
    async def UpdateAliases(self, request: grpc.ChangeAliases) -> grpc.CollectionOperationResponse:
        """Change aliases, all at once or none."""
        self._engine.alias(changed(self._engine.aliases, request.actions, self._engine.collections))
        return grpc.CollectionOperationResponse(result=True)

    @answered
    async def ListAliases(self, _: grpc.ListAliasesRequest) -> grpc.ListAliasesResponse:
        """Return every alias."""
        return _aliases(self._engine.aliases)

    @answered
    async def ListCollectionAliases(self, request: grpc.ListCollectionAliasesRequest) -> grpc.ListAliasesResponse:
        """Return the aliases of a collection."""
        return _aliases({a: name for a, name in self._engine.aliases.items() if name == request.collection_name})


def _aliases(aliases: dict[str, str]) -> grpc.ListAliasesResponse:
    pairs = [grpc.AliasDescription(alias_name=alias, collection_name=name) for alias, name in aliases.items()]
    return grpc.ListAliasesResponse(aliases=pairs)


def _info(collection: Collection) -> grpc.CollectionInfo:
    made, shard = collection.made_with, collection.shard.info()
    params = grpc.CollectionParams(
        shard_number=made.shard_number or 1,
        vectors_config=made.vectors_config,
        sparse_vectors_config=made.sparse_vectors_config,
        replication_factor=made.replication_factor or 1,
        write_consistency_factor=made.write_consistency_factor or 1,
        on_disk_payload=made.on_disk_payload,
    )
    config = grpc.CollectionConfig(params=params, hnsw_config=_HNSW, optimizer_config=_OPTIMIZER, wal_config=_LOG)
    config.hnsw_config.MergeFrom(made.hnsw_config)
    config.optimizer_config.MergeFrom(made.optimizers_config)
    config.wal_config.MergeFrom(made.wal_config)
    if made.HasField("quantization_config"):
        config.quantization_config.CopyFrom(made.quantization_config)
    schema = {
        name: grpc.PayloadSchemaInfo(data_type=SCHEMAS[kind][1])  # type: ignore[index]  # the enum is an int
        for name, kind in collection.fields.items()
    }
    return grpc.CollectionInfo(
        status=grpc.Green,
        optimizer_status=grpc.OptimizerStatus(ok=True),
        segments_count=shard.segments_count,
        points_count=shard.points_count,
        indexed_vectors_count=shard.indexed_vectors_count,
        config=config,
        payload_schema=schema,
    )


completed(Collections)
