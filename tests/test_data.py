"""Data sets: the embedded one, your own, torchvision's; and what is said when a file is wrong."""

import gzip
import pickle
import zipfile

import numpy as np
import pytest
import torch

from fedsparse import DataError, data
from fedsparse.own.site import load_file


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


def test_images_for_validation_are_taken_from_the_training_images_by_seed():
    whole, held, same, other = (
        data.load("digits", train_size=500, seed=s, validation=v) for s, v in [(1, 0), (1, 0.25), (1, 0.25), (2, 0.25)]
    )
    assert (len(whole.y_val), len(held.y_val), len(held.y_train)) == (0, 125, 375)
    both = torch.cat([held.x_train, held.x_val]).flatten(1)
    assert sorted(both.tolist()) == sorted(whole.x_train.flatten(1).tolist()), "all of them, each once"
    assert held.x_val.equal(same.x_val)
    assert held.y_val.equal(same.y_val)
    assert not held.x_val.equal(other.x_val)
    assert held.x_test.equal(whole.x_test)
    assert held.fingerprint() not in (whole.fingerprint(), other.fingerprint())
    assert "500 of 1,438 training images, 125 of them held out for validation" in held.source
    labels = dict(zip(map(tuple, whole.x_train.flatten(1).tolist()), whole.y_train.tolist(), strict=True))
    assert [labels[tuple(image)] for image in held.x_val.flatten(1).tolist()] == held.y_val.tolist()


def test_a_share_that_leaves_nothing_to_train_on_is_refused():
    with pytest.raises(DataError, match="leaves no training image of 1: take a smaller share"):
        data.load("digits", train_size=1, validation=0.9)


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
        (
            {"x_train": np.zeros((12, 3, 8, 8), np.uint8)},
            r"come last: .*; x_train\.transpose\(0, 2, 3, 1\) makes it so",
        ),
        ({"x_train": np.zeros((12, 8, 8))}, r"floats from 0 to 1 become that by numpy\.rint\(255 \* x\)"),
        ({"x_train": np.full((12, 8, 8), 256, np.uint16)}, r"from 0 to 65535 become that by \(x >> 8\)"),
        ({"x_train": np.full((12, 8, 8), 255, np.uint16)}, r"from 0 to 255 become that by numpy\.rint\(x\)"),
        ({"x_train": np.full((12, 8, 8), 2.0)}, r"from 0 to 255 become that by numpy\.rint\(x\)"),
        ({"x_train": np.full((12, 8, 8), -1.0)}, r"or \(N, H, W, channels\)$"),
        ({"y_train": np.eye(3)[np.arange(12) % 3]}, r"of one-hot rows, y\.argmax\(1\) makes them"),
        ({"y_train": np.arange(12) % 3 + 0.5}, r"whole numbers, one per image$"),
        ({"y_train": np.arange(12) % 3 + 1}, r"labels are 0 to 2; numpy\.unique\(y, return_inverse=True\)"),
        ({"x_train": np.zeros((12, 64), np.uint8)}, r"or \(N, H, W, channels\)$"),
        ({"y_train": np.array(["cat", "dog", "owl"] * 4)}, r"numpy\.unique\(y, return_inverse=True\)\[1\] numbers"),
        ({"y_train": np.arange(12.0) % 3}, r"y\.astype\(int\) makes them whole"),
        (
            {"y_train": np.zeros(12, int), "y_test": np.zeros(6, int)},
            "every image has label 0; there must be two classes",
        ),
        ({"y_train": np.array([None] * 12)}, r"mine\.npz holds Python objects in place of numbers"),
        ({"x_train": None}, "it must hold x_train, y_train, x_test, y_test, as numpy.savez writes them"),
    ],
)
def test_an_npz_that_does_not_fit_is_refused_in_one_line(tmp_path, changes, words):
    np.savez(tmp_path / "mine.npz", **arrays(**changes))
    with pytest.raises(DataError, match=words) as error:
        data.load("mine", tmp_path)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"x_train,y_train\n1,0\n", "begins with 'x_train,y_tr'"),
        (b"", "is empty"),
        (pickle.dumps({"x_train": 0}), "is no npz file"),
        (b"PK\x03\x04" + bytes(100), "is cut off or damaged"),
    ],
)
def test_a_file_that_is_no_npz_is_refused_for_what_it_is(tmp_path, content, words):
    (tmp_path / "mine.npz").write_bytes(content)
    with pytest.raises(DataError, match=words) as error:
        data.load("mine", tmp_path)
    assert "pickle" not in str(error.value), "no advice to load it in an unsafe way"


