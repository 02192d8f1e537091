"""Importing this module makes a process ready to grade: what each worker would import, compile or look up by itself.

For the process that workers are forked from.
"""

import gc

import nbformat

from ..specs import _all
from . import referee, submission

__all__ = ["_all", "referee", "submission"]

nbformat.validate(nbformat.v4.new_notebook())  # compiles the format's schema

gc.collect()
gc.freeze()  # what is here stays: the collector need not look through it again and again, in each worker
