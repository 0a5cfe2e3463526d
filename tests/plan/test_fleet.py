"""From an inventory to a plan."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import pytest
from fleets import ENVIRONMENT, entry, fleet, inventory, lock, pin, six

from depdoctor import planfile
from depdoctor.errors import ConfigError
from depdoctor.model.config import Config, ImageConfig, ProjectConfig
from depdoctor.model.distribution import Pin
from depdoctor.model.finding import Kind
from depdoctor.model.local_package import LocalPackage
from depdoctor.model.lock import DeclaredOnly, Impossible, Unknown, Unresolvable, Why
from depdoctor.model.naming import image_name
from depdoctor.model.plan import Base, layer_key, node_key
from depdoctor.model.project import Location
from depdoctor.model.reading import LocalUse, Serving
from depdoctor.model.target import Environment, Platform, Target
from depdoctor.plan import base_references, plan
from depdoctor.plan.bases import base_reference

BASE = Base(reference="python:3.11-slim-bookworm", digest="sha256:" + "a" * 64)
BIG = 5_000_000


def test_shared_packages_stand_below_own_ones() -> None:
    torch, web, own = pin("torch", size_bytes=BIG), pin("web"), pin("own")
    made = plan(fleet({"a": [torch, web], "b": [torch, web, own]}), Config(), {BASE.reference: BASE})
    a, b = made.images
    assert a.base == b.base == BASE
    assert [[str(p) for p in made.pins(image)] for image in made.images] == [
        ["torch==1.0", "web==1.0"],
        ["own==1.0", "torch==1.0", "web==1.0"],
    ]
    root, leaf = made.nodes
    assert (root.parent, leaf.parent) == ("", root.key)
    assert (a.node, b.node) == (root.key, leaf.key)
    assert [len(layer.wheels) for layer in root.layers] == [1, 1]
    assert root.layers[0].wheels == (_hash(torch),)


def _hash(one: Pin) -> str:
    assert one.file
    return one.file.sha256


def test_keys_follow_from_what_they_stand_for() -> None:
    made = plan(six(), Config(), {BASE.reference: BASE})
    for image in made.images:
        for node in made.path(image):
            assert [layer.key for layer in node.layers] == [layer_key(ENVIRONMENT, own.wheels) for own in node.layers]
            assert node.key == node_key(node.parent, BASE, node.layers)
    other_base = plan(six(), Config(), {BASE.reference: replace(BASE, digest="sha256:" + "b" * 64)})
    assert [node.layers for node in other_base.nodes] == [node.layers for node in made.nodes]
    assert not {node.key for node in other_base.nodes} & {node.key for node in made.nodes}


def test_heavy_wheels_lie_alone_and_heaviest_first() -> None:
    pins = [pin("a", size_bytes=BIG), pin("b", size_bytes=2 * BIG), pin("c", size_bytes=10), pin("d", size_bytes=None)]
    (node,) = plan(fleet({"one": pins}), Config(), {}).nodes
    assert [layer.wheels for layer in node.layers] == [
        (_hash(pins[1]),),
        (_hash(pins[0]),),
        tuple(sorted((_hash(pins[2]), _hash(pins[3])))),
    ]


def test_environments_share_nothing() -> None:
    older = Environment(python="3.10", platform=ENVIRONMENT.platform)
    arm = Environment(python="3.11", platform=Platform(machine="aarch64", libc_version=(2, 36)))
    pins = [pin("torch", size_bytes=BIG)]
    made = plan(
        inventory(
            entry(name, lock(name, pins, where)) for name, where in {"a": ENVIRONMENT, "b": older, "c": arm}.items()
        ),
        Config(),
        {},
    )
    assert len({image.node for image in made.images}) == 3
    assert len({node.layers[0].key for node in made.nodes}) == 3
    assert len(made.packages) == 1


def test_base_has_the_python_that_the_project_was_locked_for() -> None:
    older = Environment(python="3.10", platform=ENVIRONMENT.platform)
    found = inventory([entry("a", lock("a", [pin("x")])), entry("b", lock("b", [pin("x")], older))])
    digest = "sha256:" + "c" * 64
    sibling = Base(reference="python:3.10-slim-bookworm", digest=digest)
    assert base_references(found, Config()) == (sibling.reference, BASE.reference)
    images = plan(found, Config(), {BASE.reference: BASE, sibling.reference: sibling}).images
    assert [image.base for image in images] == [BASE, sibling]


@pytest.mark.parametrize(
    ("configured", "reference"),
    [
        ("python:3.11", "python:3.10"),
        ("registry.example:5000/a/python:3.11.4-slim", "registry.example:5000/a/python:3.10-slim"),
        ("python:3.10.2-slim", "python:3.10.2-slim"),
        ("python:3.11@sha256:" + "a" * 64, "python:3.11@sha256:" + "a" * 64),
        ("team/base:3.11", "team/base:3.11"),
        ("scratch", "scratch"),
    ],
)
def test_only_images_of_python_have_siblings(configured: str, reference: str) -> None:
    assert base_reference(configured, "3.10") == reference


def test_one_project_for_two_machines_is_two_images() -> None:
    arm = Environment(python="3.11", platform=Platform(machine="aarch64", libc_version=(2, 36)))
    targets = (Target(name="edge", platform=arm.platform), Target(name="pool", platform=ENVIRONMENT.platform))
    found = inventory([entry("asr", lock("asr", [pin("x")], arm), lock("asr", [pin("x")]))], targets)
    images = plan(found, Config(), {}).images
    assert [(image.name, image.targets) for image in images] == [("asr-aarch64", ("edge",)), ("asr-x86-64", ("pool",))]


def test_image_takes_what_the_configuration_says() -> None:
    settings = ProjectConfig(path="asr", command=("python", "app.py"), port=8000, health="/healthz", groups=("gpu",))
    config = Config(projects=(settings,), image=ImageConfig(base="team/base:1"))
    gpu = replace(lock("asr", [pin("x"), pin("cuda")]), groups=("", "gpu"))
    (image,) = plan(inventory([entry("asr", lock("asr", [pin("x")]), gpu, imports=("x", "app"))]), config, {}).images
    assert (image.command, image.port, image.health) == (("python", "app.py"), 8000, "/healthz")
    assert image.base == Base(reference="team/base:1")
    assert image.imports == ("app", "x")


@pytest.mark.parametrize(
    ("config", "key"),
    [
        (Config(source="depdoctor.toml", image=ImageConfig(base="python\nRUN x")), "image.base"),
        (Config(source="depdoctor.toml", projects=(ProjectConfig(path="a", health="healthz"),)), "health"),
    ],
)
def test_configuration_that_fits_no_image_is_refused(config: Config, key: str) -> None:
    with pytest.raises(ConfigError, match=key) as caught:
        plan(fleet({"a": []}), config, {})
    assert caught.value.where == "depdoctor.toml"


LINE = Location(path="app/requirements.txt", line=1)
LIB = LocalPackage(name="lib", folder="lib", version="1", source="src")
OWN = LocalPackage(name="app", folder="app")


@pytest.mark.parametrize(
    ("use", "held"),
    [
        (LocalUse(package=LIB, location=LINE), (LIB,)),
        (LocalUse(package=LIB, location=LINE, group="dev"), ()),
        (LocalUse(package=LIB, location=LINE, group="group:gpu"), (LIB,)),
        (LocalUse(package=OWN, location=LINE), (OWN,)),
        (LocalUse(package=OWN, location=LINE, obstacle="has parts that are compiled"), ()),
        (LocalUse(package=LIB, location=LINE, group="dev", obstacle="has parts that are compiled"), ()),
        (LocalUse(package=LIB, location=LINE, obstacle="has parts that are compiled"), None),
        (LocalUse(package=replace(LIB, name="x"), location=LINE), ()),  # a wheel brings it
    ],
)
def test_an_image_holds_the_folders_that_its_groups_install(
    use: LocalUse, held: tuple[LocalPackage, ...] | None
) -> None:
    app = entry("app", replace(lock("app", [pin("x")]), groups=("", "gpu")))
    app = replace(app, reading=replace(app.reading, local=(use,)))
    config = Config(projects=(ProjectConfig(path="app", groups=("gpu",)),))
    made = plan(inventory([app]), config, {})
    assert [image.local for image in made.images] == ([] if held is None else [held])
    assert all(str(LINE) in skip.reason and "uv build --wheel" in skip.reason for skip in made.skipped)
    assert planfile.loads(planfile.dumps(made)) == made


IMPOSSIBLE = Impossible(kind=Kind.SELF_CONFLICT, message="a==1 and a==2 " + "x" * 9000 + "\nmore")
UNKNOWN = Unknown(why=Why.UNREACHABLE, detail="the index does not answer")
VCS = replace(pin("tool"), file=None, source="git+https://index.example/tool")


@pytest.mark.parametrize(
    ("found", "reason"),
    [
        (entry("p"), "nothing to install"),
        (entry("p\nq", lock("p", [pin("x")])), "control character"),
        (entry("p", Unresolvable(project="p", environment=ENVIRONMENT, reason=IMPOSSIBLE)), "a==1 and a==2"),
        (entry("p", DeclaredOnly(project="p", environment=ENVIRONMENT, reason=UNKNOWN)), "index does not answer"),
        (entry("p", lock("p", [pin("x"), VCS])), "tool==1.0 comes from git+https://index.example/tool"),
        (entry("p", replace(lock("p", []), missing=("p/r.txt:1: ./library", "p/r.txt:2: x"))), "./library and 1 more"),
        (entry("p", replace(lock("p", [pin("x")]), groups=("dev",))), "no lock for the groups of the default alone"),
        (
            entry("p", lock("p", [pin("x")], Environment(python="3.11", platform=Platform(system="windows")))),
            "other systems than Linux",
        ),
    ],
)
def test_project_without_a_usable_lock_is_skipped_with_the_reason(found: object, reason: str) -> None:
    made = plan(inventory([found, entry("ok", lock("ok", [pin("x")]))]), Config(), {})  # type: ignore[list-item]
    assert [image.project for image in made.images] == ["ok"]
    (skip,) = made.skipped
    assert skip.project.startswith("p")
    assert planfile.loads(planfile.dumps(made)) == made
    assert reason in skip.reason
    assert "\n" not in skip.reason


def test_image_of_a_project_without_packages_stands_on_the_base() -> None:
    made = plan(fleet({"empty": []}), Config(), {})
    assert made.nodes == ()
    assert made.images[0].node == ""
    assert made.layers(made.images[0]) == ()


def test_same_pins_share_one_node() -> None:
    made = plan(fleet({"a": [pin("x"), pin("y")], "b": [pin("x"), pin("y")]}), Config(), {})
    assert len(made.nodes) == 1


def test_sizes_that_any_lock_knows_are_kept() -> None:
    made = plan(
        fleet({"a": [pin("x", size_bytes=None)], "b": [pin("x", size_bytes=7, unpacked_bytes=9)]}), Config(), {}
    )
    (package,) = made.packages
    assert (package.download_bytes, package.unpacked_bytes) == (7, 9)


@pytest.mark.parametrize(
    ("project", "name"),
    [
        ("speech/asr", "speech-asr"),
        ("My Project_2", "my-project-2"),
        ("_a_", "a"),
        ("模型", "image-c98e118e"),
        ("音声", "image-e83d3ddc"),
        ("a//b", "a-b"),
        ("été/Modèle", "ete-modele"),
    ],
)
def test_image_names(project: str, name: str) -> None:
    assert image_name(project) == name


def test_projects_of_one_image_name_get_none_and_the_others_theirs() -> None:
    made = plan(fleet({"a/b": [pin("x")], "a-b": [pin("y")], "c": [pin("z")]}), Config(), {})
    assert [image.name for image in made.images] == ["c"]
    assert [one.project for one in made.skipped] == ["a-b", "a/b"]
    assert "`a/b`" in made.skipped[0].reason
    assert [str(one.name) for one in made.packages] == ["z"]
    assert planfile.loads(planfile.dumps(made)) == made


def test_name_of_one_variant_may_be_that_of_another_project() -> None:
    both = [lock("a", [], ENVIRONMENT), lock("a", [], replace(ENVIRONMENT, platform=Platform(machine="aarch64")))]
    made = plan(inventory([entry("a", *both), entry("a/aarch64", lock("a/aarch64", []))]), Config(), {})
    assert not made.images
    assert [one.project for one in made.skipped] == ["a", "a/aarch64"]


def test_folder_name_that_is_no_text_gets_no_image() -> None:
    made = plan(fleet({"caf\udce9": []}), Config(), {})
    assert not made.images
    assert "UTF-8" in made.skipped[0].reason


def test_system_packages_reach_the_image() -> None:
    config = Config(projects=(ProjectConfig(path="a", system_packages=("libgomp1", "ffmpeg", "libgomp1")),))
    made = plan(fleet({"a": [], "b": []}), config, {})
    assert [image.system_packages for image in made.images] == [("ffmpeg", "libgomp1"), ()]


def test_six_services_form_one_tree() -> None:
    made = plan(six(), Config(), {})
    assert len(made.packages) == 130
    assert sum(not node.parent for node in made.nodes) == 1
    order = [(one.name, one.version) for one in made.packages]
    assert all(before <= after for before, after in pairwise(order))


def test_an_image_is_started_by_a_command_of_its_own_package() -> None:
    app = entry("app", lock("app", []))
    serving = Serving(interface="command", command=("serve", "--fast"), location=LINE)
    app = replace(app, reading=replace(app.reading, serving=serving))
    assert plan(inventory([app]), Config(), {}).images[0].command == ()  # no program of this name is there
    own = LocalUse(package=replace(OWN, scripts=(("serve", "app.main:run"),)), location=LINE)
    app = replace(app, reading=replace(app.reading, local=(own,)))
    assert plan(inventory([app]), Config(), {}).images[0].command == ("serve", "--fast")
