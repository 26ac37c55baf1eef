"""The λ explorer in a real browser, by keyboard alone: in JupyterLab, and as a page of its own.

Screenshots are written to `build/screenshots/`.
"""

import shutil
from pathlib import Path

import nbformat
import pytest
from lab_server import jupyterlab

from fedsparse.analysis import explorer
from fedsparse.analysis.explorer import view
from fedsparse.analysis.explorer.page import render

ROOT = Path(__file__).parents[1]
RESULTS = ROOT / "data" / "results"
SCREENSHOTS = ROOT / "build" / "screenshots"
TOKEN = "for-this-test-alone"
BROWSER = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
SWEEP = explorer.load(folder=RESULTS)

sync = pytest.importorskip("playwright.sync_api", reason="playwright is not here: pip install -e '.[dev]'")
sync.expect.set_options(timeout=90_000)  # milliseconds: what takes one here may take many on a loaded machine
axe = pytest.importorskip("axe_playwright_python.sync_playwright", reason="pip install -e '.[dev]'")
pytestmark = [
    pytest.mark.skipif(BROWSER is None, reason="no Chromium on the PATH: apt-get install chromium, or Chrome"),
    pytest.mark.slow,
    pytest.mark.xdist_group("browser"),
]

BROKEN = """
from fedsparse.analysis.explorer import view

frame = view.frame

def broken(lam, sweep):
    if lam == sweep.lams[1]:
        raise ZeroDivisionError("put here by a test")
    return frame(lam, sweep)

view.frame = broken
"""
ROUNDS = """
from dataclasses import replace

from fedsparse.analysis import explorer
from fedsparse.analysis.explorer import view

sweep = explorer.load(folder="../data/results", data_root="../data")
explorer.show(replace(sweep, experiment=sweep.experiment.replace(rounds={rounds}, train_size=200)), 3.0)
"""


@pytest.fixture(scope="module")
def browser():
    with sync.sync_playwright() as playwright:
        quiet = ["--no-sandbox", "--disable-gpu", "--disable-background-networking"]
        with playwright.chromium.launch(executable_path=BROWSER, args=quiet) as browser:
            yield browser


@pytest.fixture
def page(browser):
    context = browser.new_context(viewport={"width": 1200, "height": 1400})
    page = context.new_page()
    page.set_default_timeout(90_000)  # of a loaded machine
    yield page
    context.close()


@pytest.fixture(scope="module")
def lab(tmp_path_factory):
    """The address of a JupyterLab, and the folder that it serves: `notebooks` beside `data`, as in the course."""
    home = tmp_path_factory.mktemp("lab")
    (home / "work" / "notebooks").mkdir(parents=True)
    (home / "work" / "data").symlink_to(ROOT / "data")
    with jupyterlab(home, TOKEN) as address:
        yield address, home / "work"


def serious(page, context: str | None = None) -> list[str]:
    """What axe finds serious or critical, as lines."""
    found = axe.Axe().run(page, context=context).response["violations"]
    return [f"{v['id']}: {v['nodes'][0]['html'][:200]}" for v in found if v["impact"] in ("serious", "critical")]


def picture(page, name: str) -> None:
    SCREENSHOTS.mkdir(parents=True, exist_ok=True)
    page.screenshot(path=SCREENSHOTS / f"{name}.png")


def write_notebook(folder: Path, name: str, *cells: str) -> None:
    """A notebook with these cells, beside a `data` folder as the course's notebooks have it."""
    code = [nbformat.v4.new_code_cell(cell.strip()) for cell in cells]
    kernel = {"kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"}}
    nbformat.write(nbformat.v4.new_notebook(cells=code, metadata=kernel), folder / "notebooks" / name)


def of_the_course() -> list[str]:
    """Notebook 06 as far as its slider needs it: parameters, set-up, and the cell that shows it."""
    code = [
        c.source for c in nbformat.read(ROOT / "notebooks" / "06_lambda_sweep.ipynb", 4).cells if c.cell_type == "code"
    ]
    (parameters,) = (c for c in code if c.startswith("lam: float"))
    (slider,) = (c for c in code if c.startswith("explorer.show("))
    return [parameters, code[code.index(parameters) + 1], slider]


def open_notebook(page, lab: str, name: str) -> None:
    """Open a notebook, and wait until its kernel is idle: a cell that is run before is lost."""
    page.goto(f"{lab}/doc/tree/notebooks/{name}?token={TOKEN}")
    page.wait_for_selector(".jp-Notebook .jp-CodeCell")
    idle(page)


