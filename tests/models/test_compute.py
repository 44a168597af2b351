"""Where, and how exactly, it is computed: what is asked for, what is settled, what is refused."""

import pickle
from contextlib import contextmanager
from dataclasses import replace

import numpy as np
import pytest
import torch

import napari_superpixels as nsp
from napari_superpixels.engine import device as engine_device
from napari_superpixels.engine import manifest
from napari_superpixels.engine import plan as plan_module
from napari_superpixels.engine.again import plan_of
from napari_superpixels.engine.cost import windows_at_once
from napari_superpixels.engine.device import check_device, device_bytes, devices
from napari_superpixels.engine.files import write_json
from napari_superpixels.engine.manifest import manifest_of
from napari_superpixels.engine.records import RunState, partial_path
from napari_superpixels.errors import InputError, OutputError, PlanError
from napari_superpixels.kernels.cone import WHOLE
from napari_superpixels.models import card, clustering, compute, learned
from napari_superpixels.models.compute import ON_PROCESSOR, Compute
from napari_superpixels.models.protocol import Tile
from napari_superpixels.tiling import Box, Lattice

IMAGE = np.random.default_rng(1).integers(0, 256, (96, 80, 3), dtype=np.uint8)


@pytest.fixture
def one_card(monkeypatch):
    """Pretend that torch finds a graphics card."""
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda _: "NVIDIA H100")
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda _: (9, 0))
    monkeypatch.setattr(compute, "cuda_count", lambda: 1)


@pytest.fixture
def no_card(monkeypatch):
    monkeypatch.setattr(compute, "cuda_count", lambda: 0)


@pytest.mark.parametrize("device", ["gpu", "cuda:", "cuda:one", "cpu:0", "", None, 0])
def test_what_is_no_device_is_refused(device):
    with pytest.raises(InputError, match=r"The device is .*; give 'auto', 'cpu', 'cuda'"):
        Compute(device)


def test_what_is_no_precision_is_refused():
    with pytest.raises(InputError, match="The precision is 'half'; give 'exact' or 'fast'"):
        nsp.plan(IMAGE, "slic", precision="half")


def test_a_device_that_is_not_there_is_refused(no_card):
    with pytest.raises(InputError, match="torch finds no CUDA device here; choose 'cpu'"):
        nsp.plan(IMAGE, "slic", device="cuda")


def test_of_several_the_last_has_a_number(one_card):
    assert Compute("cuda:0").where == Compute("cuda").where == "cuda:0"
    with pytest.raises(InputError, match="'cuda:1', but torch finds 1 CUDA device here"):
        nsp.plan(IMAGE, "slic", device="cuda:1")


def test_for_integers_the_device_is_no_part_of_the_hash(one_card):
    plans = [nsp.plan(IMAGE, "slic", device=device) for device in ("auto", "cpu", "cuda")]
    assert len({plan.hash for plan in plans}) == 1
    assert [plan.compute.device for plan in plans] == ["auto", "cpu", "cuda"]
    with pytest.raises(InputError, match="slic computes in integers"):
        nsp.plan(IMAGE, "slic", precision="fast")


def test_for_networks_kind_and_precision_are_part_of_the_hash(one_card):
    kinds = {"cpu": "exact", "cuda": "exact", "auto": "fast"}
    plans = [nsp.plan(IMAGE, "scn", device=d, precision=p) for d, p in kinds.items()]
    assert len({plan.hash for plan in plans}) == 3
    assert plans[-1].compute == Compute("cuda", "fast")
    assert nsp.plan(IMAGE, "scn", device="cuda:0").hash == plans[1].hash
    assert "cuda, fast" in str(plans[-1])


def test_without_a_card_networks_run_on_the_processor(no_card):
    assert nsp.plan(IMAGE, "scn").compute == ON_PROCESSOR


def test_fast_is_refused_where_it_would_be_slow(no_card, monkeypatch):
    monkeypatch.setattr(compute, "has_bfloat16", lambda: False)
    with pytest.raises(InputError, match="a processor without instructions for bfloat16"):
        nsp.plan(IMAGE, "scn", precision="fast")


def test_a_plan_for_a_card_is_refused_elsewhere(one_card, monkeypatch):
    """As in a worker of another machine."""
    plan = pickle.loads(pickle.dumps(nsp.plan(IMAGE, "scn", device="cuda")))
    monkeypatch.setattr(compute, "cuda_count", lambda: 0)
    with pytest.raises(PlanError, match="computes on 'cuda', and there is no such device here"):
        plan.model.prepare()


