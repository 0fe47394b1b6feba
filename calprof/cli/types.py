"""What options accept beyond plain words and numbers: functions from the word to its value."""

from __future__ import annotations

import json
import re
from typing import Any

import click

ALL_LEVELS = 1_000
"""More levels than any model has."""


def shape(word: str) -> tuple[int, ...]:
    """Returns the sizes of a tensor.

    Raises:
        BadParameter: The word is no list of sizes of at least one.

    Example:
        >>> shape("1,3,224,224") == shape("1x3x224x224") == (1, 3, 224, 224)
        True
    """
    try:
        sizes = tuple(int(part) for part in re.split(r"[,x×]", word.strip("()[] ")))
    except ValueError:
        sizes = ()
    if not sizes or min(sizes) < 1:
        raise click.BadParameter(f"{word!r} is no shape: give sizes >= 1 such as 1,3,224,224")
    return sizes


def depth(word: str) -> int:
    """Returns a number of levels; `all` is more than any model has.

    Raises:
        BadParameter: The word is neither a number of levels nor `all`.
    """
    if word == "all":
        return ALL_LEVELS
    if not word.isdecimal():
        raise click.BadParameter(f"{word!r} is no depth: give a number of levels >= 0, or 'all'")
    return int(word)


def edges(word: str) -> tuple[int, int]:
    """Returns height and width in pixels; one number stands for both.

    Raises:
        BadParameter: The word is neither one size nor two of at least one.
    """
    sizes = shape(word)
    if len(sizes) > 2:
        raise click.BadParameter(f"{word!r} is no size of an image: give one number such as 384, or two as 480x640")
    return sizes[0], sizes[-1]


def setting(word: str) -> tuple[str, Any]:
    """Returns the key and the value of `key=value`; the value is JSON or Python's None, True, False, else text.

    Raises:
        BadParameter: The word has no key or no equals sign.

    Example:
        >>> setting("num_hidden_layers=4"), setting("hidden_act=gelu")
        (('num_hidden_layers', 4), ('hidden_act', 'gelu'))
    """
    key, equals, value = word.partition("=")
    if not equals or not key.strip():
        raise click.BadParameter(f"{word!r} is no setting: give a key and a value such as num_hidden_layers=4")
    constants = {"None": None, "True": True, "False": False}
    if value in constants:
        return key.strip(), constants[value]
    try:
        return key.strip(), json.loads(value)
    except ValueError:
        return key.strip(), value