def idle(page) -> None:
    page.locator("#jp-main-statusbar").get_by_text("| Idle").wait_for()


def run_cells(page, first: int, last: int) -> None:
    """Run cells that were not run before, counted from 1, and wait until the last of them is done."""
    page.locator(".jp-Notebook .jp-InputArea-editor").nth(first - 1).click()
    for _ in range(first, last + 1):
        page.keyboard.press("Shift+Enter")
    sync.expect(page.locator(".jp-CodeCell .jp-InputPrompt").nth(last - 1)).to_have_text(f"[{last}]:")


def type_lam(page, words: str) -> None:
    page.get_by_label("λ, any:").focus()
    page.keyboard.press("Control+A")
    page.keyboard.type(words)
    page.keyboard.press("Tab")


def no_errors(page) -> None:
    assert page.locator('.jp-OutputArea [data-mime-type="application/vnd.jupyter.error"]').count() == 0
    assert page.locator('.jp-OutputArea [data-mime-type="application/vnd.jupyter.stderr"]').count() == 0


def test_the_explorer_in_jupyterlab(page, lab):
    address, folder = lab
    write_notebook(folder, "explorer.ipynb", *of_the_course(), BROKEN)
    open_notebook(page, address, "explorer.ipynb")
    run_cells(page, 1, 3)
    handle = page.locator(".fedsparse-lam .noUi-handle")
    handle.wait_for()
    number = page.get_by_label("λ, any:")
    caption = page.locator(".fedsparse-caption")

    handle.focus()
    page.keyboard.press("Home")
    for i, lam in enumerate(SWEEP.lams):
        sync.expect(caption).to_have_text(explorer.frame(lam, SWEEP).caption)
        assert number.input_value() == f"{lam:g}"
        sync.expect(page.locator(".fedsparse-table [aria-current] th")).to_have_text(f"{lam:g}")
        if i == len(SWEEP.lams) // 2:
            picture(page, "jupyterlab")
        page.keyboard.press("ArrowRight")
    sync.expect(caption).to_contain_text(f"λ = {SWEEP.lams[-1]:g}:")  # there is nothing beyond the end
    page.keyboard.press("Home")
    sync.expect(caption).to_contain_text("λ = 0:")
    page.keyboard.press("End")
    sync.expect(caption).to_contain_text(f"λ = {SWEEP.lams[-1]:g}:")

    type_lam(page, "1")
    sync.expect(caption).to_contain_text("λ = 1:")
    type_lam(page, "4,5")
    sync.expect(page.get_by_text("λ = 4.5 is not in the sweep")).to_be_visible()
    sync.expect(page.get_by_role("button", name="train this λ now")).to_be_enabled()
    # Our part of the page alone: JupyterLab's own violations are not ours to repair.
    assert serious(page, ".jp-OutputArea") == []

    run_cells(page, 4, 4)
    handle.focus()
    page.keyboard.press("Home")
    page.keyboard.press("ArrowRight")
    panel = page.get_by_role("alert").filter(has_text="put here by a test")
    sync.expect(panel).to_be_visible()
    sync.expect(panel).to_contain_text("ZeroDivisionError")
    sync.expect(page.locator(".fedsparse-table [aria-current] th")).to_have_text(f"{SWEEP.lams[1]:g}")
    picture(page, "jupyterlab_error")
    page.keyboard.press("ArrowRight")
    sync.expect(panel).to_have_count(0)
    sync.expect(caption).to_contain_text(f"λ = {SWEEP.lams[2]:g}:")
    no_errors(page)


def ready_to_train(page, lab, rounds):
    """The explorer at a λ between two of the sweep, and its buttons: train, with so many rounds, and stop."""
    address, folder = lab
    write_notebook(folder, f"{rounds}_rounds.ipynb", ROUNDS.format(rounds=rounds))
    open_notebook(page, address, f"{rounds}_rounds.ipynb")
    run_cells(page, 1, 1)
    type_lam(page, "4.5")
    button, stop = (page.get_by_role("button", name=name, exact=True) for name in ("train this λ now", "stop"))
    sync.expect(button).to_be_enabled()
    return button, stop


