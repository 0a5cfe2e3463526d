"""What it costs to run an image, as it was measured."""

from __future__ import annotations

from depdoctor.model.noun import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class NotMeasured:
    """No figure, and why."""

    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Measurement:
    """One run of one image. Seconds are of the wall clock, and count from the request to the engine.

    `start_s` ends when the interpreter runs, `healthy_s` when the service first answers its health check. `import_s`
    is inside the container, for all that the project's code imports, and `resident_bytes` the process afterwards.
    `service_bytes` is the memory of the healthy service with all its processes, page cache that can go left out.
    `size_bytes` is what the engine counts for the image, `unique_bytes` what no other image of the engine shares.
    """

    name: str
    pull_s: float | NotMeasured
    start_s: float
    import_s: float | NotMeasured
    resident_bytes: int | NotMeasured
    healthy_s: float | NotMeasured
    service_bytes: int | NotMeasured
    size_bytes: int
    unique_bytes: int | NotMeasured
