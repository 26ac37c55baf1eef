"""The explorer in JupyterLab: a slider, a number box, a button that trains, and below them the view of one λ.

Everything is written into `HTML` values. No output is captured, so no exception can disappear in one.
"""

import html
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import ipywidgets
from IPython.display import HTML, display

from fedsparse.analysis.explorer import view
from fedsparse.analysis.explorer.sweep import Sweep, train
from fedsparse.errors import FedsparseError


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
        self.number = ipywidgets.BoundedFloatText(min=0, max=1e6, description="λ, any:", layout={"width": "11rem"})
        self.button = ipywidgets.Button(description="train this λ now", layout={"width": "12rem"})
        self.status, self.view, self.table = (ipywidgets.HTML() for _ in range(3))
        controls = ipywidgets.HBox([self.slider, self.number, self.button], layout={"flex_flow": "row wrap"})
        self.box = ipywidgets.VBox([controls, self.status, self.view, self.table])
        self.follow = ipywidgets.dlink((self.slider, "value"), (self.number, "value"))
        self.number.observe(lambda change: self.show(change["new"]), "value")
        self.button.on_click(self._train)
        self.show(start)

    def show(self, lam: float) -> None:
        """Show a λ of the sweep; offer to train any other."""
        there = self.button.disabled = lam in self.sweep.lams
        self._say("" if there else f"λ = {lam:g} is not in the sweep: train it, or move the slider.")
        if there:
            self.slider.value = lam
            self.table.value = view.STYLE + view.table(self.sweep, lam)
            shown = ""  # nothing of another λ may stand beside an error
            with self._errors_shown():
                shown = f'<div role="status">{view.section(lam, self.sweep)}</div>'
            self.view.value = shown

    def _train(self, _: ipywidgets.Button) -> None:
        lam = self.number.value
        self.button.disabled = True

        def progress(done: int, rounds: int) -> None:
            words = f"λ = {lam:g}: round {done} of {rounds}"
            self.status.value = f'<progress aria-label="{words}" max="{rounds}" value="{done}"></progress> {words}'

        with self._errors_shown(f"λ = {lam:g} was not trained. "):
            self.sweep = self.sweep.with_point(train(lam, self.sweep, progress))
            self.follow.unlink()  # new options move the slider to the first of them
            self.slider.options = _options(self.sweep)
            self.slider.value = lam
            self.follow.link()
            self.show(lam)
            self._say(f"λ = {lam:g} is trained, with one seed, and added to the table.")
        self.button.disabled = lam in self.sweep.lams

    @contextmanager
    def _errors_shown(self, what: str = "") -> Iterator[None]:
        """Show an exception of any kind on the page: a widget's callback that raises shows nothing."""
        try:
            yield
        except Exception as error:
            kind = "" if isinstance(error, FedsparseError) else f"{type(error).__name__}: "
            look = 'role="alert" style="border-left: .3rem solid #D55E00; padding: .4rem .8rem"'
            self.status.value = f"<div {look}>{html.escape(what + kind + str(error))}</div>"

    def _say(self, words: str) -> None:
        self.status.value = f'<p role="status">{words}</p>'


def show(sweep: Sweep, lam: float) -> None:
    """Display the explorer; where no widget can be shown, its first view stands there as plain HTML."""
    explorer = Explorer(sweep, lam)
    content = explorer.box._repr_mimebundle_()
    content["text/html"] = explorer.view.value + explorer.table.value
    content["text/plain"] = view.frame(explorer.slider.value, sweep).caption
    display(HTML(Path(__file__).with_name("handle.html").read_text(encoding="utf-8")))
    display(content, raw=True)


def _options(sweep: Sweep) -> list[tuple[str, float]]:
    return [(f"{lam:g}", lam) for lam in sweep.lams]
