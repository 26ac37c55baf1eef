"""What a class gets: copies that give nothing away, a site that loads nothing from elsewhere, a whole bundle."""

import ast
import itertools
import os
import re
import shutil
import stat
import subprocess
import sys
import zipfile
from pathlib import Path

import nbformat
import pytest

from fedsparse import RunError
from fedsparse.__main__ import main
from fedsparse.tools.course import bundle, copies, site
from fedsparse.tools.notebooks.files import read, repository, with_launch_links

ROOT = Path(__file__).parents[1]
ALL = sorted((ROOT / "notebooks").glob("*.ipynb"))
GUIDE = (ROOT / "docs" / "teaching.md").read_text(encoding="utf-8")
TRIVIAL = 16
"""Characters: shorter lines, such as `p = np.mean(mask)`, say nothing by themselves."""
each = pytest.mark.parametrize("notebook", ALL, ids=lambda p: p.stem)


def text_of(node: nbformat.NotebookNode) -> str:
    return "\n".join(cell.source for cell in node.cells)


def lines_of(code: str) -> set[str]:
    return {line.strip() for line in code.splitlines()}


def solutions(node: nbformat.NotebookNode) -> list[tuple[str, str]]:
    """The stub of every exercise, and the code of its solution in the next cell."""
    found = []
    for stub, cell in itertools.pairwise(node.cells):
        if stub.cell_type == "code" and re.search(r"^checks\.(?!prediction\()", stub.source, re.M):
            code = re.search(r"<summary>Solution</summary>\n.*?```python\n(.*?)```", cell.source, re.S)
            found.append((stub.source, code.group(1) if code else ""))
    return found


def resources(page: str) -> list[str]:
    """External addresses that a page loads by itself: scripts, styles, images, fonts, frames."""
    tags = re.findall(r"<(?:script|link|img|iframe|source|video|audio|object|embed)\b[^>]*>", page)
    loaded = [t for t in tags if not re.search(r'rel="(?:canonical|author|license)"', t)]
    found = [m for tag in loaded for m in re.findall(r'(?:src|href|data)="((?:https?:)?//[^"]*)"', tag)]
    return found + re.findall(r"(?:@import\s+|url\()[\"']?((?:https?:)?//[^\"')]*)", page)


@each
def test_no_line_of_a_solution_is_in_a_students_copy(notebook):
    node = read(notebook)
    solved = solutions(node)
    assert solved
    assert all(solution for _, solution in solved), "every exercise has its solution in the cell below"
    copy = copies.worksheet(node)
    seen = lines_of(text_of(copy))
    for stub, solution in solved:
        leaked = {line for line in lines_of(solution) - lines_of(stub) if len(line) > TRIVIAL} & seen
        assert not leaked
        assert stub in text_of(copy), "the exercise itself is there"


@each
def test_a_students_copy_is_sound_and_has_nothing_run(notebook):
    copy = copies.worksheet(read(notebook))
    nbformat.validate(copy)
    code = [c for c in copy.cells if c.cell_type == "code"]
    assert not any(c.outputs or c.execution_count for c in code)
    for cell in code:
        ast.parse(cell.source)
    assert "Solution" not in text_of(copy)
    assert "fedsparse" not in copy.metadata
    assert "github.com" not in copy.cells[0].source, "no link to where the solutions are"
    assert copy.cells[1].source.startswith("**Name:**")
    told = [c.source for c in copy.cells if "**What to notice.**" in c.source]
    assert not told, "results are folded until the cell has run"
    for part in ("## Summary", "## Limits", "## References"):
        assert part in text_of(copy), "what follows a solution stays"


