"""Settings of the neighbours, a group each: the log, the vector store, who may call, what is told to operators."""

from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from penchant_adapters.vectortypes import VectorType


class Group(BaseModel):
    """Some settings that belong together."""

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)


class KafkaSettings(Group):
    """The log. Secrets are read from files when a client is made; a token again for every new connection."""

    bootstrap: str = Field(default="127.0.0.1:9092", min_length=1)
    """Brokers to begin with, host:port, separated by commas."""
    security_protocol: Literal["PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL"] = "PLAINTEXT"
    """How to connect."""
    sasl_mechanism: Literal["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512", "OAUTHBEARER"] = "SCRAM-SHA-512"
    """How to say who one is, with a SASL protocol."""
    username: str = ""
    """User of PLAIN and SCRAM."""
    password_file: Path | None = None
    """File with the password of PLAIN and SCRAM."""
    token_file: Path | None = None
    """File with the bearer token of OAUTHBEARER, kept fresh by somebody else."""
    ca_file: Path | None = None
    """Certificates to trust; none: the system's."""
    cert_file: Path | None = None
    """Own certificate, for mutual TLS."""
    key_file: Path | None = None
    """Key of the own certificate."""
    topic_prefix: str = Field(default="penchant", pattern=r"^[A-Za-z0-9._-]{1,150}$")
    """Topics are PREFIX.events, PREFIX.items, PREFIX.pairs, PREFIX.interests and, for dead letters, TOPIC.dlq."""
    group: str = Field(default="penchant", min_length=1, max_length=200)
    """Consumer groups are GROUP.users and GROUP.items."""
    instance: str = Field(default="", max_length=200)
    """Name that this consumer keeps over restarts (static membership): a restart within session_timeout moves no
    partition. Unique in the group; empty: none."""
    partitions: int = Field(default=12, ge=1, le=500)
    """Partitions of each topic that ``penchant topics create`` makes. It cannot be changed later."""
    replication: int = Field(default=1, ge=1, le=10)
    """Copies of each partition that ``penchant topics create`` asks for; 3 in production."""
    retention_days: float = Field(default=-1.0, ge=-1.0, le=36_500.0)
    """Days that ``penchant topics create`` has events kept for; −1: for ever, which ``penchant rebuild`` needs."""
    max_batch: int = Field(default=1_000, ge=1, le=50_000)
    """Records learnt in one go at most. There is no waiting for a batch to fill."""
    max_message_bytes: int = Field(default=1 << 20, ge=1 << 10, le=64 << 20)
    """Greatest record that is read and written."""
    session_timeout: float = Field(default=15.0, ge=6.0, le=1_800.0)
    """Seconds after which a silent consumer's partitions go to others."""
    start_timeout: float = Field(default=300.0, ge=0.0, le=86_400.0)
    """Seconds to try again, with back-off, while brokers or the store cannot be reached at the start."""
    max_dead_letters_per_second: float = Field(default=50.0, gt=0.0, le=1e6)
    """Dead letters above this rate slow consumption down: a bad deployment of a producer should be noticed."""


class QdrantSettings(Group):
    """The vector store, when ``store`` is ``qdrant://`` or ``qdrants://`` (TLS)."""

    prefix: str = Field(default="penchant", pattern=r"^[A-Za-z0-9_-]{1,100}$")
    """Aliases are PREFIX-users and PREFIX-items."""
    api_key_file: Path | None = None
    """File with the API key."""
    ca_file: Path | None = None
    """Certificates to trust with ``qdrants://``; none: the system's."""
    timeout: float = Field(default=10.0, ge=0.1, le=600.0)
    """Seconds that one request may take."""
    shards: int = Field(default=1, ge=1, le=1_000)
    """Shards of a new collection."""
    replication: int = Field(default=1, ge=1, le=10)
    """Copies of each shard of a new collection; 2 or more in production."""
    write_consistency: int = Field(default=1, ge=1, le=10)
    """Copies that must confirm a write."""
    ordering: Literal["weak", "medium", "strong"] = "strong"
    """Order of writes to one point from several processes; ``strong`` is what the guarantees need with replication."""
    read_consistency: Literal["", "majority", "quorum", "all"] = ""
    """Copies that must agree on what is read; empty: one is asked."""
    item_vectors: VectorType = "float32"
    """What is kept of a number of an item's vector, as in the embedded store; the last two need Qdrant 1.20.
    Chosen when a generation is made; ``penchant rebuild`` and ``penchant copy`` make one of another kind."""
    quantization: Literal["none", "int8"] = "none"
    """Compression of the items' content vectors in memory."""
    oversampling: float = Field(default=2.0, ge=1.0, le=10.0)
    """With quantization: how many times as many candidates are fetched before they are scored exactly."""
    on_disk: bool = False
    """Keep vectors on disk instead of in memory."""
    indexed_above: int = Field(default=20_000, ge=0)
    """Items above which an HNSW index is built; below, search is exact. 0: never."""
    search_ef: int = Field(default=256, ge=8, le=4_096)
    """Breadth of a search in the HNSW index."""
    cache_seconds: float = Field(default=2.0, ge=0.0, le=3_600.0)
    """Seconds that a server may go on using an item's counts that it has read; its description for a minute or until it
    is said to have changed. 0: everything is read again for every answer."""


class AccessSettings(Group):
    """Who may call the service."""

    cert_file: Path | None = None
    """Certificate chain of the service; with ``key_file`` it turns TLS on. Read again when it changes."""
    key_file: Path | None = None
    """Key of the certificate."""
    client_ca_file: Path | None = None
    """Certificates that callers must have one of (mutual TLS)."""
    api_keys_file: Path | None = None
    """File with a line ``NAME SHA256-OF-KEY`` for every key; a name may have two. Read again when it changes."""
    allow_plaintext: bool = False
    """Serve without TLS and keys on other addresses than loopback."""


class TelemetrySettings(Group):
    """What operators see."""

    metrics_listen: str = ""
    """Address and port of the Prometheus metrics, for example ``127.0.0.1:9464``; empty: none; port 0: a free one. Of
    several processes the first takes this port and each other one the next."""
    log_format: Literal["auto", "console", "json"] = "auto"
    """``auto``: for people on a terminal, JSON elsewhere."""
    log_level: Literal["debug", "info", "warning", "error"] = "info"
    """Least level of what is logged."""
    traces: bool = False
    """Send OpenTelemetry traces, to where the OTEL_* variables say (extra ``penchant[otel]``)."""
