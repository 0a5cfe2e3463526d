"""Wheels to layers, layers to images: the native builder."""

from depdoctor.build.oci.builder import OciBuilder

__all__ = ["OciBuilder"]
