"""Files of programs: what is read of them, and what is refused before anything of theirs runs."""

import json
import pickle
from concurrent.futures import ThreadPoolExecutor
from io import BytesIO
from zipfile import ZipFile

import pytest
import torch
from torch import nn

from napari_superpixels.errors import InputError
from napari_superpixels.networks.archives import (
    is_plain_container,
    read_program,
    read_script,
)
from napari_superpixels.networks.members import is_pickle, is_script
from napari_superpixels.networks.script_code import plain_copy
from napari_superpixels.testing.foreign import rewritten, unet, write_pt2, write_script

IMAGE = torch.rand(1, 3, 32, 48, generator=torch.Generator().manual_seed(3))


class Harmful:
    """What says so when it is unpickled."""

    def __reduce__(self):
        return (exec, ("raise SystemExit('ran')",))


@pytest.fixture(scope="module")
def program(tmp_path_factory):
    return write_pt2(tmp_path_factory.mktemp("pt2") / "a.pt2", unet()).read_bytes()


@pytest.fixture(scope="module")
def script(tmp_path_factory):
    return write_script(tmp_path_factory.mktemp("script") / "a.pt", unet()).read_bytes()


@pytest.fixture
def spoilt(tmp_path):
    """Change the members of an archive."""

    def spoil(content, change):
        path = tmp_path / "spoilt"
        path.write_bytes(content)
        return rewritten(path, change).read_bytes()

    return spoil


def names_in(content):
    with ZipFile(BytesIO(content)) as archive:
        return archive.namelist()


def test_both_kinds_give_what_the_network_does(program, script):
    with torch.inference_mode():
        own = unet()(IMAGE)
        torch.testing.assert_close(
            read_program(program, "a").module(check_guards=False)(IMAGE), own
        )
        torch.testing.assert_close(read_script(script, "a")(IMAGE), own)


def test_a_pickle_is_known_by_its_content(program, script, tmp_path):
    torch.save(unet(), tmp_path / "a")
    old = BytesIO()
    torch.save(unet().state_dict(), old, _use_new_zipfile_serialization=False)
    pickles = [pickle.dumps(Harmful()), (tmp_path / "a").read_bytes(), old.getvalue()]
    others = [program, script, b"none"]
    assert [is_pickle(one) for one in (*pickles, *others)] == [True] * 3 + [False] * 3
    assert [is_script(one) for one in (*pickles, *others)] == [False] * 4 + [True, False]
    for one in pickles:
        with pytest.raises(InputError, match=r"'a\.pt2' is a pickle, which may run any code"):
            read_program(one, "a.pt2")
        with pytest.raises(InputError, match="a pickle, which may run any code"):
            read_script(one, "a.pt")


@pytest.mark.parametrize("end", ["data/sample_inputs/model.pt", "extra/notes.pkl", "a.so"])
def test_nothing_else_in_a_program_is_touched(program, spoilt, end):
    """What lies where torch would unpickle it is not even read; nor is what is put beside it."""
    bomb = pickle.dumps(Harmful())
    content = spoilt(program, lambda name, old: bomb if name.endswith(end) else old)
    with ZipFile(held := BytesIO(content), "a") as archive:
        top = archive.namelist()[0].partition("/")[0]
        if f"{top}/{end}" not in archive.namelist():
            archive.writestr(f"{top}/{end}", bomb)
    found = read_program(held.getvalue(), "a")
    with torch.inference_mode():
        torch.testing.assert_close(found.module(check_guards=False)(IMAGE), unet()(IMAGE))


def told_otherwise(change):
    """Change the JSON of the operations."""

    def apply(name, old):
        if not name.endswith("models/model.json"):
            return old
        told = json.loads(old)
        change(told["graph_module"])
        return json.dumps(told).encode()

    return apply


def with_spec(kind, context):
    tree = {"type": kind, "context": json.dumps(context), "children_spec": []}

    def change(module):
        module["module_call_graph"][0]["signature"]["out_spec"] = json.dumps([1, tree])

    return change


@pytest.mark.parametrize(
    ("kind", "context"),
    [
        ("builtins.dict", [{"__enum__": True, "fqn": "antigravity:x", "name": "y"}]),
        ("collections.defaultdict", {"default_factory_module": "antigravity"}),
        ("collections.namedtuple", "antigravity.Point"),
    ],
)
def test_modules_that_inputs_or_outputs_name_are_not_imported(program, spoilt, kind, context):
    content = spoilt(program, told_otherwise(with_spec(kind, context)))
    with pytest.raises(InputError, match="but only tensors, in tuples, lists or dictionaries"):
        read_program(content, "a")


def test_dictionaries_of_outputs_are_taken(tmp_path):
    class Named(nn.Module):
        def __init__(self):
            super().__init__()
            self.inner = unet()

        def forward(self, image):
            return {"out": self.inner(image), "aux": [image]}

    path = write_pt2(tmp_path / "a.pt2", Named())
    found = read_program(path.read_bytes(), "a").module(check_guards=False)(IMAGE)
    with torch.inference_mode():
        torch.testing.assert_close(found["out"], unet()(IMAGE))
    assert is_plain_container([1, {"type": None, "context": None, "children_spec": []}])


def test_threads_read_programs_one_after_the_other(program):
    with ThreadPoolExecutor(4) as threads:
        found = list(threads.map(lambda _: read_program(program, "a"), range(4)))
    with torch.inference_mode():
        for one in found:
            torch.testing.assert_close(one.module(check_guards=False)(IMAGE), unet()(IMAGE))


