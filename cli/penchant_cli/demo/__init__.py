"""The demonstration: a small catalogue and the play of a few shoppers, made for Penchant."""
