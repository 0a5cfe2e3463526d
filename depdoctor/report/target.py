"""A machine as a `[[target]]` block to paste into the configuration, and as JSON."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from itertools import groupby
from json import dumps
from typing import Any

from depdoctor.model.host import Fact, Gpus, Host, Known, NotKnown
from depdoctor.model.noun import dataclass
from depdoctor.model.target import PLATFORMS
from depdoctor.report.json import SCHEMA_VERSION

OWN = "of the machine itself: an image brings its own, so keep what follows only for what runs outside of images"


@dataclass(frozen=True, slots=True, kw_only=True)
class _Entry:
    """A key of the block with the source of its value; or, without a value, why it is left out."""

    key: str
    value: str | tuple[str, ...] | None
    remark: str = ""


def block(host: Host) -> str:
    """Turn a machine into TOML that the configuration takes. What is not known is a comment with the reason."""
    about = (host.platform, host.distribution, f"Python {', '.join(host.pythons)}" if host.pythons else "")
    lines = [comment("depdoctor host: " + "; ".join(filter(None, about)))]
    lines += [comment(remark) for remark in _remarks(host)]
    lines += ["[[target]]", *_lines(_offer(host)), comment(OWN), *_lines(_own(host))]
    return "\n".join(lines) + "\n"


def _lines(entries: Iterable[_Entry]) -> Iterator[str]:
    from tomlkit import item

    for reason, same in groupby(entries, key=lambda entry: entry.remark if entry.value is None else None):
        if reason is not None:
            yield comment(f"{', '.join(entry.key for entry in same)} left out: {reason}")
            continue
        for entry in same:
            value = list(entry.value) if isinstance(entry.value, tuple) else entry.value
            yield f"{entry.key} = {item(value).as_string()}" + (f"  {comment(entry.remark)}" if entry.remark else "")


def json(host: Host) -> str:
    """Turn a machine into JSON: the target as the configuration holds it, what is left out and why, and the rest."""
    entries = (*_offer(host), *_own(host))
    gpus = host.gpus.each if isinstance(host.gpus, Gpus) else ()
    document: Mapping[str, Any] = {
        "schema_version": SCHEMA_VERSION,
        "target": {entry.key: entry.value for entry in entries if entry.value is not None},
        "left_out": {entry.key: entry.remark for entry in entries if entry.value is None},
        "host": {
            "system": host.system,
            "machine": host.machine,
            "distribution": host.distribution,
            "libc": host.libc,
            "libc_version": _told(host.libc_version),
            "pythons": host.pythons,
            "driver": _told(host.driver),
            "driver_cuda": _told(host.driver_cuda),
            "gpus": [
                {
                    "name": gpu.model.name,
                    "capability": "{}.{}".format(*gpu.model.capability) if gpu.model.capability else None,
                    "mig": gpu.mig,
                }
                for gpu in gpus
            ],
            "cuda": _told(host.cuda),
            "cudnn": _told(host.cudnn),
            "wsl": host.wsl,
            "tegra": host.tegra,
        },
        "sources": {
            key: fact.source
            for key, fact in (
                ("driver", host.driver),
                ("driver_cuda", host.driver_cuda),
                ("gpus", host.gpus),
                ("libc_version", host.libc_version),
                ("cuda", host.cuda),
                ("cudnn", host.cudnn),
            )
            if not isinstance(fact, NotKnown)
        },
        "remarks": list(_remarks(host)),
    }
    return dumps(document, indent=2, ensure_ascii=False) + "\n"


def _told(fact: Fact) -> str | None:
    return fact.text if isinstance(fact, Known) else None


def _offer(host: Host) -> Iterator[_Entry]:
    yield _Entry(key="name", value=_name(host))
    if host.platform in PLATFORMS:
        yield _Entry(key="platform", value=host.platform)
    else:
        yield _Entry(key="platform", value=None, remark=f"{host.platform} is none that a target can be")
    yield _driver(host)
    yield _entry("driver-cuda", host.driver_cuda)
    yield _gpus(host.gpus)


def _own(host: Host) -> Iterator[_Entry]:
    if host.libc == "musl":
        yield _Entry(key="libc", value="musl", remark=_told(host.libc_version) or "")
    elif host.system == "linux":
        yield _entry("glibc", host.libc_version)
    yield _entry("cuda", host.cuda)
    yield _entry("cudnn", host.cudnn)


def _entry(key: str, fact: Fact) -> _Entry:
    if isinstance(fact, NotKnown):
        return _Entry(key=key, value=None, remark=fact.reason)
    return _Entry(key=key, value=fact.text, remark=fact.source)


def _driver(host: Host) -> _Entry:
    """The driver, unless it is numbered apart from those of Linux servers, to whose floors a target is held."""
    if isinstance(host.driver, NotKnown) or not (host.wsl or host.tegra):
        return _entry("driver", host.driver)
    whose = "Windows" if host.wsl else f"Linux for Tegra {host.tegra}"
    remark = f"{host.driver.text} is a number of {whose}, not of other Linux drivers"
    if isinstance(host.driver_cuda, Known):
        remark += "; driver-cuda tells what it runs"
    return _Entry(key="driver", value=None, remark=remark)


def _gpus(gpus: Gpus | NotKnown) -> _Entry:
    if isinstance(gpus, NotKnown):
        return _Entry(key="gpus", value=None, remark=gpus.reason)
    counted = Counter(str(gpu.model) for gpu in gpus.each if str(gpu.model))
    if not counted:
        return _Entry(key="gpus", value=None, remark=f"{gpus.source} says that there is none")
    several = ", ".join(f"{count} x {name}" for name, count in counted.items() if count > 1)
    return _Entry(key="gpus", value=tuple(counted), remark=": ".join(filter(None, (gpus.source, several))))


def _remarks(host: Host) -> Iterator[str]:
    yield from host.remarks
    if host.wsl:
        yield "WSL 2: the driver is installed in Windows, everything else is Linux"
    if host.tegra:
        yield f"Jetson (Linux for Tegra {host.tegra}): drivers, and most CUDA wheels, are its own"
    if isinstance(host.gpus, Gpus) and any(gpu.mig for gpu in host.gpus.each):
        yield "MIG is on: what runs here sees a part of a GPU, of the same compute capability"


def _name(host: Host) -> str:
    """A name from the GPU and the branch of its driver, so that blocks of several machines can stand together."""
    model = host.gpus.each[0].model if isinstance(host.gpus, Gpus) and host.gpus.each else None
    branch = host.driver.text.partition(".")[0] if isinstance(host.driver, Known) else ""
    parts = (model.name or str(model) if model else host.platform, f"driver {branch}" if branch else "")
    return re.sub(r"[^a-z0-9_]+", "-", " ".join(parts).lower()).strip("-") or host.platform


def comment(remark: str) -> str:
    """A TOML comment of one line, without characters that TOML forbids there."""
    return "# " + " ".join("".join(one if one.isprintable() else " " for one in remark).split())
