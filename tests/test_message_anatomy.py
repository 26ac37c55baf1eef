"""A message taken apart is the message, and says what it says."""

import numpy as np
import pytest

from fedsparse import Experiment, Federation, MessageError
from fedsparse.models import Layout
from fedsparse.teaching import message_anatomy
from fedsparse.wire import frame
from fedsparse.wire.masks import REPORT, Report, Theta, decode_mask, decode_theta, encode_mask, encode_theta


def message(codec, top=3):
    layout = Layout(((20, 4), (2, 20)))
    levels = np.random.default_rng(top).integers(0, top + 1, layout.n).astype(np.uint8)
    down = encode_theta(Theta(levels, top, 0.01, 0.5), 7, layout, codec)
    broadcast = decode_theta(down, layout)
    mask = (np.random.default_rng(1).random(layout.n) < broadcast.theta.probabilities()).astype(np.uint8)
    return down, encode_mask(mask, Report(3, 120, 0.5, 0.25), broadcast, codec), broadcast


@pytest.mark.parametrize("codec", ["packed", "context"])
@pytest.mark.parametrize("top", [1, 3, 15, 16, 200])
def test_the_parts_are_all_of_the_message_in_order(codec, top):
    down, up, broadcast = message(codec, top)
    for parts, size in (
        (message_anatomy.of_theta(down, broadcast.layout), len(down)),
        (message_anatomy.of_mask(up, broadcast), len(up)),
    ):
        assert [p.start for p in parts] == [0, *(p.stop for p in parts[:-1])]
        assert parts[-1].stop == size
        assert sum(len(p) for p in parts if p.group == "header") == frame.HEADER_BYTES
        assert ("tables" in {p.group for p in parts}) == (codec == "context")
        if codec == "context":
            assert len(parts[-1]) % 4 == 0, "what is left for the symbols is whole words"
    assert sum(len(p) for p in message_anatomy.of_mask(up, broadcast) if p.group == "report") == REPORT.size


def test_the_parts_say_what_the_message_says():
    down, up, broadcast = message("context")
    said = {p.name: p.value for p in message_anatomy.of_mask(up, broadcast)}
    assert (said["kind"], said["codec"], said["round"]) == ("2: mask", "1: context", "7")
    assert (said["client"], said["samples"], said["loss"], said["kl"]) == ("3", "120", "0.5", "0.25")
    assert said["reference"] == {p.name: p.value for p in message_anatomy.of_theta(down, broadcast.layout)}["checksum"]
    mask, _ = decode_mask(up, broadcast)
    zeros = 1 - mask[broadcast.theta.levels == 2].mean()
    assert said["θ = 2/3"] == f"share of zeros {zeros:.3f}"


def test_what_is_no_message_is_not_taken_apart():
    _, up, broadcast = message("context")
    with pytest.raises(MessageError):
        message_anatomy.of_mask(up[:-1], broadcast)
    with pytest.raises(MessageError):
        message_anatomy.of_theta(up, broadcast.layout)


def test_no_byte_of_a_real_update_can_change_unseen():
    federation = Federation(Experiment(model="mlp", width=0.01, train_size=100))
    federation.round()
    down = federation.algorithm.broadcast(federation.state)
    up = federation.algorithm.local_update(down, federation.clients[0])
    broadcast = decode_theta(down, federation.network.layout)
    for at in range(len(up)):
        for change in range(1, 256):
            damaged = up[:at] + bytes([up[at] ^ change]) + up[at + 1 :]
            with pytest.raises(MessageError):
                decode_mask(damaged, broadcast)
