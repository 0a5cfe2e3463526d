"""One Dockerfile for the fleet: a stage for every layer, one for every node of the tree, a target for every image.

A layer is made once, in a stage of its own, and copied into the chains that hold it: so it is the same blob in all of
them, layers are made in parallel, and one that changes leaves those above it alone.

For BuildKit 0.12 and later, whose own frontend is used: a `# syntax` line would fetch another one. The build context is
the folder that was scanned. Two more are named: `bundle`, the folder of this file, and `uv`, a folder that holds the uv
binary. Nothing of them, and none of the secrets `ca` and `netrc`, stays in a layer.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from types import MappingProxyType

from depdoctor.generate import installing, local_packages
from depdoctor.generate.apt import install
from depdoctor.generate.bake import to_build
from depdoctor.generate.installing import LAYER_ROOT, MOUNT_ROOT
from depdoctor.generate.quoting import copy_form, exec_form, label_value, reference
from depdoctor.generate.requirements import (
    all_wheels,
    local_place,
    repositories,
    repositories_path,
    requirements_path,
)
from depdoctor.generate.settling import SETTLE_PATH, SPLIT_PATH
from depdoctor.generate.stages import (
    Stage,
    buildable,
    code_name,
    compiler_name,
    image_stage,
    layer_name,
    leaf_name,
    root_name,
    stages,
    system_name,
    weights_name,
)
from depdoctor.model.context import PROBE_INTERVAL_S, PROBE_RETRIES, PROBE_START_S, PROBE_TIMEOUT_S, probe
from depdoctor.model.distribution import Pin
from depdoctor.model.formats import GENERATED
from depdoctor.model.image import APP_ROOT, ENVIRONMENT_ROOT, HOME, USER
from depdoctor.model.label import NO_SOURCE, Source, labels
from depdoctor.model.plan import Image, Layer, Plan, obstacle
from depdoctor.model.toolchain import Installer, Toolchain
from depdoctor.model.weights import Keep, WeightFile, layered

SETTLE = f"{ENVIRONMENT_ROOT}/bin/python {MOUNT_ROOT}/{SETTLE_PATH}"
SETTLE_MOUNT = f"--mount=type=bind,from=bundle,source={SETTLE_PATH},target={MOUNT_ROOT}/{SETTLE_PATH}"
SPLIT_MOUNT = f"--mount=type=bind,from=bundle,source={SPLIT_PATH},target={MOUNT_ROOT}/{SPLIT_PATH}"

PROBE_TIMES = (
    f"--interval={PROBE_INTERVAL_S}s --timeout={PROBE_TIMEOUT_S}s "
    f"--start-period={PROBE_START_S}s --retries={PROBE_RETRIES}"
)

PLAIN = Toolchain()

GIT = ("ca-certificates", "git")
"""What fetches repositories."""

PLAIN_PLACE = re.compile(r"[A-Za-z0-9._/+-]+")
"""A path that can be mounted: one that means nothing else in a Dockerfile."""

NAMED = 4
"""Packages and images that a comment names before it counts the rest."""

HEAD = f"""\
{GENERATED}; make it again rather than edit it.
#
# {{to_build}}
#
# CA and NETRC name files to build with, which stay in no layer: certificates to trust, and credentials of an index.
#
# Stages that make layers run as root, and no image does. Debian keeps one version of a package: a snapshot pins it.
# hadolint global ignore=DL3002,DL3008"""


NO_SOURCES: Mapping[str, Source] = MappingProxyType({})


