"""What breaks on the way, provoked for real: killed processes, full disks, broken files.

Each fault strikes a run of the shell command that labels a small image; then the cause is repaired,
the run is resumed, and all files of the output must equal those of a run that nobody disturbed.
The table says how often each was tried and what came of it. Linux only, for it forks; full and
read-only disks need the right to mount, and are left out without it.

    python benchmarks/faults.py --loops 20 --seed 0
"""

import argparse
import json
import os
import random
import resource
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

import napari_superpixels as nsp
from napari_superpixels.cli import EXIT_BAD_INPUT, EXIT_CANCELLED, EXIT_INCOMPLETE, main
from napari_superpixels.engine.records import STATE, RunState, partial_path
from napari_superpixels.evaluation import hardware
from napari_superpixels.evaluation.tables import markdown

SHAPE, CHUNK = (640, 1152, 3), (128, 128, 3)
OPTIONS = ("--step=8", "--iterations=1", "--window=128", "--workers=2", "--axes=yxs", "--rgb")
HEADER = ("fault", "loops", "outcome")
MOMENT = 0.002
LONGEST = 300.0
"""Seconds after which a run hangs."""


class Left(Exception):  # noqa: N818 - no error
    """The fault cannot be provoked on this machine."""


@dataclass
class Shell:
    """The shell command in a process of its own, forked so that nothing is imported again."""

    arguments: tuple[object, ...]
    told: Path
    prepare: Callable[[], None] = lambda: None
    pid: int = field(init=False)

    def __post_init__(self) -> None:
        """Start it."""
        self.pid = os.fork()
        if not self.pid:
            self._be_the_child()

    def _be_the_child(self) -> None:
        code: object = 1
        try:
            signal.signal(signal.SIGINT, signal.default_int_handler)
            handle = os.open(self.told, os.O_CREAT | os.O_WRONLY | os.O_TRUNC)
            os.dup2(handle, 1)
            os.dup2(handle, 2)
            self.prepare()
            sys.argv = ["napari-superpixels", *map(str, self.arguments)]
            main()
            code = 0
        except SystemExit as leaving:
            code = leaving.code
        finally:
            sys.stdout.flush()
            sys.stderr.flush()
            os._exit(code if isinstance(code, int) else 0)

    def send(self, number: int) -> None:
        """Send it a signal."""
        os.kill(self.pid, number)

    def end(self) -> None:
        """Kill it where it still runs."""
        with suppress(ChildProcessError):
            os.kill(self.pid, signal.SIGKILL) if not self.ended() else None
            os.waitpid(self.pid, 0)

    def ended(self) -> bool:
        """Whether it has ended; it is asked only until it has."""
        return os.waitid(os.P_PID, self.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is not None

    def wait(self) -> tuple[int, str]:
        """Return its exit code and its last line."""
        end = time.monotonic() + LONGEST
        while not self.ended():
            assert time.monotonic() < end, "it hangs"
            time.sleep(MOMENT)
        code = os.waitstatus_to_exitcode(os.waitpid(self.pid, 0)[1])
        text = self.told.read_text()
        assert "Traceback" not in text, text
        lines = [line for line in text.splitlines() if line.strip()]
        return code, lines[-1] if lines else ""


@dataclass
class Case:
    """An image, the output that nobody disturbed, and a place for the one that is."""

    folder: Path
    whole: Path
    random: random.Random
    image: Path = field(init=False)
    out: Path = field(init=False)
    started: list[Shell] = field(default_factory=list)

    def __post_init__(self) -> None:
        """Lay out an image of its own."""
        self.image = self.folder / "image.zarr"
        self.out = self.folder / "out.zarr"
        shutil.copytree(self.whole.parent / "image.zarr", self.image)

    @property
    def state(self) -> RunState:
        """What the run leaves to be resumed."""
        return RunState(partial_path(self.out))

    @property
    def records(self) -> list[Path]:
        """What is done."""
        return sorted(self.state.folder.glob("records/*/*.json"))

    def chunk(self, *numbers: int) -> Path:
        """Return the file of a chunk of the image."""
        return self.image.joinpath("c", *map(str, numbers))

    def shell(self, *arguments: object, prepare: Callable[[], None] = lambda: None) -> Shell:
        """Start the shell command."""
        told = self.folder / f"told-{len(self.started)}.txt"
        self.started.append(Shell(arguments, told, prepare))
        return self.started[-1]

    def end(self) -> None:
        """End what still runs after a failure."""
        for process in self.started:
            process.end()

    def run(self, prepare: Callable[[], None] = lambda: None) -> Shell:
        """Start the run."""
        return self.shell("run", self.image, self.out, *OPTIONS, prepare=prepare)

    def resume(self) -> Shell:
        """Start a resume."""
        return self.shell("resume", self.out, "--workers=2")

    def run_until(self, count: int, starter: Callable[[], Shell] | None = None) -> Shell:
        """Start it and return when so many super-tiles are done."""
        process = (starter or self.run)()
        while len(self.records) < count and not process.ended():
            time.sleep(MOMENT)
        return process

    def interrupted(self, count: int) -> None:
        """Leave a run with at least so many super-tiles done."""
        process = self.run_until(count)
        process.send(signal.SIGKILL)
        process.wait()
        assert not self.out.exists(), "it was too fast"

    def check_refused(self, process: Shell, code: int, *words: str) -> None:
        """Expect one sentence with these words and nothing that looks whole."""
        found, line = process.wait()
        assert found == code, (found, line)
        assert line.startswith("Error: "), line
        assert line.endswith((".", "`.")), line
        assert all(word in line for word in words), (line, words)
        assert not self.out.exists(), "an output that is not whole looks so"

    def check_equal(self) -> None:
        """Resume, and compare every file with the undisturbed run's."""
        code, line = self.resume().wait()
        assert code == 0, line
        self.compare()

    def compare(self) -> None:
        """Compare every file with the undisturbed run's."""
        one, other = files_of(self.whole), files_of(self.out)
        assert one.keys() == other.keys(), one.keys() ^ other.keys()
        # The image of a case is a copy, so its place, times and what was read of them differ.
        differing = [name for name in one if one[name] != other[name] and name != "zarr.json"]
        assert not differing, differing


def files_of(folder: Path) -> dict[str, bytes]:
    """Return what lies in a folder."""
    files = (path for path in folder.rglob("*") if path.is_file() and STATE not in path.parts)
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in files}