@each
def test_a_teachers_copy_has_outputs_open_solutions_and_notes(notebook):
    node = read(notebook)
    copy = copies.teacher(node, copies.notes_of(notebook.stem, GUIDE))
    nbformat.validate(copy)
    text = text_of(copy)
    for _, solution in solutions(node):
        assert solution in text
    assert "<details><summary>Solution" not in text
    assert text.count("<details open><summary>Solution") == len(solutions(node))
    assert sum(len(c.get("outputs", [])) for c in copy.cells) == sum(len(c.get("outputs", [])) for c in node.cells)
    for part in ("Class time:", "Misconceptions:", "**Ask:**", "<summary>Answer</summary>"):
        assert part in copy.cells[1].source


def test_a_solution_that_cannot_be_taken_out_is_refused():
    for text in ("<details><summary>Solution </summary>\nx\n</details>", "<details><summary>Solution</summary>\nx"):
        node = nbformat.v4.new_notebook(cells=[nbformat.v4.new_markdown_cell(f"# T\n\n{text}")])
        with pytest.raises(RunError, match="is not written as"):
            copies.student(node)
    with pytest.raises(RunError, match="no section '### 99"):
        copies.notes_of("99_unheard_of", GUIDE)


def test_notes_are_those_of_the_notebook_alone():
    guide = "# Guide\n\n### 01 one\n\nFirst.\n\n### 02 two\n\nSecond.\n\n## Exam\n\nThird.\n"
    assert copies.notes_of("01_one", guide) == "First."
    assert copies.notes_of("02_two", guide) == "Second."


def test_the_guide_knows_every_notebook_and_its_questions_have_answers():
    for notebook in ALL:
        assert f"### {notebook.stem.split('_')[0]} " in GUIDE
    assert (
        GUIDE.count("**Ask:**")
        == GUIDE.count("<summary>Answer</summary>")
        == len(re.findall(r"^### [01]\d ", GUIDE, re.M))
    )
    for plan in re.findall(r"^### (\d+) minutes.*?\n\n(.*?)(?=^#|\Z)", GUIDE, re.S | re.M):
        minutes = [int(m) for m in re.findall(r"^\| (\d+) \|", plan[1], re.M)]
        assert sum(minutes) == int(plan[0])


def test_a_folder_of_students_has_what_its_notebooks_read_and_link_to(tmp_path):
    folder = copies.write_student(ROOT, tmp_path / "student")
    assert {p.name for p in folder.iterdir()} >= {"notebooks", "data", "LICENSE", "LICENSE-text"}
    for notebook in (folder / "notebooks").glob("*.ipynb"):
        text = text_of(read(notebook))
        for target in re.findall(r"\]\((?!https?:|#)([^)#\s]+)", text) + re.findall(r'"(\.\./data/results)"', text):
            assert (folder / "notebooks" / target).exists(), f"{notebook.name}: {target}"
    for page in (folder / "docs").glob("*.md"):
        text = page.read_text(encoding="utf-8")
        for target in re.findall(r"\]\((?!https?:|#)([^)#\s]+)", text):
            assert (page.parent / target).exists(), f"{page.name}: {target}"
    no_secrets_in(folder)


def no_secrets_in(folder: Path) -> None:
    """No guide for teachers, and no solution in any page or notebook of a folder."""
    kept_back = {f"{Path(name).stem}.{kind}" for name in copies.TEACHERS_ONLY for kind in ("md", "html")}
    kept_back |= {"teacher", "hidden_inputs.py", "questions.yaml", "jupyter_execute"}
    assert not [p for p in folder.rglob("*") if p.name in kept_back]
    for file in (f for f in folder.rglob("*") if f.suffix in (".ipynb", ".html", ".md")):
        text = file.read_text(encoding="utf-8")
        assert "<summary>Solution" not in text, file
        assert "Model answer" not in text, file


def test_links_to_what_is_not_there_become_words():
    text = "[a](x.md) ![b](y.png) [c](https://d) [`e`](f.py#g)"
    assert copies.without_dead_links(text, lambda target: True) == "a ![b](y.png) [c](https://d) `e`"
    assert copies.without_dead_links(text, lambda target: target == "x.md").startswith("a ![b]")


