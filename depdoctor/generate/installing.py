"""How a Dockerfile makes an empty environment and installs into it: with uv, or with the pip that the base has.

uv is mounted from a build context of its own; pip is the base's (22.3 or later, which knows `--python`), and the
environment that it fills holds neither.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from depdoctor.model.image import ENVIRONMENT_ROOT
from depdoctor.model.toolchain import Installer

MOUNT_ROOT = "/depdoctor"
"""Where things are mounted while a layer is made: a top-level path of its own, so that no other directory changes."""

LAYER_ROOT = "/layer"
"""Where the wheels of a layer are installed before they are copied into the environment."""

UV_MOUNT = f"--mount=type=bind,from=uv,source=uv,target={MOUNT_ROOT}/uv"

PYTHON = f"{ENVIRONMENT_ROOT}/bin/python"
REQUIREMENTS = f"{MOUNT_ROOT}/layer.txt"
REPOSITORIES = f"{MOUNT_ROOT}/layer.git.txt"
CACHE = f"{MOUNT_ROOT}/cache"


def mounts(installer: Installer) -> list[str]:
    """What a RUN mounts to make an environment: words."""
    return [UV_MOUNT] if installer is Installer.UV else []


def cache_mount(installer: Installer) -> str:
    """The cache of downloads and of what was built, kept between builds."""
    return f"--mount=type=cache,id=depdoctor-{installer},target={CACHE}"


def make_environment(python: str, installer: Installer, *, sees_base: bool = False) -> str:
    """The command that makes an empty environment. `sees_base`: what the base has installed is used from there."""
    flags = " --system-site-packages" if sees_base else ""
    if installer is Installer.PIP:
        return f"python{python} -m venv --without-pip{flags} {ENVIRONMENT_ROOT}"
    uv = f"{MOUNT_ROOT}/uv venv --python {python} --no-config --no-managed-python --no-python-downloads --no-cache"
    return f"{uv} {ENVIRONMENT_ROOT}{flags}"


def install(
    installer: Installer,
    python: str,
    *,
    wheels_alone: bool,
    compiled: bool,
    fetches: bool = False,
    in_turn: bool = False,
) -> Iterator[str]:
    """The lines of a shell command that installs the requirements of a layer into `LAYER_ROOT`, each continued.

    Secrets that are there are used: `ca`, certificates to trust, and `netrc`, credentials of an index. `wheels_alone`:
    nothing may be built. `compiled`: with byte-code that is taken as it is, since files have other times in images.
    `fetches`: commits of repositories besides, which no hash of a file is held against. `in_turn`: one package after
    the other, as they are listed, so that the last has a path that several own.
    """
    yield f"    if [ -e {MOUNT_ROOT}/ca.pem ]; then {_trust(installer)}; fi; \\"
    yield f"    if [ -e {MOUNT_ROOT}/netrc ]; then export NETRC={MOUNT_ROOT}/netrc; fi; \\"
    if fetches:
        yield from _allow_git()
    if installer is Installer.UV:
        yield from _with_uv(wheels_alone=wheels_alone, compiled=compiled, fetches=fetches, in_turn=in_turn)
    else:
        yield from _with_pip(python, wheels_alone=wheels_alone, compiled=compiled, fetches=fetches, in_turn=in_turn)


def _in_turn(command: Iterable[str], requirements: str) -> Iterator[str]:
    """A command that takes requirements from its input, for each of a list with the options that stand there."""
    yield "    while read -r line; do case $line in --*|'') continue;; esac; \\"
    yield f"    {{ grep '^--' {requirements}; echo \"$line\"; }} | \\"
    yield from command
    yield f"    || exit 1; done < {requirements} \\"


def _allow_git() -> Iterator[str]:
    """What tells git the secrets: it looks for a netrc at home alone, where a link is left in a stage of no image.

    uv copies its own clone by the transport `file`.
    """
    yield f"    if [ -e {MOUNT_ROOT}/ca.pem ]; then export GIT_SSL_CAINFO={MOUNT_ROOT}/ca.pem; fi; \\"
    yield f"    if [ -e {MOUNT_ROOT}/netrc ]; then ln -sf {MOUNT_ROOT}/netrc ~/.netrc; fi; \\"
    yield "    export GIT_ALLOW_PROTOCOL=file:https:http GIT_TERMINAL_PROMPT=0; \\"


def _trust(installer: Installer) -> str:
    trusted = f"export SSL_CERT_FILE={MOUNT_ROOT}/ca.pem"
    return trusted if installer is Installer.UV else f"{trusted} PIP_CERT={MOUNT_ROOT}/ca.pem"


def _with_uv(*, wheels_alone: bool, compiled: bool, fetches: bool, in_turn: bool) -> Iterator[str]:
    flags = "--no-deps --index-strategy unsafe-best-match --link-mode copy"
    flags += " --no-build" if wheels_alone else ""
    flags += " --compile-bytecode" if compiled else ""
    if compiled:
        yield "    export PYC_INVALIDATION_MODE=unchecked-hash; \\"
    command = f"{MOUNT_ROOT}/uv pip install --python {PYTHON} --prefix {LAYER_ROOT} \\"
    hashed = [f"    {command}", f"        --cache-dir {CACHE} --no-config --require-hashes {flags} \\"]
    if in_turn:
        yield from _in_turn([*hashed, "        --requirements - \\"], REQUIREMENTS)
    else:
        yield from [*hashed, f"        --requirements {REQUIREMENTS} \\"]
    if fetches:
        yield f"    && {command}"
        yield f"        --cache-dir {CACHE} --no-config {flags} \\"
        yield f"        --requirements {REPOSITORIES} \\"
    yield f"    && rm -f {LAYER_ROOT}/.lock \\"


def _with_pip(python: str, *, wheels_alone: bool, compiled: bool, fetches: bool, in_turn: bool) -> Iterator[str]:
    flags = "--no-deps --no-warn-script-location --root-user-action ignore"
    flags += " --only-binary :all:" if wheels_alone else ""
    flags += " --compile" if compiled else " --no-compile"  # recorded as installed; its kind is set below
    yield "    export PIP_CONFIG_FILE=/dev/null PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_INPUT=1; \\"
    command = f"python{python} -m pip --python {PYTHON} install --prefix {LAYER_ROOT} --ignore-installed \\"
    hashed = [f"    {command}", f"        --cache-dir {CACHE} --require-hashes {flags} \\"]
    if in_turn:
        yield from _in_turn([*hashed, "        --requirement /dev/stdin \\"], REQUIREMENTS)
    else:
        yield from [*hashed, f"        --requirement {REQUIREMENTS} \\"]
    if fetches:
        yield f"    && {command}"
        yield f"        --cache-dir {CACHE} {flags} \\"
        yield f"        --requirement {REPOSITORIES} \\"
    if compiled:  # what does not compile is left as it is, as pip leaves it
        yield f"    && ({PYTHON} -m compileall -q -q -f --invalidation-mode unchecked-hash {LAYER_ROOT}/lib || true) \\"
