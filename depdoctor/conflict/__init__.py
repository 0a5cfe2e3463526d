"""Searches for sets of requirements that cannot stand together: inside a project, between projects. See `finder`."""