@pytest.mark.parametrize("teachers", [False, True])
def test_only_the_teachers_edition_of_the_site_has_solutions_and_answers(tmp_path, teachers):
    source = tmp_path / "source"
    site.write_source(ROOT, source, teachers)
    assert (source / "teaching.md").exists() == (source / "exam.md").exists() == teachers
    index = (source / "index.md").read_text(encoding="utf-8")
    assert ("(teaching.md)" in index) == ("(exam.md)" in index) == ("\nexam\n" in index) == teachers
    for notebook in ALL:
        page = read(source / "notebooks" / notebook.name)
        assert ("Solution</summary>" in text_of(page)) == teachers
        assert any(cell.get("outputs") for cell in page.cells), "outputs are for both"
        targets = re.findall(r"\]\((?!https?:|#)([^)#\s]+)", text_of(page))
        assert "../notation.md" in targets, "the guides are pages of the site"
        for target in targets:
            assert (source / "notebooks" / target).exists(), f"{notebook.name}: {target}"
    for guide in source.glob("*.md"):
        for target in re.findall(r"\]\(([^)#\s]+\.md)", guide.read_text(encoding="utf-8")):
            assert target.startswith("http") or (source / target).exists(), f"{guide.name}: {target}"


def test_without_an_address_nothing_leads_to_a_repository(tmp_path):
    source = tmp_path / "source"
    site.write_source(ROOT, source, teachers=False)
    assert not re.search(r"\]\(/?blob/main|github\.com/fedsparse", text_of(read(source / "notebooks" / ALL[0].name)))
    (tmp_path / "pyproject.toml").write_text('[project]\nname = "x"\n[project.urls]\n', encoding="utf-8")
    assert repository(tmp_path) == ""
    node = read(ALL[0])
    bare = with_launch_links(node, "00", "")
    assert "Colab" not in bare.cells[0].source
    assert not [c for c in bare.cells if c.id == "install"]


@pytest.fixture(scope="module")
def built(tmp_path_factory) -> Path:
    """The students' site, with every warning of Sphinx an error."""
    return site.build(ROOT, tmp_path_factory.mktemp("built") / "site").parent


@pytest.mark.slow
def test_the_explorer_is_on_the_site_and_opens(built):
    page = (built / "notebooks" / "06_lambda_sweep.html").read_text(encoding="utf-8")
    (frame,) = re.findall(r'<iframe class="explorer" src="([^"]*)" title="[^"]+"', page)
    (link,) = set(re.findall(r'<a href="([^"]*lambda_explorer\.html)"', page))
    (home,) = re.findall(r'<a href="([^"]*lambda_explorer\.html)"', (built / "index.html").read_text(encoding="utf-8"))
    for folder, target in (("notebooks", frame), ("notebooks", link), (".", home)):
        assert 'type="range"' in (built / folder / target).read_text(encoding="utf-8")
    assert not re.search(r"lambda_explorer[^<]*download|download[^<]*lambda_explorer", page)


@pytest.mark.slow
def test_the_first_page_is_short_and_asks_a_question_for_every_notebook(built):
    home = (built / "index.html").read_text(encoding="utf-8")
    article = home[home.index("<article") : home.index("</article>")]
    for notebook in ALL:
        assert re.search(rf"<tr[^>]*>\s*<td>.*?{notebook.stem}\.html.*?</td>\s*<td>.*?\?.*?</td>", article, re.S), (
            notebook
        )
    assert article.count("<h") < 5, "no list of every heading of every page"
    assert "<img" in article


@pytest.mark.slow
def test_the_site_is_all_that_is_left(built):
    assert [p.name for p in built.parent.iterdir()] == ["site"]
    assert not [p.name for p in built.iterdir() if p.is_dir() and p.name.startswith(".")]


