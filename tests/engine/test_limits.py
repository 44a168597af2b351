"""What cgroups allow, read from files that look like those of Linux."""

import pytest

from napari_superpixels.engine import limits
from napari_superpixels.engine.cost import available_bytes, default_workers
from napari_superpixels.engine.limits import ControlGroups

GB = 10**9


@pytest.fixture
def groups(tmp_path):
    """Write files, and give the control groups that they tell of."""

    def make(own, files):
        for name, text in files.items():
            path = tmp_path / "cgroup" / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
        (tmp_path / "own").write_text(own)
        return ControlGroups(tmp_path / "cgroup", tmp_path / "own")

    return make


def test_version_2_any_group_around_the_process_limits_it(groups):
    found = groups(
        "0::/job/step\n",
        {
            "job/cpu.max": "350000 100000\n",
            "job/step/cpu.max": "max 100000\n",
            "job/memory.max": f"{8 * GB}\n",
            "job/memory.current": f"{7 * GB}\n",
            "job/memory.stat": f"anon 1\ninactive_file {GB}\nactive_file {GB}\n",
            "job/step/memory.max": "max\n",
            "job/step/memory.current": f"{GB}\n",
        },
    )
    assert found.processors() == 3.5
    assert found.free_bytes() == 3 * GB, "what was read from files gives way"


def test_version_2_as_a_container_sees_it(groups):
    files = {"cpu.max": "50000 100000\n", "memory.max": "1000\n", "memory.current": "900\n"}
    for own in ("0::/\n", "0::/../../elsewhere\n", "0::/not/shown/here\n"):
        found = groups(own, files)
        assert (found.processors(), found.free_bytes()) == (0.5, 100)


@pytest.mark.parametrize(
    ("most", "high", "free"),
    [("9000", "5000", 4000), ("max", "6000", 5000), ("4000", "max", 3000), ("max", "max", None)],
)
def test_where_the_system_would_slow_the_process_down_is_a_limit_too(groups, most, high, free):
    files = {"memory.max": most, "memory.high": high, "memory.current": "1000"}
    assert groups("0::/\n", files).free_bytes() == free


def test_version_1(groups):
    own = "11:memory:/docker/a1\n4:cpu,cpuacct:/docker/a1\n1:name=systemd:/docker/a1\n"
    files = {
        "cpu,cpuacct/cpu.cfs_quota_us": "-1\n",
        "cpu,cpuacct/cpu.cfs_period_us": "100000\n",
        "cpu,cpuacct/docker/a1/cpu.cfs_quota_us": "200000\n",
        "cpu,cpuacct/docker/a1/cpu.cfs_period_us": "100000\n",
        "memory/memory.limit_in_bytes": "9223372036854771712\n",
        "memory/memory.usage_in_bytes": "5\n",
        "memory/docker/a1/memory.limit_in_bytes": f"{4 * GB}\n",
        "memory/docker/a1/memory.usage_in_bytes": f"{3 * GB}\n",
        "memory/docker/a1/memory.stat": "inactive_file 7\nactive_file 7\n"
        f"total_inactive_file {GB // 4}\ntotal_active_file {GB - GB // 4}\n",
    }
    found = groups(own, files)
    assert found.processors() == 2
    assert found.free_bytes() == 2 * GB


@pytest.mark.parametrize(
    "files", [{}, {"cpu.max": "max 100000\n", "memory.max": "max\n", "memory.current": "7\n"}]
)
def test_no_limit(files, groups, tmp_path):
    found = groups("0::/\n", files)
    assert found.processors() is None
    assert found.free_bytes() is None
    nowhere = ControlGroups(tmp_path / "none", tmp_path / "nothing")
    assert nowhere.processors() is None


def test_a_run_takes_no_more_than_it_may(monkeypatch, groups):
    monkeypatch.setattr(limits, "ControlGroups", lambda: groups("", {}))
    affinity = default_workers()
    for quota, expected in (("100000", 1), ("20000", 1), ("99900000", affinity)):
        files = {
            "cpu.max": f"{quota} 100000\n",
            "memory.max": "5000\n",
            "memory.current": "2000\n",
        }
        found = groups("0::/\n", files)
        monkeypatch.setattr(limits, "ControlGroups", lambda found=found: found)
        assert default_workers() == expected
        assert available_bytes() == 3000
