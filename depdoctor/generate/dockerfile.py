"""One Dockerfile for the fleet: a stage for every node of the tree, a target for every image.

For BuildKit 0.12 and later, whose own frontend is used: a `# syntax` line would fetch another one. The build context is
the folder that was scanned. Two more are named: `bundle`, the folder of this file, and `uv`, a folder that holds the uv
binary. Nothing of them, and none of the secrets `ca` and `netrc`, stays in a layer.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from depdoctor.generate.quoting import copy_form, exec_form, label_value, reference
from depdoctor.generate.requirements import all_wheels, requirements_path
from depdoctor.generate.stages import Stage, buildable, image_stage, leaf_name, obstacle, root_name, stages
from depdoctor.model.context import PROBE
from depdoctor.model.distribution import Pin
from depdoctor.model.image import APP_ROOT, ENVIRONMENT_ROOT, USER
from depdoctor.model.label import labels
from depdoctor.model.plan import Image, Layer, Plan

MOUNT_ROOT = "/depdoctor"
"""Where things are mounted while a layer is made: a top-level path of its own, so that no other directory changes."""

NAMED = 4
"""Packages and images that a comment names before it counts the rest."""


def dockerfile(plan: Plan) -> str:
    """The Dockerfile of a plan. Raises `UsageError` if a base is not an image reference."""
    images = buildable(plan)
    packages = plan.by_hash()
    blocks = ["# Made by `depdoctor generate`; make it again rather than edit it."]
    blocks += [_root(image) for image in {root_name(image): image for image in images}.values()]
    blocks += [_stage(stage, packages) for stage in stages(plan)]
    blocks += [_image(plan, image) for image in images]
    blocks += [
        f"# Not here: {image.name}, since {reason}. Build it with `--builder oci`."
        for image in plan.images
        if (reason := obstacle(image))
    ]
    return "\n\n".join(blocks) + "\n"


def _root(image: Image) -> str:
    python = image.environment.python
    venv = f"venv --python {python} --no-config --no-managed-python --no-python-downloads --no-cache {ENVIRONMENT_ROOT}"
    return "\n".join(
        [
            f"# The empty environment for Python {python}.",
            f"FROM {reference(image.base.pinned)} AS {root_name(image)}",
            f"RUN --mount=type=bind,from=uv,source=uv,target={MOUNT_ROOT}/uv \\",
            f"    {MOUNT_ROOT}/uv {venv}",
        ]
    )


def _stage(stage: Stage, packages: Mapping[str, Pin]) -> str:
    names = [image.name for image in stage.images]
    heading = f"# For {_some(names)}." if len(names) > 1 else f"# For {names[0]} alone."
    return "\n".join(
        [heading, f"FROM {stage.on} AS {stage.name}", *(_install(layer, packages) for layer in stage.node.layers)]
    )


def _install(layer: Layer, packages: Mapping[str, Pin]) -> str:
    pins = sorted((packages[wheel] for wheel in layer.wheels), key=lambda pin: (-pin.download_bytes, pin.name))
    flags = "--no-deps --require-hashes --index-strategy unsafe-best-match --link-mode copy"
    if all_wheels(layer, packages):
        flags += " --no-build"
    return "\n".join(
        [
            f"# {_some([str(pin) for pin in pins])}",
            f"RUN --mount=type=bind,from=uv,source=uv,target={MOUNT_ROOT}/uv \\",
            f"    --mount=type=bind,from=bundle,source={requirements_path(layer)},target={MOUNT_ROOT}/layer.txt \\",
            f"    --mount=type=cache,id=depdoctor-uv,target={MOUNT_ROOT}/cache \\",
            f"    --mount=type=secret,id=ca,target={MOUNT_ROOT}/ca.pem \\",
            f"    --mount=type=secret,id=netrc,target={MOUNT_ROOT}/netrc \\",
            "    set -e; \\",
            f"    if [ -e {MOUNT_ROOT}/ca.pem ]; then export SSL_CERT_FILE={MOUNT_ROOT}/ca.pem; fi; \\",
            f"    if [ -e {MOUNT_ROOT}/netrc ]; then export NETRC={MOUNT_ROOT}/netrc; fi; \\",
            f"    {MOUNT_ROOT}/uv pip install --python {ENVIRONMENT_ROOT}/bin/python --cache-dir {MOUNT_ROOT}/cache \\",
            f"        --no-config {flags} \\",
            f"        --requirements {MOUNT_ROOT}/layer.txt; \\",
            f"    rm -f {ENVIRONMENT_ROOT}/.lock",
        ]
    )


def _image(plan: Plan, image: Image) -> str:
    return "\n".join([f"FROM {leaf_name(image)} AS {image_stage(image)}", *_configuration(plan, image)])


def _configuration(plan: Plan, image: Image) -> Iterator[str]:
    """The instructions of an image's own stage, those that change least first."""
    yield f'ENV PATH="{ENVIRONMENT_ROOT}/bin:${{PATH}}" \\'
    yield f"    VIRTUAL_ENV={ENVIRONMENT_ROOT} \\"
    yield "    PYTHONDONTWRITEBYTECODE=1 \\"
    yield "    PYTHONUNBUFFERED=1"
    yield f"WORKDIR {APP_ROOT}"
    yield "# The same modes whatever the umask of the machine that builds: all may read, none but root may write."
    yield f"COPY --link --chmod=755 {copy_form(f'{image.code}/', f'{APP_ROOT}/')}"
    yield f"USER {USER}"
    if image.port:
        yield f"EXPOSE {image.port}"
    if image.port and image.health:
        probe = ["python", "-c", PROBE, f"http://127.0.0.1:{image.port}{image.health}"]
        yield f"HEALTHCHECK --interval=30s --timeout=5s --start-period=120s --retries=3 CMD {exec_form(probe)}"
    if image.command:
        yield f"CMD {exec_form(image.command)}"
    values = labels(plan, image)
    yield "LABEL " + " \\\n    ".join(f"{name}={label_value(text)}" for name, text in values.items())


def _some(names: list[str]) -> str:
    rest = len(names) - NAMED
    return ", ".join(names[:NAMED]) + (f" and {rest} more" if rest > 0 else "")
