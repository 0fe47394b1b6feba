"""What moves, makes or inspects data costs nothing and is never reported as uncounted."""

from __future__ import annotations

import copy
import io

import pytest
import torch
import torch.nn.functional as F

from calprof.recording.recorder import Recorder
from calprof.work import Work

R = torch.randn

ROWS = {
    "views": lambda: R(2, 3, 5).view(6, 5).reshape(2, 15).flatten().unsqueeze(0).expand(7, -1).squeeze().t().mT,
    "axes": lambda: R(2, 3, 5).permute(2, 0, 1).transpose(0, 1).movedim(0, 1).swapaxes(0, 1).ravel(),
    "parts": lambda: [R(6, 5).split(2), R(6, 5).chunk(3), R(6, 5).unbind(), torch.tensor_split(R(7), 3), R(2, 3)[0]],
    "joins": lambda: [torch.cat([R(2), R(3)]), torch.stack([R(2), R(2)]), torch.hstack([R(2), R(3)])],
    "repeats": lambda: [R(2).repeat(3), R(2).tile(3), R(2).repeat_interleave(3), R(2, 3).roll(1), R(2, 3).flip(0)],
    "padding": lambda: [F.pad(R(2, 3), (1, 1)), F.pad(R(2, 3), (1, 1), mode="reflect"), F.pixel_shuffle(R(4, 2, 3), 2)],
    "indexing": lambda: [R(5)[torch.tensor([0, 3])], R(5)[2:, None], R(5).index_select(0, torch.tensor([1]))],
    "assignment": lambda: R(5, 2).__setitem__(slice(1, 3), 0.0),
    "gathering": lambda: [R(5).gather(0, torch.tensor([4])), R(2, 3).take(torch.tensor([1]))],
    "masks": lambda: [torch.where(torch.ones(3, dtype=torch.bool), R(3), R(3)), R(2, 3).tril(), R(2, 3).triu_()],
    "masked_fill": lambda: R(3).masked_fill_(torch.tensor([True, False, True]), 0.0),
    "casts": lambda: [R(2).to(torch.half), R(2).double(), R(2).int(), R(2).type_as(R(3)), R(2).bfloat16().cpu()],
    "copies": lambda: [R(2).clone(), R(2).copy_(R(2)), R(2).contiguous(), copy.deepcopy(R(2)), R(2).numpy()],
    "to Python": lambda: [R(()).item(), R(2).tolist(), float(R(())), bool(R(())), len(R(2)), list(R(2)), repr(R(2))],
    "creation": lambda: [torch.zeros(2), torch.ones_like(R(2)), torch.full((2,), 1.0), torch.eye(3), R(2).new_empty(2)],
    "ranges": lambda: [torch.arange(5), torch.linspace(0, 1, 5), torch.tril_indices(3, 3), torch.hann_window(7)],
    "random": lambda: [torch.rand(2), torch.randint(5, (2,)), torch.randperm(5), R(2).uniform_(), R(2).normal_()],
    "initialisation": lambda: [torch.nn.init.kaiming_uniform_(R(2, 3)), torch.nn.init.zeros_(R(2))],
    "complex parts": lambda: [
        torch.view_as_real(torch.view_as_complex(R(3, 2))).real,
        torch.complex(R(2), R(2)).conj(),
    ],
    "questions": lambda: [R(2).shape, R(2).size(), R(2).dim(), R(2).is_contiguous(), R(2).dtype, R(2).device],
    "dtypes": lambda: [torch.result_type(R(2), 1), torch.promote_types(torch.half, torch.int), torch.is_tensor(R(2))],
    "autograd": lambda: R(2).detach().requires_grad_().register_hook(print),
    "grad modes": lambda: _without_gradient(),
    "sparse": lambda: R(2, 3).to_sparse().to_dense(),
    "serialisation": lambda: torch.save(R(2), io.BytesIO()),
    "unfold": lambda: [R(7).unfold(0, 3, 2), F.unfold(R(1, 2, 5, 5), 3), F.one_hot(torch.tensor([0, 2]))],
    "combinations": lambda: [torch.cartesian_prod(R(2), R(3)), torch.combinations(R(5)), torch.block_diag(R(2, 3))],
    "sizes": lambda: [torch.broadcast_shapes((2, 1), (3,)), *torch.broadcast_tensors(R(2, 1), R(3))],
}


def test_an_optimizer_step_is_counted_and_nothing_of_it_is_unknown():
    parameter = torch.nn.Parameter(R(2, 3))
    parameter.grad = R(2, 3)
    optimizer = torch.optim.SGD([parameter], lr=0.1, foreach=False)
    with Recorder() as recorder:
        optimizer.step()
    (call,) = recorder.recording().calls
    assert call.op == "add" and call.cost.forward == Work(add=6, multiply=6)
    assert not recorder.recording().uncounted


def _without_gradient() -> torch.Tensor:
    with torch.no_grad():
        return R(2).view(1, 2)


@pytest.mark.parametrize("call", ROWS.values(), ids=ROWS.keys())
def test_moves_are_free(call):
    with Recorder() as recorder:
        call()
    recording = recorder.recording()
    assert not recording.calls
    assert not recording.uncounted
