"""Every family as a user meets it: trained on, applied to, gone on from, compressed."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from support.schedules import ONE_UPDATE

import mse_rl
from mse_rl.cli import main
from mse_rl.config.commands import VALIDATION_FRACTION
from mse_rl.config.training import TaskConfig
from mse_rl.data import load_task
from mse_rl.data.reader import InputReader

GROWTH = ["--slices", "3", "--epochs", "1", "--batch-size", "16"]
RUN = ["--slices", "3", "--training-steps", "9", "--batch-size", "16", *ONE_UPDATE]
WORDS = {"fruit": ["apple", "pear", "plum"], "tool": ["saw", "file", "drill"]}


@pytest.fixture(scope="module")
def tasks(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """A small task of each kind, by the family that is to read it."""
    folder = tmp_path_factory.mktemp("data")
    rng = np.random.default_rng(0)
    lines = [
        f"{label},the {rng.choice(words)} and the {rng.choice(words)}"
        for label, words in WORDS.items()
        for _ in range(60)
    ]
    (folder / "text.csv").write_text("\n".join(["label,text", *lines]) + "\n")
    x, y = rng.normal(size=(120, 7, 3)).astype(np.float32), np.arange(120) % 3
    np.savez(folder / "steps.npz", x_train=x, y_train=y, x_test=x, y_test=y)
    return {
        "cnn": "digits",
        "mlp": "wine",
        "rnn": f"csv:{folder / 'text.csv'}",
        "transformer": f"npz:{folder / 'steps.npz'}",
    }


def growth(folder: Path) -> dict:
    return json.loads((folder / "growth.json").read_text())


@pytest.mark.parametrize("family", ["cnn", "mlp", "rnn", "transformer"])
def test_a_policy_is_trained_on_every_family_and_applied(
    family: str, tasks: dict[str, str], tmp_path: Path
) -> None:
    run, out = tmp_path / "run", tmp_path / "out"
    common = ["--task", tasks[family], "--family", family, "--max-train", "100"]
    main(["train", *common, "--run-dir", str(run), *RUN])
    assert (run / "policy" / "policy.safetensors").is_file()
    main(["apply", str(run), *common, "--out", str(out), *GROWTH])
    child, record = mse_rl.load_child(out), growth(out)
    task = mse_rl.load_task(
        tasks[family], mse_rl.TaskConfig(max_train=100, validation_fraction=VALIDATION_FRACTION)
    )
    with torch.inference_mode():
        right = (child(task.test.x).argmax(dim=1) == task.test.y).double().mean().item()
    assert right == pytest.approx(record["test_accuracy"])
    assert record["input"]["kind"] == task.kind
    assert record["input"]["encoding"] == task.encoding


@pytest.mark.parametrize("reader", ["rnn", "transformer"])
def test_a_convolutional_child_grows_on_texts_and_series_is_kept_and_goes_on(
    reader: str, tasks: dict[str, str], tmp_path: Path
) -> None:
    """The task of each of these families: texts, and series."""
    task, out, further = tasks[reader], tmp_path / "out", tmp_path / "further"
    main(["apply", "random", "--task", task, "--family", "cnn", "--out", str(out), *GROWTH])
    child, loaded = (
        mse_rl.load_child(out),
        mse_rl.load_task(task, mse_rl.TaskConfig(validation_fraction=VALIDATION_FRACTION)),
    )
    with torch.inference_mode():
        right = (child(loaded.test.x).argmax(dim=1) == loaded.test.y).double().mean().item()
    assert right == pytest.approx(growth(out)["test_accuracy"])
    assert growth(out)["timeline"][-1]["flops"] > growth(out)["timeline"][0]["flops"]
    main(["apply", "wait", "--task", task, "--init", str(out), "--out", str(further), *GROWTH])
    receipt = growth(further)["timeline"][0]["receipt"]
    assert "stem" in receipt["kept"] or "stem.reader" in receipt["kept"]


def test_a_policy_may_use_the_transformations_that_it_was_trained_with(
    tasks: dict[str, str], tmp_path: Path
) -> None:
    run, out = tmp_path / "run", tmp_path / "out"
    names = ["widen_inner_x2", "deepen_linear"]
    main(["train", "--task", "wine", "--family", "mlp", "--run-dir", str(run), *RUN,
          "--transformations", *names])  # fmt: skip
    main(["apply", str(run), "--task", "wine", "--family", "mlp", "--out", str(out), *GROWTH])
    assert {entry.get("transformation", "wait") for entry in growth(out)["timeline"]} <= {"wait", *names}


def test_a_child_shrinks_to_a_budget_below_its_flops(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    large, small = tmp_path / "large", tmp_path / "small"
    main(["apply", "widen", "--task", "digits", "--out", str(large), *GROWTH])
    flops = growth(large)["timeline"][-1]["flops"]
    capsys.readouterr()
    main(["apply", "compress", "--task", "digits", "--init", str(large), "--flops-budget", str(flops // 2),
          "--out", str(small), *GROWTH])  # fmt: skip
    said = capsys.readouterr().out
    assert "nothing is made new" in said
    assert "until it fits, it shrinks" in said
    last = growth(small)["timeline"][-1]
    assert last["fits"]
    assert last["flops"] <= flops // 2


def test_a_child_that_could_not_shrink_in_time_is_told_of(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    large, small = tmp_path / "large", tmp_path / "small"
    main(["apply", "widen", "--task", "digits", "--out", str(large), *GROWTH])
    main(["apply", "compress", "--task", "digits", "--init", str(large), "--flops-budget", "30000",
          "--out", str(small), "--slices", "1", "--epochs", "0.2"])  # fmt: skip
    assert "beyond its budget" in capsys.readouterr().out
    assert not growth(small)["timeline"][-1]["fits"]


def test_a_child_goes_on_with_other_classes_and_says_what_is_new(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rng = np.random.default_rng(0)
    x, y = rng.integers(256, size=(120, 10, 10), dtype=np.uint8), np.arange(120) % 3
    np.savez(tmp_path / "d.npz", x_train=x, y_train=y, x_test=x, y_test=y)
    donor, out = tmp_path / "donor", tmp_path / "out"
    main(["apply", "widen", "--task", "digits", "--out", str(donor), *GROWTH])
    capsys.readouterr()
    main(
        [
            "apply",
            "wait",
            "--task",
            f"npz:{tmp_path / 'd.npz'}",
            "--init",
            str(donor),
            "--out",
            str(out),
            *GROWTH,
        ]
    )
    assert "made new: head.linear" in capsys.readouterr().out
    receipt = growth(out)["timeline"][0]["receipt"]
    assert receipt["made_new"] == ["head.linear"]
    assert {"stem.reader", "stem.norm"} <= set(receipt["kept"])


def test_a_text_child_keeps_the_words_that_it_knows(tmp_path: Path) -> None:
    def texts(name: str, words: list[str]) -> str:
        lines = [f"{i % 2},{words[i % len(words)]} {words[(i + 1) % len(words)]}" for i in range(80)]
        (tmp_path / name).write_text("\n".join(["label,text", *lines]) + "\n")
        return f"csv:{tmp_path / name}"

    first, second = texts("a.csv", ["red", "green", "blue"]), texts("b.csv", ["blue", "grey", "red", "pink"])
    donor, out = tmp_path / "donor", tmp_path / "out"
    main(["apply", "wait", "--task", first, "--family", "rnn", "--out", str(donor), *GROWTH])
    # A learning rate of next to nothing, so that what was taken over can still be seen.
    still = ["--learning-rate", "1e-12", "--weight-decay", "0"]
    main(["apply", "wait", "--task", second, "--init", str(donor), "--out", str(out), *still, *GROWTH])
    before, after = (mse_rl.load_child(folder).stem.weight for folder in (donor, out))
    words = [["padding", "unknown", *growth(folder)["input"]["encoding"]["words"]] for folder in (donor, out)]
    for word in ("red", "blue", "unknown"):
        assert torch.allclose(after[:, words[1].index(word)], before[:, words[0].index(word)], atol=1e-6)
    assert "stem" in growth(out)["timeline"][0]["receipt"]["kept"]


def test_the_family_of_the_child_to_start_from_need_not_be_said(tmp_path: Path) -> None:
    donor, out = tmp_path / "donor", tmp_path / "out"
    main(["apply", "wait", "--task", "wine", "--family", "mlp", "--out", str(donor), *GROWTH])
    main(["apply", "wait", "--task", "wine", "--init", str(donor), "--out", str(out), *GROWTH])
    assert json.loads((out / "architecture.json").read_text())["family"] == "mlp"


def test_a_policy_grows_children_of_the_family_that_it_was_trained_on(
    tasks: dict[str, str], tmp_path: Path
) -> None:
    run, out = tmp_path / "run", tmp_path / "out"
    main(["train", "--task", "wine", "--family", "mlp", "--run-dir", str(run), *RUN])
    main(["apply", str(run), "--task", "breast_cancer", "--out", str(out), *GROWTH])
    assert json.loads((out / "architecture.json").read_text())["family"] == "mlp"
    assert json.loads((out / "config.json").read_text())["family"] == "mlp"


def test_the_classifier_is_new_on_another_dataset_and_kept_on_the_same(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    x, y = rng.integers(256, size=(120, 8, 8), dtype=np.uint8), np.arange(120) % 10
    np.savez(tmp_path / "d.npz", x_train=x, y_train=y, x_test=x, y_test=y)
    donor = tmp_path / "donor"
    main(["apply", "wait", "--task", "digits", "--out", str(donor), *GROWTH])
    for task, made_new in (("digits", []), (f"npz:{tmp_path / 'd.npz'}", ["head.linear"])):
        out = tmp_path / task[:3]
        main(["apply", "wait", "--task", task, "--init", str(donor), "--out", str(out), *GROWTH])
        assert growth(out)["timeline"][0]["receipt"]["made_new"] == made_new


def test_classes_of_a_csv_keep_their_rows_by_name(tmp_path: Path) -> None:
    def table(name: str, classes: str) -> str:
        lines = [f"{i % 7},{i % 5},{classes[i % len(classes)]}" for i in range(90)]
        (tmp_path / name).write_text("\n".join(["p,q,label", *lines]) + "\n")
        return f"csv:{tmp_path / name}"

    first, second = table("a.csv", "ab"), table("b.csv", "bca")
    donor, out = tmp_path / "donor", tmp_path / "out"
    main(["apply", "wait", "--task", first, "--family", "mlp", "--out", str(donor), *GROWTH])
    still = ["--learning-rate", "1e-12", "--weight-decay", "0"]
    main(["apply", "wait", "--task", second, "--init", str(donor), "--out", str(out), *still, *GROWTH])
    before, after = (mse_rl.load_child(folder).head.linear.weight for folder in (donor, out))
    assert torch.allclose(after[:2], before, atol=1e-6)  # a and b; c is new


def test_features_of_a_table_are_named_in_the_order_in_which_a_child_reads_them(tmp_path: Path) -> None:
    rows = [f"{'pq'[i % 2]},{'ab'[i % 2]},{i % 3}" for i in range(100)]
    (tmp_path / "a.csv").write_text("\n".join(["label,letter,n", *rows]) + "\n")
    task = load_task(f"csv:{tmp_path / 'a.csv'}", TaskConfig())
    names = InputReader.of_record(task.record).names
    assert names == ("n", "letter=a", "letter=b", "n 0.0 to 1.0", "n 1.0 to 2.0")
    assert task.input_shape == (len(names),)


@pytest.mark.parametrize(
    "encoding",
    [
        {"reads": "text"},
        {"reads": "text", "words": [["a"]]},
        {"reads": "text", "words": ["a", "b", "c"]},
        {"reads": "table", "numeric": {}, "categorical": []},
        {"reads": "ids", "largest": "9"},
        {"classes": ["a"]},
    ],
    ids=str,
)
def test_names_that_do_not_fit_the_child_are_refused_in_one_line(
    encoding: dict, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    donor = tmp_path / "donor"
    main(["apply", "wait", "--task", "wine", "--family", "mlp", "--out", str(donor), *GROWTH])
    record = growth(donor)
    record["input"]["encoding"] = encoding
    (donor / "growth.json").write_text(json.dumps(record))
    capsys.readouterr()
    with pytest.raises(SystemExit) as stop:
        main(["apply", "wait", "--task", "wine", "--init", str(donor), "--out", str(tmp_path / "o"), *GROWTH])
    assert stop.value.code == 2
    assert len(capsys.readouterr().err.strip().splitlines()) == 1


@pytest.mark.parametrize(
    "change",
    [
        {"input_shape": [1, 1, 1, 13]},
        {"stages": [{"width": 4, "stride": 10**9, "blocks": []}]},
        {"input_shape": [2**23, 2**23, 2**23]},
    ],
    ids=str,
)
def test_an_architecture_beyond_all_memory_is_refused(change: dict, tmp_path: Path) -> None:
    donor = tmp_path / "donor"
    main(["apply", "wait", "--task", "wine", "--family", "mlp", "--out", str(donor), *GROWTH])
    path = donor / "architecture.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | change))
    with pytest.raises(mse_rl.MseRlError):
        mse_rl.load_child(donor)


def test_gradmax_of_a_child_that_is_about_to_diverge_draws_weights_instead(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    wild = ["--new-units", "gradmax", "--optimizer", "sgd", "--learning-rate", "300"]
    wild += ["--family", "mlp", "--slices", "5"]
    main(["apply", "widen", "--task", "digits", "--out", str(tmp_path / "o"), *wild, "--epochs", "1"])
    assert "diverged  taken back" in capsys.readouterr().out


@pytest.mark.parametrize("content", ["{}", "[1]", '{"input": {"encoding": 3}}', "\udcff"])
def test_a_record_that_is_none_is_refused_in_one_line(
    content: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    donor = tmp_path / "donor"
    main(["apply", "wait", "--task", "wine", "--family", "mlp", "--out", str(donor), *GROWTH])
    (donor / "growth.json").write_text(content, errors="surrogateescape")
    capsys.readouterr()
    with pytest.raises(SystemExit) as stop:
        main(["apply", "wait", "--task", "wine", "--init", str(donor), "--out", str(tmp_path / "o"), *GROWTH])
    assert stop.value.code == 2
    assert len(capsys.readouterr().err.strip().splitlines()) == 1
