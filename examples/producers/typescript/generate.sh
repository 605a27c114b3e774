#!/bin/sh
# Generates the TypeScript messages from protos/ into messages/, which is not committed. PROTOC may name another protoc.
set -eu
cd "$(dirname "$0")"
protos=${PROTOS:-../../../protos}
mkdir -p messages
${PROTOC:-protoc} -I "$protos" \
  --plugin=protoc-gen-es=node_modules/.bin/protoc-gen-es \
  --es_out=messages --es_opt=target=ts,import_extension=js \
  penchant/v1/event.proto google/rpc/status.proto
