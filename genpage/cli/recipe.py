"""``genpage train recipe``: the whole recipe, from a data folder to a model a week old."""

from collections.abc import Sequence
from pathlib import Path
from typing import Literal

from pydantic import Field
from rich.console import Console

from genpage.cli.command import Command
from genpage.cli.fresh import Serialised
from genpage.cli.stage import Stage, make_stages
from genpage.errors import UsageError
from genpage.hold import held
from model.config import Size


class WholeRecipe(Command):
    """Pretraining, WBC, the reward model, RL, then the newest days one by one.

    Stopped at any moment it goes on where it was: finished stages are kept, a training goes on with
    the step after its last saved state, the days with the first one that is not in their journal.
    With other flags or other data, the stages concerned are made again, and those after them.
    """

    data: Path = Field(description="a folder in the data layout")
    out: Path = Field(description="the folder of the stages' checkpoints")
    size: Size = Field(default="tiny", description="of the model")
    days: int = Field(default=7, ge=0, description="newest days that come as daily updates")
    pages: int = Field(default=96, ge=0, description="pages trained on in each of them, at most")
    rows: int = Field(default=4, ge=1, le=40, description="rows of a page that RL is about")
    entities_per_row: int = Field(default=20, ge=1, le=100, description="entities of a row there")
    bundles: bool = Field(default=False, description="export each day's bundle")
    pretrain_steps: int | None = Field(default=None, ge=1, description="the size's own by default")
    wbc_steps: int | None = Field(default=None, ge=1, description="likewise")
    reward_model_steps: int | None = Field(default=None, ge=1, description="likewise")
    rl_steps: int | None = Field(default=None, ge=1, description="likewise")
    batch_tokens: int | None = Field(default=None, ge=256, description="tokens a batch")
    history_tokens: int | None = Field(default=None, description="of history in a prompt")
    serialised: Serialised = None
    seed: int = Field(default=0, ge=0, description="of all stages")
    threads: int | None = Field(default=None, ge=1, description="CPU threads; all by default")

    def run(self) -> None:
        """Make what is not made."""
        from training.group import refuse_others

        refuse_others()
        stages = self.stages()
        with held(self.out, "--out", "recipe"):
            make_stages(stages, Console(stderr=True))
        self.emit({stage.out.name: str(stage.out) for stage in stages})

    def stages(self) -> Sequence[Stage]:
        """Each is made from those before; the days see what the others must not."""
        from dataset.folder import DataFolder

        folder = DataFolder(self.data)
        days = folder.days()
        # RL holds one day out, and trains on one before it.
        if len(days) < self.days + 2:
            raise UsageError(
                f"{self.data} has {len(days)} days; --days {self.days} leaves too few to train on"
            )
        # The last day before --to is held out by every training: the first one to update with.
        to = days[1 - self.days] if self.days > 1 else None
        read = folder.digest(None if to is None else days[-self.days])
        pretrained, wbc, reward_model, policy, updated = (
            self.out / name for name in ("pretrained", "wbc", "reward-model", "policy", "days")
        )
        every = (
            "--data",
            str(self.data),
            "--seed",
            str(self.seed),
            *_given("threads", self.threads),
        )
        first = (*every, *_given("to", to))
        logged = (*first, *_given("batch-tokens", self.batch_tokens))
        fresh = (
            *_given("history-tokens", self.history_tokens),
            *_given("serialised", self.serialised),
        )
        stages = [
            Stage(
                "pretrain",
                pretrained,
                (
                    *("train", "pretrain", *logged, "--size", self.size, *fresh),
                    *_given("steps", self.pretrain_steps),
                ),
                data=read,
            ),
            Stage("WBC", wbc, self._post("wbc", logged, pretrained, self.wbc_steps), data=read),
            Stage(
                "reward model",
                reward_model,
                (
                    *self._post("reward-model", logged, wbc, self.reward_model_steps),
                    *_given("rows", self.rows),
                ),
                data=read,
            ),
            Stage(
                "RL",
                policy,
                (
                    *self._post("rl", first, wbc, self.rl_steps),
                    *_given("reward-model", reward_model),
                    *_given("rows", self.rows),
                    *_given("entities-per-row", self.entities_per_row),
                ),
                data=read,
            ),
        ]
        if self.days:
            bundles = "--bundles" if self.bundles else "--no-bundles"
            words = ("daily", *every, "--from", str(policy), "--pages", str(self.pages), bundles)
            stages.append(
                Stage("daily updates", updated, words, data=folder.digest(), in_place=True)
            )
        return stages

    def _post(
        self,
        command: Literal["wbc", "reward-model", "rl"],
        flags: tuple[str, ...],
        parent: Path,
        steps: int | None,
    ) -> tuple[str, ...]:
        return ("train", command, *flags, "--from", str(parent), *_given("steps", steps))


def _given(flag: str, value: object) -> tuple[str, ...]:
    """A flag with its value, where there is one."""
    return () if value is None else (f"--{flag}", str(value))
