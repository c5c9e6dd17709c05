"""Which titles a page's scores are of: all of the catalog, or those that its member may see."""

from dataclasses import dataclass

from runtime.arrays import IntArray
from runtime.backend import Head


@dataclass(frozen=True, slots=True, eq=False)
class Scope:
    """A head over all rows R and k of the entities E, with the same scores for those bit for bit.

    Its scores are (n, R + k); ``places`` (E,) says where among the k an entity stands, and holds
    for those that the page may show. Pages with the same head share its calls.
    """

    head: Head
    places: IntArray
