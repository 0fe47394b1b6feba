"""torchvision's ops, by hand."""

from __future__ import annotations

import pytest
import torch
from support import cost, macs, record, work
from torch.nn.functional import conv2d

from calprof.work import Work

ops = pytest.importorskip("torchvision.ops")

R = torch.randn
X = R(2, 6, 11, 13)
BOXES = torch.tensor([[0.0, 0, 0, 5, 7], [1, 2, 3, 7, 11], [1, 0, 0, 3, 3]])


def test_deformable_convolution():
    # 2 groups: 4 outputs of 3 channels x 3 x 5 on 9 x 9: 2·4·81 = 648 of 45 MACs, as in a plain convolution.
    weight, offset, mask = R(4, 3, 3, 5), R(2, 2 * 15, 9, 9), R(2, 15, 9, 9)
    found = work(lambda: ops.deform_conv2d(X, offset, weight))
    # 15·162 = 2,430 points; 6 channels: 14,580 samples of 4 products and 3 additions.
    points, samples = 2430, 14580
    assert found == Work(
        mac=648 * 45,
        conv_bias=648,
        add=6 * points + 3 * samples,
        round=2 * points,
        multiply=4 * points + 4 * samples,
    )
    assert macs(found) == macs(work(lambda: conv2d(X, weight, groups=2)))
    masked = work(lambda: ops.deform_conv2d(X, offset, weight, mask=mask))
    assert masked == found + Work(multiply=samples)
    # Two offset groups sample at twice as many points.
    twice = work(lambda: ops.deform_conv2d(X, R(2, 60, 9, 9), weight))
    assert twice == found + Work(add=6 * points, round=2 * points, multiply=4 * points)


def test_deformable_convolutions_gradient():
    weight = R(4, 6, 3, 5, requires_grad=True)
    found = cost(lambda: ops.deform_conv2d(X, R(2, 30, 9, 9), weight), grads=True)
    assert found.forward["mac"] == found.backward["mac"] == 648 * 90


def test_roi_align():
    # 3 boxes of 2 x 5 bins of 9 points: 270 points; 6 channels: 1,620 samples of 180 results.
    expected = Work(
        multiply=6 * 270 + 4 * 1620 + 180,
        add=6 * 270 + 3 * 1620 + 1620,
        round=2 * 270,
    )
    assert work(lambda: ops.roi_align(X, BOXES, (2, 5), sampling_ratio=3)) == expected
    # Position-sensitive: 6 channels are 2 x 3 bins of one: 3·6·4 = 72 points, 72 samples, 18 results.
    expected = Work(multiply=6 * 72 + 4 * 72 + 18, add=6 * 72 + 4 * 72, round=2 * 72)
    assert work(lambda: ops.ps_roi_align(X, BOXES, (2, 3), sampling_ratio=2)) == expected


@pytest.mark.parametrize(
    ("call", "reason"),
    [
        (lambda: ops.roi_align(X, BOXES, 3), "sampling_ratio"),
        (lambda: ops.roi_pool(X, BOXES, 3), "sizes of the boxes"),
        (lambda: ops.ps_roi_pool(X, BOXES, (2, 3)), "sizes of the boxes"),
        (lambda: ops.nms(BOXES[:, 1:], torch.rand(3), 0.5), "suppressed"),
    ],
    ids=["roi_align", "roi_pool", "ps_roi_pool", "nms"],
)
def test_what_depends_on_the_boxes_is_reported(call, reason):
    (uncounted,) = record(call).uncounted
    assert reason in uncounted.reason
