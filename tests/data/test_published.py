"""Published pairs: fetched from their host on request, and one sentence for each way in which that fails."""

import io
import tarfile
import threading
import zipfile
from collections.abc import Iterator
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from hydra.utils import instantiate
from PIL import Image

from ganforge.core.config import compose
from ganforge.core.errors import GanforgeError
from ganforge.data import published
from ganforge.data.columns import SOURCE


def png(number: int, width: int) -> bytes:
    buffer = io.BytesIO()
    Image.new("RGB", (width, 8), (number, 0, 0)).save(buffer, "png")
    return buffer.getvalue()


def packed(name: str) -> bytes:
    """An archive as the host has it: files of both sides in facades/, folders of sides in horse2zebra/."""
    folders = {"facades": ("train", "val", "test"), "horse2zebra": ("trainA", "trainB", "testA", "testB")}[name]
    files = {f"{name}/{folder}/{number}.png": png(number, 16) for folder in folders for number in range(3)}
    buffer = io.BytesIO()
    if name == "horse2zebra":
        with zipfile.ZipFile(buffer, "w") as archive:
            for path, content in files.items():
                archive.writestr(path, content)
    else:
        with tarfile.open(fileobj=buffer, mode="w:gz") as tar:
            for path, content in files.items():
                entry = tarfile.TarInfo(path)
                entry.size = len(content)
                tar.addfile(entry, io.BytesIO(content))
    return buffer.getvalue()


class Host(BaseHTTPRequestHandler):
    """Serves what ``files`` holds, and announces ``extra`` bytes more than it sends."""

    def __init__(self, files: dict[str, bytes], extra: int, *rest: object) -> None:
        self.files, self.extra = files, extra
        super().__init__(*rest)  # type: ignore[arg-type]

    def do_GET(self) -> None:
        content = self.files.get(self.path)
        if content is None:
            self.send_error(404)
            return
        self.send_response(200)
        self.send_header("Content-Length", str(len(content) + self.extra))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def serve(monkeypatch: pytest.MonkeyPatch) -> Iterator[object]:
    """Let the host of both archives be a server of this process."""
    servers = []

    def start(files: dict[str, bytes], extra: int = 0) -> None:
        server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Host, files, extra))
        threading.Thread(target=server.serve_forever, daemon=True).start()
        servers.append(server)
        for name, address in published.ADDRESSES.items():
            if address is not None:
                file = address.rpartition("/")[2]
                monkeypatch.setitem(published.ADDRESSES, name, f"http://127.0.0.1:{server.server_port}/{file}")

    yield start
    for server in servers:
        server.shutdown()
        server.server_close()


def data(name: str, *overrides: str):
    settings = [f"data={name}", "paths.data=data", "data.image_size=8", "data.load_size=9", *overrides]
    return instantiate(compose(settings).data)


@pytest.mark.parametrize(("name", "suffix"), [("facades", "tar.gz"), ("horse2zebra", "zip")])
def test_what_is_missing_is_fetched_once(name: str, suffix: str, serve) -> None:
    serve({f"/{name}.{suffix}": packed(name)})
    for overrides in (["download=true"], []):
        splits = data(name, *overrides).splits()
        assert len(splits.train) == len(splits.train.given[SOURCE]) == 3
        assert splits.train.paired == (name == "facades")
    assert [path.name for path in Path("data").iterdir() if not path.name.endswith(".lock")] == [name]


@pytest.mark.parametrize("name", ["facades", "maps", "horse2zebra", "cityscapes"])
def test_without_download_the_way_out_is_named(name: str) -> None:
    said = "forbids to pass it on.*cityscapes-dataset.com" if name == "cityscapes" else "add download=true to fetch it"
    with pytest.raises(GanforgeError, match=f"{name} is not in 'data'.*{said}"):
        data(name).splits()


def escaping() -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as tar:
        entry = tarfile.TarInfo("../../outside.png")
        entry.size = 4
        tar.addfile(entry, io.BytesIO(b"evil"))
    return buffer.getvalue()


@pytest.mark.parametrize(
    ("files", "extra", "reason"),
    [
        ({}, 0, "404"),
        ({"/facades.tar.gz": b"<html>moved</html>"}, 0, "could not be opened|not a gzip file"),
        ({"/facades.tar.gz": packed("facades")[:-40]}, 0, "ended before|invalid|Compressed|unexpected"),
        ({"/facades.tar.gz": packed("facades")}, 7, "bytes arrived|IncompleteRead"),
        ({"/facades.tar.gz": escaping()}, 0, "outside"),
        ({"/facades.tar.gz": packed("horse2zebra")}, 0, "could not be opened|not a gzip file"),
    ],
)
def test_a_failed_download_leaves_nothing_and_says_why(files, extra, reason, serve) -> None:
    serve(files, extra)
    with pytest.raises(GanforgeError, match=rf"facades could not be downloaded into 'data' \(.*({reason})"):
        data("facades", "download=true").splits()
    assert not [path for path in Path().rglob("*") if path.suffix == ".png" or path.name.endswith(".part")]
    assert not Path("data/facades").exists()


def test_a_host_that_does_not_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(published.ADDRESSES, "maps", "http://127.0.0.1:9/maps.tar.gz")
    with pytest.raises(
        GanforgeError, match=r"maps could not be downloaded .*refused.*: check the network, or unpack http"
    ):
        data("maps", "download=true").splits()
