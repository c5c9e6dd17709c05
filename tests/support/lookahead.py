"""A page's grammar copied, to look ahead on without writing the page itself."""

from copy import deepcopy

from genpage.grammar import PageGrammar


def forked(grammar: PageGrammar) -> PageGrammar:
    """An independent copy over the same catalog."""
    return deepcopy(grammar, {id(grammar.catalog): grammar.catalog})
