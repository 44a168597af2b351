"""Weights fetched from a server on this machine: whole and right, or not at all."""

import gc
import json
import threading
import warnings
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer

import numpy as np
import pytest

import napari_superpixels as nsp
from napari_superpixels.errors import InputError, OutputError, SourceError
from napari_superpixels.models import weights
from napari_superpixels.models.fetching import REGISTRY, read_registry
from napari_superpixels.testing.weights import write_random_weights


class Handler(SimpleHTTPRequestHandler):
    def log_message(self, *words):
        """Say nothing."""


@pytest.fixture
def server(tmp_path):
    """A folder and its address."""
    folder = tmp_path / "served"
    folder.mkdir()
    made = ThreadingHTTPServer(("127.0.0.1", 0), partial(Handler, directory=str(folder)))
    thread = threading.Thread(target=made.serve_forever)
    thread.start()
    yield folder, f"http://127.0.0.1:{made.server_port}"
    made.shutdown()
    thread.join()
    made.server_close()
    with warnings.catch_warnings():  # of connections that failed downloads leave open
        warnings.simplefilter("ignore", ResourceWarning)
        gc.collect()


@pytest.fixture
def own(tmp_path, monkeypatch):
    """The folder of the user's own weights, missing yet."""
    monkeypatch.setenv(weights.FOLDER_VARIABLE, str(tmp_path / "own"))
    return tmp_path / "own"


@pytest.fixture
def registry(server, own, tmp_path):
    """A registry of one file that is served."""
    folder, address = server
    path = write_random_weights(folder, "scn", 7)
    card = weights.read_card(path)
    fields = {"url": f"{address}/{path.name}", "size": path.stat().st_size, "licence": "CC0-1.0"}
    table = tmp_path / "registry.json"
    table.write_text(json.dumps({"scn-large": card | fields}))
    return table


def change(registry, **fields):
    table = json.loads(registry.read_text())
    table["scn-large"] |= fields
    registry.write_text(json.dumps(table))


def test_fetched_weights_are_found_by_their_name(registry, own, server):
    path = nsp.fetch_weights("scn-large", registry)
    assert path == own / "scn-large.safetensors"
    assert weights.read_card(path)["licence"] == "CC0-1.0"
    assert {"url", "size"}.isdisjoint(weights.read_card(path))
    image = np.random.default_rng(0).integers(0, 255, (64, 64, 3), dtype=np.uint8)
    served = str(server[0] / "scn-7.safetensors")
    np.testing.assert_array_equal(
        nsp.superpixels(image, "scn", weights="scn-large"),
        nsp.superpixels(image, "scn", weights=served),
    )


def test_what_is_there_is_not_fetched_again(registry, server):
    path = nsp.fetch_weights("scn-large", registry)
    (server[0] / "scn-7.safetensors").unlink()
    weights.card_of(path).unlink()
    assert nsp.fetch_weights("scn-large", registry) == path
    assert weights.read_card(path)["network"] == "scn"


@pytest.mark.parametrize("how", ["truncated", "altered", "empty"])
def test_another_file_is_refused_and_not_kept(registry, own, server, how):
    served = server[0] / "scn-7.safetensors"
    content = bytearray(served.read_bytes())
    if how == "altered":
        content[len(content) // 2] ^= 1
    served.write_bytes(content if how == "altered" else content[: 1000 * (how == "truncated")])
    with pytest.raises(InputError, match=r"another SHA-256.*not kept") as caught:
        nsp.fetch_weights("scn-large", registry)
    assert "\n" not in str(caught.value)
    assert not list(own.iterdir())


def test_a_connection_that_breaks_leaves_nothing(registry, own, monkeypatch):
    def send_a_part(self, source, target):
        target.write(source.read(100_000))

    monkeypatch.setattr(Handler, "copyfile", send_a_part)
    with pytest.raises((InputError, SourceError)):
        nsp.fetch_weights("scn-large", registry)
    assert not list(own.iterdir())


def test_no_file_and_no_server_are_told_in_a_sentence(registry, server, own):
    (server[0] / "scn-7.safetensors").unlink()
    with pytest.raises(SourceError, match="404") as caught:
        nsp.fetch_weights("scn-large", registry)
    assert "\n" not in str(caught.value)
    change(registry, url="http://127.0.0.1:9/none.safetensors")
    with pytest.raises(SourceError, match="look at the address"):
        nsp.fetch_weights("scn-large", registry)
    assert not list(own.iterdir())


def test_other_weights_of_that_name_stay(registry, own):
    own.mkdir()
    mine = write_random_weights(own, "scn", 1).rename(own / "scn-large.safetensors")
    before = mine.read_bytes()
    with pytest.raises(OutputError, match="other weights"):
        nsp.fetch_weights("scn-large", registry)
    assert mine.read_bytes() == before


@pytest.mark.parametrize(
    ("fields", "told"),
    [
        ({"url": "ftp://a/b"}, "ftp://a/b"),
        ({"url": "file:///etc/passwd"}, r"http\(s\)"),
        ({"sha256": "123"}, "64 digits"),
        ({"size": "large"}, "no table"),
        ({"licence": None}, "no table"),
    ],
)
def test_a_registry_with_something_else_is_refused(registry, fields, told):
    change(registry, **fields)
    with pytest.raises(InputError, match=told):
        read_registry(registry)


@pytest.mark.parametrize("text", ["", "[]", '{"a": 1}', '{"a": {}}'])
def test_a_broken_registry_is_refused(registry, text):
    registry.write_text(text)
    if text == "[]":
        registry.write_text("[1]")
    with pytest.raises(InputError, match="no table"):
        read_registry(registry)
    with pytest.raises(InputError, match="cannot be read"):
        read_registry(registry.with_name("nowhere.json"))


def test_names_that_are_unknown_or_no_names_are_refused(registry, own):
    with pytest.raises(InputError, match="has no weights 'scn-small'; it has scn-large"):
        nsp.fetch_weights("scn-small", registry)
    table = json.loads(registry.read_text())
    registry.write_text(json.dumps({"../scn": table["scn-large"]}))
    with pytest.raises(InputError, match="cannot be called"):
        nsp.fetch_weights("../scn", registry)
    assert not own.exists()


def test_our_own_registry_can_be_read():
    assert read_registry(REGISTRY) == {}


def test_the_shell_lists_and_fetches(registry, own, shell):
    code, told, _ = shell("weights", "list", "--registry", registry)
    assert code == 0
    assert "scn-large  scn  to fetch, 9." in told
    assert "ssn  ssn  shipped" in told
    code, told, _ = shell("weights", "fetch", "scn-large", "--registry", registry)
    assert (code, told) == (0, f"{own / 'scn-large.safetensors'}\n")
    (own / "broken.safetensors").write_bytes(b"")
    code, told, _ = shell("weights", "list", "--registry", registry, "--json")
    rows = {row["name"]: row for row in map(json.loads, told.splitlines())}
    assert rows["scn-large"]["where"] == "yours"
    assert "broken" not in rows
    code, _, complained = shell("weights", "fetch", "nothing")
    assert code == 2
    assert complained.startswith("Error: ")
    assert complained.count("\n") == 1
