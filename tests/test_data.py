"""Data sets: the embedded one, your own, torchvision's; and what is said when a file is wrong."""

import numpy as np
import pytest

from fedsparse import DataError, data


def arrays(classes: int = 3, **changes) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(0)
    made = {
        "x_train": rng.integers(0, 256, (12, 8, 8), dtype=np.uint8),
        "y_train": np.arange(12) % classes,
        "x_test": rng.integers(0, 256, (6, 8, 8), dtype=np.uint8),
        "y_test": np.arange(6) % classes,
    }
    return {k: v for k, v in (made | changes).items() if v is not None}


def test_digits_are_embedded_and_split_once():
    digits = data.load("digits")
    assert digits.shape == (1, 8, 8)
    assert (len(digits.y_train), len(digits.y_test), digits.classes) == (1438, 359, 10)
    assert digits.x_train.max() == 255
    assert set(digits.y_test.tolist()) == set(range(10))


def test_a_subset_is_drawn_by_seed():
    one, same, other = (data.load("digits", train_size=50, seed=s) for s in (1, 1, 2))
    assert one.x_train.equal(same.x_train)
    assert not one.x_train.equal(other.x_train)
    assert one.x_test.equal(other.x_test)
    assert "50 of 1,438" in one.source


@pytest.mark.parametrize("channels", [None, 1, 3])
def test_your_own_npz(tmp_path, channels):
    shape = (12, 8, 6) if channels is None else (12, 8, 6, channels)
    x = np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)
    np.savez(tmp_path / "mine.npz", **arrays(x_train=x, x_test=x[:6]))
    mine = data.load("mine", tmp_path)
    assert mine.shape == (channels or 1, 8, 6)
    assert mine.classes == 3
    expected = x[:, None] if channels is None else x.transpose(0, 3, 1, 2)
    assert np.array_equal(mine.x_train.numpy(), expected)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"y_test": np.array([0, 1, 2, 0, 1, 3])}, "y_test has label 3; with 3 classes labels are 0 to 2"),
        ({"y_train": np.arange(12) - 1}, "y_train has label -1"),
        ({"y_train": np.arange(12) % 3 * 5}, "y_train has label 10; with 3 classes"),
        ({"y_train": np.arange(11) % 3}, "labels are 12 whole numbers"),
        ({"y_train": np.arange(12) / 2}, "whole numbers"),
        ({"x_train": np.zeros((12, 8, 8))}, "images are uint8"),
        ({"x_train": np.zeros((12, 64), np.uint8)}, "images are uint8"),
        ({"x_test": np.zeros((6, 9, 9), np.uint8)}, r"test images \(1, 9, 9\)"),
        ({"x_test": None}, "has no x_test"),
        ({"x_train": np.zeros((12, 3, 8, 8), np.uint8)}, "come last"),
        ({"y_train": np.array([None] * 12)}, "damaged, or not an npz"),
    ],
)
def test_an_npz_that_does_not_fit_is_refused_in_one_line(tmp_path, changes, words):
    np.savez(tmp_path / "mine.npz", **arrays(**changes))
    with pytest.raises(DataError, match=words) as error:
        data.load("mine", tmp_path)
    assert "\n" not in str(error.value)


def test_every_truncation_of_an_npz_is_refused(tmp_path):
    np.savez_compressed(tmp_path / "whole.npz", **arrays())
    whole = (tmp_path / "whole.npz").read_bytes()
    for length in range(0, len(whole), 97):
        (tmp_path / "cut.npz").write_bytes(whole[:length])
        with pytest.raises(DataError, match=r"cut\.npz"):
            data.load("cut", tmp_path)


def test_unknown_sets_and_sizes_are_refused(tmp_path):
    with pytest.raises(DataError, match="did you mean 'mnist'"):
        data.load("mnits", tmp_path)
    with pytest.raises(DataError, match="1438 training images"):
        data.load("digits", train_size=5000)


@pytest.mark.parametrize(
    ("name", "file"),
    [("mnist", "train-images-idx3-ubyte.gz"), ("cifar10", "cifar-10-python.tar.gz"), ("emnist", "gzip.zip")],
)
def test_a_failed_download_says_which_file_belongs_where(tmp_path, monkeypatch, name, file):
    def refuse(*_, **__):
        raise OSError("no network")

    monkeypatch.setattr("urllib.request.urlopen", refuse)
    with pytest.raises(DataError, match="no network") as error:
        data.load(name, tmp_path)
    assert file in str(error.value)
    assert str(tmp_path) in str(error.value)


def test_real_mnist(mnist_root):
    mnist = data.load("mnist", mnist_root, train_size=10_000)
    assert mnist.shape == (1, 28, 28)
    assert (len(mnist.y_train), len(mnist.y_test), mnist.classes) == (10_000, 10_000, 10)
    assert mnist.source == "real MNIST, 10,000 of 60,000 training images"