@pytest.mark.slow
def test_the_site_loads_nothing_from_elsewhere(built):
    pages = [*built.rglob("*.html"), *built.rglob("*.css")]
    assert len(pages) > len(ALL)
    for page in pages:
        assert not resources(page.read_text(encoding="utf-8", errors="ignore")), page.name
    assert resources('<script async src="https://a/b.js">') == ["https://a/b.js"]
    assert resources("<link href='x'><style>@import url(//a/b.css)</style>") == ["//a/b.css"]
    assert not resources('<a href="https://a">a</a><img src="b.png">')


@pytest.mark.slow
def test_the_site_has_notebooks_guides_settings_and_reference(built):
    for notebook in ALL:
        page = (built / "notebooks" / f"{notebook.stem}.html").read_text(encoding="utf-8")
        assert page.count("<h1") == 1
        assert 'href="../notation.html"' in page
        assert "%pip" not in page
        assert "colab.research" not in page
        assert all(re.search(r'alt="[^"]', tag) for tag in re.findall(r"<img[^>]*>", page))
        for formula in re.findall(r"<math.*?</math>", page, re.S):
            assert "\\" not in formula, formula
    assert "target_bpp" in (built / "settings.html").read_text(encoding="utf-8")
    no_secrets_in(built)
    reference = "".join(page.read_text(encoding="utf-8") for page in (built / "api").glob("*.html"))
    for name in (
        "fedsparse.federation.run",
        "fedsparse.wire.masks.decode_mask",
        "fedsparse.aggregation.MaskAggregator",
    ):
        assert f'id="{name}"' in reference
    home = (built / "index.html").read_text(encoding="utf-8")
    for guide in (ROOT / "docs").glob("*.md"):
        if guide.name not in ("index.md", *copies.TEACHERS_ONLY):
            assert f'href="{guide.stem}.html"' in home, guide.name
    assert all(f"notebooks/{notebook.stem}.html" in home for notebook in ALL)


