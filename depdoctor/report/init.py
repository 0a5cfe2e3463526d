"""A first `depdoctor.toml`: what was found out stands in it, what only people know stands there as an example."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from depdoctor.model.config import DEFAULT_BASE, DEFAULT_PYTHON
from depdoctor.model.host import Gpus, Host
from depdoctor.model.reading import Reading
from depdoctor.report import target

MOST_PROJECTS = 40

TARGETS = """\
# The machines that images must run on, one block for each kind. `depdoctor host` prints that of the machine it runs on.
# What is left out is not judged."""

EXAMPLE_TARGET = """\
# [[target]]
# name = "gpu-pool-a"
# driver = "535.129.03"  # or driver-cuda = "12.2", as nvidia-smi shows it
# gpus = ["A10"]  # names, or compute capabilities such as "8.6\""""

SHARED = """\
# Projects that are meant to share one environment: conflicts between them are errors then.
# [[environment]]
# name = "shared"
# projects = ["*"]"""

PROJECT = """\
# How a project is run, where its Dockerfile or its pyproject.toml does not tell.
# [[project]]
# path = {path}
# command = ["python", "-m", "serve"]
# port = 8000"""

REST = """\
# Where packages come from, unless uv or a manifest says otherwise. Credentials belong into the environment or netrc.
# index-url = "https://packages.example/simple"
# exclude-newer = "2026-01-31"  # resolve as the index stood then

# Folders that hold no projects, as in .gitignore.
# exclude = ["examples/"]"""

IMAGE = """\
# [image]
# base = {base}
# registry = "registry.example/team"
# compile = true  # byte-code in the images: larger, and quicker to start

# [rules]
# ignore = ["DD511"]  # `depdoctor rules list` names all of them
# path = "rules"  # tables of facts of your own

# [update]
# advisories = "osv.zip"  # of OSV or pip-audit: `depdoctor update` moves what has a known flaw first"""


def text(readings: Sequence[Reading], host: Host) -> str:
    """The file. `host` becomes a target if it has a GPU. Each line that is commented out can stand as it is."""
    parts = [
        "# depdoctor.toml: what depdoctor cannot find out by itself. Everything may be left out.",
        _found(readings),
    ]
    parts += [_python(readings), REST, TARGETS]
    parts.append(_here(host) if isinstance(host.gpus, Gpus) and host.gpus.each else EXAMPLE_TARGET)
    first = readings[0].project.root if readings else "services/chat"
    parts += [SHARED, PROJECT.format(path=_quoted(first)), IMAGE.format(base=_quoted(DEFAULT_BASE))]
    return "\n\n".join(parts) + "\n"


def _found(readings: Sequence[Reading]) -> str:
    if not readings:
        return "# No projects yet: a project is a folder with a requirements file or a pyproject.toml."
    lines = [f"# Found when this file was made: {len(readings)} project{'s' if len(readings) > 1 else ''}."]
    for reading in readings[:MOST_PROJECTS]:
        python = f", Python {reading.python}" if reading.python else ""
        lines.append(target.comment(f"{reading.project.name}: {', '.join(reading.project.manifests)}{python}"))
    if len(readings) > MOST_PROJECTS:
        lines.append(f"# and {len(readings) - MOST_PROJECTS} more: `depdoctor scan --list`")
    return "\n".join(lines)


def _python(readings: Sequence[Reading]) -> str:
    """The Python that most projects name; the default stands where none does."""
    counted = Counter(reading.python for reading in readings if reading.python)
    about = "# The Python of projects that name none"
    if not counted:
        return f'{about}.\n# python = "{DEFAULT_PYTHON}"'
    minor, count = min(counted.items(), key=lambda one: (-one[1], one[0]))
    return f'{about}: the one that most others name ({count} of {len(readings)}).\npython = "{minor}"'


def _here(host: Host) -> str:
    """The machine at hand as a target; what its own system brings is commented out, since images bring their own."""
    offer, own_remark, own = target.block(host).partition(target.comment(target.OWN))
    lines = [line if line.startswith("#") else f"# {line}" for line in own.splitlines() if line]
    return "\n".join([offer.rstrip(), own_remark, *lines])


def _quoted(value: str) -> str:
    from tomlkit import item

    return item(value).as_string()
