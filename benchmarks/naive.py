"""Write what teams start with: one Dockerfile for each project, each with one layer of packages, and a bake file.

The peer that the builders are measured against. It is a good one of its kind: the code comes after the packages, uv
installs them from the locked file, and its cache is kept between builds.

    python benchmarks/naive.py FLEET OUTPUT --base IMAGE --registry HOST/PREFIX
    docker buildx bake --file OUTPUT/docker-bake.json --push
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
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


def write(fleet: Path, output: Path, base: str, registry: str) -> Path:
    """Write the files and return the path of the bake file. A project is a folder with a `requirements.txt`."""
    (output / "uv").mkdir(parents=True, exist_ok=True)
    shutil.copy(uv.find_uv_bin(), output / "uv" / "uv")
    ca = os.environ.get("SSL_CERT_FILE", "")
    targets = {}
    for manifest in sorted(fleet.glob("*/requirements.txt")):
        name = manifest.parent.name
        dockerfile = output / f"{name}.Dockerfile"
        dockerfile.write_text(DOCKERFILE.format(base=base), encoding="utf-8")
        targets[name] = {
            "context": str(manifest.parent.resolve()),
            "dockerfile": str(dockerfile.resolve()),
            "contexts": {"uv": str((output / "uv").resolve())},
            "secret": [f"id=ca,src={ca}"] if ca else [],
            "attest": ["type=provenance,disabled=true"],
            "tags": [f"{registry}/{name}:latest"],
        }
    bake = output / "docker-bake.json"
    document = {"group": {"default": {"targets": list(targets)}}, "target": targets}
    bake.write_text(json.dumps(document, indent=2) + "\n", encoding="utf-8")
    return bake


def main() -> None:
    parser = argparse.ArgumentParser(description="Write a naive Dockerfile for each project of a fleet.")
    parser.add_argument("fleet", type=Path)
    parser.add_argument("output", type=Path)
    parser.add_argument("--base", required=True)
    parser.add_argument("--registry", required=True, help="where the images go, with a prefix")
    options = parser.parse_args()
    print(write(options.fleet, options.output, options.base, options.registry))


if __name__ == "__main__":
    main()
