"""What a draft head foretells of one page: its state, along with the draft that is being made."""

from runtime.arrays import FloatArray, IntArray
from runtime.foresight import Foresight
from runtime.job import PageJob


class Foretold:
    """Of one page; one owner, as the page. Nothing is computed until scores are asked for."""

    def __init__(self, foresight: Foresight) -> None:
        self._foresight = foresight
        self._hidden: FloatArray | None = None
        self._state: FloatArray | None = None
        # Those that the state does not know yet.
        self._tokens: list[IntArray] = []

    @classmethod
    def of(cls, job: PageJob) -> "Foretold | None":
        """None where the model has no draft head."""
        foresight = job.model.foresight
        return None if foresight is None else cls(foresight)

    @property
    def known(self) -> bool:
        """Whether anything is foretold."""
        return self._hidden is not None

    def begin(self, hidden: FloatArray, tokens: IntArray) -> None:
        """The page goes on behind the hidden state (d,) with these tokens (n,)."""
        self._hidden, self._state, self._tokens = hidden, None, [tokens]

    def follow(self, tokens: IntArray) -> None:
        """The draft goes on with these tokens (n,)."""
        self._tokens.append(tokens)

    def rows(self) -> FloatArray:
        """Scores (R,) of the row that comes next."""
        return self._foresight.rows(self._reached())

    def titles(self, entities: IntArray) -> FloatArray:
        """Scores (n,) of those that may come next, by catalog index."""
        return self._foresight.titles(self._reached(), entities)

    def _reached(self) -> FloatArray:
        if self._state is None:
            if self._hidden is None:
                raise RuntimeError("nothing is foretold yet. This is a bug.")
            self._state = self._foresight.begin(self._hidden)
        for tokens in self._tokens:
            self._state = self._foresight.follow(self._state, tokens)
        self._tokens = []
        return self._state
