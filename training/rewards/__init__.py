"""The reward system: from observed feedback to a scalar for each impressed title, row and page."""
