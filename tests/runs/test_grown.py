"""Networks that are kept are used on raw inputs."""

import csv
import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from sklearn.datasets import load_digits, load_wine

import mse_rl
from mse_rl.cli import main
from mse_rl.config.commands import VALIDATION_FRACTION
from mse_rl.errors import InvalidConfig, InvalidRun, InvalidTask

RNG = np.random.default_rng(0)
GROWTH = ["--slices", "3"]
LABELS = np.arange(150) % 3


def grown(task: str, folder: Path, *more: str) -> mse_rl.Grown:
    main(["apply", "random", "--task", task, "--out", str(folder), *GROWTH, *more])
    return mse_rl.load(folder)


def said_of_the_test_split(grown: mse_rl.Grown, task: str) -> tuple[np.ndarray, np.ndarray]:
    """Return what the child says of the encoded test split of its task, and the labels, as classes."""
    config = mse_rl.TaskConfig(validation_fraction=VALIDATION_FRACTION)
    split = mse_rl.load_task(task, config).test
    logits = grown.child(split.x).detach().double().softmax(1).numpy()
    return logits, grown.classes_[split.y.numpy()]


def npz(path: Path, x: np.ndarray, y: np.ndarray = LABELS) -> str:
    np.savez(path, x_train=x[:100], y_train=y[:100], x_test=x[100:], y_test=y[100:])
    return f"npz:{path}"


def padded() -> np.ndarray:
    x = RNG.normal(size=(150, 9, 2)).astype(np.float32) + LABELS[:, None, None]
    for row, length in zip(x, RNG.integers(3, 10, 150), strict=True):
        row[length:] = 0
    return x


RAW = {
    "grey images": RNG.integers(0, 255, (150, 8, 8), dtype=np.uint8),
    "colour images": RNG.integers(0, 255, (150, 8, 6, 3), dtype=np.uint8),
    "vectors": 1000 + 50 * RNG.normal(size=(150, 5)) + LABELS[:, None],
    "sequences": RNG.lognormal(sigma=3, size=(150, 12, 2)).astype(np.float32),
    "padded sequences": padded(),
    "ids": RNG.integers(0, 30, (150, 7)),
}


@pytest.mark.parametrize("kind", RAW)
def test_arrays_are_read_as_they_were_in_training(kind: str, tmp_path: Path) -> None:
    x = RAW[kind]
    task = npz(tmp_path / "task.npz", x, LABELS * 2 + 5)
    child = grown(task, tmp_path / "o")
    expected, labels = said_of_the_test_split(child, task)
    found = child.predict_proba(x[100:])
    np.testing.assert_allclose(found, expected, atol=1e-6)
    assert child.classes_.tolist() == [5, 7, 9]
    assert (labels == LABELS[100:] * 2 + 5).all()
    right = (child.predict(x[100:]) == LABELS[100:] * 2 + 5).mean()
    assert right == pytest.approx(child.growth["test_accuracy"])


def test_texts_are_read_and_classes_have_names(tmp_path: Path) -> None:
    words = {"fruit": ["apple", "pear", "plum"], "tool": ["saw", "file", "drill"]}
    lines = [
        f"{label},the {word} and the {other}"
        for label in words
        for word in words[label]
        for other in words[label]
    ]
    (tmp_path / "text.csv").write_text("\n".join(["label,text", *lines * 10]) + "\n")
    child = grown(f"csv:{tmp_path / 'text.csv'}", tmp_path / "o", "--training-flops", "5e8")
    assert child.predict(["a saw, a file", "an apple?"]).tolist() == ["tool", "fruit"]
    assert child.predict_proba(["", "нет"]).shape == (2, 2)
    with pytest.raises(InvalidTask, match="put a single one into a list"):
        child.predict("a saw")


def test_rows_of_a_table_are_mappings_or_cells(tmp_path: Path) -> None:
    rows = [
        {"colour": "red" if i % 2 else "blue", "size": f"{i % 7}", "class": "ab"[i % 2]} for i in range(120)
    ]
    lines = [",".join(row.values()) for row in rows]
    (tmp_path / "table.csv").write_text("\n".join(["colour,size,class", *lines]) + "\n")
    child = grown(f"csv:{tmp_path / 'table.csv'}", tmp_path / "o", "--training-flops", "5e8")
    asked = [{"size": 3, "colour": "red"}, {"size": None, "colour": "blue"}]
    assert child.predict(asked).tolist() == ["b", "a"]
    assert child.predict([["3", "red"], ["", "blue"]]).tolist() == ["b", "a"]
    with pytest.raises(InvalidTask, match="none called size"):
        child.predict([{"colour": "red"}])
    with pytest.raises(InvalidTask, match="columns size, colour"):
        child.predict([["red"]])