def test_the_reference_describes_every_module():
    described = [name for layer in site.LAYERS for name in site.modules(ROOT, layer)]
    assert len(described) == len(set(described))
    files = {f for f in (ROOT / "fedsparse").rglob("*.py") if f.name not in ("__main__.py", "command.py")}
    for file in (f for f in files if f.stat().st_size):
        name = ".".join(file.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")
        assert name in described
    assert {"fedsparse", "fedsparse.federation", "fedsparse.wire.masks"} <= set(described)
    assert not [name for name in described if name.endswith(("command", "__main__"))]


@pytest.fixture(scope="module")
def browser():
    playwright = pytest.importorskip("playwright.sync_api")
    chromium = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if not chromium:
        pytest.skip("no Chromium here")
    with playwright.sync_playwright() as driver:
        flags = ["--no-sandbox", "--disable-gpu", "--disable-background-networking"]
        instance = driver.chromium.launch(executable_path=chromium, args=flags)
        yield instance
        instance.close()


@pytest.mark.slow
@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("page", ["index", "settings", "notebooks/05_fedpm_vs_regularized", "api/2_wire"])
def test_a_page_fits_a_phone_and_can_be_read_by_everybody(built, browser, page, scheme):
    axe = pytest.importorskip("axe_playwright_python.sync_playwright")
    view = browser.new_page(viewport={"width": 390, "height": 844}, color_scheme=scheme)
    asked = []
    view.on("request", lambda request: asked.append(request.url))
    view.goto((built / f"{page}.html").as_uri())
    assert view.evaluate("document.documentElement.scrollWidth") <= 390
    found = axe.Axe().run(view).response["violations"]
    serious = [(v["id"], v["nodes"][0]["html"]) for v in found if v["impact"] in ("serious", "critical")]
    assert not serious
    assert all(url.startswith(("file:", "data:")) for url in asked)
    view.close()


CUT_OFF = """() => [...document.querySelectorAll("article :is(pre, .wide, .table-wrapper, .output, .cell_output)")]
  .filter(box => box.scrollWidth > box.clientWidth + 1)
  .map(box => {
    box.scrollLeft = 1e6;
    return [box.textContent.trim().slice(0, 60), box.scrollWidth - box.clientWidth - box.scrollLeft];
  })
"""
"""The boxes of a page that are narrower than what they hold, and the pixels that cannot be reached by scrolling."""
SHRUNK = """() => [...document.querySelectorAll("article img")]
  .filter(image => image.clientWidth < 0.75 * image.naturalWidth).map(image => image.alt)"""


@pytest.mark.slow
@pytest.mark.parametrize("page", ["index", "reproduction", *(f"notebooks/{n.stem}" for n in ALL)])
def test_nothing_is_cut_off(built, browser, page):
    view = browser.new_page(viewport={"width": 1440, "height": 900})
    view.goto((built / f"{page}.html").as_uri())
    assert view.evaluate("document.documentElement.scrollWidth") <= 1440
    assert view.evaluate(CUT_OFF) == [], "code, output and tables are there from end to end"
    assert view.evaluate(SHRUNK) == [], "figures can be read"
    view.set_viewport_size({"width": 390, "height": 844})
    assert view.evaluate("document.documentElement.scrollWidth") <= 390
    assert all(rest <= 1 for _, rest in view.evaluate(CUT_OFF)), "all of it is reached by scrolling its box"
    view.close()


@pytest.fixture(scope="module")
def packed(tmp_path_factory, built) -> Path:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(bundle, "build", lambda root, to: shutil.copytree(built, to))  # it is built once, above
        return bundle.pack(ROOT, tmp_path_factory.mktemp("packed") / "bundle", wheels=False)


@pytest.mark.slow
def test_the_bundle_is_whole(packed):
    assert {p.name for p in packed.iterdir()} == {
        "student", "site", "wheels", "constraints.txt", "README.txt", "install.sh", "LICENSE", "LICENSE-text",
    }  # fmt: skip
    no_secrets_in(packed)
    assert {p.name for p in (packed / "student" / "notebooks").glob("*.ipynb")} == {n.name for n in ALL}
    for name in ("site/index.html", "student/data/results/rivals-digits.csv"):
        assert (packed / name).exists(), name
    assert not list(packed.glob("*-source")), "only what the class needs"
    (wheel,) = (packed / "wheels").glob("*.whl")
    inside = zipfile.ZipFile(wheel).namelist()
    sources = {str(file.relative_to(ROOT)) for file in (ROOT / "fedsparse").rglob("*.py")}
    assert {name for name in inside if name.endswith(".py")} == sources
    assert stat.S_ISREG((packed / "install.sh").stat().st_mode)
    assert subprocess.run(["sh", "-n", str(packed / "install.sh")]).returncode == 0
    assert "were left out" in (packed / "README.txt").read_text(encoding="utf-8")


@pytest.mark.slow
def test_the_bundles_wheel_installs_without_a_network(packed, tmp_path):
    call = [sys.executable, "-m", "pip", "install", "--quiet", "--no-index", "--no-deps", "--target", str(tmp_path)]
    call += ["--find-links", str(packed / "wheels"), "fedsparse"]
    done = subprocess.run(call, capture_output=True, encoding="utf-8")
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "fedsparse" / "tools" / "notebooks" / "command.py").exists()


@pytest.mark.slow
def test_copies_are_made_in_any_locale(tmp_path):
    ascii_locale = os.environ | {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}
    call = [sys.executable, "-m", "fedsparse", "course", "copies", str(tmp_path)]
    done = subprocess.run(call, cwd=ROOT, env=ascii_locale, capture_output=True)
    assert done.returncode == 0, done.stderr
    assert len(list((tmp_path / "teacher" / "notebooks").glob("*.ipynb"))) == len(ALL)
    assert (tmp_path / "teacher" / "questions_qti.zip").exists()
    for name in copies.TEACHERS_ONLY:
        assert (tmp_path / "teacher" / "docs" / name).exists()
    no_secrets_in(tmp_path / "student")