def dockerfile(
    plan: Plan,
    folders: Collection[str] = (),
    toolchain: Toolchain = PLAIN,
    sources: Mapping[str, Source] = NO_SOURCES,
) -> str:
    """The Dockerfile of a plan. `folders` are those of all projects, by default of those in the plan.

    What is to be compiled is compiled with `toolchain`, in a stage that no image stands on. `sources` says what version
    control knows of an image, by its name, which labels tell.

    Raises `UsageError` if a base is not an image reference.
    """
    folders = folders or [image.code for image in plan.images]
    images = buildable(plan)
    packages = plan.by_hash()
    nodes = stages(plan)
    layers = {layer.key: (stage, layer) for stage in reversed(nodes) for layer in reversed(stage.node.layers)}
    blocks = [HEAD.format(to_build=to_build("json", toolchain.installer, "\n#\n#   "))]
    blocks += [_root(image, toolchain.installer) for image in {root_name(image): image for image in images}.values()]
    fetching = {root_name(stage.images[0]) for stage, layer in layers.values() if repositories(layer, packages)}
    blocks += [
        _compiler(image, toolchain, fetches=root_name(image) in fetching)
        for image in {
            root_name(stage.images[0]): stage.images[0]
            for stage, layer in reversed(layers.values())
            if _compiles(layer, packages, toolchain)
        }.values()
    ]
    blocks += [_layer(stage, layer, packages, toolchain) for stage, layer in reversed(layers.values())]
    blocks += [_node(stage) for stage in nodes]
    held = {weights_name(files): _weights(image, files) for image in reversed(images) for files in _held(image)}
    blocks += [held[name] for name in sorted(held)]
    beside = {local_packages.stage_name(image, one): (image, one) for image in images for one in image.local}
    blocks += [local_packages.stage(*beside[name], folders, (SETTLE_MOUNT, SETTLE)) for name in sorted(beside)]
    blocks += [_image(plan, image, folders, toolchain, sources.get(image.name, NO_SOURCE)) for image in images]
    blocks += [
        f"# Not here: {image.name}, since {reason}. Build it with `--builder oci`."
        for image in plan.images
        if (reason := obstacle(image))
    ]
    return "\n\n".join(blocks) + "\n"


def _root(image: Image, installer: Installer) -> str:
    """The base with an empty environment, which is copied in so that the layer holds nothing else."""
    python = image.environment.python
    root, maker = root_name(image), f"{root_name(image)}_maker"
    return "\n".join(
        [
            f"# The empty environment for Python {python}.",
            f"FROM {reference(image.base.pinned)} AS {maker}",
            "USER 0:0",
            _run([*installing.mounts(installer), SETTLE_MOUNT]),
            f"    {installing.make_environment(python, installer, sees_base=bool(image.provided))} \\",
            f"    && {SETTLE} {ENVIRONMENT_ROOT}",
            f"FROM {reference(image.base.pinned)} AS {root}",
            f"COPY --link --from={maker} {ENVIRONMENT_ROOT}/ {ENVIRONMENT_ROOT}/",
        ]
    )


def _run(mounts: Sequence[str]) -> str:
    """A RUN up to its command."""
    return "RUN " + " \\\n    ".join(mounts) + " \\"


def _compiles(layer: Layer, packages: Mapping[str, Pin], toolchain: Toolchain) -> bool:
    """Whether a layer is made where a compiler is, and git."""
    builds = not all_wheels(layer, packages) and bool(toolchain.image or toolchain.packages)
    return builds or bool(repositories(layer, packages))


def _compiler(image: Image, toolchain: Toolchain, *, fetches: bool) -> str:
    """The empty environment with a compiler beside it, for layers that have something to build.

    What `fetches` from repositories gets git, too, unless an image was chosen that has all that it takes.
    """
    name = compiler_name(image)
    own = not toolchain.image
    lines = [f"FROM {root_name(image) if own else reference(toolchain.image)} AS {name}", "USER 0:0"]
    added = toolchain.packages
    if fetches and (added or own):
        added = tuple(dict.fromkeys((*added, *GIT)))
    if added:  # an image that was chosen may be of another distribution than a snapshot of Debian's
        lines += install(added, f"depdoctor-apt-{name}", toolchain.snapshot if own else "")
    if not own:  # after the packages, which may bring Python: NVIDIA's images have none
        venv = installing.make_environment(image.environment.python, toolchain.installer)
        lines.append("RUN " + " \\\n    ".join([*installing.mounts(toolchain.installer), venv]))
    return "\n".join(["# What compiles; no image stands on it.", *lines])