def killed(case: Case) -> str:
    """Kill the process at a random moment."""
    count = case.random.randrange(1, total(case) - 1)
    case.interrupted(count)
    done = len(case.state.done())
    assert 0 < done < total(case), done
    case.check_equal()
    return f"the last at {done} of {total(case)} done; equal"


def killed_twice(case: Case) -> str:
    """Kill it, resume, and kill that."""
    first, second = sorted(case.random.sample(range(1, total(case) - 1), 2))
    case.interrupted(first)
    process = case.run_until(max(second, len(case.records) + 1), case.resume)
    process.send(signal.SIGKILL)
    process.wait()
    case.check_equal()
    return "equal"


def killed_in_levels(case: Case) -> str:
    """Kill it while it makes the coarser levels."""
    fine = sum(name.startswith("0/") for name in names(case))
    case.interrupted(case.random.randrange(fine, total(case)))
    case.check_equal()
    return "equal"


def killed_at_the_end(case: Case) -> str:
    """Kill it when all is done, while the output gets its metadata and its name."""
    process = case.run_until(total(case))
    time.sleep(case.random.random() * 0.1)
    process.send(signal.SIGKILL)
    process.wait()
    if not case.out.exists():
        case.check_equal()
    case.compare()
    return "equal"


def asked_to_end(case: Case) -> str:
    """Send SIGTERM, as a batch system does."""
    process = case.run_until(5)
    process.send(signal.SIGTERM)
    case.check_refused(process, EXIT_CANCELLED, "Interrupted; what is done is kept", "resume")
    case.check_equal()
    return "equal"


def interrupted_twice(case: Case) -> str:
    """Press Ctrl-C, and once more in impatience."""
    process = case.run_until(5)
    process.send(signal.SIGINT)
    time.sleep(case.random.random() * 0.1)
    if not process.ended():
        process.send(signal.SIGINT)
    code, line = process.wait()
    assert code in (EXIT_CANCELLED, -signal.SIGINT), (code, line)
    assert not case.out.exists()
    case.check_equal()
    return "equal"