def test_a_place_where_nothing_can_be_made_is_refused_in_one_line(tmp_path, monkeypatch, capsys):
    (tmp_path / "file").write_text("", encoding="utf-8")
    monkeypatch.chdir(ROOT)
    assert main(["course", "copies", str(tmp_path / "file")]) == 2
    assert capsys.readouterr().err == f"fedsparse: cannot write {tmp_path}/file/student/notebooks: Not a directory\n"
    monkeypatch.chdir(tmp_path)
    for what in ("copies", "site", "bundle"):
        assert main(["course", what, "made"]) == 2
        assert "in the folder of the repository" in capsys.readouterr().err
    assert not (tmp_path / "made").exists()


def test_a_folder_that_is_no_bundle_is_left_alone(tmp_path, monkeypatch, capsys):
    (tmp_path / "thesis.txt").write_text("years of work", encoding="utf-8")
    monkeypatch.chdir(ROOT)
    assert main(["course", "bundle", str(tmp_path), "--no-wheels"]) == 2
    assert "is no bundle" in capsys.readouterr().err
    assert main(["course", "site", str(tmp_path)]) == 2
    assert "is no site" in capsys.readouterr().err
    assert (tmp_path / "thesis.txt").exists()


@pytest.mark.parametrize("argv", [["copies", "--teachers"], ["site", "--cpu"], ["bundle", "--teachers"]])
def test_a_switch_of_another_product_is_refused(tmp_path, capsys, argv):
    assert main(["course", argv[0], str(tmp_path / "made"), *argv[1:]]) == 2
    assert f"{argv[1]} belongs to course " in capsys.readouterr().err


def test_a_worksheet_says_which_copy_it_is():
    node = read(ALL[0])
    first, again = copies.worksheet(node), copies.worksheet(node)
    assert re.search(r"^fedsparse \d+\.\d+\.\d+, copy [0-9a-f]{12}$", first.cells[1].source, re.M)
    assert first.cells[1].source == again.cells[1].source
    node.cells[-1].source += " Another word."
    assert copies.worksheet(node).cells[1].source != first.cells[1].source


def test_the_overview_for_teachers_is_that_of_the_notebooks():
    rows = re.findall(
        r"^\| (\d\d) [^|]+\| (\d+) \| ([^|]+) \| (\d+): (\d+) \| (?:easy|medium|harder) \| ([^|]+) \|$", GUIDE, re.M
    )
    assert [number for number, *_ in rows] == [notebook.stem[:2] for notebook in ALL]
    for (number, minutes, in_class, count, together, needs), notebook in zip(rows, ALL, strict=True):
        text = "\n".join(cell.source for cell in read(notebook).cells if cell.cell_type == "markdown")
        given = [int(m) for m in re.findall(r"\((?:easy|medium|harder), (\d+) minutes\)", text)]
        assert f"reading time | {minutes} minutes" in text, number
        assert (len(given), sum(given)) == (int(count), int(together)), number
        assert f"Class time: {in_class} minutes" in copies.notes_of(notebook.stem, GUIDE), number
        assert all(earlier < number for earlier in re.findall(r"\d\d", needs)), "in an order that can be taught"


def test_the_failures_that_teachers_read_about_are_lines_that_the_code_says():
    section = GUIDE.partition("\n## When something fails\n")[2].partition("\n## ")[0]
    quoted = re.findall(r"^\| `([^`]+)` \|", section, re.M)
    code = "\n".join(
        file.read_text(encoding="utf-8") for file in [ROOT / "Makefile", *(ROOT / "fedsparse").rglob("*.py")]
    )
    assert len(quoted) > 8
    assert not [line for line in quoted if line not in code]