def begun(out, device, method="scn"):
    """Leave what a run has left that was killed at once; return its plan's hash."""
    plan = nsp.plan(nsp.sample_path("slide"), method, device=device)
    state = RunState(partial_path(out))
    state.make_folder()
    write_json(state.manifest_path, manifest_of(plan))
    return plan.hash


@pytest.mark.parametrize(
    ("begun_on", "asked", "refused"),
    [
        ("cuda", "cpu", r"was begun on 'cuda'.*resume it on 'cuda'"),
        ("cpu", "cuda:0", r"was begun on 'cpu'.*others on 'cuda:0'"),
    ],
)
def test_a_resume_on_another_kind_is_refused(one_card, tmp_path, begun_on, asked, refused):
    out = tmp_path / "out.zarr"
    begun(out, begun_on)
    with pytest.raises(OutputError, match=refused):
        plan_of(out, asked)


def test_a_resume_without_that_kind_is_refused(one_card, monkeypatch, tmp_path):
    out = tmp_path / "out.zarr"
    begun(out, "cuda")
    monkeypatch.setattr(compute, "cuda_count", lambda: 0)
    with pytest.raises(PlanError, match="there is no such device here; run it on a machine"):
        nsp.resume(out)


def test_a_plan_for_a_card_is_made_anywhere_and_computed_where_there_is_one(no_card, tmp_path):
    """By workers, whose client needs none."""
    plan, out = nsp.plan(IMAGE, "scn", device="cuda"), tmp_path / "out.zarr"
    assert plan.compute.where == "cuda:0"
    for part in (None, (1, 2)):
        with pytest.raises(PlanError, match="computes on 'cuda', and there is no such device here"):
            nsp.run(plan, out, part=part)
    assert not partial_path(out).exists()
    with pytest.raises(InputError, match="torch finds no CUDA device here; choose 'cpu'"):
        nsp.superpixels(IMAGE, "scn", device="cuda")


@pytest.fixture
def parts_of_a_card(tmp_path, monkeypatch):
    """An output all of whose parts are done, as on a machine with a card and another PyTorch."""
    image = tmp_path / "image.npy"
    np.save(image, IMAGE)
    plan, out = nsp.plan(image, "scn", window=48, device="cpu"), tmp_path / "out.zarr"
    nsp.run(plan, out, part=(1, 1))
    state = RunState(partial_path(out))
    monkeypatch.setattr(compute, "cuda_count", lambda: 0)
    manifest = manifest_of(replace(plan, compute=Compute("cuda")))
    write_json(state.manifest_path, manifest | {"libraries": {"torch": "1.0"}})
    return plan, state


def test_what_needs_no_network_is_finished_without_a_card(parts_of_a_card, tmp_path):
    plan, _ = parts_of_a_card
    found = nsp.finish(tmp_path / "out.zarr")
    assert found.report.computed < found.report.tiles
    np.testing.assert_array_equal(found.labels[:], nsp.run(plan, tmp_path / "local.zarr").labels[:])


def test_what_needs_the_network_is_not(parts_of_a_card, tmp_path):
    _, state = parts_of_a_card
    next(path for path in (state.partial / "0" / "c").rglob("*") if path.is_file()).unlink()
    with pytest.raises(OutputError, match=r"begun with torch 1\.0, whose last bits may differ"):
        nsp.finish(tmp_path / "out.zarr")
    write_json(state.manifest_path, state.read_manifest() | {"libraries": {}})
    with pytest.raises(PlanError, match="computes on 'cuda', and there is no such device here"):
        nsp.resume(tmp_path / "out.zarr")


@pytest.mark.parametrize(
    ("one", "other"), [("H100 9.0", "A100 8.0"), ("AVX512", "AVX2"), ("A100 8.0", compute.MISSING)]
)
def test_other_hardware_of_that_kind_is_refused(monkeypatch, one, other):
    """Its sums may be others; where there is none nothing is computed, and it is remembered."""
    plans = {name: nsp.plan(IMAGE, name, device="cpu") for name in ("scn", "slic")}
    monkeypatch.setattr(plan_module, "hardware", lambda _: one)
    begun = {name: manifest_of(plan) for name, plan in plans.items()}
    monkeypatch.setattr(plan_module, "hardware", lambda _: other)
    manifest.check_libraries(begun["slic"], plans["slic"], "out")
    if other == compute.MISSING:
        manifest.check_libraries(begun["scn"], plans["scn"], "out")
        judged = manifest.judge(begun["scn"], plans["scn"], [], "out")
        assert judged["libraries"] == begun["scn"]["libraries"]
        monkeypatch.setattr(plan_module, "hardware", lambda _: "another")
        begun["scn"], other = judged, "another"
    with pytest.raises(OutputError, match=f"begun with the hardware {one}, whose .* {other} here"):
        manifest.check_libraries(begun["scn"], plans["scn"], "out")


