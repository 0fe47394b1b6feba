"""Convolutions: against hand counts, the dispatcher and each other."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from support import cost, dispatcher_macs, dispatcher_training_macs, macs, work
from torch import nn

from calprof.work import Work

R = torch.randn

# Output elements x (in_channels / groups) x kernel elements.
ROWS = [
    ("conv1d", lambda: F.conv1d(R(2, 3, 11), R(5, 3, 7)), Work(mac=2 * 5 * 5 * 3 * 7)),
    ("conv2d", lambda: F.conv2d(R(2, 3, 11, 13), R(5, 3, 3, 5)), Work(mac=2 * 5 * 9 * 9 * 3 * 15)),
    ("conv2d bias", lambda: F.conv2d(R(2, 3, 7, 7), R(5, 3, 1, 1), R(5)),
     Work(mac=2 * 5 * 49 * 3, conv_bias=2 * 5 * 49)),
    ("conv2d bias by name", lambda: F.conv2d(R(2, 3, 7, 7), R(5, 3, 1, 1), bias=R(5)),
     Work(mac=2 * 5 * 49 * 3, conv_bias=2 * 5 * 49)),
    ("conv3d", lambda: F.conv3d(R(2, 3, 5, 7, 11), R(5, 3, 2, 3, 5)), Work(mac=2 * 5 * 4 * 5 * 7 * 3 * 30)),
    ("groups", lambda: F.conv2d(R(2, 6, 7, 7), R(10, 3, 3, 3), groups=2), Work(mac=2 * 10 * 25 * 3 * 9)),
    ("depthwise", lambda: F.conv2d(R(2, 5, 7, 7), R(5, 1, 3, 3), groups=5), Work(mac=2 * 5 * 25 * 9)),
    ("dilation", lambda: F.conv2d(R(2, 3, 11, 11), R(5, 3, 3, 3), dilation=2), Work(mac=2 * 5 * 49 * 27)),
    ("stride", lambda: F.conv2d(R(2, 3, 11, 11), R(5, 3, 3, 3), stride=2, padding=1), Work(mac=2 * 5 * 36 * 27)),
    # 'same' with an even kernel pads one side more: the output keeps its 7 x 11.
    ("same even kernel", lambda: F.conv2d(R(2, 3, 7, 11), R(5, 3, 2, 4), padding="same"),
     Work(mac=2 * 5 * 77 * 3 * 8)),
    ("unbatched", lambda: F.conv2d(R(3, 7, 7), R(5, 3, 3, 3)), Work(mac=5 * 25 * 27)),
    # Input elements x (out_channels / groups) x kernel elements.
    ("transpose1d", lambda: F.conv_transpose1d(R(2, 3, 11), R(3, 5, 7)), Work(mac=2 * 3 * 11 * 5 * 7)),
    ("transpose2d", lambda: F.conv_transpose2d(R(2, 3, 5, 7), R(3, 5, 2, 3), stride=2, output_padding=1),
     Work(mac=2 * 3 * 35 * 5 * 6)),
    ("transpose bias", lambda: F.conv_transpose2d(R(1, 3, 5, 5), R(3, 7, 2, 2), R(7)),
     Work(mac=3 * 25 * 7 * 4, conv_bias=7 * 36)),
    ("transpose groups", lambda: F.conv_transpose2d(R(1, 6, 5, 5), R(6, 5, 3, 3), groups=2),
     Work(mac=6 * 25 * 5 * 9)),
    ("transpose3d unbatched", lambda: F.conv_transpose3d(R(3, 2, 3, 5), R(3, 7, 2, 2, 2)),
     Work(mac=3 * 30 * 7 * 8)),
    ("aten convolution", lambda: torch.ops.aten.convolution(
        R(2, 3, 7, 7), R(5, 3, 3, 3), None, [1, 1], [0, 0], [1, 1], False, [0, 0], 1), Work(mac=2 * 5 * 25 * 27)),
    ("aten transposed", lambda: torch.ops.aten.convolution(
        R(2, 3, 7, 7), R(3, 5, 3, 3), None, [1, 1], [0, 0], [1, 1], True, [0, 0], 1), Work(mac=2 * 3 * 49 * 5 * 9)),
    # (time, batch, channels) with a (kernel, in, out) weight.
    ("conv_tbc", lambda: torch.conv_tbc(R(11, 2, 3), R(5, 3, 7), R(7)),
     Work(mac=7 * 2 * 7 * 5 * 3, conv_bias=7 * 2 * 7)),
]  # fmt: skip


@pytest.mark.parametrize(("name", "call", "expected"), ROWS, ids=[row[0] for row in ROWS])
def test_work(name, call, expected):
    assert work(call) == expected
    if name != "conv_tbc":  # the dispatcher has no formula for it
        assert macs(expected) == dispatcher_macs(call)


@pytest.mark.parametrize("ndim", [1, 2, 3])
@pytest.mark.parametrize("transposed", [False, True])
def test_modules_equal_the_dispatcher_forward_and_backward(ndim, transposed):
    kind = getattr(nn, f"Conv{'Transpose' if transposed else ''}{ndim}d")
    for options in (dict(), dict(stride=2, padding=1), dict(groups=3, dilation=2, bias=False)):
        module = kind(6, 9, 3, **options)
        for needs_input in (False, True):
            x = R(2, 6, *(7, 8, 9)[:ndim]).requires_grad_(needs_input)
            found = cost(lambda module=module, x=x: module(x), grads=True)
            forward, backward = dispatcher_training_macs(lambda module=module, x=x: module(x))
            if options.get("groups"):
                # The dispatcher's formula of the weight's gradient forgets groups: 3 x too many here.
                backward -= 2 * forward
            assert (macs(found.forward), macs(found.backward)) == (forward, backward)


def test_transposed_is_the_convolution_of_the_gradient():
    # The transposed convolution is the map from output gradient to input gradient: the same products.
    forward = work(lambda: F.conv2d(R(2, 3, 11, 11), R(5, 3, 3, 3), stride=2))
    gradient = work(lambda: F.conv_transpose2d(R(2, 5, 5, 5), R(5, 3, 3, 3), stride=2))
    assert forward["mac"] == gradient["mac"]
