"""The theory of Penchant, pure: events, ledgers, interests, the score, and the two stories *learn* and *recommend*.

Nothing here knows gRPC, Kafka, Qdrant or torch. Read ``pipeline.py`` first.
"""
