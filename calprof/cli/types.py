"""What options accept beyond plain words and numbers: functions from the word to its value."""

from __future__ import annotations

import re

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
