"""How many processors there are for this process, which in a container is less than the machine has."""

from __future__ import annotations

import os
from math import ceil
from pathlib import Path


def usable_cores(groups: Path = Path("/sys/fs/cgroup")) -> int:
    """The processors that this process may keep busy: those it may run on, as far as the quota of its container goes.

    `groups` is where control groups are: `cpu.max` of the second version (Linux, "Control Group v2", CPU Interface
    Files), `cpu/cpu.cfs_quota_us` and `cpu/cpu.cfs_period_us` of the first ("CFS Bandwidth Control"). A container sees
    its own group there.
    """
    allowed = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    quota = _quota(groups / "cpu.max") or _quota(groups / "cpu/cpu.cfs_quota_us", groups / "cpu/cpu.cfs_period_us")
    return min(allowed, ceil(quota)) if quota else allowed


def _quota(*paths: Path) -> float:
    """Time of processors in each period, in periods; 0 where there is no such limit."""
    try:
        quota, period = " ".join(path.read_text(encoding="ascii") for path in paths).split()
        return max(0.0, int(quota) / int(period))
    except (OSError, ValueError, ZeroDivisionError):
        return 0.0  # `max`, -1, or no control groups
