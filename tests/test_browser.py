"""The λ explorer in a real browser, by keyboard alone: in JupyterLab, and as a page of its own.

Screenshots are kept in `build/screenshots/`. Whatever happens, the server and its kernels end with the tests.
"""

import os
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

import nbformat
import pytest

from fedsparse import explore
from fedsparse.explore.page import render

ROOT = Path(__file__).parents[1]
RESULTS = ROOT / "data" / "results"
SCREENSHOTS = ROOT / "build" / "screenshots"
TOKEN = "for-this-test-alone"
BROWSER = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
KEPT = explore.load(folder=RESULTS)

sync = pytest.importorskip("playwright.sync_api", reason="playwright is not here: pip install -e '.[dev]'")
axe = pytest.importorskip("axe_playwright_python.sync_playwright", reason="pip install -e '.[dev]'")
pytestmark = [
    pytest.mark.skipif(BROWSER is None, reason="no Chromium on the PATH: apt-get install chromium, or Chrome"),
    pytest.mark.xdist_group("browser"),
]

EXPLORER = """
import fedsparse.explore as explore
from fedsparse.explore import view

explore.show(explore.load(folder={results!r}), 3.0)
"""
BROKEN = """
frame = view.frame

def broken(lam, sweep):
    if lam == sweep.lams[1]:
        raise ZeroDivisionError("put here by a test")
    return frame(lam, sweep)

view.frame = broken
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
    """The address of a JupyterLab on loopback, with settings of its own, and the folder that it serves."""
    home = tmp_path_factory.mktemp("lab")
    (home / "work").mkdir()
    quiet = home / "jupyterlab_settings_dir" / "@jupyterlab" / "apputils-extension"
    quiet.mkdir(parents=True)
    (quiet / "notification.jupyterlab-settings").write_text('{"fetchNews": "false", "checkForUpdates": false}')
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    places = ("JUPYTER_CONFIG_DIR", "JUPYTER_DATA_DIR", "JUPYTER_RUNTIME_DIR", "IPYTHONDIR", "JUPYTERLAB_SETTINGS_DIR",
              "JUPYTERLAB_WORKSPACES_DIR")  # fmt: skip
    environment = os.environ | {name: str(home / name.lower()) for name in places} | {"PYTHONPATH": str(ROOT)}
    options = [f"--ServerApp.port={port}", f"--IdentityProvider.token={TOKEN}", "--ServerApp.ip=127.0.0.1",
               "--ServerApp.port_retries=0", f"--ServerApp.root_dir={home / 'work'}", "--no-browser", "--allow-root",
               "--LabApp.extension_manager=readonly"]  # fmt: skip
    log = open(home / "log", "w")  # noqa: SIM115
    # A session of its own, so that the kernels, its children, end with it.
    server = subprocess.Popen(
        [sys.executable, "-m", "jupyter", "lab", *options], env=environment, stdout=log, stderr=log,
        start_new_session=True,
    )  # fmt: skip
    try:
        for _ in range(300):
            try:
                urllib.request.urlopen(f"http://127.0.0.1:{port}/api/status?token={TOKEN}", timeout=2).close()
                break
            except OSError:
                assert server.poll() is None, (home / "log").read_text()[-2000:]
                time.sleep(0.2)
        yield f"http://127.0.0.1:{port}", home / "work"
    finally:
        end(server)
        log.close()


def end(server: subprocess.Popen) -> None:
    """End a server and every process below it: kernels open sessions of their own, and would outlive it."""
    below = descendants(server.pid)
    server.send_signal(signal.SIGTERM)
    try:
        server.wait(15)
    except subprocess.TimeoutExpired:
        server.kill()
        server.wait(5)
    for pid in below:
        try:
            os.kill(pid, signal.SIGKILL)
        except ProcessLookupError:
            continue


def descendants(pid: int) -> list[int]:
    """Children of a process, and theirs."""
    listed = subprocess.run(["ps", "-eo", "pid=,ppid="], capture_output=True, text=True, check=True).stdout.split()
    parents = dict(zip(map(int, listed[::2]), map(int, listed[1::2]), strict=True))
    found = [pid]
    for one in found:
        found += [child for child, parent in parents.items() if parent == one]
    return found[1:]


def serious(page, context: str | None = None) -> list[str]:
    """What axe finds serious or critical, as lines."""
    found = axe.Axe().run(page, context=context).response["violations"]
    return [f"{v['id']}: {v['nodes'][0]['html'][:200]}" for v in found if v["impact"] in ("serious", "critical")]


def picture(page, name: str) -> None:
    SCREENSHOTS.mkdir(parents=True, exist_ok=True)
    page.screenshot(path=SCREENSHOTS / f"{name}.png")


def write_notebook(folder: Path, name: str, *cells: str) -> None:
    code = [nbformat.v4.new_code_cell(cell.strip()) for cell in cells]
    kernel = {"kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"}}
    nbformat.write(nbformat.v4.new_notebook(cells=code, metadata=kernel), folder / name)


def open_notebook(page, lab: str, name: str) -> None:
    """Open a notebook, and wait until its kernel is idle: a cell that is run before is lost."""
    page.goto(f"{lab}/doc/tree/{name}?token={TOKEN}")
    page.wait_for_selector(".jp-Notebook .jp-CodeCell")
    idle(page)


def idle(page) -> None:
    page.locator("#jp-main-statusbar").get_by_text("| Idle").wait_for()


def run_cells(page, many: int) -> None:
    page.locator(".jp-Notebook .jp-InputArea-editor").first.click()
    for _ in range(many):
        page.keyboard.press("Shift+Enter")


def no_errors(page) -> None:
    assert page.locator('.jp-OutputArea [data-mime-type="application/vnd.jupyter.error"]').count() == 0
    assert page.locator('.jp-OutputArea [data-mime-type="application/vnd.jupyter.stderr"]').count() == 0


def test_the_explorer_in_jupyterlab(page, lab):
    address, folder = lab
    write_notebook(folder, "explorer.ipynb", EXPLORER.format(results=str(RESULTS)), BROKEN)
    open_notebook(page, address, "explorer.ipynb")
    run_cells(page, 1)
    handle = page.locator(".fedsparse-lam .noUi-handle")
    handle.wait_for()
    number = page.get_by_label("λ, any:")
    caption = page.locator(".fedsparse-caption")

    handle.focus()
    page.keyboard.press("Home")
    for i, lam in enumerate(KEPT.lams):
        sync.expect(caption).to_have_text(explore.frame(lam, KEPT).caption)
        assert float(number.input_value()) == lam
        sync.expect(page.locator(".fedsparse-table [aria-current] th")).to_have_text(f"{lam:g}")
        if i == len(KEPT.lams) // 2:
            picture(page, "jupyterlab")
        page.keyboard.press("ArrowRight")
    sync.expect(caption).to_contain_text(f"λ = {KEPT.lams[-1]:g}:")  # there is nothing beyond the end
    page.keyboard.press("Home")
    sync.expect(caption).to_contain_text("λ = 0:")
    page.keyboard.press("End")
    sync.expect(caption).to_contain_text(f"λ = {KEPT.lams[-1]:g}:")

    number.focus()
    page.keyboard.press("Control+A")
    page.keyboard.type("1")
    page.keyboard.press("Tab")
    sync.expect(caption).to_contain_text("λ = 1:")
    number.focus()
    page.keyboard.press("Control+A")
    page.keyboard.type("4.5")
    page.keyboard.press("Tab")
    sync.expect(page.get_by_text("λ = 4.5 is not in the sweep")).to_be_visible()
    sync.expect(page.get_by_role("button", name="train this λ now")).to_be_enabled()
    # Our part of the page alone: JupyterLab's own findings are for JupyterLab to mend.
    assert serious(page, ".jp-OutputArea") == []

    run_cells(page, 2)
    idle(page)
    page.locator(".fedsparse-lam .noUi-handle").focus()
    page.keyboard.press("Home")
    page.keyboard.press("ArrowRight")
    panel = page.get_by_role("alert").filter(has_text="put here by a test")
    sync.expect(panel).to_be_visible()
    sync.expect(panel).to_contain_text("ZeroDivisionError")
    picture(page, "jupyterlab_error")
    page.keyboard.press("ArrowRight")
    sync.expect(panel).to_have_count(0)
    sync.expect(caption).to_contain_text(f"λ = {KEPT.lams[2]:g}:")
    no_errors(page)


@pytest.mark.parametrize(("size", "dark"), [((1100, 1300), False), ((390, 840), True)], ids=["desktop", "phone, dark"])
def test_the_page_by_itself(browser, tmp_path, size, dark):
    file = tmp_path / "explorer.html"
    file.write_text(render(KEPT, 3.0))
    context = browser.new_context(
        viewport={"width": size[0], "height": size[1]}, color_scheme="dark" if dark else "light", offline=True
    )
    page = context.new_page()
    mistakes: list[str] = []
    page.on("pageerror", lambda error: mistakes.append(str(error)))
    page.on("request", lambda request: mistakes.append(request.url) if request.url[:4] not in ("file", "data") else 0)
    page.goto(file.as_uri())
    shown = page.locator("section:not([hidden])")
    number = page.get_by_label("as a number")
    sync.expect(shown).to_contain_text("λ = 3:")
    assert page.evaluate("document.documentElement.scrollWidth") <= size[0], "nothing to scroll sideways"
    picture(page, f"page_{'phone_dark' if dark else 'desktop'}")

    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.id") == "place", "the slider is the first thing that Tab reaches"
    page.keyboard.press("Home")
    for lam in KEPT.lams:
        sync.expect(shown).to_have_count(1)
        sync.expect(shown.locator(".caption")).to_have_text(explore.frame(lam, KEPT).caption)
        assert float(number.input_value()) == lam
        assert page.get_by_label("λ", exact=True).get_attribute("aria-valuetext") == f"λ = {lam:g}"
        sync.expect(page.locator("tr[aria-current] th")).to_have_text(f"{lam:g}")
        page.keyboard.press("ArrowRight")
    sync.expect(shown).to_contain_text(f"λ = {KEPT.lams[-1]:g}:")
    picture(page, f"page_end_{'phone_dark' if dark else 'desktop'}")

    page.keyboard.press("Tab")
    page.keyboard.type("4.4")
    page.keyboard.press("Tab")
    near = min(KEPT.lams, key=lambda lam: abs(lam - 4.4))
    sync.expect(page.get_by_text(f"λ = 4.4 is not in the sweep; this is the nearest, {near:g}.")).to_be_visible()
    sync.expect(shown).to_contain_text(f"λ = {near:g}:")
    assert serious(page) == []

    page.evaluate(f"document.querySelector('section[data-lam=\"{KEPT.lams[0]:g}\"]').remove()")
    page.get_by_label("λ", exact=True).focus()
    page.keyboard.press("Home")
    sync.expect(page.get_by_role("alert")).to_have_text("there is nothing to show for λ = 0")
    sync.expect(shown).to_have_count(0)
    assert mistakes == []
    context.close()
