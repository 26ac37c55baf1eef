"""Predictions: a notebook waits for its reader, and for nobody else."""

import pytest
from jupyter_client.manager import start_new_kernel

from fedsparse.teaching import checks
from fedsparse.teaching.checks import predictions

ASKED = "This waits for your prediction: write a value in place of None for {}, and run the cell again. "


@pytest.fixture
def reader(monkeypatch):
    monkeypatch.setattr(predictions, "_somebody_is_there", lambda: True)


@pytest.mark.parametrize(
    ("guess", "missing"),
    [
        ({"saved": None, "lost": 0.5}, "'saved'"),
        (
            {"ticket": {"one epoch": None, "trained": 0.9}, "random": {"trained": None}},
            "'ticket, one epoch', 'random, trained'",
        ),
    ],
)
def test_what_is_missing_is_named(reader, guess, missing):
    with pytest.raises(predictions.PredictionMissing) as waiting:
        checks.prediction(guess)
    assert str(waiting.value).startswith(ASKED.format(missing))
    assert "\n" not in str(waiting.value)


def test_one_value_is_asked_for_as_well(reader):
    with pytest.raises(predictions.PredictionMissing, match="in place of None, and run"):
        checks.prediction(None)


@pytest.mark.parametrize("guess", [0.5, 0, float("nan"), "towards it", {"saved": 0.0, "kind": "sgd"}, {"a": {"b": 1}}])
def test_whatever_is_written_is_a_prediction(reader, capsys, guess):
    assert checks.prediction(guess) is None
    assert not capsys.readouterr().out


def test_without_a_reader_it_goes_on(capsys):
    assert checks.prediction({"saved": None}) is None
    assert capsys.readouterr().out == "(no guess was entered)\n"


def test_a_kernel_waits_for_a_front_end_that_can_be_asked_and_for_no_other():
    """JupyterLab allows a kernel to ask its user; papermill, nbval and nbconvert do not."""
    manager, client = start_new_kernel(kernel_name="python3")
    try:
        seen = {}
        for asks in (True, False):
            outputs = []
            call = "from fedsparse.teaching import checks\nchecks.prediction({'saved': None})"
            reply = client.execute_interactive(call, allow_stdin=asks, output_hook=outputs.append, timeout=60)
            texts = [m["content"].get("text") or m["content"].get("traceback") for m in outputs]
            seen[asks] = reply["content"]["status"], [text for text in texts if text]
    finally:
        client.stop_channels()
        manager.shutdown_kernel(now=True)
    status, (lines,) = seen[True]
    assert status == "error", "a run of all cells stops here"
    assert len(lines) == 1, "one line, and no traceback"
    assert lines[0].startswith(ASKED.format("'saved'"))
    assert seen[False] == ("ok", ["(no guess was entered)\n"])
