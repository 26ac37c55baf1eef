"""The explorer in JupyterLab: a slider, a number box, a button that trains, and below them the view of one λ.

Everything is written into `HTML` values. No output is captured, so no exception can disappear in one.
"""

import html
from collections.abc import Callable
from typing import Any

import ipywidgets
from IPython.display import HTML, display

from fedsparse.analysis.explorer import view
from fedsparse.analysis.explorer.sweep import Sweep, train
from fedsparse.errors import FedsparseError
from fedsparse.experiment import Experiment

WIDGET_VIEW = "application/vnd.jupyter.widget-view+json"

# ipywidgets gives the handle of a slider no name, and draws it anew without one.
NAMES = """<script>
if (!window.fedsparseNames) {
  window.fedsparseNames = new MutationObserver(() =>
    document.querySelectorAll(".fedsparse-lam .noUi-handle:not([aria-label])").forEach(
      handle => handle.setAttribute("aria-label", "position of λ in the sweep")));
  window.fedsparseNames.observe(document.body, {childList: true, subtree: true});
}
</script>"""


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
        self.number = ipywidgets.BoundedFloatText(
            value=start, min=0, max=1e6, description="λ, any:", layout={"width": "11rem"}
        )
        self.button = ipywidgets.Button(description="train this λ now", layout={"width": "12rem"})
        self.status, self.alert, self.caption, self.figure, self.table = (ipywidgets.HTML() for _ in range(5))
        controls = ipywidgets.HBox([self.slider, self.number, self.button], layout={"flex_flow": "row wrap"})
        self.box = ipywidgets.VBox([controls, self.status, self.alert, self.caption, self.figure, self.table])
        self.slider.observe(self._moved, "value")
        self.number.observe(self._typed, "value")
        self.button.on_click(self._clicked)
        self.show(start)

    def show(self, lam: float) -> None:
        """Show a λ of the sweep; offer to train any other."""
        there = lam in self.sweep.lams
        self.button.disabled = there
        self.alert.value = ""
        self._say("" if there else f"λ = {lam:g} is not in the sweep: train it, or move the slider.")
        if there:
            self._guarded(self._draw, lam)

    def _draw(self, lam: float) -> None:
        self.caption.value = self.figure.value = ""  # nothing of another λ may stand beside an error
        self.table.value = view.STYLE + view.table(self.sweep, lam)
        figure, caption, _ = view.frame(lam, self.sweep)
        self.caption.value = f'<p role="status" class="fedsparse-caption">{html.escape(caption)}</p>'
        self.figure.value = figure

    def _train(self, lam: float) -> None:
        Experiment(lam=lam)  # refuses a λ that is out of range before any work

        def progress(done: int, rounds: int) -> None:
            words = f"λ = {lam:g}: round {done} of {rounds}"
            self.status.value = f'<progress aria-label="{words}" max="{rounds}" value="{done}"></progress> {words}'

        self.sweep = self.sweep.with_point(train(lam, self.sweep, progress))
        self.slider.unobserve(self._moved, "value")  # new options move the slider to the first of them
        self.slider.options = _options(self.sweep)
        self.slider.value = lam
        self.slider.observe(self._moved, "value")
        self.show(lam)
        self._say(f"λ = {lam:g} is trained, with one seed, and added to the table.")

    def _guarded(self, work: Callable[[float], None], lam: float) -> bool:
        """Show an exception of any kind on the page: a widget's callback that raises shows nothing."""
        try:
            work(lam)
        except Exception as error:
            kind = "" if isinstance(error, FedsparseError) else f"{type(error).__name__}: "
            self.alert.value = (
                '<div role="alert" style="border-left: .3rem solid #D55E00; padding: .4rem .8rem">'
                f"{html.escape(kind + str(error))}</div>"
            )
            return False
        return True

    def _say(self, words: str) -> None:
        self.status.value = f'<p role="status">{html.escape(words)}</p>'

    def _moved(self, change: dict[str, Any]) -> None:
        self.number.value = change["new"]

    def _typed(self, change: dict[str, Any]) -> None:
        if change["new"] in self.sweep.lams:
            self.slider.value = change["new"]
        self.show(change["new"])

    def _clicked(self, _: ipywidgets.Button) -> None:
        lam = self.number.value
        self.button.disabled = True
        self.alert.value = ""
        if not self._guarded(self._train, lam):
            self._say(f"λ = {lam:g} was not trained.")
            self.button.disabled = False


def show(sweep: Sweep, lam: float) -> Explorer:
    """Display the explorer; where no widget can be shown, its first view stands there as plain HTML."""
    explorer = Explorer(sweep, lam)
    still = "".join(w.value for w in (explorer.caption, explorer.figure, explorer.table))
    live = explorer.box._repr_mimebundle_()[WIDGET_VIEW]
    display(HTML(NAMES))
    words = view.frame(explorer.slider.value, sweep).caption
    display({WIDGET_VIEW: live, "text/html": still, "text/plain": words}, raw=True)
    return explorer


def _options(sweep: Sweep) -> list[tuple[str, float]]:
    return [(f"{lam:g}", lam) for lam in sweep.lams]
