#!/bin/sh
# Generates the Go messages from protos/ into events/, which is not committed. PROTOC may name another protoc.
set -eu
cd "$(dirname "$0")"
protos=${PROTOS:-../../../protos}
GOBIN="$PWD/bin" go install google.golang.org/protobuf/cmd/protoc-gen-go@v1.36.12
mkdir -p events
${PROTOC:-protoc} -I "$protos" \
  --plugin=protoc-gen-go=bin/protoc-gen-go \
  --go_out=events --go_opt=paths=source_relative \
  --go_opt=Mpenchant/v1/event.proto=penchant.dev/examples/producer/events/penchant/v1 \
  penchant/v1/event.proto
