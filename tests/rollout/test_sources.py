"""Bundles from elsewhere: over HTTP, taken up where it broke off; from S3; never off the list."""

import os
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import ClassVar

import boto3  # type: ignore[import-untyped]  # ships no types
import pytest
from bundles import digest_of
from moto.server import ThreadedMotoServer
from replicas import Start, announcement

from genpage.errors import UsageError
from rollout.fetch import Bounds, Fetcher
from rollout.refusal import RefusedError
from rollout.source import Sources

Another = Callable[[], Path]


class Handler(SimpleHTTPRequestHandler):
    """A file server that knows ranges, and hangs up in the middle of what ``broken`` names."""

    broken: ClassVar[dict[str, int]] = {}
    ranges: ClassVar[list[str]] = []
    sent: ClassVar[dict[str, int]] = {}

    def do_GET(self) -> None:
        """Some of a file, as asked for."""
        path = Path(self.translate_path(self.path))
        if self.path.startswith("/elsewhere"):
            self.send_response(302)
            self.send_header("Location", "/bundle/manifest.json")
            self.send_header("Content-Length", "0")
            self.end_headers()
            return
        if not path.is_file():
            self.send_error(404)
            return
        content = path.read_bytes()
        asked = self.headers.get("Range")
        start = 0
        if asked is not None:
            self.ranges.append(f"{path.name} {asked}")
            start = int(asked.removeprefix("bytes=").removesuffix("-"))
        self.send_response(200 if asked is None else 206)
        self.send_header("Content-Length", str(len(content) - start))
        if asked is not None:
            self.send_header("Content-Range", f"bytes {start}-{len(content) - 1}/{len(content)}")
        self.end_headers()
        left = self.broken.get(path.name, 0)
        if left:
            self.broken[path.name] = left - 1
            content = content[: start + (len(content) - start) // 2]
        self.sent[path.name] = self.sent.get(path.name, 0) + len(content) - start
        self.wfile.write(content[start:])
        self.close_connection = True

    def log_message(self, *_: object) -> None:
        """Says nothing."""


@pytest.fixture
def web(tmp_path: Path) -> Iterator[str]:
    """A server of the test's folder."""
    Handler.broken, Handler.ranges, Handler.sent = {}, [], {}
    handler = partial(Handler, directory=os.fspath(tmp_path))
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield f"http://127.0.0.1:{server.server_address[1]}"
        server.shutdown()
        thread.join()


async def test_a_broken_transfer_goes_on_where_it_was(
    start: Start, another: Another, web: str
) -> None:
    """It hangs up twice; what was written is not asked for again.

    What was on its way as the connection broke may be lost: the HTTP client drops it.
    """
    bundle = another()
    Handler.broken = {"trunk.onnx.data": 2}
    replica = await start(sources=Sources((f"{web}/",)))
    announced = replace(announcement(bundle), bundle_uri=f"{web}/{bundle.name}")
    attempt = await replica.ended(replica.rollout.announce(announced))
    assert (attempt.state, attempt.why) == ("active", None)
    name = "trunk.onnx.data"
    starts = [
        int(each.removeprefix(f"{name} bytes=").removesuffix("-"))
        for each in Handler.ranges
        if each.startswith(name)
    ]
    assert starts == sorted(starts)
    assert 0 < starts[-1] < (bundle / name).stat().st_size


def test_what_arrived_is_kept_for_the_next_try(another: Another, web: str, tmp_path: Path) -> None:
    """A source that fails for good is away; later the rest is fetched, and all of it is checked."""
    bundle = another()
    Handler.broken = {"trunk.onnx.data": 1_000}
    uri = f"{web}/{bundle.name}"
    fetcher = Fetcher(tmp_path / "staging", Sources((web,)), wait_s=0.0)
    found = fetcher.find(uri, None)
    with pytest.raises(RefusedError, match="announce it again") as refused:
        fetcher.fetch(found, lambda: True)
    assert refused.value.kind == "away"
    arrived = tmp_path / "staging" / f"{found.digest}.part" / "trunk.onnx.data"
    assert 0 < arrived.stat().st_size < found.manifest.files["trunk.onnx.data"].bytes
    Handler.broken = {}
    content = bytearray(arrived.read_bytes())
    content[0] ^= 1  # what lay there went bad: it is fetched anew
    arrived.write_bytes(content)
    fetched = fetcher.fetch(found, lambda: True)
    assert digest_of(fetched.folder) == digest_of(bundle)
    assert (fetched.folder / "trunk.onnx.data").read_bytes() == (
        bundle / "trunk.onnx.data"
    ).read_bytes()


def test_a_redirect_is_not_followed(web: str, tmp_path: Path) -> None:
    """It would leave the list."""
    fetcher = Fetcher(tmp_path / "staging", Sources((web,)), wait_s=0.0)
    with pytest.raises(RefusedError, match="status 302"):
        fetcher.find(f"{web}/elsewhere", None)


def test_a_bundle_of_too_many_bytes_is_not_fetched(another: Another, tmp_path: Path) -> None:
    """Nor one of too many files."""
    bundle = another()
    for bounds in (Bounds(bytes=1_000), Bounds(files=3)):
        fetcher = Fetcher(tmp_path / "staging", Sources(), bounds)
        with pytest.raises(RefusedError, match="may be fetched") as refused:
            fetcher.find(bundle.as_uri(), None)
        assert refused.value.kind == "too-large"


@pytest.fixture
def s3(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """An S3 of this machine, with an empty bucket."""
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "key")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    server = ThreadedMotoServer("127.0.0.1", 0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    endpoint = f"http://{host}:{port}"
    monkeypatch.setenv("AWS_ENDPOINT_URL", endpoint)
    yield endpoint
    server.stop()


async def test_a_bundle_of_an_s3_bucket_comes_to_serve(
    start: Start, another: Another, s3: str
) -> None:
    """Where its bucket is on the list; another bucket is not looked into."""
    bundle = another()
    client = boto3.client("s3", endpoint_url=s3)
    client.create_bucket(Bucket="bundles")
    for path in bundle.iterdir():
        client.upload_file(os.fspath(path), "bundles", f"daily/{bundle.name}/{path.name}")
    client.close()
    replica = await start(sources=Sources(("s3://bundles/daily",)))
    announced = replace(announcement(bundle), bundle_uri=f"s3://bundles/daily/{bundle.name}")
    attempt = await replica.ended(replica.rollout.announce(announced))
    assert (attempt.state, attempt.why) == ("active", None)
    gone = replace(announcement(bundle), bundle_uri="s3://bundles/daily/none", digest="0" * 64)
    assert (await replica.ended(replica.rollout.announce(gone))).kind == "gone"


@pytest.mark.parametrize(
    "uri",
    [
        "https://bundles.example.evil/genpage/1",
        "https://bundles.example@evil/genpage/1",
        "https://bundles.example/genpages/1",
        "https://bundles.example/genpage/../1",
        "https://bundles.example/genpage/%2e%2e/1",
        "https://bundles.example/genpage/1?x=1",
        "https://bundles.example/genpage/1#x",
        "http://bundles.example/genpage/1",
        "simplecache::https://bundles.example/genpage/1",
        "https://bundles.example:8443/genpage/1",
        "file://elsewhere/bundle",
        "bundle",
        "",
    ],
)
def test_only_what_the_list_begins_with_is_opened(uri: str) -> None:
    """By whole names of the path, the same scheme, host and port; nothing clever."""
    sources = Sources(("https://bundles.example/genpage/",))
    sources.open("https://bundles.example/genpage/1")
    sources.open("https://BUNDLES.example/genpage/1/")
    with pytest.raises(RefusedError) as refused:
        sources.open(uri)
    assert refused.value.kind == "not-allowed"


def test_a_list_of_nonsense_is_refused() -> None:
    """Before anything is served."""
    for prefix in ("bundles.example", "https://x/?y", "/srv/bundles"):
        with pytest.raises(UsageError, match="--checkpoint-sources"):
            Sources((prefix,))