def test_bundled_sets_are_read_from_where_they_come_from(tmp_path: Path) -> None:
    digits = grown("digits", tmp_path / "digits", "--training-flops", "3e9")
    assert (digits.predict(load_digits().images) == load_digits().target).mean() > 0.9
    wine = grown("wine", tmp_path / "wine")
    names = load_wine().target_names
    assert wine.classes_.tolist() == names.tolist()
    assert (wine.predict(load_wine().data) == names[load_wine().target]).mean() > 0.8


@pytest.mark.parametrize(
    ("x", "message"),
    [
        (np.zeros((2, 7)), "expected images"),
        (np.arange(384.0).reshape(2, 3, 8, 8), "1 channel and 8x8 pixels, got 3 channels"),
        (np.array([["a"] * 8] * 8)[None], "expected numbers"),
    ],
)
def test_what_is_of_another_shape_is_refused(x: np.ndarray, message: str, tmp_path: Path) -> None:
    child = grown("digits", tmp_path / "o", "--training-flops", "1e9")
    with pytest.raises(InvalidTask, match=message):
        child.predict(x)


@pytest.mark.parametrize(
    ("key", "value"), [("kind", "gas"), ("shape", [3]), ("mean", None), ("encoding", {"reads": "tea leaves"})]
)
def test_a_record_that_is_broken_is_refused(key: str, value: object, tmp_path: Path) -> None:
    grown("digits", tmp_path / "o", "--training-flops", "1e9")
    path = tmp_path / "o" / "growth.json"
    record = json.loads(path.read_text())
    record["input"][key] = value
    path.write_text(json.dumps(record))
    with pytest.raises(InvalidRun, match=r"expected (the|a) record"):
        mse_rl.load(tmp_path / "o")


def test_predict_writes_what_the_child_says(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    rows = [
        {"size": f"{i % 7}", "colour": "red" if i % 2 else "blue", "class": "ab"[i % 2]} for i in range(120)
    ]
    for name, columns in (("one", ["colour", "size", "class"]), ("other", ["size", "class", "colour"])):
        lines = [",".join(row[column] for column in columns) for row in rows]
        (tmp_path / f"{name}.csv").write_text("\n".join([",".join(columns), *lines]) + "\n")
    grown(f"csv:{tmp_path / 'one.csv'}", tmp_path / "o", "--training-flops", "5e8")
    capsys.readouterr()
    asked = [
        "--task",
        f"csv:{tmp_path / 'other.csv'}",
        "--split",
        "train",
        "--out",
        str(tmp_path / "said.csv"),
    ]
    main(["predict", str(tmp_path / "o"), *asked])
    assert "accuracy 100.00%, 96 of 96 samples" in capsys.readouterr().out
    said = (tmp_path / "said.csv").read_text().splitlines()
    assert said[0] == "predicted,probability,label"
    assert len(said) == 97
    with pytest.raises(SystemExit) as ended:
        main(["predict", str(tmp_path / "o"), *asked])
    assert ended.value.code == 2
    assert "exists already" in capsys.readouterr().err


def test_predict_needs_no_labels(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    rows = [f"{'red' if i % 2 else 'blue'},{i % 7},{'ab'[i % 2]}" for i in range(120)]
    (tmp_path / "all.csv").write_text("\n".join(["colour,size,class", *rows]) + "\n")
    (tmp_path / "asked.csv").write_text("size,colour\n3,red\n1,red\n2,blue\n")
    (tmp_path / "one.csv").write_text("size,colour,class\n3,red,b\n")
    grown(f"csv:{tmp_path / 'all.csv'}", tmp_path / "o", "--training-flops", "5e8")
    capsys.readouterr()
    out = tmp_path / "said.csv"
    main(["predict", str(tmp_path / "o"), "--task", f"csv:{tmp_path / 'asked.csv'}", "--out", str(out)])
    said = capsys.readouterr().out
    assert "3 samples without labels: 2 b, 1 a" in said
    assert "accuracy" not in said
    assert [line.split(",")[0] for line in out.read_text().splitlines()] == ["predicted", "b", "b", "a"]
    assert "label" not in out.read_text()
    main(["predict", str(tmp_path / "o"), "--task", f"csv:{tmp_path / 'one.csv'}"])
    assert "accuracy 100.00%, 1 of 1 sample\n" in capsys.readouterr().out


def test_predict_names_files(tmp_path: Path) -> None:
    for i in range(40):
        (tmp_path / "images" / "ab"[i % 2]).mkdir(parents=True, exist_ok=True)
        image = np.full((8, 8), 20_000 + 40_000 * (i % 2), dtype=np.uint16)
        Image.fromarray(image).save(tmp_path / "images" / "ab"[i % 2] / f"{i}.png")
    child = grown(f"folder:{tmp_path / 'images'}", tmp_path / "o", "--training-flops", "1e9")
    (tmp_path / "asked").mkdir()
    Image.fromarray(image).save(tmp_path / "asked" / "some, b.png")
    asked = ["--task", f"folder:{tmp_path / 'asked'}", "--out", str(tmp_path / "said.csv")]
    main(["predict", str(tmp_path / "o"), *asked])
    header, row = csv.reader((tmp_path / "said.csv").read_text().splitlines())
    assert header == ["predicted", "probability", "file"]
    assert (row[0], row[2]) == ("b", "some, b.png")
    assert float(row[1]) == pytest.approx(child.predict_proba([image])[0, 1], abs=1e-5)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["nowhere", "--task", "digits"], "expected a grown child in nowhere"),
        (["o", "--task", "wine"], "wine: expected images"),
        (["o", "--task", "npz:none.npz"], "none.npz"),
    ],
)
def test_a_mistake_is_one_line(
    arguments: list[str], message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    monkeypatch.chdir(tmp_path)
    grown("digits", Path("o"), "--training-flops", "1e9")
    with pytest.raises(SystemExit) as ended:
        main(["predict", *arguments])
    assert ended.value.code == 2
    said = capsys.readouterr().err
    assert message in said
    assert said.count("\n") == 1


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ([{"size": 3, "colour": "red"}, {"size": 3}], "none called colour"),
        (["ab"], "rows of the columns"),
        (np.arange(30.0).reshape(1, 30), r"rows of the columns size, colour, got array\(\["),
        ([{"size": 3, "colour": "red"}, ["3", "red", "more"]], "rows of the columns"),
        ({"size": 3, "colour": "red"}, "put a single one into a list"),
        (5, "a sequence of samples"),
    ],
)
def test_rows_that_are_none_are_refused(rows: object, message: str, tmp_path: Path) -> None:
    lines = [f"{'red' if i % 2 else 'blue'},{i % 7},{'ab'[i % 2]}" for i in range(120)]
    (tmp_path / "table.csv").write_text("\n".join(["colour,size,class", *lines]) + "\n")
    child = grown(f"csv:{tmp_path / 'table.csv'}", tmp_path / "o", "--training-flops", "5e8")
    with pytest.raises(InvalidTask, match=message) as refused:
        child.predict(rows)
    assert "\n" not in str(refused.value)
    generated = ({"size": size, "colour": "red"} for size in (3.0, float("nan")))
    assert child.predict(generated).tolist() == ["b", "b"]


