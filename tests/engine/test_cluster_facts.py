"""What must be the same on the machines that share the work of a plan."""

from types import SimpleNamespace

import pytest

from napari_superpixels.engine import cluster_facts
from napari_superpixels.engine.cluster_facts import facts_of
from napari_superpixels.models.compute import ON_PROCESSOR

CARD = "NVIDIA H100 9.0"


@pytest.mark.parametrize(("other", "fits"), [("missing", False), ("A100 8.0", False), (CARD, True)])
def test_a_worker_without_the_plans_kind_of_device_is_refused(monkeypatch, other, fits):
    """Of networks alone; integers are the same wherever they are computed."""
    monkeypatch.setattr(cluster_facts, "hardware", {"cuda:1": CARD}.get)
    compute = SimpleNamespace(kind="cuda", where="cuda:1")
    network = SimpleNamespace(integers=False, weights="scn")
    integers = SimpleNamespace(integers=True)
    wanted = facts_of(SimpleNamespace(method=network, compute=compute))
    assert wanted["cuda:1"] == CARD
    assert "cuda:1" not in facts_of(SimpleNamespace(method=integers, compute=compute))
    monkeypatch.setattr(cluster_facts, "hardware", {"cuda:1": other}.get)
    here = cluster_facts.facts_here(wanted)
    assert (here == wanted) == fits
    if not fits:
        told = cluster_facts.difference_of(wanted, here)
        assert told.startswith(f"it differs in cuda:1 ({other} instead of {CARD}), which")


def test_and_one_whose_processor_sums_otherwise(monkeypatch):
    monkeypatch.setattr(cluster_facts, "hardware", {"cpu": "AVX512"}.get)
    network = SimpleNamespace(integers=False, weights="scn")
    wanted = facts_of(SimpleNamespace(method=network, compute=ON_PROCESSOR))
    monkeypatch.setattr(cluster_facts, "hardware", {"cpu": "AVX2"}.get)
    told = cluster_facts.difference_of(wanted, cluster_facts.facts_here(wanted))
    assert told.startswith("it differs in cpu (AVX2 instead of AVX512), which")
