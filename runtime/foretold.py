"""What a draft head foretells of one page: its state, along with the draft that is being made."""

from runtime.arrays import FloatArray, IntArray
from runtime.foresight import Foresight


class Foretold:
    """Of one page; one owner, as the page. Nothing is computed until scores are asked for.

    Without a draft head (``foresight`` None) nothing is ever known.
    """

    def __init__(self, foresight: Foresight | None) -> None:
        self._foresight = foresight
        self._hidden: FloatArray | None = None
        self._state: FloatArray | None = None
        # Those that the state does not know yet.
        self._tokens: list[IntArray] = []

    @property
    def known(self) -> bool:
        """Whether anything is foretold."""
        return self._foresight is not None and self._hidden is not None

    def begin(self, hidden: FloatArray, tokens: IntArray) -> None:
        """The page goes on behind the hidden state (d,) with these tokens (n,)."""
        self._hidden, self._state, self._tokens = hidden, None, [tokens]

    def follow(self, tokens: IntArray) -> None:
        """The draft goes on with these tokens (n,)."""
        self._tokens.append(tokens)

    def rows(self) -> FloatArray:
        """Scores (R,) of the row that comes next."""
        foresight, state = self._reached()
        return foresight.rows(state)

    def titles(self, entities: IntArray) -> FloatArray:
        """Scores (n,) of those that may come next, by catalog index."""
        foresight, state = self._reached()
        return foresight.titles(state, entities)

    def _reached(self) -> tuple[Foresight, FloatArray]:
        foresight, hidden, state = self._foresight, self._hidden, self._state
        if foresight is None or hidden is None:
            raise RuntimeError("nothing is foretold. This is a bug.")
        if state is None:
            state = foresight.begin(hidden)
        for tokens in self._tokens:
            state = foresight.follow(state, tokens)
        self._state, self._tokens = state, []
        return foresight, state
