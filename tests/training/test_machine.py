"""What a machine trains in."""

from pathlib import Path

import pytest
import torch

from training.machine import training_dtype
from training.options import Options
from training.pretrain import Pretraining
from training.run import Run


@pytest.mark.parametrize(
    ("held", "dtype"),
    [
        ({"avx2": True, "avx512_bf16": False, "amx_bf16": False}, torch.float32),
        ({"avx512_bf16": True}, torch.bfloat16),
        ({"amx_bf16": True}, torch.bfloat16),
        ({}, torch.float32),
    ],
)
def test_a_cpu_trains_in_bfloat16_where_it_multiplies_it(
    monkeypatch: pytest.MonkeyPatch, held: dict[str, bool], dtype: torch.dtype
) -> None:
    """Emulated it would be slower."""
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: held)
    assert training_dtype(torch.device("cpu")) == dtype


@pytest.mark.parametrize("has", [False, True])
def test_a_gpu_is_asked_whether_it_multiplies_bfloat16(
    monkeypatch: pytest.MonkeyPatch, *, has: bool
) -> None:
    """An older one emulates it."""

    def supported(*, including_emulation: bool) -> bool:
        return has or including_emulation

    monkeypatch.setattr(torch.cuda, "is_bf16_supported", supported)
    expected = torch.bfloat16 if has else torch.float32
    assert training_dtype(torch.device("cuda")) == expected


def test_a_cpu_run_in_bfloat16_stays_near_float32(
    service: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The whole loop goes through, weights stay float32, and the losses are those of rounding."""
    # Emulated, the matrix products that the machine's speed is measured by take half a minute.
    monkeypatch.setattr("training.machine._SIDE", 64)
    losses = []
    for held in ({}, {"amx_bf16": True}):
        monkeypatch.setattr(torch.cpu, "get_capabilities", lambda held=held: held)
        options = Options(
            service, tmp_path / f"{len(held)}", size="micro", steps=3, batch_tokens=1024
        )
        run = Run(options, Pretraining())
        summary = run.train(lambda _: None)
        assert {p.dtype for p in run.network.parameters()} == {torch.float32}
        losses.append(summary.losses)
    plain, mixed = losses
    assert plain != mixed
    assert mixed == pytest.approx(plain, rel=0.05)
