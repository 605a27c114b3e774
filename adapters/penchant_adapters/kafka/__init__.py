"""Kafka: connections, topics, and what stands in the records."""
