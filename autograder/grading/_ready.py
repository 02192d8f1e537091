"""Importing this module makes a process ready to grade: what each worker would import, compile or look up by itself.

For the process that workers are forked from.
"""
# ruff: noqa: E402

import gc

gc.disable()  # it would look through all that is imported again and again, for a third of the time

import nbformat
import torch._dynamo  # the first step of an optimizer imports it

from ..specs import _all
from . import referee, submission, warm

__all__ = ["_all", "referee", "submission", "torch", "warm"]

nbformat.validate(nbformat.v4.new_notebook())  # compiles the format's schema

gc.freeze()  # what is here stays
gc.enable()
