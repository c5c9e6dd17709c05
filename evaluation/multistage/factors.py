"""Matrix factorisation by alternating least squares (Hu, Koren, Volinsky 2008), by `implicit`.

Item factors are learnt once a day; a member's vector is solved for at the request, from the
history as it then is, so that the newest event counts at once.

Shape legend: E entities by catalog index, F factors, h titles of a history.
"""

from dataclasses import dataclass

import implicit.als
import numpy as np
from numpy.typing import NDArray
from scipy.sparse import coo_matrix
from threadpoolctl import threadpool_limits

Ints = NDArray[np.int64]
Floats = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Factors:
    """Item factors, and what solving for a member needs of them."""

    items: Floats  # (E, F)
    gram: Floats  # (F, F) items.T @ items + regularisation
    alpha: float

    def scores(self, history: Ints) -> Floats:
        """(E,) the preference of a member with these titles (h,)."""
        if not len(history):
            return np.zeros(len(self.items), np.float32)
        had = self.items[history]  # (h, F)
        left = self.gram + self.alpha * had.T @ had
        member = np.linalg.solve(left, (1.0 + self.alpha) * had.sum(axis=0))
        scores: Floats = (self.items @ member).astype(np.float32)
        return scores


def learn_factors(
    user: Ints,
    entity: Ints,
    entities: int,
    *,
    factors: int = 48,
    regularization: float = 5.0,
    alpha: float = 8.0,
    iterations: int = 12,
    seed: int = 0,
) -> Factors:
    """From the columns (N,) of a log; a title had twice counts once."""
    users = int(user.max()) + 1 if len(user) else 1
    matrix = coo_matrix(
        (np.ones(len(user), np.float32), (user, entity)), shape=(users, entities)
    ).tocsr()
    matrix.data[:] = 1.0
    # Its many products are small: BLAS threads make them slower, and implicit warns of them.
    with threadpool_limits(1, "blas"):
        model = implicit.als.AlternatingLeastSquares(
            factors=factors,
            regularization=regularization,
            alpha=1.0,
            iterations=iterations,
            random_state=seed,
            num_threads=1,
        )
        model.fit(matrix * np.float32(1.0 + alpha), show_progress=False)
    items = np.asarray(model.item_factors, np.float32)
    gram = items.T @ items + np.float32(regularization) * np.eye(items.shape[1], dtype=np.float32)
    return Factors(items, gram.astype(np.float32), alpha)
