"""The callback in the real `Trainer` of Lightning, on a tiny module."""

from __future__ import annotations

import itertools

import lightning.pytorch as pl
import pytest
import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

from calprof.integrations.lightning import FlopsCallback

PEAK = 1e9
# Two layers on batches of 4: both products forward, three gradients: the input needs none.
STEP = 2 * 4 * (2 * (3 * 5 + 5 * 7) + 5 * 7)


class Module(pl.LightningModule):
    def __init__(self):
        super().__init__()
        self.model = nn.Sequential(nn.Linear(3, 5), nn.ReLU(), nn.Linear(5, 7))
        self.steps = 0

    def training_step(self, batch, batch_idx):
        self.steps += 1
        loss = nn.functional.mse_loss(self.model(batch[0]), batch[1])
        self.log("loss", loss)
        return loss

    def configure_optimizers(self):
        return torch.optim.SGD(self.parameters(), 0.01)


class Figures(pl.Callback):
    """Keeps what was logged at the end of each batch."""

    def __init__(self):
        self.seen = []

    def on_train_batch_end(self, trainer, pl_module, outputs, batch, batch_idx):
        self.seen.append({name: float(value) for name, value in trainer.callback_metrics.items()})


def fit(callback, module=None, batches=4, **options):
    module, figures = module or Module(), Figures()
    data = DataLoader(TensorDataset(torch.randn(4 * batches, 3), torch.randn(4 * batches, 7)), batch_size=4)
    trainer = pl.Trainer(
        max_epochs=1, accelerator="cpu", devices=1, logger=False, enable_checkpointing=False,
        enable_progress_bar=False, enable_model_summary=False, callbacks=[callback, figures], **options,
    )  # fmt: skip
    trainer.fit(module, data)
    return module, figures.seen


def test_logs_the_hand_calculation_beside_the_loss():
    ticks = itertools.count()
    callback = FlopsCallback(device=PEAK, dtype="fp32", clock=lambda: next(ticks) * 0.5)
    module, seen = fit(callback)
    assert all(entry["flops_per_step"] == STEP and "loss" in entry for entry in seen)
    assert "mfu" not in seen[0]
    # Each step reads the clock once and twice around the accounting, which is left out: 1 s remains.
    assert seen[-1]["mfu"] == pytest.approx(STEP / PEAK)
    assert seen[-1]["tflops_per_device"] == pytest.approx(STEP / 1e12)
    # Profiled once, on a copy: the module itself ran its four steps.
    assert callback.profiles == 1 and module.steps == 4


def test_accumulated_batches_and_devices_add_up():
    callback = FlopsCallback(device=PEAK, dtype="fp32", count=3)
    _, seen = fit(callback, accumulate_grad_batches=2)
    assert seen[-1]["flops_per_step"] == 3 * 2 * STEP


def test_manual_optimization_is_refused():
    module = Module()
    module.automatic_optimization = False
    with pytest.raises(ValueError, match="optimizes manually"):
        fit(FlopsCallback(device=PEAK), module)
