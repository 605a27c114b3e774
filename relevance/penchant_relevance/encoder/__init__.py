"""Fine-tunes the encoder that reads the words, on what users liked one after the other. Needs penchant[train].

``examples`` says what is learnt from a log, ``tower`` is the encoder while it learns, ``objective`` what it is pulled
towards, ``steps`` and ``training`` how, ``checkpoint`` how it goes on after a stop, ``choice`` whether it is worth
having.
"""
