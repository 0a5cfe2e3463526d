"""The stages of the Dockerfile: their names, their order and who shares them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from hashlib import sha256

from depdoctor.model.noun import dataclass
from depdoctor.model.plan import Image, Layer, Node, Plan, node_key, obstacle
from depdoctor.model.weights import WeightFile

RESERVED = frozenset({"bundle", "context", "default", "scratch", "uv"})
"""Names with a meaning of their own for BuildKit, bake, or the build contexts used here."""

SHORT = 12


@dataclass(frozen=True, slots=True, kw_only=True)
class Stage:
    """A node of the tree as a stage: its name, the stage it stands on, and the images that share it, by name."""

    name: str
    on: str
    node: Node
    images: tuple[Image, ...]


def buildable(plan: Plan) -> tuple[Image, ...]:
    """The images that a Dockerfile can make."""
    return tuple(image for image in plan.images if not obstacle(image))


def root_name(image: Image) -> str:
    """The stage of the empty environment that an image stands on. Underscores keep it apart from any image's name."""
    seeing = "_and_base" if image.provided else ""
    return f"python_{node_key(image.environment.python, image.base, ())[:SHORT]}{seeing}"


def compiler_name(image: Image) -> str:
    """The stage with a compiler in it, for layers of images that stand on the same empty environment."""
    return f"compiler_{root_name(image)}"


def image_stage(image: Image) -> str:
    """The stage of an image: its name, unless a stage cannot be called so."""
    return image.name if image.name[:1].isalpha() and image.name not in RESERVED else f"image_{image.name}"


def leaf_name(image: Image) -> str:
    """The stage that an image's own stage stands on."""
    return f"node_{image.node[:SHORT]}" if image.node else root_name(image)


def code_name(image: Image) -> str:
    """The stage that an image's code is copied and settled in."""
    return f"code_{image.name}"


def system_name(image: Image) -> str:
    """The stage that installs what an image adds to its base's own packages."""
    return f"system_{image.name}"


def weights_name(files: Sequence[WeightFile]) -> str:
    """The stage that a layer of weights is copied and settled in."""
    key = sha256("".join(f"{one.path}\n{one.sha256}\n" for one in files).encode()).hexdigest()
    return f"weights_{key[:SHORT]}"


def layer_name(layer: Layer) -> str:
    """The stage that a layer is made in."""
    return f"layer_{layer.key[:SHORT]}"


def stages(plan: Plan) -> tuple[Stage, ...]:
    """The stages of nodes, each after the one it stands on."""
    images: defaultdict[str, list[Image]] = defaultdict(list)
    for image in buildable(plan):
        for node in plan.path(image):
            images[node.key].append(image)
    return tuple(_stage(node, images) for node in plan.nodes if node.key in images)


def _stage(node: Node, images: Mapping[str, list[Image]]) -> Stage:
    sharing = images[node.key]
    on = f"node_{node.parent[:SHORT]}" if node.parent else root_name(sharing[0])
    return Stage(name=f"node_{node.key[:SHORT]}", on=on, node=node, images=tuple(sharing))
