"""The explorer in JupyterLab: a slider, a box for any λ, buttons to train it and to stop, below them the view of one λ.

Everything is written into `HTML` values. No output is captured, so no exception can disappear in one.
"""

import asyncio
import html
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import ipywidgets
from IPython.display import HTML, display

from fedsparse.analysis.explorer import view
from fedsparse.analysis.explorer.sweep import Sweep, lam_of, train
from fedsparse.errors import FedsparseError, SettingError


class Stopped(Exception):
    """The stop button was pressed."""


class Explorer:
    """The widgets, which follow each other; `box` is what to display.

    Args:
        sweep: the points to explore; a λ that is trained here is added to it.
        lam: where to begin; the first of the sweep if it has no such λ.
    """

    def __init__(self, sweep: Sweep, lam: float) -> None:
        self.sweep = sweep
        start = lam if lam in sweep.lams else sweep.lams[0]
        self.slider = ipywidgets.SelectionSlider(
            options=_options(sweep), value=start, description="λ", layout={"width": "22rem"}
        )
        self.slider.add_class("fedsparse-lam")
        self.number = ipywidgets.Text(
            f"{start:g}", description="λ, any:", continuous_update=False, layout={"width": "11rem"}
        )
        self.button = ipywidgets.Button(description="train this λ now", layout={"width": "12rem"})
        self.stop = ipywidgets.Button(description="stop", disabled=True, layout={"width": "5rem"})
        self.progress, self.status, self.view, self.table = (ipywidgets.HTML() for _ in range(4))
        controls = [self.slider, self.number, self.button, self.stop]
        row = ipywidgets.HBox(controls, layout={"flex_flow": "row wrap"})
        self.box = ipywidgets.VBox([row, self.progress, self.status, self.view, self.table])
        self.stopping = False
        self.slider.observe(self._slid, "value")
        self.number.observe(self._typed, "value")
        self.button.on_click(self._start)
        self.stop.on_click(lambda _: setattr(self, "stopping", True))
        self.show(start)

    def show(self, lam: float) -> None:
        """Show a λ of the sweep; offer to train any other."""
        there = lam in self.sweep.lams
        self.button.disabled = there or not self.stop.disabled  # one at a time
        self._say("" if there else f"λ = {lam:g} is not in the sweep: train it, or move the slider.")
        if there:
            self.slider.value = lam
            self.table.value = view.STYLE + view.table(self.sweep, lam)
            shown = ""  # nothing of another λ may stand beside an error
            with self._errors_shown():
                shown = f'<div role="status">{view.section(lam, self.sweep)}</div>'
            self.view.value = shown

    async def train(self) -> None:
        """Train the λ in the box, and add it; meanwhile the kernel answers, so that λ can be moved and this stopped."""
        lam, loop, began = lam_of(self.number.value), asyncio.get_running_loop(), time.monotonic()
        self.stopping, self.stop.disabled, self.button.disabled = False, False, True

        def progress(done: int, rounds: int) -> None:  # in the thread of the training
            if self.stopping:
                raise Stopped
            loop.call_soon_threadsafe(self._tell, lam, done, rounds, time.monotonic() - began)

        with self._errors_shown(f"λ = {lam:g} was not trained. "):
            point = await loop.run_in_executor(None, train, lam, self.sweep, progress)
            self.sweep = self.sweep.with_point(point)
            self.slider.unobserve(self._slid, "value")  # new options move the slider to the first of them
            self.slider.options = _options(self.sweep)
            self.slider.value = lam
            self.slider.observe(self._slid, "value")
            self.number.value = f"{lam:g}"
            self.show(lam)
            self._say(f"λ = {lam:g} is trained, with one seed (drawn hollow), and added to the table.")
        self.progress.value, self.stop.disabled = "", True
        self.button.disabled = _is_in(self.number.value, self.sweep)

    def _start(self, _: ipywidgets.Button) -> None:
        self.task = asyncio.get_running_loop().create_task(self.train())

    def _slid(self, change: dict[str, Any]) -> None:
        if _is_in(self.number.value, self.sweep) and lam_of(self.number.value) == change["new"]:
            return
        self.number.value = f"{change['new']:g}"

    def _typed(self, change: dict[str, Any]) -> None:
        try:
            self.show(lam_of(change["new"]))
        except SettingError as error:
            self.button.disabled = True
            self._say(f"{error}.")

    def _tell(self, lam: float, done: int, rounds: int, seconds: float) -> None:
        words = f"λ = {lam:g}: round {done} of {rounds}"
        left = f", about {seconds / done * (rounds - done):.0f} seconds left" if 0 < done < rounds else ""
        self.progress.value = f'<progress aria-label="{words}" max="{rounds}" value="{done}"></progress> {words}{left}'

    @contextmanager
    def _errors_shown(self, what: str = "") -> Iterator[None]:
        """Show an exception of any kind on the page: a widget's callback that raises shows nothing."""
        try:
            yield
        except Stopped:
            self._say(f"{what}It was stopped, and nothing is added.")
        except Exception as error:
            kind = "" if isinstance(error, FedsparseError) else f"{type(error).__name__}: "
            look = 'role="alert" style="border-left: .3rem solid #D55E00; padding: .4rem .8rem"'
            self.status.value = f"<div {look}>{html.escape(what + kind + str(error))}</div>"

    def _say(self, words: str) -> None:
        self.status.value = f'<p role="status">{html.escape(words)}</p>'


def show(sweep: Sweep, lam: float) -> None:
    """Display the explorer; where no widget can be shown, its first view stands there as plain HTML."""
    explorer = Explorer(sweep, lam)
    content = explorer.box._repr_mimebundle_()
    content["text/html"] = explorer.view.value + explorer.table.value
    content["text/plain"] = view.frame(explorer.slider.value, sweep).caption
    display(HTML(Path(__file__).with_name("handle.html").read_text(encoding="utf-8")))
    display(content, raw=True)


def _options(sweep: Sweep) -> list[tuple[str, float]]:
    names = view.landmarks(sweep)
    return [(f"{lam:g} {names.get(lam, '')}".rstrip(), lam) for lam in sweep.lams]


def _is_in(text: str, sweep: Sweep) -> bool:
    """Whether there is nothing to train: the sweep has this λ, or it is none."""
    try:
        return lam_of(text) in sweep.lams
    except SettingError:
        return True
