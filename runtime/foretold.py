"""What a draft head foretells of one page: its state, along with the draft that is being made."""

from runtime.arrays import FloatArray, IntArray
from runtime.foresight import Foresight
from runtime.job import PageJob


class Foretold:
    """Of one page; one owner, as the page. Nothing is computed until scores are asked for."""

    def __init__(self, foresight: Foresight, job: PageJob) -> None:
        self._foresight, self._scope = foresight, job.scope
        self._hidden: FloatArray | None = None
        self._state: FloatArray | None = None
        # Those that the state does not know yet.
        self._tokens: list[IntArray] = []

    @classmethod
    def of(cls, job: PageJob) -> "Foretold | None":
        """None where the model has no draft head."""
        foresight = job.model.foresight
        return None if foresight is None else cls(foresight, job)

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

    def scores(self) -> FloatArray:
        """(R + E,) of what comes next, laid out as the page's own scores."""
        if self._state is None:
            if self._hidden is None:
                raise RuntimeError("nothing is foretold yet. This is a bug.")
            self._state = self._foresight.begin(self._hidden)
        for tokens in self._tokens:
            self._state = self._foresight.follow(self._state, tokens)
        self._tokens = []
        return self._foresight.scores(self._state, self._scope)
