"""Planning: one image for every project, and one tree of layers for the whole fleet. Pure."""

from depdoctor.plan.bases import base_references
from depdoctor.plan.fleet import plan

__all__ = ["base_references", "plan"]