def test_a_lambda_is_trained_by_keyboard_and_its_progress_seen(page, lab):
    button, stop = ready_to_train(page, lab, rounds=5)
    page.evaluate("""() => {
      window.seen = [];
      new MutationObserver(() => document.querySelectorAll(".jp-OutputArea progress").forEach(
        bar => window.seen.push(bar.getAttribute("aria-label")))).observe(
          document.body, {childList: true, subtree: true});
    }""")
    button.focus()
    page.keyboard.press("Enter")
    sync.expect(page.get_by_text("λ = 4.5 is trained, with one seed")).to_be_visible()
    sync.expect(page.locator(".fedsparse-caption")).to_contain_text("λ = 4.5: accuracy")
    sync.expect(page.locator(".fedsparse-table [aria-current] th")).to_have_text("4.5")
    sync.expect(page.locator(".fedsparse-table tbody tr")).to_have_count(len(SWEEP.lams) + 1)
    sync.expect(button).to_be_disabled()
    sync.expect(stop).to_be_disabled()
    seen = page.evaluate("window.seen")
    assert {f"λ = 4.5: round {done} of 5" for done in range(6)} <= set(seen), "a step of the bar for every round"
    picture(page, "jupyterlab_trained")

    page.locator(".fedsparse-lam .noUi-handle").focus()
    page.keyboard.press("ArrowLeft")
    sync.expect(page.locator(".fedsparse-caption")).to_contain_text("λ = 3:")
    page.keyboard.press("ArrowRight")
    sync.expect(page.locator(".fedsparse-caption")).to_contain_text("λ = 4.5:")
    no_errors(page)


def test_a_training_is_stopped_while_lam_moves(page, lab):
    button, stop = ready_to_train(page, lab, rounds=5000)
    button.focus()
    page.keyboard.press("Enter")
    sync.expect(page.get_by_text("seconds left")).to_be_visible()
    page.locator(".fedsparse-lam .noUi-handle").focus()
    page.keyboard.press("ArrowRight")
    sync.expect(page.locator(".fedsparse-caption")).to_contain_text("λ = 5:")
    picture(page, "jupyterlab_training")
    stop.focus()
    page.keyboard.press("Enter")
    sync.expect(page.get_by_text("λ = 4.5 was not trained. It was stopped")).to_be_visible()
    sync.expect(page.locator(".fedsparse-table tbody tr")).to_have_count(len(SWEEP.lams))
    no_errors(page)


def test_what_is_kept_is_a_picture_in_a_notebook_that_nobody_trusts(page, lab):
    address, folder = lab
    kept = (view.section(3.0, SWEEP), '<svg class="probe"><circle r="5"/></svg>')
    outputs = [nbformat.v4.new_output("display_data", {"text/html": html}) for html in kept]
    cell = nbformat.v4.new_code_cell("explorer.show(stored, lam)", outputs=outputs)
    notebook = nbformat.v4.new_notebook(cells=[cell], metadata={"kernelspec": {"name": "python3", "display_name": "P"}})
    nbformat.write(notebook, folder / "notebooks" / "untrusted.ipynb")
    open_notebook(page, address, "untrusted.ipynb")
    images = page.locator(".jp-OutputArea img")
    sync.expect(images).to_have_count(4)
    assert images.evaluate_all("all => all.every(image => image.naturalWidth > 200 && image.alt.length > 20)")
    assert page.locator(".jp-OutputArea circle").count() == 0, "shapes of an SVG do not survive, so none may be needed"
    picture(page, "jupyterlab_untrusted")


