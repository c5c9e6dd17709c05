"""Which titles a page's scores are of: all of the catalog, or those that its member may see."""

from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from runtime.arrays import FloatArray, IntArray
from runtime.backend import Head


class Refining(Protocol):
    """Makes scores exact that were rough (`runtime.screen`)."""

    def refined(
        self, line: FloatArray, columns: NDArray[np.integer], added: FloatArray | None, count: int
    ) -> tuple[IntArray, FloatArray]:
        """Which of ``columns`` (m,) may be among the best ``count``, and their exact scores.

        Those are with what is ``added`` (m,) to them. Indices into ``columns``, sorted.
        """
        ...


@dataclass(frozen=True, slots=True, eq=False)
class Scope:
    """A head over all rows R and k of the entities E, with the same scores for those bit for bit.

    Its scores are (n, R + k); ``places`` (E,) says where among the k an entity stands, and holds
    for those that the page may show. Pages with the same head share its calls. With ``refining``
    the entities' are rough until they decide.
    """

    head: Head
    places: IntArray
    refining: Refining | None = None
