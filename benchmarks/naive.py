"""Write what teams start with: one Dockerfile for each project, each with one layer of packages, and a bake file.

The peer that the builders are measured against. It is a good one of its kind: the code comes after the packages, uv
installs them from the locked file, and its cache is kept between builds. With `--shared` it is what a careful person
writes next: one file in which the packages that all projects have at one version are a stage below all of them, and
those that most of the others share a stage on it.

    python benchmarks/naive.py FLEET OUTPUT --base IMAGE --registry HOST/PREFIX
    docker buildx bake --file OUTPUT/docker-bake.json --push
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
from collections import Counter
from pathlib import Path

import uv

DOCKERFILE = """\
FROM {base}
COPY --from=uv uv /usr/local/bin/uv
RUN uv venv --python 3.11 /venv
ENV PATH=/venv/bin:$PATH VIRTUAL_ENV=/venv
WORKDIR /app
COPY requirements.txt .
RUN --mount=type=cache,target=/root/.cache/uv \\
    --mount=type=secret,id=ca,target=/run/ca.pem \\
    if [ -e /run/ca.pem ]; then export SSL_CERT_FILE=/run/ca.pem; fi; \\
    uv pip install --no-deps --link-mode copy -r requirements.txt
COPY . .
CMD ["python", "app.py"]
"""


SHARED = """\
FROM {base} AS tools
COPY --from=uv uv /usr/local/bin/uv
RUN uv venv --python 3.11 /venv
ENV PATH=/venv/bin:$PATH VIRTUAL_ENV=/venv
WORKDIR /app
"""

STAGE = """
FROM {below} AS {name}
COPY --from=locks {name}.txt /tmp/{name}.txt
RUN --mount=type=cache,target=/root/.cache/uv \\
    --mount=type=secret,id=ca,target=/run/ca.pem \\
    if [ -e /run/ca.pem ]; then export SSL_CERT_FILE=/run/ca.pem; fi; \\
    uv pip install --no-deps --link-mode copy -r /tmp/{name}.txt
"""

CODE = """COPY --from={name}-code . .
CMD ["python", "app.py"]
"""

FEWEST = 3
"""From how many projects on a stage of their own is worth the trouble to a person."""


def write(fleet: Path, output: Path, base: str, registry: str, *, shared: bool = False) -> Path:
    """Write the files and return the path of the bake file. A project is a folder with a `requirements.txt`."""
    (output / "uv").mkdir(parents=True, exist_ok=True)
    shutil.copy(uv.find_uv_bin(), output / "uv" / "uv")
    ca = os.environ.get("SSL_CERT_FILE", "")
    manifests = {manifest.parent.name: manifest for manifest in sorted(fleet.glob("*/requirements.txt"))}
    together = _stages(manifests, output, base) if shared else None
    targets = {}
    for name, manifest in manifests.items():
        dockerfile = together or output / f"{name}.Dockerfile"
        contexts = {"uv": str((output / "uv").resolve())}
        if together:
            contexts |= {"locks": str((output / "locks").resolve())}
            contexts |= {f"{each}-code": str(path.parent.resolve()) for each, path in manifests.items()}
        else:
            dockerfile.write_text(DOCKERFILE.format(base=base), encoding="utf-8")
        targets[name] = {
            "context": str(manifest.parent.resolve()),
            "dockerfile": str(dockerfile.resolve()),
            "contexts": contexts,
            **({"target": name} if together else {}),
            "secret": [f"id=ca,src={ca}"] if ca else [],
            "attest": ["type=provenance,disabled=true"],
            "tags": [f"{registry}/{name}:latest"],
        }
    bake = output / "docker-bake.json"
    document = {"group": {"default": {"targets": list(targets)}}, "target": targets}
    bake.write_text(json.dumps(document, indent=2) + "\n", encoding="utf-8")
    return bake


def _stages(manifests: dict[str, Path], output: Path, base: str) -> Path:
    """Write one Dockerfile with shared stages, and the lists of packages of its stages."""
    pins = {name: set(_pins(path)) for name, path in manifests.items()}
    locks = output / "locks"
    locks.mkdir(exist_ok=True)
    everywhere = set.intersection(*pins.values())
    users = {pin: frozenset(name for name in pins if pin in pins[name]) for pin in set().union(*pins.values())}
    groups = Counter(users[pin] for pin in users if FEWEST <= len(users[pin]) < len(pins))
    most = groups.most_common(1)[0][0] if groups else frozenset()
    together = {pin for pin, having in users.items() if having == most}
    stages = [("everywhere", "tools", everywhere), ("together", "everywhere", together)]
    stages += [
        (name, "together" if name in most else "everywhere", own - everywhere - (together if name in most else set()))
        for name, own in pins.items()
    ]
    text = SHARED.format(base=base)
    for name, below, wanted in stages:
        (locks / f"{name}.txt").write_text("".join(f"{pin}\n" for pin in sorted(wanted)), encoding="utf-8")
        text += STAGE.format(below=below, name=name) + (CODE.format(name=name) if name in pins else "")
    dockerfile = output / "Dockerfile"
    dockerfile.write_text(text, encoding="utf-8")
    return dockerfile


def _pins(manifest: Path) -> list[str]:
    """The lines of a compiled file, each whole with its hashes."""
    lines = manifest.read_text(encoding="utf-8").replace("\\\n", " ").splitlines()
    return [" ".join(line.split()) for line in lines if "==" in line and not line.lstrip().startswith("#")]


def main() -> None:
    parser = argparse.ArgumentParser(description="Write a naive Dockerfile for each project of a fleet.")
    parser.add_argument("fleet", type=Path)
    parser.add_argument("output", type=Path)
    parser.add_argument("--base", required=True)
    parser.add_argument("--registry", required=True, help="where the images go, with a prefix")
    parser.add_argument("--shared", action="store_true", help="one file with shared stages")
    options = parser.parse_args()
    print(write(options.fleet, options.output, options.base, options.registry, shared=options.shared))


if __name__ == "__main__":
    main()
