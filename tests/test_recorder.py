"""What is recorded, where it is attributed, and that nothing is left behind."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
import torch
import torch._dynamo
import torch.nn.functional as F
from scopes import dispatcher_macs_by_module
from support import record
from torch import nn

import calprof
from calprof import FlopProfiler, Work

R = torch.randn


class Block(nn.Module):
    def __init__(self, width=5):
        super().__init__()
        self.up = nn.Linear(width, 7)
        self.down = nn.Linear(7, width)

    def forward(self, x):
        return x + self.down(F.relu(self.up(x)))


BLOCK = 2 * 3 * (5 * 7 + 7 * 5)  # MACs on 2 x 3 rows of width 5


def own(prof):
    return {path: node.own_macs for path, node in prof.by_module().items() if node.own_macs}


def test_work_belongs_to_the_innermost_module():
    class Model(nn.Module):
        def __init__(self):
            super().__init__()
            self.block = Block()
            self.weight = nn.Parameter(R(5, 11))

        def forward(self, x):
            return self.block(x) @ self.weight

    prof = calprof.profile(Model(), (2, 3, 5))
    assert own(prof) == {"": 6 * 5 * 11, "block.up": 6 * 35, "block.down": 6 * 35}
    assert prof.by_module()["block"].macs == BLOCK
    assert prof.root.macs == prof.macs == BLOCK + 330


def test_a_module_called_four_times_is_one_node():
    class Model(nn.Module):
        def __init__(self):
            super().__init__()
            self.block = Block()

        def forward(self, x):
            for _ in range(4):
                x = self.block(x)
            return x

    prof = calprof.profile(Model(), (2, 3, 5))
    assert prof.macs == 4 * BLOCK and prof.by_module()["block"].calls == 4
    assert prof.params == sum(p.numel() for p in Block().parameters())


def test_a_module_under_two_parents_is_counted_once_a_call():
    class Parent(nn.Module):
        def __init__(self, shared):
            super().__init__()
            self.shared = shared

        def forward(self, x):
            return self.shared(x)

    shared = Block()
    model = nn.Sequential(Parent(shared), Parent(shared), shared)
    prof = calprof.profile(model, (2, 3, 5))
    nodes = prof.by_module()
    assert prof.macs == 3 * BLOCK
    assert [nodes[path].macs for path in ("0", "1", "2")] == [BLOCK] * 3
    assert sum(node.own_macs for node in prof.root.walk()) == prof.macs
    assert prof.params == sum(p.numel() for p in shared.parameters())


def test_a_shared_parameter_counts_once():
    model = nn.Sequential(nn.Linear(5, 5), nn.Linear(5, 5))
    model[1].weight = model[0].weight
    model[1].weight.requires_grad_(False)
    prof = calprof.profile(model, (2, 5))
    assert (prof.params, prof.trainable_params) == (25 + 5 + 5, 5 + 5)


def test_a_stored_alias_and_a_renamed_import_are_seen():
    from torch.nn.functional import linear as renamed

    class Model(nn.Module):
        def __init__(self):
            super().__init__()
            self.act = F.gelu
            self.weight = nn.Parameter(R(7, 5))

        def forward(self, x):
            return self.act(renamed(x, self.weight))

    prof = calprof.profile(Model(), (2, 5))
    assert prof.work == Work(mac=70, gelu=14)


def test_modules_outside_the_model_are_named_by_class():
    with FlopProfiler(Block()) as profiler:
        nn.Sequential(nn.Linear(3, 5))(R(2, 3))
    assert own(profiler.profile()) == {"Sequential.0": 30}


def test_any_number_of_forwards_accumulate():
    model = Block()
    with FlopProfiler(model) as profiler:
        model(R(2, 3, 5))
        model(R(2, 3, 5))
    with profiler:
        model(R(2, 3, 5))
    assert profiler.profile().macs == 3 * BLOCK


def test_repeated_profiles_agree():
    model = Block()
    first, second = (calprof.profile(model, (2, 3, 5)) for _ in range(2))
    assert first.recording.calls == second.recording.calls


def test_nested_profilers_both_see():
    model = Block()
    with FlopProfiler(model) as outer:
        model(R(2, 3, 5))
        with FlopProfiler(model) as inner:
            model(R(2, 3, 5))
    assert (outer.profile().macs, inner.profile().macs) == (2 * BLOCK, BLOCK)
    assert own(inner.profile()) == {"up": 6 * 35, "down": 6 * 35}


def test_threads_do_not_see_each_other():
    shared, results, barrier = Block(), {}, threading.Barrier(3)

    def run(times):
        with FlopProfiler(shared) as profiler:
            for _ in range(times):
                barrier.wait()
                shared(R(2, 3, 5))
        results[times] = profiler.profile()

    def bystander():
        for _ in range(20):
            barrier.wait()
            shared(R(2, 3, 5))

    threads = [threading.Thread(target=run, args=(20,)), threading.Thread(target=bystander)]
    extra = threading.Thread(target=lambda: [barrier.wait() for _ in range(20)])
    for thread in (*threads, extra):
        thread.start()
    for thread in (*threads, extra):
        thread.join()
    assert results[20].macs == 20 * BLOCK
    assert own(results[20]) == {"up": 20 * 210, "down": 20 * 210}


def test_work_in_another_thread_is_told():
    class Pooled(nn.Module):
        def __init__(self):
            super().__init__()
            self.block = Block()

        def forward(self, x):
            with ThreadPoolExecutor(1) as pool:
                return pool.submit(self.block, x).result()

    prof = calprof.profile(Pooled(), (2, 3, 5))
    assert prof.macs == 0
    (note,) = prof.recording.notes
    assert "another thread, where nothing is counted: Block, Linear" in note


def test_an_exported_program_keeps_its_mode():
    block, x = Block().eval(), R(2, 3, 5)
    exported = torch.export.export(block, (x,)).module()
    assert calprof.profile(exported, args=(x,)).macs == BLOCK
    assert calprof.profile(torch.jit.freeze(torch.jit.script(block)), args=(x,)).macs == BLOCK


def test_recordings_of_two_threads_may_overlap_and_leave_nothing():
    stance = torch._dynamo.eval_frame._stance
    exchanged = [torch._C.ScriptFunction.__call__, torch._functorch.vmap.vmap_increment_nesting, torch.compile]
    first, second, ended = (threading.Event() for _ in range(3))

    def other():
        first.wait()
        with FlopProfiler():
            second.set()
            ended.wait()

    thread = threading.Thread(target=other)
    thread.start()
    with FlopProfiler():
        first.set()
        second.wait()
    ended.set()
    thread.join()
    assert exchanged == [
        torch._C.ScriptFunction.__call__, torch._functorch.vmap.vmap_increment_nesting, torch.compile,
    ]  # fmt: skip
    assert torch._dynamo.eval_frame._stance == stance


def test_an_exception_passes_unchanged_and_leaves_nothing():
    class Failing(nn.Module):
        def __init__(self):
            super().__init__()
            self.block = Block()

        def forward(self, x):
            raise KeyError(self.block(x).shape)

    model = Failing().train()
    with pytest.raises(KeyError):
        calprof.profile(model, (2, 3, 5))
    assert model.training and model.block.training
    assert calprof.profile(model.block, (2, 3, 5)).macs == BLOCK


def test_a_caught_exception_keeps_the_attribution():
    class Inner(nn.Module):
        def forward(self, x):
            raise ValueError

    class Model(nn.Module):
        def __init__(self):
            super().__init__()
            self.inner, self.block = Inner(), Block()

        def forward(self, x):
            try:
                return self.inner(x)
            except ValueError:
                return self.block(x) @ x.mT

    prof = calprof.profile(Model(), (2, 3, 5))
    assert own(prof) == {"": 2 * 3 * 3 * 5, "block.up": 210, "block.down": 210}


def test_a_failing_formula_never_breaks_the_forward():
    @calprof.formula(torch.erfinv)
    def broken(x, *, out):
        raise RuntimeError("no idea")

    try:
        with FlopProfiler() as profiler:
            torch.erfinv(R(3))
        (found,) = profiler.profile().uncounted
    finally:
        from calprof.ops.registry import unregister

        unregister(torch.erfinv)
    assert (found.op, found.count) == ("erfinv", 1)
    assert found.reason == "its formula raised RuntimeError: no idea"


def test_unknown_functions_are_reported_with_their_module():
    torch.library.define("calprof_test::mystery", "(Tensor x) -> Tensor")
    torch.library.impl("calprof_test::mystery", "cpu", lambda x: x * 2)

    class Model(nn.Module):
        def forward(self, x):
            return torch.ops.calprof_test.mystery(x)

    prof = calprof.profile(nn.Sequential(Model(), Model()), (2, 3))
    assert [(u.module, u.op, u.count) for u in prof.uncounted] == [
        ("0", "calprof_test.mystery", 1), ("1", "calprof_test.mystery", 1),
    ]  # fmt: skip


def test_no_tensor_is_kept_alive():
    import weakref

    with FlopProfiler() as profiler:
        x = R(3, 5)
        y = x @ R(5, 7)
        references = [weakref.ref(x), weakref.ref(y)]
        del x, y
    assert [reference() for reference in references] == [None, None]
    assert profiler.profile().macs == 105


def test_many_distinct_calls_are_merged_and_nothing_is_lost(monkeypatch):
    from calprof.recording import recorder

    monkeypatch.setattr(recorder, "_DISTINCT_LIMIT", 10)
    recording = record(lambda: [R(2, n) @ R(n, 3) for n in range(1, 100)])
    assert sum(call.cost.forward["mac"] for call in recording.calls) == 6 * sum(range(1, 100))
    assert sum(call.count for call in recording.calls if call.op == "matmul") == 99


def test_recordings_add_and_survive_json():
    import json

    from calprof.recording.recording import Recording

    prof = calprof.profile(Block(), (2, 3, 5))
    restored = Recording.from_dict(json.loads(json.dumps(prof.recording.to_dict())))
    assert restored == prof.recording
    both = calprof.Profile(prof.recording + restored)
    assert both.macs == 2 * BLOCK and both.by_module()["up"].calls == 2
    assert both.params == prof.params


class Random(nn.Module):
    """A small network whose layers are drawn at random."""

    def __init__(self, seed):
        super().__init__()
        dice = torch.Generator().manual_seed(seed)
        pick = lambda n: int(torch.randint(n, (), generator=dice))  # noqa: E731
        layers = []
        for _ in range(4):
            layers.append(
                [
                    lambda: nn.Conv2d(6, 6, 3, padding=1, groups=(1, 2, 3)[pick(3)]),
                    lambda: nn.ConvTranspose2d(6, 6, 3, padding=1),
                    lambda: nn.Sequential(nn.BatchNorm2d(6), nn.ReLU()),
                    lambda: nn.Sequential(nn.Linear(8, 11), nn.GELU(), nn.Linear(11, 8)),
                ][pick(4)]()
            )
        self.layers = nn.ModuleList(layers)
        self.order = [pick(4) for _ in range(6)]
        self.attention = nn.MultiheadAttention(8, 2, batch_first=True)

    def forward(self, x):
        for index in self.order:
            x = self.layers[index](x)
        rows = x.flatten(0, 1).flatten(0, 0)
        return self.attention(rows, rows, rows)[0] @ rows.mT


@pytest.mark.parametrize("seed", range(8))
def test_random_models_equal_the_dispatcher_module_by_module(seed):
    model, x = Random(seed), R(2, 6, 5, 8)
    prof = calprof.profile(model, args=[x])
    assert own(prof) == dispatcher_macs_by_module(model, (x,), {})


def test_a_batch_norm_that_stays_in_train_mode_keeps_its_statistics():
    class Stubborn(nn.BatchNorm1d):
        def train(self, mode=True):
            return super().train(True)

    class Normed(nn.Module):
        def __init__(self):
            super().__init__()
            self.norm = nn.BatchNorm1d(3)

        def train(self, mode=True):
            super().train(mode)
            self.norm.train(True)
            return self

        def forward(self, x):
            return self.norm(x)

    for model in (Normed(), Stubborn(3)):
        for mode in (True, False):
            model.train(mode)
            before = {name: value.clone() for name, value in model.named_buffers()}
            calprof.profile(model, (4, 3))
            assert all(torch.equal(value, before[name]) for name, value in model.named_buffers())