@pytest.mark.parametrize("count", [0, 1, 2])
def test_hardware_is_the_card_and_what_it_can_do(monkeypatch, count):
    monkeypatch.setattr(compute, "cuda_count", lambda: count)
    monkeypatch.setattr(torch.cuda, "get_device_name", {"cuda:1": "NVIDIA H100"}.get)
    monkeypatch.setattr(torch.cuda, "get_device_capability", {"cuda:1": (9, 0)}.get)
    assert compute.hardware("cuda:1") == ("NVIDIA H100 9.0" if count > 1 else compute.MISSING)
    assert compute.hardware("cpu") == torch.backends.cpu.get_cpu_capability()


@pytest.mark.parametrize(("begun_on", "asked"), [("cuda", None), ("cuda", "cuda:0"), ("cpu", None)])
def test_a_resume_on_the_same_kind_has_the_same_hash(one_card, tmp_path, begun_on, asked):
    out = tmp_path / "out.zarr"
    made = begun(out, begun_on)
    assert plan_of(out, asked).hash == made


@pytest.mark.parametrize("asked", [None, "cpu", "cuda"])
def test_integers_are_resumed_anywhere(one_card, tmp_path, asked):
    out = tmp_path / "out.zarr"
    made = begun(out, "cuda", "slic")
    assert plan_of(out, asked).hash == made


def test_what_can_be_chosen(monkeypatch):
    monkeypatch.setattr(engine_device, "has_driver", lambda: False)
    assert [one.name for one in devices()] == ["auto"]
    monkeypatch.setattr(engine_device, "has_driver", lambda: True)
    assert [one.name for one in devices()] == ["auto", "cuda", "cpu"]


@pytest.mark.parametrize("method", ["scn", "ssn"])
def test_a_plan_that_does_not_fit_the_device_is_refused_with_a_proposal(
    one_card, monkeypatch, method
):
    image = np.zeros((3000, 3000, 3), np.uint8)
    plan = nsp.plan(image, method, device="cuda", window=1024)
    needed = device_bytes(plan, workers=2)
    fast = device_bytes(replace(plan, compute=Compute("cuda", "fast")), 2)
    held = plan.unmeasured_model.held_bytes_for(plan.read_px)
    windows = 2 * windows_at_once(plan.group)
    assert needed == 2 * fast + (windows - 2) * held
    assert needed > 5e8 < fast * 2
    assert device_bytes(plan, 1000) == 2 * fast + card.HELD_BYTES
    monkeypatch.setattr(engine_device, "free_bytes", lambda _: int(needed / 0.89))
    check_device(plan, 2)
    monkeypatch.setattr(engine_device, "free_bytes", lambda _: int(0.9 * needed))
    with pytest.raises(PlanError, match=r"need .* GB of 'cuda', but .* window=512 would fit"):
        check_device(plan, 2)
    monkeypatch.setattr(engine_device, "free_bytes", lambda _: 1000)
    with pytest.raises(PlanError, match="choose device='cpu'"):
        check_device(plan, 2)
    check_device(replace(plan, compute=ON_PROCESSOR), 2)


def test_what_an_earlier_run_left_is_free(monkeypatch):
    """The allocator keeps it for this process, and the driver counts it as taken."""
    monkeypatch.setattr(torch.cuda, "mem_get_info", {"cuda:1": (100, 1000)}.get)
    monkeypatch.setattr(torch.cuda, "memory_reserved", {"cuda:1": 800}.get)
    monkeypatch.setattr(torch.cuda, "memory_allocated", {"cuda:1": 50}.get)
    assert engine_device.free_bytes("cuda:1") == 850


@pytest.mark.parametrize("method", ["scn", "ssn"])
def test_what_a_window_leaves_on_a_card_is_counted_until_it_is_whole(monkeypatch, method):
    """Connectivity, on the processor, looks up some of it."""
    held, seen = [], []

    @contextmanager
    def holding(device, size):
        held.append((device, size))
        yield
        held.pop()

    def watched(function):
        def call(*args, **kwargs):
            seen.append(*held)
            return function(*args, **kwargs)

        return call

    monkeypatch.setattr(card, "held_on", holding)
    for module in (learned, clustering):
        monkeypatch.setattr(module, "connect", watched(module.connect))
    monkeypatch.setattr(card, "on_card", watched(card.on_card))
    plan = nsp.plan(IMAGE, method, device="cpu")
    shape = IMAGE.shape[:2]
    tile = Tile(
        pixels=np.moveaxis(IMAGE, -1, 0), valid=None, step=(16, 16), cut=WHOLE,
        wanted=Box.whole(Lattice(shape, (16, 16)).cells),
    )  # fmt: skip
    plan.model(tile, pulse=lambda: None)
    assert seen == 2 * [("cpu", plan.model.held_bytes_for(shape))]
    channels = {"scn": 9 * 4, "ssn": 18 * 2}[method]
    assert plan.model.held_bytes_for(shape) == channels * shape[0] * shape[1]


