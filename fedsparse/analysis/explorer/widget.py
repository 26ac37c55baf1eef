"""The explorer in JupyterLab: a slider, a number box, a button that trains, and below them what `frame` says.

All that is shown is written into `HTML` values: no output is captured, so no exception can get lost in one.
"""

import html
from collections.abc import Callable
from typing import Any

import ipywidgets
from IPython.display import HTML, display

from fedsparse.analysis.explorer import view
from fedsparse.analysis.explorer.sweep import Sweep, train
from fedsparse.errors import SettingError
from fedsparse.experiment import Experiment

WIDGET_VIEW = "application/vnd.jupyter.widget-view+json"

# ipywidgets leaves the handle of a slider without a name, also where it draws it anew.
NAMES = """<script>
if (!window.fedsparseNames) {
  window.fedsparseNames = new MutationObserver(() =>
    document.querySelectorAll(".fedsparse-lam .noUi-handle:not([aria-label])").forEach(
      handle => handle.setAttribute("aria-label", "position of λ in the sweep")));
  window.fedsparseNames.observe(document.body, {childList: true, subtree: true});
}
</script>"""


class Explorer:
    """The widgets, and how they follow each other; `box` is what to display.

    Args:
        sweep: what there is to see; a λ that is trained here is added to it.
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
        self.button.on_click(self._train)
        self.show(start)

    def show(self, lam: float) -> None:
        """Everything at a λ; where the sweep does not have it, an offer to train it."""
        there = lam in self.sweep.lams
        self.button.disabled = there
        self.alert.value = ""
        if not there:
            self.status.value = _status(f"λ = {lam:g} is not in the sweep: train it, or move the slider.")
            return
        self.status.value = _status("")
        self._guarded(lambda: self._show(lam))

    def _show(self, lam: float) -> None:
        self.caption.value = self.figure.value = ""  # so that nothing of another λ stands beside an error
        self.table.value = view.STYLE + view.table([view.row(p) for p in self.sweep.points], lam)
        now = view.frame(lam, self.sweep)
        self.caption.value = f'<p role="status" class="fedsparse-caption">{html.escape(now.caption)}</p>'
        self.figure.value = now.figure

    def _guarded(self, work: Callable[[], None]) -> None:
        """Whatever goes wrong is shown on the page."""
        try:
            work()
        except Exception as error:  # of whatever kind: a widget that swallows one shows nothing, and says nothing
            kind = "" if isinstance(error, SettingError) else f"{type(error).__name__}: "
            self.alert.value = (
                '<div role="alert" style="border-left: .3rem solid #D55E00; padding: .4rem .8rem">'
                f"{html.escape(kind + str(error))}</div>"
            )

    def _moved(self, change: dict[str, Any]) -> None:
        self.number.value = change["new"]

    def _typed(self, change: dict[str, Any]) -> None:
        lam = change["new"]
        if lam in self.sweep.lams:
            self.slider.value = lam
        self.show(lam)

    def _train(self, _: ipywidgets.Button) -> None:
        self.button.disabled = True
        self.alert.value = ""
        self._guarded(lambda: self._add(self.number.value))
        self.button.disabled = self.number.value in self.sweep.lams

    def _add(self, lam: float) -> None:
        Experiment(lam=lam)  # one that is out of range is refused before anything is drawn

        def progress(done: int, rounds: int) -> None:
            words = f"λ = {lam:g}: round {done} of {rounds}"
            self.status.value = f'<progress aria-label="{words}" max="{rounds}" value="{done}"></progress> {words}'

        try:
            point = train(lam, self.sweep, progress)
        except Exception:
            self.status.value = _status(f"λ = {lam:g} was not trained.")
            raise
        self.sweep = self.sweep.with_point(point)
        self.slider.unobserve(self._moved, "value")
        self.slider.options = _options(self.sweep)
        self.slider.value = lam
        self.slider.observe(self._moved, "value")
        self.show(lam)
        self.status.value = _status(f"λ = {lam:g} is trained, with one seed, and stands in the table.")


def show(sweep: Sweep, lam: float) -> Explorer:
    """Put the explorer on the notebook's page; where no widget can be shown, what it shows first stands there still."""
    explorer = Explorer(sweep, lam)
    still = "".join(w.value for w in (explorer.caption, explorer.figure, explorer.table))
    live = explorer.box._repr_mimebundle_()[WIDGET_VIEW]
    display(HTML(NAMES))
    words = view.frame(explorer.slider.value, sweep).caption
    display({WIDGET_VIEW: live, "text/html": still, "text/plain": words}, raw=True)
    return explorer


def _options(sweep: Sweep) -> list[tuple[str, float]]:
    return [(f"{lam:g}", lam) for lam in sweep.lams]


def _status(words: str) -> str:
    return f'<p role="status">{html.escape(words)}</p>'
