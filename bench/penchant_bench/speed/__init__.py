"""Speed: what the running service costs and how long it makes people wait, each beside its physical limit."""