def _layer(stage: Stage, layer: Layer, packages: Mapping[str, Pin], toolchain: Toolchain) -> str:
    """A layer, made by itself: a change below it or beside it does not make it again."""
    pins = sorted((packages[wheel] for wheel in layer.wheels), key=lambda pin: (-pin.download_bytes, pin.name))
    image = stage.images[0]
    wheels_alone = all_wheels(layer, packages)
    on = compiler_name(image) if _compiles(layer, packages, toolchain) else root_name(image)
    fetched = repositories(layer, packages)
    mounts = [
        *installing.mounts(toolchain.installer),
        SETTLE_MOUNT,
        *([SPLIT_MOUNT] if layer.parts > 1 else []),
        f"--mount=type=bind,from=bundle,source={requirements_path(layer)},target={installing.REQUIREMENTS}",
        *(
            [f"--mount=type=bind,from=bundle,source={repositories_path(layer)},target={installing.REPOSITORIES}"]
            if fetched
            else []
        ),
        *(f"--mount=type=bind,source={place},target={MOUNT_ROOT}/{place}" for place in _held_files(pins)),
        installing.cache_mount(toolchain.installer),
        f"--mount=type=secret,id=ca,target={MOUNT_ROOT}/ca.pem",
        f"--mount=type=secret,id=netrc,target={MOUNT_ROOT}/netrc",
    ]
    return "\n".join(
        [
            f"# {_some([str(pin) for pin in pins])}",
            f"FROM {on} AS {layer_name(layer)}",
            "USER 0:0",
            _run(mounts),
            *installing.install(
                toolchain.installer,
                image.environment.python,
                wheels_alone=wheels_alone,
                compiled=image.packing.compiled,
                fetches=bool(fetched),
                in_turn=image.packing.last_wins and len(pins) > 1,
            ),
            *_settled(layer),
        ]
    )


def _held_files(pins: Sequence[Pin]) -> list[str]:
    """The places of files that lie beside the projects and go into a layer."""
    return sorted(filter(PLAIN_PLACE.fullmatch, map(local_place, pins)))


def _settled(layer: Layer) -> Iterator[str]:
    """The end of the command that makes a layer."""
    if layer.parts > 1:
        yield f"    && {ENVIRONMENT_ROOT}/bin/python {MOUNT_ROOT}/{SPLIT_PATH} {LAYER_ROOT} {layer.parts} \\"
    folders = _folders(layer)
    yield from (f"    && {SETTLE} {folder} \\" for folder in folders[:-1])
    yield f"    && {SETTLE} {folders[-1]}"


def _folders(layer: Layer) -> tuple[str, ...]:
    """Where the files of a layer lie in its stage: in a folder for each part."""
    if layer.parts == 1:
        return (LAYER_ROOT,)
    return tuple(f"{LAYER_ROOT}_{number}" for number in range(1, layer.parts + 1))


def _node(stage: Stage) -> str:
    names = [image.name for image in stage.images]
    heading = f"# For {_some(names)}." if len(names) > 1 else f"# For {names[0]} alone."
    copies = [
        f"COPY --link --from={layer_name(layer)} {folder}/ {ENVIRONMENT_ROOT}/"
        for layer in stage.node.layers
        for folder in _folders(layer)
    ]
    return "\n".join([heading, f"FROM {stage.on} AS {stage.name}", *copies])


def _image(plan: Plan, image: Image, folders: Collection[str], toolchain: Toolchain, source: Source) -> str:
    stages = [_code(image, folders)]
    if image.system_packages:
        stages.append(_system(image, toolchain.snapshot))
    on = system_name(image) if image.system_packages else leaf_name(image)
    return "\n".join([*stages, f"FROM {on} AS {image_stage(image)}", *_configuration(plan, image, source)])