class Crowded:
    """A device on which so many attempts run out of memory."""

    def __init__(self, monkeypatch, failures, error=torch.OutOfMemoryError):
        self.failures, self.alone, self.error = failures, [], error
        self.on_card = card.on_card
        monkeypatch.setattr(card, "on_card", self.entered)

    def entered(self, device, *, alone=False):
        self.alone.append(alone)
        if len(self.alone) <= self.failures:
            raise self.error("unable to find an engine")
        return self.on_card("cpu")


def run(precision, tmp_path):
    plan = nsp.plan(IMAGE, "scn", window=64, device="cpu")
    # The settings of a card, on the processor: what is computed does not matter here.
    plan = replace(plan, compute=Compute("cpu", precision))
    return nsp.run(plan, tmp_path / "out.zarr", workers=1)


@pytest.mark.parametrize("error", [torch.OutOfMemoryError, RuntimeError])
def test_out_of_memory_stops_an_exact_run_with_a_proposal(monkeypatch, tmp_path, error):
    crowded = Crowded(monkeypatch, failures=1, error=error)
    with pytest.raises(PlanError, match=r"ran out of memory at a window of .*, e\.g\. window=\d+"):
        run("exact", tmp_path)
    assert crowded.alone == [False], "not tried again, and no other window either"


@pytest.mark.parametrize("precision", ["exact", "fast"])
def test_memory_is_set_aside_for_exact_results_alone(monkeypatch, tmp_path, precision):
    wanted = []

    @contextmanager
    def sufficing(device, slot, size):
        wanted.append((device, slot, size))
        yield

    monkeypatch.setattr(card, "sufficing", sufficing)
    run(precision, tmp_path)
    assert bool(wanted) == (precision == "exact")
    bound = nsp.plan(IMAGE, "scn", window=64, device="cpu")
    assert all(
        0 < size <= bound.unmeasured_model.device_bytes_for(bound.read_px) for *_, size in wanted
    )


def test_out_of_memory_leaves_a_fast_window_alone_on_the_card(monkeypatch, tmp_path, caplog):
    crowded = Crowded(monkeypatch, failures=1)
    report = run("fast", tmp_path).report
    assert not report.failed
    assert crowded.alone[:2] == [False, True]
    assert "a window goes there alone" in caplog.text


def test_and_then_it_is_refused_too(monkeypatch, tmp_path):
    crowded = Crowded(monkeypatch, failures=2)
    with pytest.raises(PlanError, match="ran out of memory"):
        run("fast", tmp_path)
    assert crowded.alone == [False, True]


@pytest.mark.skipif(not compute.has_bfloat16(), reason="this processor has no bfloat16")
def test_fast_changes_few_pixels_and_exact_none(tmp_path):
    image = nsp.open(nsp.sample_path("slide"))
    region = {"y": (0, 128), "x": (0, 128)}
    made = {}
    for precision in ("exact", "fast"):
        plan = nsp.plan(image, "scn", region=region, device="cpu")
        plan = replace(plan, compute=Compute("cpu", precision))
        made[precision] = nsp.run(plan, tmp_path / precision, workers=1).labels[...]
    differing = (made["exact"] != made["fast"]).mean()
    assert 0 < differing < 0.05


def test_one_byte_a_pixel_is_the_first_of_the_best():
    """As `argmax` of numpy, which exact results were made with before; ties and gaps too."""
    logits = torch.from_numpy(np.random.default_rng(2).integers(0, 4, (9, 31, 17)).astype("f4"))
    logits[:, :5] = -torch.inf
    logits[3, :5, 2:] = 0.5
    found = learned.codes_of(logits)
    assert found.dtype == np.uint8
    np.testing.assert_array_equal(found, logits.numpy().argmax(axis=0))
    cost = learned.cost_of(logits)
    index, code = np.array([200, 3, 526]), np.array([8, 0, 4], np.uint8)
    np.testing.assert_array_equal(cost(index, code), -logits.reshape(9, -1).numpy()[code, index])
