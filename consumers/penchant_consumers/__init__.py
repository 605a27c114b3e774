"""The Kafka edge: what consumes the log, learns and tells."""
