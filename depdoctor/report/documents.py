"""A Markdown page for each image, and one that lists them: for whoever runs them and did not make them. Deterministic.

Nothing in them tells of a day or of a machine, so that they can be committed beside the plan, and change with it alone.
"""

from __future__ import annotations

import posixpath
import shlex
from collections.abc import Iterator, Sequence

from depdoctor.model.naming import label_name
from depdoctor.model.page import Machine, Owned, Page
from depdoctor.model.plan import SCRATCH, Image, Plan, place_in
from depdoctor.model.target import numbered
from depdoctor.model.weights import Keep
from depdoctor.report.amounts import many, size
from depdoctor.report.markdown import code, table, text

MADE = "<!-- made by `depdoctor generate --only docs`; make it again rather than edit it -->"

INDEX, FOLDER = "docs/README.md", "docs/images"

MOST_WAYS = 3
"""Ways that lead to a package that are told of it."""

RUNS = {True: "yes", False: "**no**", None: "not known"}


LOCAL = "depdoctor"
"""What images are called in an engine, as the end of no registry."""


def files(plan: Plan, pages: Sequence[Page], registry: str, tag: str) -> dict[str, str]:
    """The pages by their paths. `registry` is REGISTRY/PREFIX where images lie, "" for an engine; `tag` is theirs."""
    found = {INDEX: "\n\n".join(_index(plan, pages)) + "\n"}
    for page in pages:
        found[f"{FOLDER}/{page.image.name}.md"] = "\n\n".join(_page(plan, page, registry, tag)) + "\n"
    return found


def _index(plan: Plan, pages: Sequence[Page]) -> Iterator[str]:
    yield "# Images"
    yield MADE
    yield f"{many(len(pages), 'image')} of `depdoctor.plan.json`."
    rows = []
    for page in pages:
        image = page.image
        runs = ", ".join(f"{one.name}: {RUNS[one.runs].strip('*')}" for one in page.machines)
        held = sum(one.purpose.size_bytes for one in page.packages)
        rows.append((image.name, image.project, f"{len(page.packages)}", size(held) or "0 B", runs))
    body = table(("image", "project", "packages", "size", "runs on"), rows).splitlines()
    links = [
        line.replace(f"| {text(page.image.name)} |", f"| [{text(page.image.name)}](images/{page.image.name}.md) |", 1)
        for line, page in zip(body[2:], pages, strict=True)
    ]
    yield "\n".join([*body[:2], *links])
    if plan.skipped:
        yield "## Projects without an image"
        yield "\n".join(f"- {code(one.project)}: {text(one.reason)}" for one in plan.skipped)


def _page(plan: Plan, page: Page, registry: str, tag: str) -> Iterator[str]:
    image = page.image
    yield f"# {text(image.name)}"
    yield MADE
    base = "no base" if image.base.reference == SCRATCH else f"on {code(image.base.pinned)}"
    held = size(sum(one.purpose.size_bytes for one in page.packages)) or "0 B"
    yield (
        f"The image of project {code(image.project)}: {many(len(page.packages), 'package')}, {held} on disk, "
        f"{text(str(image.environment))}, {base}."
    )
    yield "## Run it"
    yield from _run(page, f"{registry or LOCAL}/{image.name}", tag)
    yield "## Where it runs"
    yield from _machines(page)
    yield "## Update it"
    yield from _update(page, registry)
    yield "## Roll it back"
    yield from _back(page, registry)
    yield "## What is in it, and what for"
    yield from _packages(plan, page)
    if image.local:
        yield "## Folders that are packages"
        rows = [(one.name, "" if one.module else one.version, one.folder, place_in(image, one)) for one in image.local]
        yield table(("package", "version", "folder", "in the image"), rows)
    if page.image.weights:
        yield "## Weights"
        version = f" Version: {text(image.model_version)}." if image.model_version else ""
        yield f"{_kept(image)}{version}"
        files = [(one.path, size(one.size_bytes), one.sha256) for one in image.weights]
        yield table(("file", "size", "SHA-256"), files)
    yield "[All images](../README.md)"


def _run(page: Page, repository: str, tag: str) -> Iterator[str]:
    image = page.image
    words = ["docker", "run", "--rm"]
    if page.running.gpu:
        words += ["--gpus", "all"]
    if image.port:
        words += ["-p", f"127.0.0.1:{image.port}:{image.port}"]
    if image.keep is Keep.VOLUME:
        for one in image.weights:
            path = posixpath.normpath(posixpath.join(image.code, one.path))
            words += ["-v", f"$PWD/{path}:/app/{one.path}:ro"]
    yield _shell(f"{_words([*words, f'{repository}:{tag}'])}")
    if image.command:
        started = f"It runs {code(shlex.join(image.command))} in `/app`"
        asked = f", listens on port {image.port}" if image.port else ""
        health = f", and is healthy once {code(image.health)} answers" if image.health else ""
        yield f"{started}{asked}{health}. It is given {page.running.memory_mib} MiB where Compose or Kubernetes run it."
    else:
        yield (
            "Nothing says how it is started: name the command after the image, such as `python app.py`, or set "
            "`command` under `[[project]]`."
        )
    yield "`depdoctor generate --only compose` or `kubernetes` writes what runs it for good."