def test_numbers_that_are_none_are_refused(tmp_path: Path) -> None:
    child = grown(npz(tmp_path / "task.npz", RAW["vectors"]), tmp_path / "o", "--training-flops", "1e9")
    with pytest.raises(InvalidTask, match="finite"):
        child.predict(np.full((2, 5), np.nan))
    with pytest.raises(InvalidTask, match="everywhere in x, got 1 masked of 5"):
        child.predict(np.ma.masked_equal([[1.0, 2.0, 3.0, 4.0, 5.0]], 2.0))
    with pytest.raises(InvalidTask, match=r"expected features in x, got none \(shape \(2, 0\)\)"):
        child.predict(np.zeros((2, 0)))
    task = npz(tmp_path / "other.npz", RAW["vectors"])
    np.savez(
        tmp_path / "other.npz",
        x_train=RAW["vectors"],
        y_train=LABELS,
        x_test=RAW["vectors"],
        y_test=LABELS[:7],
    )
    for arguments in (["--task", task], ["--task", task, "--out", f"{tmp_path}/{'x' * 300}"]):
        with pytest.raises(SystemExit) as ended:
            main(["predict", str(tmp_path / "o"), *arguments])
        assert ended.value.code == 2


def test_a_network_goes_on_from_memory_as_from_its_folder(tmp_path: Path) -> None:
    first = mse_rl.apply("wine", training_flops=3e8)
    first.save(tmp_path / "first")
    first.child.double()
    weights = {name: tensor.clone() for name, tensor in first.child.state_dict().items()}
    settings = {"training_flops": 3e8, "seed": 1}
    kept, saved = (
        mse_rl.apply("wine", "widen", init=init, **settings).child.state_dict()
        for init in (first, str(tmp_path / "first"))
    )
    assert kept.keys() == saved.keys()
    assert all(kept[name].equal(saved[name]) for name in kept)
    assert all(tensor.equal(weights[name]) for name, tensor in first.child.state_dict().items())
    with pytest.raises(InvalidConfig, match="got both"):
        mse_rl.apply("wine", init=first, architecture=tmp_path / "first")
