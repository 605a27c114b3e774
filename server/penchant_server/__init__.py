"""The gRPC edge: protobuf in and out, streams, limits, health, and the one place where everything is put together."""
