"""torchvision's published operations of every classification weight, at its own crop, to three decimals.

One of each family runs always, all of them with `-m slow`.
"""

from __future__ import annotations

import pytest
import torchvision

from calprof import profile_by_name

WEIGHTS = [
    (name, weight.name)
    for name in torchvision.models.list_models(module=torchvision.models)
    for weight in torchvision.models.get_model_weights(name)
]
SIZES = {}
for name, weight in WEIGHTS:
    meta = torchvision.models.get_model_weights(name)[weight]
    SIZES.setdefault((name, meta.transforms.keywords["crop_size"]), []).append(meta)


FAMILIES = {torchvision.models.get_model_builder(name).__module__: (name, crop) for name, crop in reversed(SIZES)}
EVERY = [
    pytest.param(*size, marks=() if size in FAMILIES.values() else pytest.mark.slow, id="-".join(map(str, size)))
    for size in SIZES
]


@pytest.mark.parametrize(("name", "crop"), EVERY)
def test_published_operations(name, crop):
    # GoogLeNet's published size is that of the network without its auxiliary classifiers.
    options = {"aux_logits": False} if name == "googlenet" else None
    prof = profile_by_name(f"torchvision:{name}", image_size=crop, overrides=options)
    for weight in SIZES[name, crop]:
        assert round(prof.macs / 1e9, 3) == weight.meta["_ops"]
        assert prof.params == weight.meta["num_params"]
    assert not prof.uncounted


def test_the_table_is_whole():
    assert len(WEIGHTS) >= 100
    assert len({name for name, _ in SIZES}) == len(torchvision.models.list_models(module=torchvision.models))
