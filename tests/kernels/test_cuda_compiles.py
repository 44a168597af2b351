"""The Triton kernels compile for graphics cards, also where there is none.

The interpreter takes what the compiler refuses, so equal bits there are not enough.
"""

import os
import subprocess
import sys

import pytest

pytest.importorskip("triton", reason="Triton is not installed")

COMPILE = """
import sys
import triton
from triton.backends.compiler import GPUTarget
from triton.compiler import ASTSource

from napari_superpixels.kernels.cuda import slic, soft
from napari_superpixels.kernels.cuda.pixels import Cell, Centres, Image, Tables

NUMBERS = dict.fromkeys(("top", "left", "rows", "last", "shift"), "i32")
TYPES = {
    "cell": Cell("i32", "i32", "i32", "i32", "*i32"),
    "tables": Tables("*i32", "*i32", "i32"),
    "centres": Centres("*i32", "*i32"),
    "codes": "*u8",
    "exponential": "*i32",
} | NUMBERS


def compiled(kernel, pixels, sums, ones=(), **constants):
    # Numbers that are 1 become constants, as when a kernel is launched: (argument, field).
    image = Image(pixels, "i32", "i32", "i32", "*u8", "i32", "i32")
    types = TYPES | {"image": image, "sums": sums} | dict.fromkeys(constants, "constexpr")
    for argument, field in ones:
        types[argument] = types[argument]._replace(**{field: "constexpr"})
    signature = {name: types[name] for name in kernel.arg_names}
    places = {
        (kernel.arg_names.index(argument), types[argument]._fields.index(field)): 1
        for argument, field in ones
    }
    source = ASTSource(fn=kernel, signature=signature, constexprs=constants | places)
    options = {"num_warps": 1, "enable_fp_fusion": False}
    return triton.compile(source, target=GPUTarget("cuda", int(sys.argv[1]), 32), options=options)


SMALLEST = [
    ("image", "column"), ("image", "height"), ("image", "width"), ("cell", "columns"),
    ("cell", "position"), ("tables", "scale"),
]
shared = {"C": 3, "BLOCK": 256, "CHUNKS": 1}
rgb, features = {"LAB": True, "MASKED": False}, {"LAB": False, "MASKED": True}
made = [
    compiled(slic.own_sums, "*i16", "*i32", **shared, **features),
    compiled(slic.associate, "*u8", "*i32", LAST=False, **shared, **rgb),
    compiled(slic.associate, "*i16", "*i32", LAST=True, **shared, **features),
    compiled(slic.update, "*u8", "*i64", C=3, VALUES=8, CHUNKS=2),
    compiled(soft.weigh, "*u8", "*i64", **shared, **rgb),
    compiled(slic.associate, "*u8", "*i32", SMALLEST, LAST=False, **shared, **rgb),
    compiled(slic.update, "*u8", "*i32", [("cell", "columns")], C=3, VALUES=8, CHUNKS=1),
]
print(*(len(each.asm["cubin"]) > 0 for each in made))
"""


@pytest.mark.parametrize("architecture", [90])
def test_kernels_compile(tmp_path, architecture):
    environment = {name: value for name, value in os.environ.items() if name != "TRITON_INTERPRET"}
    done = subprocess.run(
        [sys.executable, "-c", COMPILE, str(architecture)],
        env=environment | {"TRITON_CACHE_DIR": str(tmp_path)},
        capture_output=True,
        text=True,
        timeout=500,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == ["True"] * 7