@pytest.mark.parametrize(("size", "dark"), [((1100, 1300), False), ((390, 840), True)], ids=["desktop", "phone, dark"])
def test_the_page_by_itself(browser, tmp_path, size, dark):
    file = tmp_path / "explorer.html"
    file.write_text(render(SWEEP, 3.0))
    context = browser.new_context(
        viewport={"width": size[0], "height": size[1]}, color_scheme="dark" if dark else "light", offline=True
    )
    page = context.new_page()
    mistakes: list[str] = []
    page.on("pageerror", lambda error: mistakes.append(str(error)))
    page.on("request", lambda request: mistakes.append(request.url) if request.url[:4] not in ("file", "data") else 0)
    page.goto(file.as_uri())
    number = page.get_by_label("λ as a number")
    caption = page.locator("#caption")
    slider = page.get_by_label("λ", exact=True)
    sync.expect(caption).to_contain_text("λ = 3:")
    assert page.url.endswith("#lam=3")
    assert page.evaluate("document.documentElement.scrollWidth") <= size[0], "nothing to scroll sideways"
    assert page.locator(".controls").bounding_box()["height"] < 60, "what stays in view leaves room"
    name = "phone_dark" if dark else "desktop"
    picture(page, f"page_{name}")

    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.id") == "place", "the slider is the first thing that Tab reaches"
    page.keyboard.press("Home")
    names = view.landmarks(SWEEP)
    assert page.locator("#named option").evaluate_all("all => all.map(one => lams[one.value])") == list(names)
    for lam in SWEEP.lams:
        sync.expect(caption).to_have_text(explorer.frame(lam, SWEEP).caption)
        assert number.input_value() == f"{lam:g}"
        assert slider.get_attribute("aria-valuetext") == f"λ = {lam:g}" + (f", {names[lam]}" if lam in names else "")
        assert page.locator("#by-lam .name").all_text_contents() == [*names.values()] * 2
        assert page.url.endswith(f"#lam={lam:g}")
        sync.expect(page.locator("tr[aria-current] th")).to_have_text(f"{lam:g}")
        assert page.locator("#by-lam svg, #by-round svg").count() == 5
        page.keyboard.press("ArrowRight")
    sync.expect(caption).to_contain_text(f"λ = {SWEEP.lams[-1]:g}:")

    first = [explorer.collapsed(point, SWEEP) for point in SWEEP.points].index(True)
    *_, last, fallen = SWEEP.lams[: first + 1]
    end = SWEEP.lams[-1]
    for typed, words in {
        "4,4": "λ = 4.4 is not in the sweep; the nearest one is shown, 5.",
        f"{fallen - 1:g}": f"gap where nothing was trained: at {last:g} the mask works, at {fallen:g} it has collapsed",
        f"{end + 1:g}": f"which ends at {end:g}: what lies beyond was not measured",
        "-2": "“-2” is no λ",
        "much": "“much” is no λ",
    }.items():
        number.fill(typed)
        number.press("Enter")
        sync.expect(page.locator("#note")).to_contain_text(words)
    assert serious(page) == []

    page.locator("tbody tr").nth(1).click()
    sync.expect(caption).to_contain_text(f"λ = {SWEEP.lams[1]:g}:")
    chart = page.locator("#by-lam svg").first
    box = chart.bounding_box()
    chart.hover(position={"x": box["width"] - 8, "y": box["height"] / 2})
    sync.expect(page.locator(".tip:visible")).to_contain_text(f"λ = {end:g}\nsampled")
    chart.click(position={"x": box["width"] - 8, "y": box["height"] / 2})
    sync.expect(caption).to_contain_text(f"λ = {end:g}:")

    page.goto(f"{file.as_uri()}#lam=7&beside=0,3")
    sync.expect(caption).to_contain_text("λ = 7:")
    sync.expect(page.locator("#caption-beside")).to_have_text(explorer.frame(0.3, SWEEP).caption)
    assert page.locator("canvas").count() == 2
    page.get_by_label("second λ", exact=True).press("ArrowRight")
    sync.expect(page.locator("#caption-beside")).to_contain_text("λ = 1:")
    assert page.url.endswith("#lam=7&beside=1")
    assert ticks(chart)[0] > 0.5
    page.get_by_label("accuracy from 0 to 1").check()
    assert ticks(chart)[0] == 0
    assert serious(page) == []

    rounds = SWEEP.experiment.rounds
    sync.expect(page.locator("#moment")).to_contain_text(f"λ = 7, round {rounds}:")
    page.get_by_role("button", name="play the rounds").press("Enter")
    sync.expect(page.locator("#moment")).to_contain_text("λ = 7, round 2:")
    page.get_by_role("button", name="stop").press("Enter")
    page.get_by_label("round", exact=True).press("Home")
    first = SWEEP.at(7.0).rounds.loc[1]
    sync.expect(page.locator("#moment")).to_contain_text(f"λ = 7, round 1: sampled {100 * first['accuracy']:.1f} %")
    sync.expect(page.locator("#moment")).to_contain_text(f"so far {first['megabytes_up']:.2f} MB up")
    picture(page, f"page_round_{name}")

    page.evaluate("points[0].mask = null")
    slider.focus()
    page.keyboard.press("Home")
    sync.expect(page.get_by_role("alert")).to_contain_text("λ = 0 cannot be shown")
    sync.expect(caption).to_be_empty()
    assert mistakes == []
    context.close()


def ticks(chart) -> list[float]:
    """Numbers at the left of a chart, from the bottom."""
    return [float(words) for words in chart.locator('text[text-anchor="end"]').all_text_contents() if words[0] in "01"]
