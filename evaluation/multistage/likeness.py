"""How alike titles are by what is written of them: text, cast, genres.

The nearest titles of each are found once a catalog: sharper than a projection to a few dimensions,
in which a franchise's name is lost.

Shape legend: E entities by catalog index, K nearest titles, a anchors, G genres.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_matrix
from sklearn.feature_extraction.text import TfidfVectorizer

from genpage.entity import Entity
from tokenizer.content import terms

Ints = NDArray[np.int64]
Floats = NDArray[np.float32]
NEAREST = 60
_BLOCK = 512


@dataclass(frozen=True, slots=True)
class Likeness:
    """Each title's nearest by TF-IDF cosine, itself left out."""

    nearest: csr_matrix  # (E, E), K entries a row

    def to(self, anchors: Ints, worth: Floats) -> Floats:
        """(E,) the likeness to ``anchors`` (a,), each by its ``worth``, added up."""
        total = np.zeros(self.nearest.shape[0], np.float32)
        starts, data, columns = self.nearest.indptr, self.nearest.data, self.nearest.indices
        for anchor, value in zip(anchors.tolist(), worth.tolist(), strict=True):
            part = slice(starts[anchor], starts[anchor + 1])
            total[columns[part]] += value * data[part]
        return total


def likeness_of(entities: Sequence[Entity], *, nearest: int = NEAREST) -> Likeness:
    """From titles, synopses and cast; a catalog without any words has no likeness."""
    size = len(entities)
    try:
        texts = TfidfVectorizer(analyzer=terms, sublinear_tf=True, max_df=0.2, min_df=2)
        matrix = texts.fit_transform(entities).astype(np.float32)  # (E, T), rows of unit length
    except ValueError:  # no word is left
        return Likeness(csr_matrix((size, size), dtype=np.float32))
    lines, columns, values = [], [], []
    keep = min(nearest, size - 1)
    for start in range(0, size, _BLOCK):
        block = (matrix[start : start + _BLOCK] @ matrix.T).toarray()
        rows = np.arange(len(block))
        block[rows, rows + start] = 0.0
        best = np.argpartition(-block, keep - 1, axis=1)[:, :keep]
        found = np.take_along_axis(block, best, axis=1)
        lines.append(np.repeat(rows + start, keep))
        columns.append(best.ravel())
        values.append(found.ravel())
    line, column, value = (np.concatenate(part) for part in (lines, columns, values))
    like = value > 0
    return Likeness(csr_matrix((value[like], (line[like], column[like])), shape=(size, size)))