def test_what_numpy_or_a_folder_put_in_place_of_an_npz_is_refused(tmp_path):
    with open(tmp_path / "mine.npz", "wb") as file:
        np.save(file, arrays()["x_train"])
    with pytest.raises(DataError, match=r"holds one array, as numpy\.save writes it"):
        data.load("mine", tmp_path)
    (tmp_path / "folder.npz").mkdir()
    with pytest.raises(DataError, match="cannot be read"):
        data.load("folder", tmp_path)
    with zipfile.ZipFile(tmp_path / "texts.npz", "w") as archive:
        for name in data.ARRAYS:
            archive.writestr(f"{name}.npy", "no array")
    with pytest.raises(DataError, match="images are uint8"):
        data.load("texts", tmp_path)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"x_train": torch.zeros(6, 1, 4, 4)}, r"x_train is float32 \(6, 1, 4, 4\); images are uint8"),
        ({"x_train": torch.zeros(6, 4, 4, dtype=torch.uint8)}, r"images are uint8 \(N, channels, height, width\)"),
        ({"x_train": np.zeros((6, 1, 4, 4), np.uint8)}, "are tensors, not ndarray; torch.from_numpy"),
        ({"y_train": torch.arange(5) % 3}, r"labels are int64, one for each of 6 images"),
        ({"y_train": torch.arange(6).int() % 3}, r"y_train is int32 \(6,\)"),
        ({"y_test": torch.tensor([0, 3])}, "y_test has labels from 0 to 3; with 3 classes they are 0 to 2"),
        ({"y_train": torch.arange(6) % 3 - 1}, "y_train has labels from -1 to 1"),
        ({"x_test": torch.zeros(2, 1, 5, 5, dtype=torch.uint8)}, r"each of shape \(1, 4, 4\), as x_train"),
        ({"x_train": torch.zeros(0, 1, 4, 4, dtype=torch.uint8), "y_train": torch.arange(0)}, "x_train is uint8"),
    ],
)
def test_tensors_in_memory_are_checked_as_files_are(changes, words):
    tensors = {
        "x_train": torch.zeros(6, 1, 4, 4, dtype=torch.uint8),
        "y_train": torch.arange(6) % 3,
        "x_test": torch.zeros(2, 1, 4, 4, dtype=torch.uint8),
        "y_test": torch.arange(2),
    }
    data.Dataset("mine", **tensors, classes=3, source="mine")
    with pytest.raises(DataError, match=words) as error:
        data.Dataset("mine", **{**tensors, **changes}, classes=3, source="mine")
    assert "\n" not in str(error.value)


def test_a_file_with_the_name_of_the_embedded_set_is_not_passed_over(tmp_path):
    np.savez(tmp_path / "digits.npz", **arrays())
    with pytest.raises(DataError, match=r"digits\.npz has the name of the set that comes with scikit-learn: rename"):
        data.load("digits", tmp_path)


def test_a_site_needs_no_test_set(tmp_path):
    np.savez(tmp_path / "site.npz", **arrays(x_test=None, y_test=None))
    np.savez(tmp_path / "whole.npz", **arrays(x_test=np.zeros(3)))
    site, whole = (load_file(tmp_path / f"{name}.npz", 5) for name in ("site", "whole"))
    assert (site.shape, site.classes, len(site.y_train), len(site.y_test)) == ((1, 8, 8), 5, 12, 0)
    assert site.fingerprint() == whole.fingerprint()
    with pytest.raises(DataError, match=r"it must hold x_train, y_train$"):
        load_file(tmp_path / "nowhere.npz", 5)
    with pytest.raises(DataError, match="label 2; with 2 classes"):
        load_file(tmp_path / "site.npz", 2)


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


def idx(array: np.ndarray) -> bytes:
    """An array of bytes as MNIST's files hold it."""
    return bytes([0, 0, 8, array.ndim]) + np.array(array.shape, ">i4").tobytes() + array.tobytes()


@pytest.mark.parametrize(("name", "folder"), [("mnist", "MNIST"), ("emnist", "EMNIST")])
def test_archives_with_another_checksum_are_named_and_taken_when_unpacked(tmp_path, monkeypatch, name, folder):
    def refuse(*_, **__):
        raise OSError("no network")

    monkeypatch.setattr("urllib.request.urlopen", refuse)
    raw = tmp_path / folder / "raw"
    raw.mkdir(parents=True)
    made, test = arrays(), "t10k" if name == "mnist" else "test"
    prefix = "" if name == "mnist" else "emnist-balanced-"
    files = {
        f"{prefix}{test if split == 'test' else split}-{kind}-ubyte": idx(made[f"{letter}_{split}"].astype(np.uint8))
        for split in ("train", "test")
        for letter, kind in (("x", "images-idx3"), ("y", "labels-idx1"))
    }
    for file in [*files, "gzip.zip"]:
        (raw / (file if file == "gzip.zip" else f"{file}.gz")).write_bytes(gzip.compress(files.get(file, b"")))
    with pytest.raises(DataError, match="lies with another checksum than torchvision's") as error:
        data.load(name, tmp_path)
    assert all(f"{file}" in str(error.value) for file in [*files, str(raw)])
    for file, content in files.items():
        (raw / file).write_bytes(content)
    loaded = data.load(name, tmp_path)
    assert np.array_equal(loaded.x_train.numpy()[:, 0], made["x_train"])
    assert np.array_equal(loaded.y_test.numpy(), made["y_test"])
    for file in files:
        (raw / file).write_bytes(b"not what it was")
    with pytest.raises(DataError, match="are damaged: remove them") as error:
        data.load(name, tmp_path)
    assert "\n" not in str(error.value)


def test_real_mnist(mnist_root):
    mnist = data.load("mnist", mnist_root, train_size=10_000)
    assert mnist.shape == (1, 28, 28)
    assert (len(mnist.y_train), len(mnist.y_test), mnist.classes) == (10_000, 10_000, 10)
    assert mnist.source == "real MNIST, 10,000 of 60,000 training images"
