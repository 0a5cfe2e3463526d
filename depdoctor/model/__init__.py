"""The nouns of depdoctor, a file per group, and the seams to the outside world.

Every noun is a frozen, slotted, keyword-only dataclass; sequences are tuples; units stand in the names.
Import a noun from its own file: `from depdoctor.model.project import Location`.
"""