def _machines(page: Page) -> Iterator[str]:
    need = page.running.gpu
    if need is None:
        yield "Its packages bring no CUDA whose version is known: it asks for no GPU."
    elif not need.ways:
        yield f"It brings CUDA {need.cuda}; which GPUs and drivers that runs on is not known."
    else:
        yield f"It brings CUDA {need.cuda}, and needs one of these:"
        rows = (
            (
                f"{numbered(way.driver)} or newer",
                ", ".join(f"{major}.{minor}" for major, minor in way.capabilities) or "not known",
            )
            for way in need.ways
        )
        yield table(("NVIDIA driver", "GPUs of compute capability"), rows)
    yield table(("target", "has", "runs it", "why"), map(_machine, page.machines)).replace(r"\*\*no\*\*", "**no**")


def _machine(one: Machine) -> tuple[str, str, str, str]:
    return one.name, one.has, RUNS[one.runs], one.why


def _update(page: Page, registry: str) -> Iterator[str]:
    if page.manifests:
        yield f"Its versions come from {', '.join(map(code, page.manifests))}. Change them there, or let"
        yield _shell(f"depdoctor update --project {shlex.quote(page.image.project)}")
        yield "propose it. Then, in the folder of `depdoctor.plan.json`:"
    yield _shell(
        "depdoctor plan . --diff        # what would change, image by image",
        "depdoctor plan .               # then review and commit depdoctor.plan.json",
        *_delivered(page.image, registry),
    )


def _delivered(image: Image, registry: str) -> tuple[str, str]:
    """How an image gets where it belongs, and is checked there."""
    build, check = f"depdoctor build . --image {image.name}", f"depdoctor verify . --image {image.name}"
    return (f"{build} --push {registry}", f"{check} --from {registry}") if registry else (f"{build} --load", check)


def _back(page: Page, registry: str) -> Iterator[str]:
    yield "Images are never overwritten: each plan has a tag of its own, and the image before is still there."
    yield _shell(
        "git log --oneline -- depdoctor.plan.json      # the plan to go back to",
        "git checkout REVISION -- depdoctor.plan.json",
        _delivered(page.image, registry)[0],
    )
    yield (
        "What is still there is not made or sent again. Where Kubernetes runs it, "
        f"{code(f'kubectl rollout undo deployment/{label_name(page.image.name)}')} goes back at once."
    )


def _packages(plan: Plan, page: Page) -> Iterator[str]:
    if not page.packages:
        yield "No package: its code alone."
        return
    yield "The heaviest first. A chain leads from a line of the project to the package."
    rows = (
        (
            f"{one.purpose.package} {one.purpose.version}",
            size(one.purpose.size_bytes),
            str(one.purpose.others or ""),
            _ways(one),
            one.owner,
        )
        for one in page.packages
    )
    yield table(("package", "size", "in other images", "what for", "who decides on the version, and why"), rows)
    if page.image.provided:
        yield f"With its base come {', '.join(map(code, page.image.provided))}, which are not installed again."
    if page.image.system_packages:
        yield f"Of the operating system: {', '.join(map(code, page.image.system_packages))}."
    shared = sum(one.purpose.size_bytes for one in page.packages if one.purpose.others)
    layers = len(plan.layers(page.image))
    yield f"{many(layers, 'layer')} of wheels; {size(shared) or '0 B'} of it other images hold, too."


def _ways(one: Owned) -> str:
    """The shortest ways to a package; a text in backticks is shown as code."""
    ways = [
        f"`{cause.location}` {_arrow(cause.chain or (cause.requirement,))}" for cause in one.purpose.causes[:MOST_WAYS]
    ]
    more = len(one.purpose.causes) - len(ways)
    return "; ".join(ways) + (f" and {many(more, 'other way')}" if more else "") or "no line leads to it"


def _arrow(chain: Sequence[str]) -> str:
    return " → ".join(chain)


def _kept(image: Image) -> str:
    return {
        Keep.LAYER: "They are layers of the image.",
        Keep.VOLUME: "They are mounted where it runs, and not in the image.",
        Keep.OMIT: "They are left out of the image: the code fetches them.",
    }[image.keep]


def _words(words: Sequence[str]) -> str:
    """Words of a command; a variable of the shell stays one."""
    return " ".join(f'"{word}"' if word.startswith("$") else shlex.quote(word) for word in words)


def _shell(*lines: str) -> str:
    return "\n".join(["```sh", *lines, "```"])