@pytest.mark.parametrize("kind", ["program", "script"])
@pytest.mark.parametrize("share", [0.0, 0.001, 0.3, 0.7, 0.999])
def test_a_cut_file_is_told_in_a_sentence(program, script, kind, share):
    content = {"program": program, "script": script}[kind]
    read = {"program": read_program, "script": read_script}[kind]
    with pytest.raises(InputError) as caught:
        read(content[: int(share * len(content))], "a")
    assert "'a' is no" in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("kind", ["program", "script"])
def test_altered_bytes_are_told_or_harmless(program, script, kind):
    """Every member but those that are not read: a byte in its middle is another."""
    content = bytearray({"program": program, "script": script}[kind])
    read = {"program": read_program, "script": read_script}[kind]
    told = 0
    for at in range(40, len(content), len(content) // 25):
        other = content.copy()
        other[at] ^= 0xFF
        try:
            read(bytes(other), "a")
        except InputError as error:
            told += 1
            assert "\n" not in str(error)  # noqa: PT017 - both outcomes are good
    assert told > 5


@pytest.mark.parametrize(
    ("member", "content", "sentence"),
    [
        ("models/model.json", None, "it has no models/model.json"),
        ("models/model.json", b"{", "is no program of torch.export"),
        ("models/model.json", b"[1, 2]", "is no program of torch.export"),
        ("weights/weight_0", None, "is no program of torch.export"),
        ("weights/weight_0", b"short", "is no program of torch.export"),
        ("model_weights_config.json", b"{}", "is no program of torch.export"),
    ],
)
def test_a_program_with_something_missing_is_told(program, spoilt, member, content, sentence):
    spoiled = spoilt(program, lambda name, old: content if name.endswith(member) else old)
    with pytest.raises(InputError, match=sentence):
        read_program(spoiled, "a")


def test_programs_of_other_names_are_told(tmp_path):
    from torch.export.pt2_archive._package import package_pt2

    one = torch.export.export(unet(), (torch.zeros(1, 3, 64, 64),))
    package_pt2(tmp_path / "a.pt2", exported_programs={"one": one, "two": one})
    with pytest.raises(InputError, match=r"no program of torch.export \(it has no models"):
        read_program((tmp_path / "a.pt2").read_bytes(), "a")


class Saving(nn.Module):
    """It writes a file when it is called."""

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        torch.save([image], "stolen")
        return image


class Loading(nn.Module):
    """It writes a file when it is read."""

    def __init__(self) -> None:
        super().__init__()
        self.one = 1

    @torch.jit.export
    def __getstate__(self) -> tuple[int, bool]:
        return self.one, self.training

    @torch.jit.export
    def __setstate__(self, state: tuple[int, bool]) -> None:
        self.one, self.training = state
        torch.save([self.one], "stolen")

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        return image


@pytest.mark.parametrize("network", [Saving, Loading])
def test_a_script_that_writes_files_is_refused_before_it_runs(tmp_path, monkeypatch, network):
    monkeypatch.chdir(tmp_path)
    content = write_script(tmp_path / "a.pt", network()).read_bytes()
    with pytest.raises(InputError, match="names 'save', which may touch files"):
        read_script(content, "a.pt")
    assert not (tmp_path / "stolen").exists()
    if network is Loading:  # else the test would prove nothing
        with pytest.warns(match="torch.jit.load"):
            torch.jit.load(tmp_path / "a.pt")
        assert (tmp_path / "stolen").exists()


@pytest.mark.parametrize(
    ("new", "named"),
    [
        (b"ops.image.read_file(fine)", "ops.image"),
        (b"torch.from_file(fine)", "from_file"),
        (b"ops.aten.save(fine)", "save"),
        (b'getattr(torch, "sa\\x76e")(fine)', "getattr"),
        (b'getattr(torch, "save")(fine)', "save"),
        (b'getattr(ops, "image").write_file(fine)', "ops"),
        (b"fine.save(fine)", "save"),
        (b"ops.dist_rpc.x(fine)", "ops.dist_rpc"),
    ],
)
def test_code_that_names_what_touches_files_is_refused(script, spoilt, new, named):
    content = spoilt(script, lambda _, old: old.replace(b"torch.relu((first).", new + b"((first)."))
    with pytest.raises(InputError, match=rf"names '{named}', which may touch files"):
        read_script(content, "a.pt")


def test_torch_is_given_what_was_looked_at_alone(script, spoilt):
    """Of two members of one name, and of notes, readers disagree which they take."""
    with ZipFile(held := BytesIO(script), "a") as archive:
        name = next(name for name in archive.namelist() if name.endswith("foreign.py"))
        top = name.partition("/")[0]
        archive.writestr(f"{top}/extra/notes", b"x")
        with pytest.warns(UserWarning, match="Duplicate name"):
            archive.writestr(name, archive.read(name).replace(b"torch.relu", b"torch.save"))
    with pytest.raises(InputError, match="names 'save'"):
        read_script(held.getvalue(), "a.pt")
    copied = names_in(plain_copy(script, "a"))
    assert len(copied) == len(set(copied))
    assert not [one for one in copied if one.endswith("debug_pkl") or "/extra/" in one]


def test_code_that_does_not_compile_is_told(script, spoilt):
    content = spoilt(script, lambda _, old: old.replace(b"torch.relu(", b"torch.no_such("))
    with pytest.raises(InputError, match="is no TorchScript that this torch reads"):
        read_script(content, "a.pt")
