"""Every random draw comes from a key (seed, purpose, round, client, …), never from global state.

So two runs agree, a resumed run draws what the first would have drawn, and the order of clients changes nothing. There
are two kinds of stream:

- *raw bits* of NumPy's Philox counter generator (Salmon et al., SC 2011), which NumPy promises to keep the same on
  every machine and version: frozen weights, who takes part, who holds which image;
- torch generators, fast on the device but tied to a torch version: what happens inside a client's training.
"""

import hashlib

import numpy as np
import torch


def _key(seed: int, purpose: str, *where: int) -> bytes:
    name = "/".join([str(seed), purpose, *map(str, where)])
    return hashlib.blake2b(name.encode(), digest_size=16).digest()


def philox(seed: int, purpose: str, *where: int) -> np.random.Philox:
    """The Philox stream of a key; use its `random_raw`, whose bits are the same everywhere."""
    return np.random.Philox(key=np.frombuffer(_key(seed, purpose, *where), dtype="<u8").astype(np.uint64))


def raw_bits(count: int, seed: int, purpose: str, *where: int) -> np.ndarray:
    """`count` independent fair bits, shape (count,), uint8 of 0 and 1."""
    words = philox(seed, purpose, *where).random_raw(-(-count // 64)).astype("<u8")
    return np.unpackbits(words.view(np.uint8), count=count, bitorder="little")


def uniforms(count: int, seed: int, purpose: str, *where: int) -> np.ndarray:
    """`count` uniforms strictly inside (0, 1), shape (count,), float64, from the top 53 raw bits of each word."""
    words = philox(seed, purpose, *where).random_raw(count)
    return ((words >> np.uint64(11)).astype(np.float64) + 0.5) * 2.0**-53


def permutation(count: int, seed: int, purpose: str, *where: int) -> np.ndarray:
    """A uniform permutation of `count` indices, shape (count,), int64: the order of `count` raw words."""
    return np.argsort(philox(seed, purpose, *where).random_raw(count), kind="stable")


def torch_generator(device: torch.device | str, seed: int, purpose: str, *where: int) -> torch.Generator:
    """A torch generator on `device`, seeded by a key."""
    return reseed(torch.Generator(device), seed, purpose, *where)


def reseed(generator: torch.Generator, seed: int, purpose: str, *where: int) -> torch.Generator:
    """The same torch generator, at the beginning of a key's stream."""
    return generator.manual_seed(int.from_bytes(_key(seed, purpose, *where)[:8], "little") >> 1)
