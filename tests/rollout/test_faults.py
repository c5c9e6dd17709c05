"""Bundles with something wrong: each is refused with why, and pages go on as before."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from bundles import digest_of, version_of
from forgery import Document, cover_up, edit
from replicas import SLOTS, Start, announcement

from genpage.hold import LOCK
from rollout.refusal import Kind
from rollout.source import Sources
from runtime.manifest import MANIFEST
from runtime.verdicts import Verdicts
from tokenizer.vocabulary import Vocabulary

Another = Callable[[], Path]


def truncate(bundle: Path) -> None:
    """The end of the weights is missing."""
    path = bundle / "trunk.onnx.data"
    path.write_bytes(path.read_bytes()[:-100])


def flip(bundle: Path) -> None:
    """One bit of the weights is another."""
    path = bundle / "trunk.onnx.data"
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


def link(bundle: Path) -> None:
    """The weights lie elsewhere."""
    path = bundle / "trunk.onnx.data"
    elsewhere = bundle.with_name(f"{bundle.name}-elsewhere")
    path.rename(elsewhere)
    path.symlink_to(elsewhere)


def reshape(bundle: Path) -> None:
    """A table has too few rows, and the manifest vouches for it."""
    path = bundle / "outputs.rows.npy"
    np.save(path, np.load(path)[:-1])
    cover_up(bundle)


def poison(bundle: Path) -> None:
    """A weight is no number; no golden page goes by it."""
    path = bundle / "outputs.rows.npy"
    rows = np.load(path)
    rows[3, 7] = np.nan
    np.save(path, rows)
    cover_up(bundle)


def poison_trunk(bundle: Path) -> None:
    """All of the trunk's weights are no numbers."""
    path = bundle / "trunk.onnx.data"
    values = np.fromfile(path, np.float32)
    values[:] = np.nan
    values.tofile(path)
    cover_up(bundle)


def disagree(bundle: Path, number: int = 0) -> None:
    """A golden page is another than the model gives."""

    def change(document: Document) -> None:
        row = document["cases"][number]["page"]["rows"][0]
        row["entity_ids"] = row["entity_ids"][::-1]

    edit(bundle / "golden.json", change)
    cover_up(bundle)


def estrange(bundle: Path) -> None:
    """The vocabulary has another item first, so it grew out of nothing that serves."""
    path = bundle / "vocabulary.json"
    held = Vocabulary.from_json(path.read_bytes())
    other = Vocabulary(held.items, ("0" * 64,))
    swapped = list(other.items)
    # Two titles trade tokens; what the model makes of them is as good as before.
    swapped[-1], swapped[-2] = swapped[-2], swapped[-1]
    strange = Vocabulary(tuple(swapped))
    path.write_bytes(strange.to_json())
    for side in ("inputs", "outputs"):
        table = bundle / f"{side}.rows.npy"
        rows = np.load(table)
        rows[[-1, -2]] = rows[[-2, -1]]
        np.save(table, rows)

    def renew(manifest: Document) -> None:
        manifest["vocabulary"] = strange.digest

    edit(bundle / MANIFEST, renew)
    translate(bundle, {held.size - 1: held.size - 2, held.size - 2: held.size - 1})
    cover_up(bundle)


def translate(bundle: Path, tokens: dict[int, int]) -> None:
    """The golden prompts in the new tokens."""

    def change(document: Document) -> None:
        for case in document["cases"]:
            case["prompt"] = [tokens.get(token, token) for token in case["prompt"]]

    edit(bundle / "golden.json", change)


@pytest.mark.parametrize(
    ("damage", "kind", "why"),
    [
        (truncate, "damaged", "bytes where the manifest says"),
        (flip, "damaged", "differs from its digest"),
        (link, "damaged", "is a link"),
        (reshape, "bundle", "the manifest promises"),
        (poison, "bundle", "NaN"),
        (poison_trunk, "bundle", "not a number"),
        (disagree, "bundle", "of the page differs"),
        (estrange, "lineage", "did not grow out of"),
    ],
)
async def test_a_bundle_that_is_wrong_is_refused(
    damage: Callable[[Path], None], kind: Kind, why: str, start: Start, another: Another
) -> None:
    """The status says why; what serves goes on serving."""
    replica, bundle = await start(), another()
    before = replica.active
    damage(bundle)
    attempt = await replica.take(bundle)
    assert (attempt.state, attempt.kind) == ("rejected", kind)
    assert attempt.why is not None
    assert why in attempt.why
    assert replica.active == before
    told = replica.statuses[-1]
    assert (told.event, told.digest, told.why) == ("rejected", digest_of(bundle), attempt.why)
    assert replica.rollout.numbers.refused == {kind: 1}
    assert [model.version for model in replica.registry.loaded] == [before]


async def test_only_a_bundle_that_met_all_its_pages_counts_as_verified_here(
    start: Start, another: Another, tmp_path: Path
) -> None:
    """Its first pages are met, the last is not; a restart would otherwise serve it untried."""
    verdicts = Verdicts(tmp_path / "verified")
    replica = await start(loading=replace(SLOTS, verdicts=verdicts))
    wrong, good = another(), another()
    disagree(wrong, number=-1)
    assert (await replica.take(wrong)).kind == "bundle"
    assert not verdicts.holds(digest_of(wrong))
    assert (await replica.take(good)).state == "active"
    assert verdicts.holds(digest_of(good))


async def test_the_same_bytes_are_not_tried_again(
    start: Start, another: Another, tmp_path: Path
) -> None:
    """Not fetched, not loaded; not after a restart either; unless that is asked for."""
    bundle, state = another(), tmp_path / "state"
    poison(bundle)
    replica = await start(state_dir=state)
    await replica.take(bundle)
    for again in (replica, await start(state_dir=state)):
        attempt = await again.take(bundle)
        assert attempt.why is not None
        assert attempt.why.startswith("these bytes were refused before")
        assert not again.rollout.settings.staging.joinpath(digest_of(bundle)).exists()
    attempt = await replica.take(bundle, again=True)
    assert attempt.why is not None
    assert attempt.why.endswith("training diverged.")


