"""The nouns and the rules: what training, evaluation and serving all agree on.

Nothing here performs I/O beyond reading a rules file, and nothing here imports another room.
"""
