import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mse_rl.config.training import TaskConfig
from mse_rl.data import load_task
from mse_rl.data.asking import ask
from mse_rl.data.reader import InputReader
from mse_rl.errors import InvalidTask

RNG = np.random.default_rng(0)


def write(path, x_train, x_test, **others):
    labels = {"y_train": np.arange(len(x_train)) % 3, "y_test": np.arange(len(x_test)) % 3}
    np.savez(path, **({"x_train": x_train, "x_test": x_test} | labels | others))
    return f"npz:{path}"


def refused(name):
    with pytest.raises(InvalidTask) as caught:
        load_task(name, TaskConfig())
    assert "\n" not in str(caught.value)
    return str(caught.value)


@pytest.mark.parametrize(
    ("shape", "kind", "expected"),
    [
        ((7,), "vector", (7,)),
        ((9, 8), "sequence", (9, 16)),
        ((3, 9, 8), "image", (3, 9, 8)),
        ((9, 8, 3), "image", (3, 9, 8)),
        ((9, 8, 1), "image", (1, 9, 8)),
        ((3, 8, 4), "image", (3, 8, 4)),  # both fit: channels first is meant
    ],
)
def test_the_shape_tells_what_the_inputs_are(tmp_path, shape, kind, expected):
    name = write(tmp_path / "a.npz", RNG.normal(size=(30, *shape)), RNG.normal(size=(9, *shape)))
    task = load_task(name, TaskConfig())
    assert (task.name, task.kind, task.input_shape) == (name, kind, expected)
    assert task.train.x.is_contiguous()


def test_channels_last_and_channels_first_give_the_same_task(tmp_path):
    x_train, x_test = (RNG.integers(0, 256, (n, 6, 6, 3), dtype=np.uint8) for n in (30, 9))
    last = load_task(write(tmp_path / "last.npz", x_train, x_test), TaskConfig())
    first = load_task(
        write(tmp_path / "first.npz", x_train.transpose(0, 3, 1, 2), x_test.transpose(0, 3, 1, 2)),
        TaskConfig(),
    )
    assert torch.equal(last.train.x, first.train.x)
    assert torch.equal(last.test.x, first.test.x)


@pytest.mark.parametrize("encode", [np.asarray, lambda names: np.char.encode(names, "utf-8")])
def test_labels_may_be_words(tmp_path, encode):
    names = np.array(["été", "0", "hiver"])[np.arange(30) % 3]
    x = RNG.normal(size=(30, 4))
    np.savez(tmp_path / "a.npz", x_train=x, y_train=encode(names), x_test=x[:9], y_test=encode(names[:9]))
    task = load_task(f"npz:{tmp_path / 'a.npz'}", TaskConfig())
    assert task.encoding["classes"] == ["0", "hiver", "été"]
    assert task.test.y.tolist() == [2, 0, 1] * 3
    asked = ask(task.name, TaskConfig(), "test", InputReader.of_record(task.record))
    assert asked.labels == names[:9].tolist()
    np.savez(tmp_path / "b.npz", x_train=x, y_train=np.full(30, b"\xff"), x_test=x, y_test=names)
    assert "expected labels in UTF-8 in y_train" in refused(f"npz:{tmp_path / 'b.npz'}")


def test_a_missing_file_is_refused(tmp_path):
    assert f"no file at {tmp_path / 'none.npz'}" in refused(f"npz:{tmp_path / 'none.npz'}")


def test_missing_keys_are_named(tmp_path):
    np.savez(tmp_path / "a.npz", x_train=np.ones(3), y=np.ones(3))
    message = refused(f"npz:{tmp_path / 'a.npz'}")
    assert "got x_train, y: add y_train, x_test, y_test" in message


def test_what_is_no_archive_is_refused(tmp_path):
    (tmp_path / "text.npz").write_text("hello")
    (tmp_path / "empty.npz").touch()
    (tmp_path / "zip.npz").write_bytes(b"PK\x03\x04 and no more")
    np.save(tmp_path / "one.npy", np.ones(3))
    for file in ("text.npz", "empty.npz", "zip.npz"):
        assert "expected an .npz archive, got something else" in refused(f"npz:{tmp_path / file}")
    assert "got a single array" in refused(f"npz:{tmp_path / 'one.npy'}")


def test_pickled_objects_are_not_read(tmp_path):
    name = write(tmp_path / "a.npz", np.array([{}] * 9, dtype=object), np.ones((9, 2)))
    assert "numeric array in x_train, got pickled objects" in refused(name)


def test_a_truncated_array_is_refused(tmp_path):
    write(tmp_path / "a.npz", np.ones((30, 50)), np.ones((9, 50)))
    content = bytearray((tmp_path / "a.npz").read_bytes())
    content[5000:5010] = b"0123456789"  # the checksum of x_train no longer holds
    (tmp_path / "b.npz").write_bytes(content)
    assert "x_train" in refused(f"npz:{tmp_path / 'b.npz'}")


@pytest.mark.parametrize("shape", [(), (6, 6, 5), (2, 2, 2, 2)])
def test_other_shapes_are_refused(tmp_path, shape):
    name = write(tmp_path / "a.npz", np.ones((9, *shape)), np.ones((9, *shape)))
    message = refused(name)
    assert "1, 3 or 4 channels" in message
    assert str((9, *shape)) in message


@given(st.data())
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_an_archive_with_wrong_bytes_makes_a_task_or_one_line(tmp_path, data):
    """Among others, an archive that says that it is encrypted, or compressed in a way not known."""
    write(tmp_path / "a.npz", np.eye(30, 4), np.eye(9, 4))
    content = bytearray((tmp_path / "a.npz").read_bytes())
    for _ in range(data.draw(st.integers(1, 4))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    (tmp_path / "b.npz").write_bytes(content)
    try:
        message = load_task(f"npz:{tmp_path / 'b.npz'}", TaskConfig()).name
    except InvalidTask as error:
        message = str(error)
    assert len(message.splitlines()) == 1


def test_an_encrypted_archive_is_refused(tmp_path):
    write(tmp_path / "a.npz", np.eye(30, 4), np.eye(9, 4))
    content = bytearray((tmp_path / "a.npz").read_bytes())
    content[content.index(b"PK\x01\x02") + 8] |= 1  # the flag of the first file
    (tmp_path / "a.npz").write_bytes(content)
    assert "encrypted" in refused(f"npz:{tmp_path / 'a.npz'}")
