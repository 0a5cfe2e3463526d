"""What an image is made of, for those who must know: a bill of materials, and where it all came from. Pure."""

from depdoctor.sbom.cyclonedx import CYCLONEDX_TYPE, Stated, bill, onto, purl, stated
from depdoctor.sbom.provenance import IN_TOTO_TYPE, provenance

__all__ = ["CYCLONEDX_TYPE", "IN_TOTO_TYPE", "Stated", "bill", "onto", "provenance", "purl", "stated"]
