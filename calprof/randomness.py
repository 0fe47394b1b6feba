"""Python's random numbers, left as the caller has them."""

from __future__ import annotations

import random
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def kept_random() -> Iterator[None]:
    """Restores Python's random state after a block, or after each call of a function it decorates.

    Some libraries draw from it where nobody expects it: rich does for every style it makes, and on import.
    """
    state = random.getstate()
    try:
        yield
    finally:
        random.setstate(state)
