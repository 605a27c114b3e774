#!/bin/sh
# Generates the Go stubs from protos/ into penchant/v1/, which is committed so that users need no protoc.
# PROTOC may name another protoc, for example ".venv/bin/python -m grpc_tools.protoc" made absolute.
set -eu
cd "$(dirname "$0")"
protos=${PROTOS:-../../protos}
tools=$(mktemp -d)
trap 'rm -rf "$tools"' EXIT
GOBIN="$tools" go install google.golang.org/protobuf/cmd/protoc-gen-go@v1.36.12
GOBIN="$tools" go install google.golang.org/grpc/cmd/protoc-gen-go-grpc@v1.6.2
${PROTOC:-protoc} -I "$protos" \
  --plugin=protoc-gen-go="$tools/protoc-gen-go" \
  --plugin=protoc-gen-go-grpc="$tools/protoc-gen-go-grpc" \
  --go_out=. --go_opt=module=penchant.dev/go \
  --go-grpc_out=. --go-grpc_opt=module=penchant.dev/go \
  "$protos"/penchant/v1/*.proto
