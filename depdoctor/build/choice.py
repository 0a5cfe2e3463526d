"""Which images a builder without commands can make."""

from __future__ import annotations

from depdoctor.model.plan import Image, Plan


def needs_engine(plan: Plan, image: Image, *, builds_sdists: bool = False) -> str:
    """Why an image takes an engine to build, as the end of a sentence about it; "" if it is wheels and files alone.

    With `builds_sdists` source distributions are made wheels first.
    """
    sources = [pin for pin in plan.pins(image) if not (pin.file and (pin.file.is_wheel or builds_sdists))]
    if sources:
        more = f" and {len(sources) - 1} more" if len(sources) > 1 else ""
        file = sources[0].file
        first = f"{sources[0]} from {file.url}" if file and file.is_repository else str(sources[0])
        return f"has source distributions to build: {first}{more}"
    if image.system_packages:
        return f"needs packages of the system: {', '.join(image.system_packages)}"
    return ""
