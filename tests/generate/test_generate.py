"""The Dockerfile, the bake file and the requirement files of a plan."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from fleets import entry, fleet, inventory, lock, pin, six

from depdoctor.errors import UsageError
from depdoctor.generate import generate
from depdoctor.generate.dockerignore import dockerignore
from depdoctor.model.config import Config, ImageConfig, ProjectConfig
from depdoctor.model.context import IGNORED
from depdoctor.model.label import section_digest
from depdoctor.model.packing import Packing
from depdoctor.model.plan import Base, Plan
from depdoctor.model.toolchain import Toolchain
from depdoctor.plan import plan

BASE = Base(reference="registry.example/python:3.11-slim", digest="sha256:" + "a" * 64)
SERVICE = ProjectConfig(path="a", command=("uvicorn", "app:app"), port=8000, health="/healthz")


def small() -> Plan:
    heavy, light = pin("heavy", size_bytes=5_000_000), pin("light")
    config = Config(projects=(SERVICE,), image=ImageConfig(base=BASE.reference))
    return plan(fleet({"a": [heavy, light], "b/c": [heavy]}), config, {BASE.reference: BASE})


def test_bundle_holds_what_is_asked_for() -> None:
    both = generate(small()).files
    assert [path for path in both if not path.startswith("layers/")] == [
        "Dockerfile",
        "Dockerfile.dockerignore",
        "docker-bake.json",
        "settle.py",
    ]
    assert set(generate(small(), only=["bake"]).files) == {"docker-bake.json"}
    with pytest.raises(UsageError, match="`makefile`"):
        generate(small(), only=["makefile"])


def stages(text: str) -> dict[str, list[str]]:
    """The instructions of each stage by its name, the image it stands on first."""
    found: dict[str, list[str]] = {}
    for line in text.splitlines():
        if line.startswith("FROM "):
            _, on, _, name = line.split()
            assert name not in found
            found[name] = [on]
        elif line.startswith(("COPY ", "RUN ")):
            found[name].append(line)
    return found


def test_shared_node_is_one_stage_and_every_layer_another() -> None:
    found = stages(generate(small()).files["Dockerfile"])
    names = list(found)
    for number, (name, lines) in enumerate(found.items()):
        assert lines[0] == BASE.pinned or lines[0] in names[:number], f"{name} stands on an earlier stage"
    assert sum(lines[0] == BASE.pinned for lines in found.values()) == 2
    layers = {name for name in names if name.startswith("layer_")}
    assert len(layers) == 2
    heavy, light = found[found["a"][0]][0], found["a"][0]
    assert found["b-c"][0] == heavy
    copied = [[line.split("--from=")[1].split()[0] for line in found[node][1:]] for node in (heavy, light)]
    assert [len(one) for one in copied] == [1, 1]
    assert {one for both in copied for one in both} == layers


def test_layer_of_two_branches_is_made_once() -> None:
    both, left, right = (
        pin(name, size_bytes=size) for name, size in [("x", 2_000_000), ("y", 9_000_000), ("z", 8_000_000)]
    )
    found = stages(
        generate(plan(fleet({"a": [left, both], "b": [left], "c": [right, both], "d": [right]}), Config(), {})).files[
            "Dockerfile"
        ]
    )
    copies = [line for lines in found.values() for line in lines[1:] if "--from=layer_" in line]
    assert len(copies) == 4
    assert sum(name.startswith("layer_") for name in found) == 3


def test_image_is_configured_as_the_project_says() -> None:
    made = small()
    text = generate(made).files["Dockerfile"]
    _, _, rest = text.partition(" AS a\n")
    stage = rest.split("\n\n")[0]
    assert 'CMD ["uvicorn", "app:app"]' in stage
    assert "EXPOSE 8000" in stage
    assert '"http://127.0.0.1:8000/healthz"]' in stage
    assert "USER 65532:65532" in stage
    assert "COPY --link --from=code_a /app/ /app/" in stage
    assert stage.index("COPY") < stage.index("WORKDIR"), "a folder that WORKDIR makes bears the time of the build"
    assert "FROM python_" in text.partition("AS code_a\n")[0].splitlines()[-1]
    assert 'COPY --link ["a/", "/app/"]' in text
    assert f'depdoctor.section="{section_digest(made, made.images[0])}"' in stage
    assert stage.index("COPY") < stage.index("LABEL"), "a new label must not copy the code anew"


def test_nothing_of_the_base_is_run_but_its_python() -> None:
    """A base may have an entry point and a health check of its own, which are of another program."""
    settings = (ProjectConfig(path="a", command=("python", "-m", "grpc_server"), port=50051),)
    text = generate(plan(fleet({"a": [], "b": []}), Config(projects=settings), {})).files["Dockerfile"]
    served, other = (text.partition(f" AS {name}\n")[2].split("\n\n")[0].splitlines() for name in ("a", "b"))
    assert served[served.index("ENTRYPOINT []") + 1] == 'CMD ["python", "-m", "grpc_server"]'
    assert next(line for line in served if line.startswith("HEALTHCHECK")).endswith('"50051"]')
    assert other[other.index("ENTRYPOINT []") + 1] == 'CMD ["python"]'
    assert "HEALTHCHECK NONE" in other


def test_no_frontend_is_fetched() -> None:
    assert "syntax" not in generate(small()).files["Dockerfile"].lower()


def test_layers_are_hashed_requirement_files() -> None:
    files = generate(small()).files
    layers = {path: text for path, text in files.items() if path.startswith("layers/")}
    assert len(layers) == 2
    for path, text in layers.items():
        assert f"source={path}," in files["Dockerfile"]
        (line,) = text.splitlines()
        assert line.split(" --hash=sha256:")[0] in {"heavy==1.0", "light==1.0"}


def test_every_requirement_of_a_lock_is_installed_once() -> None:
    made = plan(six(), Config(), {})
    files = generate(made).files
    lines = [line for path, text in files.items() if path.startswith("layers/") for line in text.splitlines()]
    assert {line.split("sha256:")[1] for line in lines} == {one.file.sha256 for one in made.packages if one.file}


@pytest.mark.parametrize(
    ("indexes", "options"),
    [
        (["", ""], []),
        (["https://a.example/simple"] * 2, ["--index-url https://a.example/simple"]),
        (
            ["https://a.example/simple", "https://b.example/simple"],
            ["--index-url https://a.example/simple", "--extra-index-url https://b.example/simple"],
        ),
        (["", "https://b.example/simple"], ["--extra-index-url https://b.example/simple"]),
        (["", "file:///opt/wheels"], []),
        (["", "https://b.example/simple --no-index"], []),
    ],
)
def test_index_is_named_where_the_lock_names_one(indexes: list[str], options: list[str]) -> None:
    pins = [replace(pin(f"p{number}"), index=index) for number, index in enumerate(indexes)]
    files = generate(plan(fleet({"a": pins}), Config(), {})).files
    (text,) = [text for path, text in files.items() if path.startswith("layers/")]
    assert [line for line in text.splitlines() if line.startswith("-")] == options


def test_only_wheels_means_no_build() -> None:
    wheel, built = pin("wheel"), pin("built")
    assert built.file
    built = replace(built, file=replace(built.file, filename="built-1.0.tar.gz"))
    wheels = generate(plan(fleet({"a": [wheel]}), Config(), {})).files["Dockerfile"]
    sdists = generate(plan(fleet({"a": [wheel, built]}), Config(), {})).files["Dockerfile"]
    assert "--no-build" in wheels
    assert "--no-build" not in sdists


def with_source() -> Plan:
    wheel, built = pin("wheel", size_bytes=5_000_000), pin("built", size_bytes=5_000_000)
    assert built.file
    built = replace(built, file=replace(built.file, filename="built-1.0.tar.gz"))
    config = Config(projects=(ProjectConfig(path="a", system_packages=("libgomp1",)),))
    return plan(fleet({"a": [wheel, built], "b": [wheel]}), config, {})


def below(found: dict[str, list[str]], name: str) -> set[str]:
    """The stages that a stage stands on."""
    on = found[name][0] if name in found else ""
    return {on, *below(found, on)} if on else set()


def test_sources_are_compiled_where_no_image_stands() -> None:
    text = generate(with_source()).files["Dockerfile"]
    found = stages(text)
    (compiler,) = (name for name in found if name.startswith("compiler_"))
    standing = [name for name, (on, *_) in found.items() if on == compiler]
    assert len(standing) == 1  # the layer with the source distribution, and no other
    assert standing[0].startswith("layer_")
    assert compiler not in below(found, "a") | below(found, "b")
    assert "-- build-essential python3-dev \\" in text
    assert "build-essential" not in generate(small()).files["Dockerfile"]


def test_compiler_is_the_one_that_is_wished() -> None:
    toolchain = Toolchain(image="registry.example/cuda:12.4-devel", packages=())
    text = generate(with_source(), toolchain=toolchain).files["Dockerfile"]
    found = stages(text)
    (compiler,) = (name for name in found if name.startswith("compiler_"))
    assert found[compiler][0] == "registry.example/cuda:12.4-devel"
    assert text.count("apt-get install") == 1  # that of the image itself
    assert "compiler_" not in generate(with_source(), toolchain=Toolchain(packages=())).files["Dockerfile"]
    chosen = replace(toolchain, packages=("python3.11-venv",), snapshot="https://snapshot.example/debian")
    text = generate(with_source(), toolchain=chosen).files["Dockerfile"]
    stage = text.partition(f" AS {compiler}\n")[2].partition("\nFROM ")[0]
    assert stage.index("-- python3.11-venv") < stage.index("uv venv"), "the packages may bring the Python"
    assert "snapshot.example" not in stage, "it may be of another distribution"


def test_packages_are_those_of_a_moment() -> None:
    address = "https://snapshot.example/archive/{archive}/20260101T000000Z"
    text = generate(with_source(), toolchain=Toolchain(snapshot=address)).files["Dockerfile"]
    assert text.count("-o Dir::Etc::SourceParts=/dev/null update") == 2  # the compiler's and the image's
    one = "'deb [check-valid-until=no] https://snapshot.example/archive/debian/20260101T000000Z '"
    assert text.count(f'{one}"${{VERSION_CODENAME}} main"') == 2
    other = "'deb [check-valid-until=no] https://snapshot.example/archive/debian-security/20260101T000000Z '"
    assert text.count(f'{other}"${{VERSION_CODENAME}}-security main"') == 2
    single = generate(with_source(), toolchain=Toolchain(snapshot="http://deb.example/x")).files["Dockerfile"]
    assert single.count("deb [check") == 2


def test_usual_indexes_are_asked_for_what_names_none() -> None:
    indexes = ("https://index.example/simple", "https://more.example/simple", "not an index")
    toolchain = Toolchain(indexes=indexes)
    files = generate(with_source(), toolchain=toolchain).files
    for path, text in files.items():
        if path.startswith("layers/"):
            assert text.splitlines()[:2] == [
                "--index-url https://index.example/simple",
                "--extra-index-url https://more.example/simple",
            ]


def test_additional_indexes_are_asked_besides_the_one_that_an_installer_knows() -> None:
    files = generate(with_source(), toolchain=Toolchain(indexes=("", "https://more.example/simple"))).files
    layers = [text for path, text in files.items() if path.startswith("layers/")]
    assert layers
    for text in layers:
        assert text.startswith("--extra-index-url https://more.example/simple\n")
        assert "--index-url " not in text.replace("--extra-index-url ", "")


def test_byte_code_is_compiled_where_it_is_wished() -> None:
    config = Config(image=ImageConfig(packing=Packing(compiled=True)))
    compiled = generate(plan(fleet({"a": [pin("wheel")]}), config, {})).files["Dockerfile"]
    assert "PYC_INVALIDATION_MODE=unchecked-hash" in compiled
    assert "--compile-bytecode" in compiled
    assert "--compile-bytecode" not in generate(small()).files["Dockerfile"]


def test_bake_file_has_a_target_for_every_image() -> None:
    document = json.loads(generate(small()).files["docker-bake.json"])
    assert document["group"]["default"]["targets"] == ["a", "b-c"]
    target = document["target"]["b-c"]
    assert target["target"] == "b-c"
    assert target["tags"] == ["${REGISTRY}/b-c:${TAG}"]
    assert target["platforms"] == ["linux/amd64"]
    assert set(document["variable"]) == {"PROJECTS", "UV", "REGISTRY", "TAG", "CA", "NETRC"}


def test_people_get_the_same_in_hcl() -> None:
    text = generate(small(), only=["hcl"]).files["docker-bake.hcl"]
    assert 'target "b-c" {' in text
    assert 'tags      = ["${REGISTRY}/b-c:${TAG}"]' in text
    assert 'inherits  = ["_image"]' in text


def test_split_gives_every_image_a_dockerfile_of_its_own() -> None:
    files = generate(small(), only=["split"]).files
    assert {path for path in files if not path.startswith("layers/")} == {
        "a.Dockerfile",
        "a.Dockerfile.dockerignore",
        "b-c.Dockerfile",
        "b-c.Dockerfile.dockerignore",
        "settle.py",
    }
    alone = stages(files["b-c.Dockerfile"])
    assert "a" not in alone
    assert sum(name.startswith("layer_") for name in alone) == 1
    whole = stages(generate(small()).files["Dockerfile"])
    assert alone.items() <= whole.items()


@pytest.mark.parametrize("name", ["uv", "bundle", "scratch", "context", "default", "3d-vision"])
def test_names_with_another_meaning_are_set_apart(name: str) -> None:
    files = generate(plan(fleet({name: [pin("x")]}), Config(), {})).files
    (target,) = json.loads(files["docker-bake.json"])["target"].values()
    assert target["target"] == f"image_{name}"
    assert f" AS image_{name}\n" in files["Dockerfile"]
    assert target["tags"] == [f"${{REGISTRY}}/{name}:${{TAG}}"]


def test_image_without_a_base_is_left_to_the_native_builder() -> None:
    files = generate(plan(fleet({"a": [pin("x")]}), Config(image=ImageConfig(base="scratch")), {})).files
    assert "FROM" not in files["Dockerfile"]
    assert "# Not here: a, since it has no base to run commands in." in files["Dockerfile"]
    assert json.loads(files["docker-bake.json"])["target"] == {}


def test_folder_whose_name_is_a_pattern_is_left_to_the_native_builder() -> None:
    files = generate(plan(fleet({"what?": [pin("x")], "b": [pin("x")]}), Config(), {})).files
    assert "# Not here: what, since COPY takes the name of its folder for a pattern." in files["Dockerfile"]
    assert set(json.loads(files["docker-bake.json"])["target"]) == {"b"}


def test_image_without_packages_stands_on_the_empty_environment() -> None:
    found = inventory([entry("a", lock("a", []), root=".")])
    text = generate(plan(found, Config(), {})).files["Dockerfile"]
    assert 'COPY --link ["./", "/app/"]' in text
    assert text.count("\nFROM ") == 4


def test_secrets_and_histories_stay_out_of_the_code() -> None:
    ignored = generate(small()).files["Dockerfile.dockerignore"].splitlines()
    assert {"**/.git", "**/.env", "**/.venv", "**/__pycache__", "**/*.pem"} <= set(ignored)


def test_base_that_is_no_reference_is_refused() -> None:
    made = small()
    image = replace(made.images[0], base=Base(reference="python\nRUN touch /pwned"))
    with pytest.raises(UsageError, match="not an image reference"):
        generate(replace(made, images=(image,)))


def test_projects_inside_a_project_stay_out_of_its_image_split_or_not() -> None:
    made = plan(fleet({"a": [], "a/b": [], "ab": []}), Config(), {})
    for path, only in (("Dockerfile", "dockerfile"), ("a.Dockerfile", "split")):
        text = generate(made, only=[only]).files[path]
        assert '"/depdoctor/settle.py", "/app", "b"]' in text


def test_system_packages_are_installed_above_the_wheels_of_one_image_alone() -> None:
    config = Config(projects=(ProjectConfig(path="a", system_packages=("libgomp1", "libc++1=1:14.0-1")),))
    text = generate(plan(fleet({"a": [pin("x")], "b": [pin("x")]}), config, {})).files["Dockerfile"]
    found = stages(text)
    assert found["a"][0] == "system_a"
    assert found["system_a"][0] == found["b"][0]
    assert "-- libc++1=1:14.0-1 libgomp1 \\" in text
    assert text.count("apt-get install") == 1


def test_way_to_the_projects_is_a_text_to_bake() -> None:
    made = small()
    document = json.loads(generate(made, only=["bake"], projects="../$x ${y} %{z}").files["docker-bake.json"])
    assert document["variable"]["PROJECTS"]["default"] == "../$x $${y} %%{z}"


def test_settling_leaves_what_may_run_and_nothing_of_the_machine(tmp_path: Path) -> None:
    folder = tmp_path / "app"
    (folder / "inner" / "other").mkdir(parents=True)
    for name, mode in {"run.sh": 0o700, "data": 0o666, "inner/secret": 0o600}.items():
        (folder / name).touch()
        (folder / name).chmod(mode)
    (folder / "link").symlink_to("data")
    (tmp_path / "settle.py").write_text(generate(small()).files["settle.py"])
    subprocess.run([sys.executable, tmp_path / "settle.py", folder, "inner/other"], check=True)
    modes = {path.relative_to(folder).as_posix(): oct(path.lstat().st_mode & 0o777) for path in folder.rglob("*")}
    assert modes.pop("link")
    assert modes == {"run.sh": "0o755", "data": "0o644", "inner": "0o755", "inner/secret": "0o644"}
    assert {path.lstat().st_mtime for path in (folder, *folder.rglob("*"))} == {315532800.0}


def test_what_projects_ignore_stays_out_of_the_context() -> None:
    ignored = {"one": ["# secrets", "secret.txt", "/data/", "!data/keep", "*.log"], "a*b": ["x"]}
    lines = dockerignore(["one", "one/inner", "two", "a*b"], ignored).splitlines()
    own = lines[len(IGNORED) :]
    assert own[0] == r"a\*b/x"
    assert own[1:5] == ["one/secret.txt", "one/data", "!one/data/keep", "one/*.log"]
    assert own[5:7] == ["!one/inner", "!one/inner/**"]
    assert "one/inner/**/.env" in own
    assert not [line for line in own if "two" in line]
    assert "secret.txt" in dockerignore(["."], {".": ["secret.txt"]}).splitlines()


def test_bake_builds_from_the_dockerfiles_that_stand_beside_it() -> None:
    files = generate(small(), only=["split", "bake", "hcl"]).files
    targets = json.loads(files["docker-bake.json"])["target"]
    for name, target in targets.items():
        assert target["dockerfile"] == f"cwd://{name}.Dockerfile"
        assert f"{name}.Dockerfile" in files
        assert f'dockerfile = "cwd://{name}.Dockerfile"' in files["docker-bake.hcl"]
    both = generate(small(), only=["dockerfile", "split", "bake"]).files
    assert all(
        one["dockerfile"] == "cwd://Dockerfile" for one in json.loads(both["docker-bake.json"])["target"].values()
    )
