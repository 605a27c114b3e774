#!/bin/sh
# Generates the TypeScript messages and service descriptions from protos/ into src/gen/, which is not committed. PROTOC may
# name another protoc, PROTOS another directory; run `npm ci` before.
set -eu
cd "$(dirname "$0")"
protos=${PROTOS:-../../protos}
# Details of errors are Google's own and not in protos/; a checkout's .venv has them with googleapis-common-protos.
details=${GOOGLEAPIS:-$(echo ../../.venv/lib/python3*/site-packages)}
rm -rf src/gen
mkdir -p src/gen
${PROTOC:-protoc} -I "$protos" -I "$details" \
  --plugin=protoc-gen-es=node_modules/.bin/protoc-gen-es \
  --es_out=src/gen --es_opt=target=ts,import_extension=js \
  penchant/v1/catalog.proto penchant/v1/event.proto penchant/v1/recommendation.proto \
  google/rpc/status.proto google/rpc/error_details.proto