@contextmanager
def small_disk(folder: Path, size: str) -> Iterator[None]:
    """Have a disk of a few kilobytes in a folder."""
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", f"size={size}", "none", str(folder)]
    if subprocess.run(mount, check=False, capture_output=True).returncode:
        raise Left("no right to mount a disk")
    try:
        yield
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], check=True)


def remounted(folder: Path, options: str) -> None:
    """Change a mounted disk."""
    subprocess.run(["mount", "-o", f"remount,{options}", str(folder)], check=True)


def full_disk(case: Case) -> str:
    """Let the disk of the output be full at a random moment."""
    disk = case.folder / "disk"
    with small_disk(disk, f"{case.random.randrange(120, 400, 4)}k"):
        case.out = disk / "out.zarr"
        case.check_refused(case.run(), EXIT_BAD_INPUT, "No space left on device", "make room")
        remounted(disk, "size=16m")
        if case.state.manifest_path.exists():
            case.check_equal()
    return "equal"


def files_too_large(case: Case) -> str:
    """Forbid files over some kilobytes, as a quota of the process."""

    def limit() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (3_000, 3_000))

    process = case.run(prepare=limit)
    case.check_refused(process, EXIT_BAD_INPUT, "File too large", "resume")
    case.check_equal()
    return "equal"


def read_only_disk(case: Case) -> str:
    """Let the disk of the output be read-only when the run is to go on."""
    disk = case.folder / "disk"
    with small_disk(disk, "16m"):
        case.out = disk / "out.zarr"
        case.interrupted(case.random.randrange(2, 20))
        remounted(disk, "ro")
        case.check_refused(case.resume(), EXIT_BAD_INPUT, "Read-only file system", "writable")
        remounted(disk, "rw")
        case.check_equal()
    return "equal"


def removed_output(case: Case) -> str:
    """Remove the output under the run, which would fill the holes with nothing."""
    process = case.run_until(case.random.randrange(3, 20))
    process.send(signal.SIGSTOP)
    shutil.rmtree(case.state.partial)
    process.send(signal.SIGCONT)
    case.check_refused(process, EXIT_BAD_INPUT, "was removed while it was being written")
    shutil.rmtree(case.state.partial, ignore_errors=True)
    assert case.run().wait()[0] == 0
    case.compare()
    return "refused; the new run equal"


def altered_output(case: Case) -> str:
    """Cut short, alter, empty or delete files of the unfinished output."""
    case.interrupted(case.random.randrange(20, total(case) - 1))
    files = [p for p in case.state.partial.rglob("*") if p.is_file() and "c" in p.parts]
    harms = [cut_short, flip_a_bit, empty, Path.unlink]
    for harm, path in zip(harms, case.random.sample(files, len(harms)), strict=True):
        harm(path)
    process = case.resume()
    assert process.wait()[0] == 0
    assert "altered or lost on disk" in process.told.read_text()
    case.compare()
    return "found, computed again, equal"


