"""Importing this module imports every exercise: for a process that forks others, which then need not."""

from ._grade import registry

registry()
