"""``--cost``, as a user types it."""

import json
from pathlib import Path

import numpy as np
import pytest
from support.schedules import ONE_UPDATE
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from mse_rl.cli import main

GROWTH = ["--slices", "2", "--epochs", "0.2"]
RUN = ["--task", "digits", "--slices", "2", "--training-steps", "4", *ONE_UPDATE]


def growth(folder: Path) -> dict[str, object]:
    """Return the timeline's last entry."""
    timeline = json.loads((folder / "growth.json").read_text())["timeline"]
    last: dict[str, object] = timeline[-1]
    return last


def test_a_policy_is_trained_for_parameters_and_applied_so(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run, out = tmp_path / "run", tmp_path / "out"
    main(["train", "--cost", "params", "--run-dir", str(run), *RUN])
    assert "k params" in capsys.readouterr().out
    for line in map(json.loads, (run / "episodes.jsonl").read_text().splitlines()):
        assert line["cost_measure"] == "params"
        assert line["cost"] == line["params"] <= line["cost_budget"]
    summary = json.loads((run / "summary.json").read_text())
    assert summary["cost_measure"] == "params"
    shown = np.mean(summary["controllers"]["wait"]["cost"]) / 1e3
    card = (run / "policy" / "README.md").read_text()
    assert "| k params |" in card
    assert f"| {shown:.3f} |" in card
    events = EventAccumulator(str(run / "tb"))
    events.Reload()
    assert {"episode/cost", "episode/cost_share_of_budget", "reward/cost"} <= set(events.Tags()["scalars"])
    main(["apply", str(run), "--task", "digits", "--out", str(out), *GROWTH])
    assert growth(out)["cost_measure"] == "params"
    assert "k params" in capsys.readouterr().out


def test_a_child_is_grown_under_a_latency_that_is_measured_with_its_spread(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"
    main(["apply", "wait", "--task", "digits", "--cost", "latency", "--latency-batch", "4",
          "--out", str(out), *GROWTH])  # fmt: skip
    last = growth(out)
    assert last["cost"] == last["latency_ms"] <= last["cost_budget"]  # type: ignore[operator]
    assert last["latency_spread_ms"] >= 0  # type: ignore[operator]
    assert " ms " in capsys.readouterr().out
    assert (out / "report.png").read_bytes().startswith(b"\x89PNG")


def test_a_child_keeps_to_several_budgets_and_says_which_it_has_to_shrink_to(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    large, small = tmp_path / "large", tmp_path / "small"
    budgets = ["--flops-budget", "1000000", "--params-budget", "9000"]
    main(["apply", "widen", "--task", "digits", *budgets, "--out", str(large), *GROWTH])
    last = growth(large)
    assert (last["flops_budget"], last["params_budget"]) == (1_000_000, 9_000)
    assert 5_178 < last["params"] <= 9_000  # type: ignore[operator]
    capsys.readouterr()
    main(["apply", "compress", "--task", "digits", "--init", str(large), "--params-budget", "1000",
          "--out", str(small), "--slices", "6", "--epochs", "0.5"])  # fmt: skip
    assert "of 1.000 k params: until it fits, it shrinks" in capsys.readouterr().out
    assert growth(small)["params"] <= 1_000  # type: ignore[operator]
