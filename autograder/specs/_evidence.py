"""Evidence is plain data: numbers, strings, lists, dicts and tensors.  It crosses process borders without pickle.

Tensors travel as safetensors, everything else as JSON in the same file's header.
"""

from __future__ import annotations

import json
import math
from typing import Any

import safetensors.torch
import torch

#: Longest string, and most items of a container, that evidence keeps from what a candidate returned.
_MOST_TEXT = 400
_MOST_ITEMS = 2_000
_MOST_ELEMENTS = 1 << 22


class EvidenceError(ValueError):
    """Evidence that is not plain data, or is too large."""


def describe(value: Any, depth: int = 0) -> dict[str, Any]:
    """Write down what a candidate returned, as plain data.

    Exact built-in types keep their value, and so do strings and tuples of other types (numpy's, an enumeration's, named
    ones).  Anything else keeps its type's name only, so that an object that pretends to be a number (an overridden
    ``__eq__`` or ``__float__``) brings nothing across.
    """
    sort = type(value)
    name = sort.__name__[:80]
    if value is None:
        return {"type": "None"}
    if sort is bool or sort is int and abs(value) < 2**53:
        return {"type": name, "value": value}
    if sort is float or (name == "float64" and sort.__module__ == "numpy"):
        return {"type": name, "value": float(value)}
    if sort.__module__ == "numpy" and name.startswith(("float", "int", "uint")):
        return {"type": name, "number": float(value)}
    if isinstance(value, str):
        return {"type": "str", "value": str.__str__(value)[:_MOST_TEXT]}
    if isinstance(value, torch.Tensor):
        return _describe_tensor(value)
    if (sort is list or isinstance(value, tuple)) and depth < 4:
        parts = value if sort is list else tuple(tuple.__iter__(value))
        kept = [describe(v, depth + 1) for v in parts[:_MOST_ITEMS]]
        return {"type": "list" if sort is list else "tuple", "items": kept, "length": len(parts)}
    if isinstance(value, dict) and depth < 4:
        pairs = list(dict.items(value))[:_MOST_ITEMS]
        return {"type": "dict", "pairs": [[describe(k, depth + 1), describe(v, depth + 1)] for k, v in pairs]}
    if sort is int:
        name = "very large int"
    elif sort in (list, tuple) or isinstance(value, dict):
        name = f"deeply nested {name}"
    elif name in _WITH_VALUE:  # numpy.bool
        name = f"{sort.__module__}.{name}"[:80]
    return {"type": name}


#: Types of whose values a judge may take something.
_WITH_VALUE = frozenset({"None", "bool", "int", "float", "float64", "str", "Tensor", "list", "tuple", "dict"})


def _describe_tensor(value: torch.Tensor) -> dict[str, Any]:
    with torch._C.DisableTorchFunction():
        plain = value.detach()
        if plain.layout is not torch.strided or plain.numel() > _MOST_ELEMENTS or plain.is_meta:
            return {"type": "Tensor", "shape": list(plain.shape), "too_large": True}
        with torch.inference_mode(False), torch.no_grad():
            copy = torch.empty(plain.shape, dtype=plain.dtype)
            copy.copy_(plain)
        return {
            "type": "Tensor",
            "subclass": type(value).__name__ if type(value) is not torch.Tensor else "",
            "tensor": copy,
            "requires_grad": bool(value.requires_grad),
            "graph": value.grad_fn is not None,
            "inference": bool(value.is_inference()),
        }


def pack(evidence: dict[str, Any]) -> bytes:
    """Evidence as bytes.

    Raises:
        EvidenceError: if something in it is not plain data.
    """
    tensors: dict[str, torch.Tensor] = {}

    def unknown(value: Any) -> dict[str, str]:
        if isinstance(value, torch.Tensor):
            key = f"t{len(tensors)}"
            tensors[key] = value.detach().contiguous().clone()
            return {"$tensor": key}
        raise EvidenceError(f"evidence holds a {type(value).__name__}; only plain data may be in it")

    def plain(value: Any) -> Any:
        if isinstance(value, dict):
            return {str(k): plain(v) for k, v in value.items()}
        if isinstance(value, (list, tuple)):
            return [plain(v) for v in value]
        if isinstance(value, float) and not math.isfinite(value):
            return {"$float": repr(value)}
        return value

    try:
        text = json.dumps(evidence, allow_nan=False, default=unknown)
    except EvidenceError:
        raise
    except (TypeError, ValueError):  # a key that is no string, an infinite number: rare, and slow to look for
        tensors.clear()
        text = json.dumps(plain(evidence), allow_nan=False, default=unknown)
    return safetensors.torch.save(tensors, metadata={"evidence": text})


def unpack(data: bytes) -> dict[str, Any]:
    """The inverse of :func:`pack`.

    Raises:
        EvidenceError: if ``data`` is not well-formed evidence.
    """

    def rich(found: dict[str, Any]) -> Any:
        if len(found) == 1:
            if "$tensor" in found:
                return tensors[found["$tensor"]]
            if "$float" in found:
                return float(found["$float"])
        return found

    try:
        tensors = safetensors.torch.load(data)
        length = int.from_bytes(data[:8], "little")
        text = json.loads(data[8 : 8 + length])["__metadata__"]["evidence"]
        return json.loads(text, object_hook=rich)
    except Exception as error:
        raise EvidenceError(f"not evidence: {error}") from error


# ---------------------------------------------------------------------- reading descriptions


def as_float(description: dict[str, Any] | None) -> float | None:
    """The Python float that was returned, or None if it was something else."""
    if description is not None and description.get("type") in ("float", "float64"):
        return description.get("value")
    return None


def loosely(description: dict[str, Any] | None) -> float | None:
    """The number that was meant: a float, an int, or the single element of a tensor."""
    if description is None:
        return None
    if description.get("type") in ("float", "float64", "int"):
        return float(description["value"])
    if "number" in description:
        return description["number"]
    tensor = description.get("tensor")
    return float(tensor.reshape(-1)[0]) if tensor is not None and tensor.numel() == 1 else None


def as_tensor(description: dict[str, Any] | None) -> torch.Tensor | None:
    return None if description is None else description.get("tensor")


def entry(description: dict[str, Any] | None, key: str) -> dict[str, Any] | None:
    """The description of ``value[key]`` where ``value`` was a dict with string keys."""
    if description is not None and description.get("type") == "dict":
        for k, v in description["pairs"]:
            if k.get("type") == "str" and k.get("value") == key:
                return v
    return None


def items(description: dict[str, Any] | None) -> list[dict[str, Any]] | None:
    if description is not None and description.get("type") in ("list", "tuple"):
        return description["items"]
    return None


def named(description: dict[str, Any] | None) -> str:
    """What was returned, in words: ``a dict``, ``a float``, ``a Tensor of shape (5, 3)``, ``nothing (None)``."""
    if description is None or description["type"] == "None":
        return "nothing (None)"
    if description["type"] == "Tensor":
        shape = description.get("shape") or list(description["tensor"].shape)
        return f"a tensor of shape {tuple(shape)}"
    return with_article(description["type"])


def with_article(word: str) -> str:
    return f"an {word}" if word[:1].lower() in "aeiou" else f"a {word}"
