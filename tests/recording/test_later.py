"""Rows that are made when they are first looked at."""

from __future__ import annotations

import copy
import gc
import pickle
import weakref

import torch
from torch import nn

import calprof
from calprof.recording.later import Later


def test_a_later_tuple_is_made_once_and_is_a_tuple_to_everybody():
    made = []

    def make():
        made.append(1)
        return (each for each in (3, 5))

    later = Later(make)
    assert not made
    assert list(later) == [3, 5] and later[0] == 3 and later[-1:] == (5,) and len(later) == 2 and 5 in later
    assert later == (3, 5) and later == Later(lambda: [3, 5]) and hash(later) == hash((3, 5))
    assert repr(later) == "(3, 5)"
    assert made == [1]


def test_rows_say_what_held_when_the_run_ended():
    model = nn.Sequential(nn.Linear(3, 5), nn.ReLU())
    prof = calprof.profile(model, (2, 3))
    model[0] = nn.Linear(3, 7)
    model[1].requires_grad_(False)
    assert [record.params for record in prof.recording.modules] == [20, 20, 0]
    assert prof.trainable_params == 20
    assert [(call.module, call.op, call.count) for call in prof.recording.calls] == [
        ("0", "linear", 1),
        ("1", "relu", 1),
    ]


def test_a_profile_keeps_no_model_alive():
    model = nn.Linear(3, 5)
    seen = weakref.ref(model)
    prof = calprof.profile(model, (2, 3))
    del model
    gc.collect()
    assert seen() is None
    assert prof.macs == 30 and prof.params == 20


def test_a_profile_is_copied_and_pickled_with_its_rows():
    prof = calprof.profile(nn.Linear(3, 5), (2, 3))
    for again in (copy.deepcopy(prof), pickle.loads(pickle.dumps(prof))):
        assert again.macs == 30 and again.recording.calls == prof.recording.calls
        assert tuple(again.recording.modules) == tuple(prof.recording.modules)
        assert str(again) == str(prof)


def test_the_work_of_a_run_is_the_sum_of_its_rows():
    layer = nn.TransformerEncoderLayer(8, 2, 16, batch_first=True)
    prof = calprof.profile(nn.Sequential(layer, layer, nn.Linear(8, 3)), args=(torch.zeros(2, 5, 8),))
    rows = sum((call.cost.forward for call in prof.recording.calls), calprof.Work())
    assert dict(prof.work) == dict(rows)
    assert prof.root.work == prof.work
