"""Programs of others, read from their files without running what a stranger may have put there.

A ``.pt2`` is a zip of raw tensors and one JSON of operations. Torch's own reader also unpickles
parts of it, evaluates texts and looks names up, so it is given a copy that has none of what it
would do that with: tensors and operations alone. TorchScript is read by torch's C++ reader, which
makes tensors and numbers and runs no Python; but its own code runs, partly when it is read, and has
operations that write files. So `script_code` reads that code first, and torch is given a copy with
nothing else in it.
"""

import json
import re
import warnings
from collections.abc import Iterator
from io import BytesIO
from threading import Lock
from typing import Any
from zipfile import ZipFile

import torch
from torch import nn
from torch.export import ExportedProgram

from napari_superpixels.errors import InputError
from napari_superpixels.networks.members import (
    UNREADABLE,
    check_size,
    is_pickle,
    is_script,
    unpacked,
)
from napari_superpixels.networks.script_code import check_code, plain_copy

MEMBERS = re.compile(
    r"[^/]+/(data/weights/weight_\d+|data/constants/tensor_\d+"
    r"|data/(weights/model_weights|constants/model_constants)_config\.json|models/model\.json"
    r"|archive_format|archive_version|byteorder|\.data/(version|serialization_id))"
)
"""What of a ``.pt2`` is read."""
GRAPH = "models/model.json"
OPERATIONS = re.compile(
    r"torch\.ops\.(aten|prims|torchvision)\.\w+(\.\w+)?"
    r"|torch\.sym_(float|int|max|min|not|sqrt)"
    r"|_operator\.(add|sub|mul|floordiv|truediv|mod|neg|pow|getitem|ge|le|gt|lt|eq|ne|and_|or_)"
)
"""What a program may do: arithmetic, and nothing that touches files."""
FILES = re.compile(r"torch\.ops\.\w+\.(from_file|save|load)\b")
WORDS = re.compile(r"[A-Za-z_]\w*")
SYMBOL = re.compile(
    r"[su]\d+|FloorDiv|CleanDiv|CeilDiv|PythonMod|Mod|Max|Min|IntTrueDiv|PowByNatural"
    r"|CeilToInt|FloorToInt|TruncToInt|ToFloat|oo|int_oo|Symbol|Integer|Rational|Mul|Add|Pow"
    r"|True|False|integer|positive|nonnegative|negative|nonzero|zero|real|finite"
)
"""Names in expressions of sizes, which torch evaluates."""
EXPRESSION = re.compile(r"[\w\s+\-*/(),<>=']*")
CONTAINERS = {None, "builtins.tuple", "builtins.list", "builtins.dict", "collections.OrderedDict"}
"""In what inputs and outputs come; for others torch would import modules."""
ONE_AT_A_TIME = Lock()
"""Torch's reader of programs refuses a second thread while the first one reads."""


def read_program(content: bytes, where: str) -> ExportedProgram:
    """Return a program of ``torch.export.save``.

    Raises
    ------
    InputError
        If it is none, or holds more than tensors and operations on them.
    """
    if is_pickle(content):
        raise InputError(
            f"'{where}' is a pickle, which may run any code; save the network with "
            f"torch.export.save as a .pt2 file."
        )
    try:
        return _quietly(_tensors_and_operations(content, where))
    except InputError:
        raise
    except Exception as error:  # noqa: BLE001 - torch's reader raises anything
        raise InputError(
            f"'{where}' is no program of torch.export ({_first_line(error)}); save one with "
            f"torch.export.save(torch.export.export(network, ...), 'network.pt2')."
        ) from None


def _tensors_and_operations(content: bytes, where: str) -> BytesIO:
    """Return a copy of an archive that has what is read of it alone, each part checked."""
    plain = BytesIO()
    with ZipFile(BytesIO(content)) as archive, ZipFile(plain, "w") as copy:
        names = sorted({name for name in archive.namelist() if MEMBERS.fullmatch(name)})
        members = [archive.getinfo(name) for name in names]
        check_size(members, len(content), where)
        if not any(name.endswith(GRAPH) for name in names):
            raise ValueError(f"it has no {GRAPH}")
        for name, member in zip(names, members, strict=True):
            copy.writestr(name, _checked(name, unpacked(archive, member), where))
        top = names[0].partition("/")[0]
        copy.writestr(f"{top}/data/sample_inputs/model.pt", _no_samples())
    plain.seek(0)
    return plain


