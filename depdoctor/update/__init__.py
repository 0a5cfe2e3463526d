"""Moves of versions across a fleet: which lines may move, to what, and what is written instead. Pure."""
