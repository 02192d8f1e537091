"""Importing this module makes a process ready to grade: what each worker would import, compile or look up by itself.

For the process that workers are forked from.
"""
# ruff: noqa: E402

import gc

gc.disable()  # it would look through all that is imported again and again, for a third of the time

import nbformat

from . import submission, warm

__all__ = ["submission", "warm"]

nbformat.validate(nbformat.v4.new_notebook())  # compiles the format's schema

gc.freeze()  # what is here stays
gc.enable()