def _no_samples() -> bytes:
    """Return what stands for the example that a program was made with: a pickle of ours."""
    file = BytesIO()
    torch.save(((), {}), file)
    return file.getvalue()


def _quietly(file: BytesIO) -> ExportedProgram:
    """Read a program; what torch would tell of one that is broken, is told by the caller."""
    from torch.export.pt2_archive._package import load_pt2

    with ONE_AT_A_TIME:
        (program,) = load_pt2(file).exported_programs.values()
    return program


def _checked(name: str, content: bytes, where: str) -> bytes:
    """Return a member of the archive, refused where torch would run what it says."""
    if not name.endswith(".json"):
        return content
    told = json.loads(content)
    if not name.endswith(GRAPH):
        if any(one.get("use_pickle") for one in told.get("config", {}).values()):
            raise InputError(
                f"'{where}' holds a pickle, which may run any code; export the network anew, with "
                f"its weights as plain tensors."
            )
        return content
    told["guards_code"] = []
    for part in _dicts(told):
        _check_part(part, where)
    return json.dumps(told).encode()


def _check_part(part: dict[str, Any], where: str) -> None:
    """Refuse operations and expressions that are not of tensors; forget where code came from."""
    for name in ("in_spec", "out_spec"):
        if name in part and not is_plain_container(json.loads(part[name])):
            raise InputError(
                f"'{where}' takes or gives {part[name][:80]!r}, but only tensors, in tuples, lists "
                f"or dictionaries of texts, are taken; export the network so."
            )
    if "target" in part and "metadata" in part and "inputs" in part:
        part["metadata"] = {}
        target = str(part["target"])
        if not OPERATIONS.fullmatch(target) or FILES.match(target):
            raise InputError(
                f"'{where}' runs {target[:80]!r}, which is no operation on tensors that is known "
                f"to do no harm; export the network in operations of torch alone."
            )
    text = str(part.get("expr_str", ""))
    words = all(SYMBOL.fullmatch(word) for word in WORDS.findall(text))
    if not EXPRESSION.fullmatch(text) or not words:
        raise InputError(
            f"'{where}' has a size of {text[:80]!r}, which is no expression of numbers; export the "
            f"network anew."
        )


def is_plain_container(told: Any) -> bool:
    """Whether inputs or outputs are tuples, lists or dictionaries of texts, as JSON tells them."""
    version, tree = told
    inside, keys = tree["children_spec"], json.loads(tree["context"] or "null") or []
    plain = tree["type"] in CONTAINERS and isinstance(keys, list)
    texts = plain and all(isinstance(key, str) for key in keys)
    return texts and all(is_plain_container([version, one]) for one in inside)


def _dicts(value: Any) -> Iterator[dict[str, Any]]:
    """Yield every dictionary within what JSON gave."""
    if isinstance(value, dict):
        yield value
    for one in value.values() if isinstance(value, dict) else value:
        if isinstance(one, dict | list):
            yield from _dicts(one)


def read_script(content: bytes, where: str) -> nn.Module:
    """Return a network of ``torch.jit.save``.

    Raises
    ------
    InputError
        If it is a pickle, or nothing that torch reads.
    """
    if not is_script(content):
        raise InputError(
            f"'{where}' is no TorchScript but, if anything, a pickle, which may run any code; save "
            f"the network with torch.export.save as a .pt2 file."
        )
    try:
        copy = plain_copy(content, where)
        check_code(copy, where)
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", r"`torch\.jit\.load` is deprecated", FutureWarning)
            warnings.filterwarnings("ignore", "`torch.jit.load`", DeprecationWarning)
            script: nn.Module = torch.jit.load(BytesIO(copy), map_location="cpu")  # type: ignore[no-untyped-call]
    except InputError:
        raise
    except UNREADABLE as error:
        raise InputError(
            f"'{where}' is no TorchScript that this torch reads ({_first_line(error)}); save the "
            f"network with torch.export.save as a .pt2 file."
        ) from None
    return script.eval()


def _first_line(error: Exception) -> str:
    return str(error).strip().split("\n")[0][:120] or type(error).__name__
