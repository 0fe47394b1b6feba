"""Repairs of default configurations that leave out what their own models read."""

from __future__ import annotations

import re
from typing import Any

from tiny_configs import parts
from tiny_fields import LACKING

_ABSENT = re.compile(r"^'(?P<class>\w+)' object has no attribute '(?P<field>\w+)'$")
_UNSET = re.compile(r"^Could not find a `(?P<field>\w+)` argument in the config")
_ROTARY = {"rope_type": "default", "rope_theta": 10000.0}


def repaired(config: Any, error: Exception) -> bool:
    """Sets the field that an error says is missing, and returns whether it is one with a known value."""
    if isinstance(error, KeyError):
        return _by_layer_type(config, str(error.args[0]))
    found = _ABSENT.search(str(error)) or _UNSET.search(str(error))
    if found is None or found["field"] not in LACKING:
        return False
    name, owner = found["field"], found.groupdict().get("class")
    lacking = [
        part
        for part in parts(config)
        if owner in (None, type(part).__name__) and getattr(part, name, None) is None
    ]  # fmt: skip
    for part in lacking:
        setattr(part, name, LACKING[name])
    return bool(lacking)


def _by_layer_type(config: Any, kind: str) -> bool:
    """Gives each kind of layer rotary settings of its own, where one is looked up by the kind."""
    lacking = [
        part
        for part in parts(config)
        if kind in (getattr(part, "layer_types", None) or ()) and kind not in (part.rope_parameters or {})
    ]
    for part in lacking:
        part.rope_parameters = {each: dict(_ROTARY) for each in set(part.layer_types)}
    return bool(lacking)