def _code(image: Image, folders: Collection[str]) -> str:
    """The code, less projects inside it, in a stage of its own: there it gets the same modes and times everywhere."""
    inside = "" if image.code == "." else f"{image.code}/"
    others = {folder for folder in folders if folder != image.code and folder.startswith(inside)}
    settle = [f"{ENVIRONMENT_ROOT}/bin/python", f"{MOUNT_ROOT}/{SETTLE_PATH}", APP_ROOT]
    settle += sorted(other.removeprefix(inside) for other in others)
    settle += [one.path for one in image.weights]
    return "\n".join(
        [
            f"FROM {root_name(image)} AS {code_name(image)}",
            "USER 0:0",
            f"COPY --link {copy_form(f'{image.code}/', f'{APP_ROOT}/')}",
            f"RUN {SETTLE_MOUNT} {exec_form(settle)}",
        ]
    )


def _held(image: Image) -> tuple[tuple[WeightFile, ...], ...]:
    """The layers of weights that an image holds."""
    return layered(image.weights) if image.keep is Keep.LAYER else ()


def _weights(image: Image, files: Sequence[WeightFile]) -> str:
    """A layer of weights, in a stage of its own: every image that holds these files in these places shares it."""
    inside = "" if image.code == "." else f"{image.code}/"
    copies = [f"COPY --link {copy_form(f'{inside}{one.path}', f'{APP_ROOT}/{one.path}')}" for one in files]
    settle = [f"{ENVIRONMENT_ROOT}/bin/python", f"{MOUNT_ROOT}/{SETTLE_PATH}", APP_ROOT]
    settle += [f"sha256:{one.sha256}:{one.path}" for one in files]
    return "\n".join(
        [
            f"# {_some([one.path for one in files])}",
            f"FROM {root_name(image)} AS {weights_name(files)}",
            "USER 0:0",
            *copies,
            f"RUN {SETTLE_MOUNT} {exec_form(settle)}",
        ]
    )


def _system(image: Image, snapshot: str) -> str:
    """What the image adds to the packages of its base's distribution, above the wheels, which are shared."""
    cache = f"depdoctor-apt-{root_name(image)}"
    return "\n".join(
        [
            f"FROM {leaf_name(image)} AS {system_name(image)}",
            "USER 0:0",
            *install(image.system_packages, cache, snapshot),
        ]
    )


def _configuration(plan: Plan, image: Image, source: Source) -> Iterator[str]:
    """The instructions of an image's own stage, those that change least first."""
    yield f'ENV PATH="{ENVIRONMENT_ROOT}/bin:${{PATH}}" \\'
    yield f"    VIRTUAL_ENV={ENVIRONMENT_ROOT} \\"
    yield f"    HOME={HOME} \\"
    yield "    PYTHONDONTWRITEBYTECODE=1 \\"
    yield "    PYTHONUNBUFFERED=1"
    for files in _held(image):
        yield f"COPY --link --from={weights_name(files)} {APP_ROOT}/ {APP_ROOT}/"
    yield from local_packages.copies(image)
    yield f"COPY --link --from={code_name(image)} {APP_ROOT}/ {APP_ROOT}/"
    yield f"WORKDIR {APP_ROOT}"
    yield f"USER {USER}"
    if image.port:
        yield f"EXPOSE {image.port}"
        yield f"HEALTHCHECK {PROBE_TIMES} CMD {exec_form(probe(image.port, image.health))}"
    else:
        yield "HEALTHCHECK NONE"
    yield "ENTRYPOINT []"
    yield f"CMD {exec_form(image.command or ('python',))}"
    values = labels(plan, image, source)
    yield "LABEL " + " \\\n    ".join(f"{name}={label_value(text)}" for name, text in values.items())


def _some(names: list[str]) -> str:
    rest = len(names) - NAMED
    return ", ".join(names[:NAMED]) + (f" and {rest} more" if rest > 0 else "")
