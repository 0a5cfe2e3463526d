"""A plan on other bases: the same images with the same layers, from other roots."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from depdoctor.model.plan import Base, Node, Plan, node_key


def onto(plan: Plan, bases: Mapping[str, Base]) -> Plan:
    """The plan with the images of these names on these bases; the others stay where they are."""
    nodes: dict[str, Node] = {}
    images = []
    for image in plan.images:
        base = bases.get(image.name, image.base)
        parent = ""
        for node in plan.path(image):
            key = node_key(parent, base, node.layers)
            nodes[key] = Node(key=key, parent=parent, layers=node.layers)
            parent = key
        images.append(replace(image, base=base, node=parent))
    return replace(plan, nodes=tuple(nodes.values()), images=tuple(images))
