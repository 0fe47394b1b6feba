from __future__ import annotations

from collections import OrderedDict, namedtuple
from dataclasses import dataclass, field
from typing import Any

import pytest
import torch
from torch.nn.utils.rnn import pack_sequence
from transformers import BatchEncoding, DynamicCache
from transformers.modeling_outputs import BaseModelOutput

from calprof.inputs.arguments import Inputs, describe, from_arguments, move

Pair = namedtuple("Pair", "left right")


@dataclass(frozen=True)
class Held:
    values: torch.Tensor
    label: str
    size: int = field(init=False, default=3)


def test_tensors_move_at_any_depth_and_the_rest_is_the_same_object() -> None:
    marker = object()
    given = {"a": [torch.zeros(2), (marker, {"b": Pair(torch.ones(3), "x")})], "n": 7}
    moved = move(given, "meta")
    assert moved["a"][0].device.type == "meta"
    assert moved["a"][1][1]["b"].left.device.type == "meta"
    assert type(moved["a"][1][1]["b"]) is Pair
    assert moved["a"][1][0] is marker
    assert moved["n"] == 7


def test_nothing_of_the_callers_changes() -> None:
    inner = [torch.zeros(2)]
    given = {"a": inner, "b": OrderedDict(c=torch.zeros(3))}
    move(given, "meta")
    assert given["a"] is inner
    assert inner[0].device.type == "cpu"
    assert given["b"]["c"].device.type == "cpu"


@pytest.mark.parametrize(
    "value", [[torch.zeros(2)], (1, "a"), {"a": [None]}, "text", None, 3, {1, 2}, Pair(1, torch.zeros(2))]
)
def test_what_is_in_place_already_is_not_copied(value: Any) -> None:
    assert move(value, "cpu") is value
    assert move(value, None) is value


def test_batch_encoding_keeps_its_class() -> None:
    given = BatchEncoding({"input_ids": torch.zeros(2, 3), "words": [["a"], ["b"]]})
    moved = move(given, "meta")
    assert type(moved) is BatchEncoding
    assert moved["input_ids"].device.type == "meta"
    assert moved["words"] is given["words"]
    assert given["input_ids"].device.type == "cpu"


def test_model_output_moves_as_item_and_as_attribute() -> None:
    given = BaseModelOutput(last_hidden_state=torch.zeros(2, 3))
    moved = move(given, "meta")
    assert type(moved) is BaseModelOutput
    assert moved.last_hidden_state.device.type == "meta"
    assert moved["last_hidden_state"].device.type == "meta"
    assert moved.attentions is None
    assert given.last_hidden_state.device.type == "cpu"


def test_frozen_dataclass_with_a_field_outside_init() -> None:
    given = Held(torch.zeros(2), "kept")
    moved = move(given, "meta")
    assert (moved.values.device.type, moved.label, moved.size) == ("meta", "kept", 3)
    assert given.values.device.type == "cpu"


def test_packed_sequence_stays_packed() -> None:
    packed = pack_sequence([torch.zeros(5, 2), torch.zeros(3, 2)])
    moved = move(packed, "meta")
    assert moved.data.device.type == "meta"
    assert moved.batch_sizes.device.type == "cpu"


def test_a_cache_is_copied_because_a_forward_appends_to_it() -> None:
    cache = DynamicCache()
    cache.update(torch.zeros(1, 2, 3, 5), torch.zeros(1, 2, 3, 5), 0)
    moved = move([cache], None)[0]
    moved.update(torch.zeros(1, 2, 7, 5), torch.zeros(1, 2, 7, 5), 0)
    assert moved.get_seq_length() == 10
    assert cache.get_seq_length() == 3


def test_from_arguments_takes_lists_and_a_lone_tensor() -> None:
    tensor = torch.zeros(2, 3)
    assert from_arguments(tensor, None).args == (tensor,)
    made = from_arguments([tensor, 5], {"scale": 2.0}, "cpu")
    assert made == Inputs((tensor, 5), {"scale": 2.0}, "float32 2x3, int, scale float")


def test_kwargs_are_a_new_dict() -> None:
    given = {"x": torch.zeros(2)}
    assert from_arguments((), given).kwargs is not given


@pytest.mark.parametrize(
    ("args", "kwargs", "named"),
    [
        ("text", None, "str"),
        (3, None, "int"),
        ({"x": 1}, None, "dict"),
        ((), [1], "list"),
        ((), {1: 2}, "key 1"),
    ],
)
def test_bad_arguments_are_named(args: Any, kwargs: Any, named: str) -> None:
    with pytest.raises(TypeError, match=named):
        from_arguments(args, kwargs)


def test_descriptions() -> None:
    assert describe((), {}) == "nothing"
    assert describe((torch.zeros(()),), {}) == "float32 scalar"
    assert describe(([torch.zeros(3, 5)] * 2,), {"mask": None}) == "2 of float32 3x5"
