"""What all tests share: Hypothesis profiles, a check for files left open, real images."""

import gc
import os
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest
from hypothesis import HealthCheck, settings

from napari_superpixels.models.compute import cuda_count

ROOT = Path(__file__).resolve().parents[1]

# What tests start as a process of its own is this checkout too, from whatever folder it runs.
os.environ["PYTHONPATH"] = os.pathsep.join(
    [str(ROOT / "src"), *filter(None, [os.environ.get("PYTHONPATH")])]
)

# Without a graphics card Triton interprets its kernels; it asks for that when it is imported.
HAS_CUDA = cuda_count() > 0
if not HAS_CUDA:
    os.environ["TRITON_INTERPRET"] = "1"

# Tests neither see nor write the weights of whoever runs them.
OWN_WEIGHTS = tempfile.TemporaryDirectory(prefix="own-weights-")
os.environ["NAPARI_SUPERPIXELS_WEIGHTS"] = OWN_WEIGHTS.name

_QUIET = [HealthCheck.too_slow, HealthCheck.data_too_large]
settings.register_profile(
    "small", deadline=None, max_examples=25, suppress_health_check=_QUIET, print_blob=True
)
settings.register_profile("thorough", settings.get_profile("small"), max_examples=1000)
settings.load_profile("small")


def _open_files_below(folder: Path) -> list[str]:
    links = [f"/proc/self/fd/{number}" for number in os.listdir("/proc/self/fd")]
    targets = [os.readlink(link) for link in links if os.path.islink(link)]
    return sorted(target for target in targets if target.startswith(f"{folder}/"))


@pytest.fixture(autouse=True)
def _no_file_left_open(request: pytest.FixtureRequest) -> Iterator[None]:
    """Fail a test that leaves a file open in its temporary folder."""
    if "tmp_path" not in request.fixturenames or not os.path.isdir("/proc/self/fd"):
        yield
        return
    folder = request.getfixturevalue("tmp_path")
    yield
    if "napari_superpixels.io" in sys.modules:
        sys.modules["napari_superpixels.io"].close_handles()
    if _open_files_below(folder):
        gc.collect()
    assert not _open_files_below(folder), "the test left files open"


@pytest.fixture(autouse=True)
def _gradients_stay_on() -> Iterator[None]:
    """Fail a test after which torch records no gradients in this thread."""
    yield
    if (torch := sys.modules.get("torch")) is not None:
        off = torch.is_inference_mode_enabled() or not torch.is_grad_enabled()
        if off:
            torch.set_grad_enabled(True)
        assert not off, "the test left gradients off"


def _place_of(item: pytest.Item) -> str:
    """Return what runs in one process: windows compete for the display, files share fixtures."""
    folder = item.path.relative_to(ROOT / "tests").parts[0]
    return folder if folder == "napari_ui" else str(item.path)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Say which tests go together, and skip what needs a graphics card where there is none."""
    for item in items:
        item.add_marker(pytest.mark.xdist_group(_place_of(item)))
    if not HAS_CUDA:
        for item in items:
            if item.get_closest_marker("gpu"):
                item.add_marker(pytest.mark.skip(reason="there is no CUDA device here"))


@pytest.fixture
def card(request: pytest.FixtureRequest) -> Iterator[str]:
    """Where Triton's kernels run, as torch calls it: a graphics card, or ``cpu``, interpreted."""
    pytest.importorskip("triton", reason="Triton is not installed")
    if HAS_CUDA:
        yield "cuda:0"
        return
    with interpreted(check_overflow=request.node.get_closest_marker("overflow") is not None):
        yield "cpu"


@contextmanager
def interpreted(*, check_overflow: bool) -> Iterator[None]:
    """Prepare the interpreter once, which it else does, nested ever deeper, for every call.

    Numbers that leave their type fail the test, if that is asked for: it takes twice the time.
    """
    import triton.language as tl
    from triton.runtime import interpreter

    modules = SimpleNamespace(__globals__={"tl": tl, "core": tl.core})
    prepared, prepare = interpreter._patch_lang(modules), interpreter._patch_lang
    interpreter._patch_lang = lambda _: SimpleNamespace(restore=lambda: None)
    builder = interpreter.interpreter_builder
    options = builder.options
    builder.options = replace(options, sanitize_overflow=check_overflow)
    try:
        yield
    finally:
        builder.options = options
        interpreter._patch_lang = prepare
        prepared.restore()


@pytest.fixture
def own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of the user's own weights that this test alone sees; not made yet."""
    folder = tmp_path / "own"
    monkeypatch.setenv("NAPARI_SUPERPIXELS_WEIGHTS", str(folder))
    return folder


@pytest.fixture(scope="session")
def repository() -> Path:
    """The top of the source tree."""
    return ROOT


@pytest.fixture(scope="session")
def samples() -> Path:
    """The folder of real images that ship with the package."""
    return ROOT / "src" / "napari_superpixels" / "sample_data"


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """A folder of more real images beside the checkout; most machines have none."""
    folder = ROOT.parent / "shared" / "data"
    if not folder.is_dir():
        pytest.skip("there is no ../shared/data beside this checkout")
    return folder


@pytest.fixture
def shell(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Callable[..., tuple[int | str | None, str, str]]:
    """Call the shell command in this process: exit code, what it printed, what it complained."""
    from napari_superpixels.cli import main

    def call(*arguments: object) -> tuple[int | str | None, str, str]:
        monkeypatch.setattr(sys, "argv", ["napari-superpixels", *map(str, arguments)])
        code: int | str | None = 0
        try:
            main()
        except SystemExit as leaving:
            code = leaving.code
        printed = capsys.readouterr()
        return code, printed.out, printed.err

    return call
