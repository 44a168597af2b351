"""The script of faults, once each: those that need processes or disks of their own."""

import subprocess
import sys

import pytest

STRUCK = (
    "kill -9 at a random moment",
    "kill -9 in the coarser levels",
    "kill -9 while the output gets its name",
    "Ctrl-C twice",
    "disk full",
    "disk read-only",
    "image gone for a while",
    "two runs on one output",
)

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="the script forks")


@pytest.fixture(scope="module")
def outcomes(repository):
    """What the script says of each fault, and its exit code."""
    script = repository / "benchmarks" / "faults.py"
    command = [sys.executable, str(script), "--loops", "1", "--only", *STRUCK]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    lines = [line for line in done.stdout.splitlines() if line.startswith("|")]
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines[2:]]
    return {name: (loops, outcome) for name, loops, outcome in rows}, done.returncode


@pytest.mark.parametrize("fault", STRUCK)
def test_nothing_is_lost(outcomes, fault):
    loops, outcome = outcomes[0][fault]
    if loops == "0":
        pytest.skip(outcome)
    assert not outcome.startswith("FAILED"), outcome
    assert outcome.endswith("equal")


def test_the_exit_code_counts_the_harm(outcomes):
    rows, code = outcomes
    assert code == sum(outcome.startswith("FAILED") for _, outcome in rows.values())


def test_harm_is_found(benchmark_script, tmp_path):
    script = benchmark_script("faults")
    for folder in ("whole", "out"):
        (tmp_path / folder / "c").mkdir(parents=True)
        for name in ("c/0", "c/1", "zarr.json"):
            (tmp_path / folder / name).write_bytes(b"same")
    (tmp_path / "image.zarr").mkdir()
    case = script.Case(tmp_path / "case", tmp_path / "whole", None)
    case.out = tmp_path / "out"
    case.compare()
    script.flip_a_bit(case.out / "c" / "1")
    with pytest.raises(AssertionError, match="c/1"):
        case.compare()
    (case.out / "c" / "1").unlink()
    with pytest.raises(AssertionError, match="c/1"):
        case.compare()
