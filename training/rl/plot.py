"""A run of RL as a picture: what the model says, what is true, and how far the policy has gone."""

import io
from collections.abc import Mapping, Sequence


def curves(records: Sequence[Mapping[str, object]]) -> bytes:
    """An SVG of the metrics' lines: reward (the model's, and the true one), KL, entropy."""
    from matplotlib.figure import Figure  # noqa: PLC0415 - a heavy import, once a run

    figure = Figure(figsize=(8.0, 7.0), layout="constrained")
    rewards, leash, choice = figure.subplots(3, 1, sharex=True)
    steps = _numbers(records, "step")
    rewards.plot(steps, _numbers(records, "reward"), label="sampled pages, reward model")
    looks = [record for record in records if record.get("true") is not None]
    at = _numbers(looks, "step")
    rewards.plot(at, _numbers(looks, "predicted"), "o-", label="greedy pages, reward model")
    rewards.plot(at, _numbers(looks, "true"), "s-", label="greedy pages, truth")
    rewards.set_ylabel("reward a page")
    rewards.legend()
    leash.plot(steps, _numbers(records, "kl"))
    leash.set_ylabel("KL to the reference\n(nats a pick)")
    choice.plot(steps, _numbers(records, "entropy"), label="entropy (nats a choice)")
    choice.plot(steps, _numbers(records, "diversity"), label="diversity (cosine distance)")
    choice.set_xlabel("step")
    choice.legend()
    content = io.BytesIO()
    # No date: the same run draws the same file.
    figure.savefig(content, format="svg", metadata={"Date": None})
    return content.getvalue()


def _numbers(records: Sequence[Mapping[str, object]], key: str) -> list[float]:
    return [float(str(record[key])) for record in records]