async def test_a_damaged_copy_is_mended_by_copying_it_again(
    start: Start, another: Another, first: Path
) -> None:
    """Its digest is that of a good bundle, so that is not held against it."""
    replica, bundle = await start(), another()
    flip(bundle)
    assert (await replica.take(bundle)).kind == "damaged"
    good = (first / "trunk.onnx.data").read_bytes()
    (bundle / "trunk.onnx.data").write_bytes(good)
    assert (await replica.take(bundle)).state == "active"


async def test_another_bundle_than_was_announced_is_refused(start: Start, another: Another) -> None:
    """By its digest, or by its version."""
    replica, bundle = await start(), another()
    wrong = replace(announcement(bundle), digest="0" * 64)
    attempt = await replica.ended(replica.rollout.announce(wrong))
    assert (attempt.state, attempt.kind) == ("rejected", "digest")
    wrong = replace(announcement(bundle), version="another")
    attempt = await replica.ended(replica.rollout.announce(wrong))
    assert (attempt.state, attempt.kind) == ("rejected", "version")
    assert (await replica.take(bundle)).state == "rejected"  # its bytes, by now


async def test_a_bundle_too_large_for_memory_is_not_loaded(start: Start, another: Another) -> None:
    """Judged by its manifest, before any of it is fetched."""
    free = 1 << 20
    replica, bundle = await start(available=lambda: free), another()
    attempt = await replica.take(bundle)
    assert (attempt.state, attempt.kind, attempt.retryable) == ("rejected", "no-room", True)
    assert attempt.why is not None
    assert "MiB are free" in attempt.why
    assert [entry.name for entry in replica.rollout.settings.staging.iterdir()] == [LOCK]


async def test_a_uri_outside_the_allow_list_is_not_opened(
    start: Start, another: Another, tmp_path: Path
) -> None:
    """Of another scheme, or of another folder where those are listed."""
    bundle = another()
    replica = await start()
    elsewhere = replace(announcement(bundle), bundle_uri="https://bundles.example/1")
    attempt = await replica.ended(replica.rollout.announce(elsewhere))
    assert (attempt.kind, attempt.retryable) == ("not-allowed", True)
    inside = tmp_path / "bundles"
    strict = await start(sources=Sources((inside.as_uri(),)))
    assert (await strict.take(bundle)).kind == "not-allowed"
    inside.mkdir()
    (inside / "link").symlink_to(bundle)
    linked = replace(announcement(bundle), bundle_uri=(inside / "link").as_uri())
    assert (await strict.ended(strict.rollout.announce(linked))).kind == "not-allowed"
    assert (await strict.take(version_of(bundle, inside))).state == "active"


async def test_a_manifest_names_no_file_outside_of_its_folder(
    start: Start, another: Another
) -> None:
    """Nothing is read through it."""
    replica, bundle = await start(), another()

    def climb(manifest: Document) -> None:
        manifest["files"]["../secret"] = {"sha256": "0" * 64, "bytes": 1}

    edit(bundle / MANIFEST, climb)
    attempt = await replica.take(bundle)
    assert (attempt.state, attempt.kind) == ("rejected", "bundle")


async def test_announced_twice_is_announced_once(start: Start, another: Another) -> None:
    """The same message changes nothing; nor does a newer one of what is active."""
    replica, bundle = await start(), another()
    announced = announcement(bundle)
    attempt = await replica.ended(replica.rollout.announce(announced))
    said = list(replica.events)
    assert replica.rollout.announce(announced) is attempt
    repeated = await replica.take(bundle)
    assert (repeated.state, repeated.why) == ("active", "it was active already")
    assert replica.events == said
    assert replica.rollout.numbers.swaps == 1


async def test_announced_out_of_order_the_newer_one_serves(start: Start, another: Another) -> None:
    """The older one is refused, and the status says so; one from the future too."""
    replica, older, newer = await start(), another(), another()
    late = announcement(older)
    attempt = await replica.take(newer)
    refused = await replica.ended(replica.rollout.announce(late))
    assert (refused.kind, refused.retryable) == ("out-of-order", True)
    assert replica.active == attempt.version
    assert replica.statuses[-1].event == "rejected"
    ahead = announcement(older, at=9_999_999_999.0)
    assert (await replica.ended(replica.rollout.announce(ahead))).kind == "out-of-order"
    assert (await replica.take(older)).state == "active"


async def test_gone_before_it_was_fetched(start: Start, another: Another) -> None:
    """Refused with why; once it is there it may be announced again."""
    replica, bundle = await start(), another()
    announced = announcement(bundle)
    hidden = bundle.rename(bundle.with_name("hidden"))
    attempt = await replica.ended(replica.rollout.announce(announced))
    assert (attempt.state, attempt.kind, attempt.retryable) == ("rejected", "gone", True)
    assert replica.statuses[-1].retryable
    hidden.rename(bundle)
    assert (await replica.take(bundle)).state == "active"


async def test_a_newer_announcement_makes_an_older_one_give_up(
    start: Start, another: Another
) -> None:
    """Two at once: only the newest comes to serve."""
    replica, one, two = await start(), another(), another()
    first = replica.rollout.announce(announcement(one))
    second = replica.rollout.announce(announcement(two))
    assert (await replica.ended(first)).kind == "superseded"
    assert (await replica.ended(second)).state == "active"
    version = json.loads((two / MANIFEST).read_text("utf-8"))["version"]
    assert replica.active == version