def cut_short(path: Path) -> None:
    """Leave half of a file."""
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def flip_a_bit(path: Path) -> None:
    """Change one bit, with size and time kept."""
    data, stat = bytearray(path.read_bytes()), path.stat()
    data[len(data) // 2] ^= 1
    path.write_bytes(data)
    os.utime(path, ns=(stat.st_atime_ns, stat.st_mtime_ns))


def empty(path: Path) -> None:
    """Leave a file of no bytes, as power cuts do."""
    path.write_bytes(b"")


def torn_state(case: Case) -> str:
    """Tear records and what tells of the arrays, as a power cut does."""
    case.interrupted(20)
    for path in case.random.sample(case.records, 3):
        path.write_bytes(case.random.choice([b"", b"\0" * 60, b'{"superp', b"[]"]))
    empty(case.random.choice(sorted(case.state.partial.glob("*/zarr.json"))))
    case.check_equal()
    return "equal"


def unreadable(case: Case, harm: Callable[[Path], object], *words: str) -> str:
    """Break a chunk of the image; then repair it."""
    chunk = case.chunk(case.random.randrange(5), case.random.randrange(9), 0)
    good = chunk.read_bytes()
    chunk.unlink()
    harm(chunk)
    case.check_refused(case.run(), EXIT_INCOMPLETE, "tiles failed, the first at y", *words)
    failures = case.state.read_failures()
    assert all(str(case.image) in failure["message"] for failure in failures)
    chunk.unlink()
    chunk.write_bytes(good)
    case.check_equal()
    return f"{len(failures)} tiles failed, the rest done; repaired: equal"


def broken_chunk(case: Case) -> str:
    """Have a chunk of the image that cannot be decoded."""
    return unreadable(case, lambda path: path.write_bytes(b"no chunk"), "cannot be read")


def input_output_error(case: Case) -> str:
    """Have a chunk of the image that the system fails to read."""
    return unreadable(case, lambda path: path.symlink_to("/proc/self/mem"), "Input/output error")


def image_gone(case: Case) -> str:
    """Take the image away in the middle, as a lost network drive does."""
    process = case.run_until(case.random.randrange(2, 20))
    process.send(signal.SIGSTOP)
    away = case.image.with_name("away.zarr")
    case.image.rename(away)
    process.send(signal.SIGCONT)
    case.check_refused(process, EXIT_INCOMPLETE, "tiles failed", "is gone now")
    away.rename(case.image)
    case.check_equal()
    return "equal"


def two_runs(case: Case) -> str:
    """Start a second run and a second resume; kill the first."""
    process = case.run_until(3)
    process.send(signal.SIGSTOP)
    holder = f"process {process.pid} on {os.uname().nodename} since 2"
    for second in (case.run, case.resume):
        case.check_refused(second(), EXIT_BAD_INPUT, "is being written by", holder)
    process.send(signal.SIGKILL)
    process.wait()
    case.check_equal()
    return "refused, the holder named; its lock died with it; equal"


def changed_image(case: Case) -> str:
    """Change the image before the resume: a file's size, its time, metadata, and pixels alone."""
    case.interrupted(5)
    chunk, metadata = case.chunk(2, 3, 0), case.image / "zarr.json"
    changes = {
        "size": (chunk, lambda path: path.write_bytes(path.read_bytes() + b"\0")),
        "time": (chunk, lambda path: os.utime(path, ns=(1, 1))),
        "metadata": (metadata, lambda p: p.write_text(p.read_text().replace('"y"', '"x"') + " ")),
    }
    for path, change in changes.values():
        with restored(path):
            change(path)
            case.check_refused(case.resume(), EXIT_BAD_INPUT, "the image has changed since")
    case.check_equal()
    return f"{', '.join(changes)}: refused; restored: equal"


def altered_pixels(case: Case) -> str:
    """Change all pixels with sizes and times of their files kept."""
    case.interrupted(5)
    chunks = sorted(path for path in case.image.glob("c/*/*/*"))
    goods = {chunk: (chunk.read_bytes(), chunk.stat()) for chunk in chunks}
    for chunk, (good, stat) in goods.items():
        chunk.write_bytes(bytes(255 - value for value in good))
        os.utime(chunk, ns=(stat.st_atime_ns, stat.st_mtime_ns))
    case.check_refused(
        case.resume(), EXIT_BAD_INPUT, "The image has changed since", "its pixels at"
    )
    for chunk, (good, stat) in goods.items():
        chunk.write_bytes(good)
        os.utime(chunk, ns=(stat.st_atime_ns, stat.st_mtime_ns))
    case.check_equal()
    return "refused; restored: equal"


@contextmanager
def restored(path: Path) -> Iterator[None]:
    """Give a file its bytes and its time back."""
    data, stat = path.read_bytes(), path.stat()
    try:
        yield
    finally:
        path.write_bytes(data)
        os.utime(path, ns=(stat.st_atime_ns, stat.st_mtime_ns))


def changed_meanwhile(case: Case) -> str:
    """Change the image while it is read."""
    process = case.run_until(5)
    process.send(signal.SIGSTOP)
    with restored(case.chunk(4, 8, 0)):
        os.utime(case.chunk(4, 8, 0), ns=(1, 1))
        process.send(signal.SIGCONT)
        case.check_refused(process, EXIT_BAD_INPUT, "changed while it was read", "run again")
    return "not given its name"


def moved_output(case: Case) -> str:
    """Give the unfinished output another name, and resume it there."""
    case.interrupted(5)
    moved = case.folder / "elsewhere"
    moved.mkdir()
    case.state.partial.rename(moved / "out.zarr.partial")
    case.out = moved / "out.zarr"
    case.check_equal()
    return "equal"


FAULTS: dict[str, Callable[[Case], str]] = {
    "kill -9 at a random moment": killed,
    "kill -9, twice in a row": killed_twice,
    "kill -9 in the coarser levels": killed_in_levels,
    "kill -9 while the output gets its name": killed_at_the_end,
    "SIGTERM": asked_to_end,
    "Ctrl-C twice": interrupted_twice,
    "disk full": full_disk,
    "files too large": files_too_large,
    "disk read-only": read_only_disk,
    "output removed under the run": removed_output,
    "output moved": moved_output,
    "output files cut, altered, emptied, deleted": altered_output,
    "records and metadata torn": torn_state,
    "image chunk broken": broken_chunk,
    "image chunk: input/output error": input_output_error,
    "image gone for a while": image_gone,
    "image changed while it is read": changed_meanwhile,
    "image changed before a resume": changed_image,
    "image pixels altered, times kept": altered_pixels,
    "two runs on one output": two_runs,
}


def total(case: Case) -> int:
    """Return how many super-tiles there are."""
    return len(names(case))


def names(case: Case) -> list[str]:
    """Return the names of the super-tiles."""
    found: list[str] = json.loads((case.whole.parent / "names.json").read_text())
    return found


def undisturbed(folder: Path) -> Path:
    """Make the image and its labels in peace; return where these lie."""
    image, out = folder / "image.zarr", folder / "out.zarr"
    process = os.fork()
    if not process:
        make_image(image)
        os._exit(0)
    assert os.waitpid(process, 0)[1] == 0
    # The shell's child tells the names of the super-tiles, which are gone in the end.
    code, line = Shell(("run", image, out, *OPTIONS), folder / "told.txt", keeping(folder)).wait()
    assert code == 0, line
    return out


def keeping(folder: Path) -> Callable[[], None]:
    """Return what has the state of a run written down before it is removed."""

    def prepare() -> None:
        publish = RunState.publish

        def noting(state: RunState, out: Path) -> None:
            (folder / "names.json").write_text(json.dumps(sorted(state.done())))
            publish(state, out)

        RunState.publish = noting  # type: ignore[method-assign]

    return prepare


def make_image(path: Path) -> None:
    """Write an image of noise and blocks, uncompressed so that its bytes can be altered."""
    import zarr

    rng = np.random.default_rng(0)
    blocks = rng.integers(0, 200, (SHAPE[0] // 32, SHAPE[1] // 32, 3))
    image = blocks.repeat(32, axis=0).repeat(32, axis=1) + rng.integers(0, 50, SHAPE)
    data = image.astype(np.uint8)
    zarr.create_array(path, data=data, chunks=CHUNK, compressors=None)


def warm() -> None:
    """Compile before the first fork; no thread is started by it."""
    image = np.zeros((64, 64, 3), np.uint8)
    labels = nsp.superpixels(image, "slic", axes="yxs", rgb=True, step=8, iterations=1)
    labels.compute(scheduler="synchronous")


def strike(name: str, loops: int, whole: Path, seed: int) -> tuple[str, int, str]:
    """Provoke a fault some times; return a row of the table."""
    outcome = ""
    for loop in range(loops):
        with tempfile.TemporaryDirectory(prefix="fault-") as folder:
            case = Case(Path(folder), whole, random.Random(f"{seed} {loop}"))
            try:
                outcome = FAULTS[name](case)
            except Left as reason:
                return name, 0, f"left out: {reason}"
            except AssertionError as error:
                text = " ".join(str(error).split())[:300]
                return name, loop + 1, f"FAILED: {text}"
            finally:
                case.end()
    return name, loops, outcome


def main_script(arguments: Sequence[str] | None = None) -> int:
    """Run the benchmark; return how many faults did harm."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--loops", type=int, default=20, help="of faults at random moments")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--only", nargs="*", default=list(FAULTS), choices=list(FAULTS))
    given = parser.parse_args(arguments)
    warm()
    with tempfile.TemporaryDirectory(prefix="faults-") as folder:
        whole = undisturbed(Path(folder))
        rows = []
        for name in given.only:
            rows.append(strike(name, given.loops, whole, given.seed))
            print(f"{name}: {rows[-1][2]}", file=sys.stderr, flush=True)
    print(f"{hardware.description()}\n\n{markdown(HEADER, rows)}")
    return sum(outcome.startswith("FAILED") for _, _, outcome in rows)


if __name__ == "__main__":
    sys.exit(main_script())
