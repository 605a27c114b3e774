#!/bin/sh
# Generates src/pb, and the servers that the tests play, from protos/. Both are committed, so that users need no protoc;
# the generator reads the files itself and needs none either.
set -eu
cd "$(dirname "$0")"
rm -rf src/pb tests/pb
mkdir -p src/pb tests/pb
cargo run --quiet --manifest-path generate/Cargo.toml --target-dir target/generate -- \
  "${PROTOS:-../../protos}" src/pb tests/pb
