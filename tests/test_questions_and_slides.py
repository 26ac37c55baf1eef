"""For a lecturer: questions that an LMS can import, slides that need nothing else, plans with goals."""

import os
import re
import shutil
import subprocess
import zipfile
from html.parser import HTMLParser
from pathlib import Path
from xml.etree import ElementTree

import pytest

from fedsparse import RunError
from fedsparse.tools.course import bundle, questions, slides

ROOT = Path(__file__).parents[1]
ALL = sorted((ROOT / "notebooks").glob("*.ipynb"))
GUIDE = (ROOT / "docs" / "teaching.md").read_text(encoding="utf-8")
ASKED = questions.questions(ROOT)


def test_every_notebook_has_a_question_with_one_right_choice_and_others():
    assert [q.number for q in ASKED] == [n.stem.split("_")[0] for n in ALL]
    for question in ASKED:
        assert question.text in " ".join(GUIDE.split()) or question.text[1:] in " ".join(GUIDE.split())
        assert len(set(question.choices)) == 1 + len(question.wrong) >= 3
    assert len({q.choices.index(q.right) for q in ASKED}) > 1, "the right one is not always in the same place"


def test_gift_can_be_read_back():
    items = questions.gift(ASKED).split("\n\n")
    assert len(items) == len(ASKED)
    for item, question in zip(items, ASKED, strict=True):
        title, text, inside = re.fullmatch(r"::((?:\\.|[^:])*)::(.*?) \{\n(.*)\n\}\n?", item, re.S).groups()
        assert question.title in title.replace("\\", "")
        marks = re.findall(r"^\t(=|~|####)(.*)$", inside, re.M)
        assert [m for m, _ in marks].count("=") == 1
        right = next(words for mark, words in marks if mark == "=")
        assert re.sub(r"\\([~=#{}:])", r"\1", right) == question.right
        for words in (text, *(words for _, words in marks)):
            assert not re.search(r"(?<!\\)[~=#{}]", words), "what GIFT reads as its own is escaped"


def test_qti_is_a_package_of_items_whose_answer_is_a_choice(tmp_path):
    for name in ("a.zip", "b.zip"):
        questions.qti(ASKED, tmp_path / name)
    assert (tmp_path / "a.zip").read_bytes() == (tmp_path / "b.zip").read_bytes()
    package = zipfile.ZipFile(tmp_path / "a.zip")
    manifest = ElementTree.fromstring(package.read("imsmanifest.xml"))
    listed = [r.get("href") for r in manifest.iter(f"{{{questions.PACKAGE}}}resource")]
    assert sorted(listed) == sorted(set(package.namelist()) - {"imsmanifest.xml"})
    tag = f"{{{questions.QTI}}}"
    for name, question in zip(listed, ASKED, strict=True):
        item = ElementTree.fromstring(package.read(name))
        choices = {c.get("identifier"): c.text for c in item.iter(f"{tag}simpleChoice")}
        assert choices[item.find(f".//{tag}correctResponse/{tag}value").text] == question.right.replace("$", "")
        assert len(choices) == len(question.choices)


def test_a_question_without_choices_is_refused(tmp_path):
    for folder in ("docs", "course"):
        (tmp_path / folder).mkdir()
    (tmp_path / "docs" / "teaching.md").write_text(GUIDE, encoding="utf-8")
    (tmp_path / questions.CHOICES).write_text('"99": {right: a, wrong: [b]}', encoding="utf-8")
    with pytest.raises(RunError, match="do not both have a question on 00, 01"):
        questions.questions(tmp_path)


class Loads(HTMLParser):
    """Collects what a page loads, and the pictures without a description."""

    def __init__(self) -> None:
        super().__init__()
        self.loaded: list[str] = []
        self.bare = self.sections = 0

    def handle_starttag(self, tag, attributes):
        about = dict(attributes)
        self.sections += tag == "section"
        self.bare += tag == "img" and not about.get("alt")
        self.loaded += [about[n] for n in ("src", "href") if n in about and not about[n].startswith("data:")]


@pytest.fixture(scope="module")
def decks(tmp_path_factory) -> list[Path]:
    return slides.write_slides(ROOT, tmp_path_factory.mktemp("slides"))


def test_every_plan_has_slides_that_load_nothing(decks):
    assert {f.stem for f in decks} == {"60_minutes", "90_minutes", "180_minutes", "six_weeks", "twelve_weeks"}
    for file in decks:
        page = file.read_text(encoding="utf-8")
        found = Loads()
        found.feed(page)
        assert not found.loaded
        assert not found.bare
        assert found.sections > 10
        assert not re.search(r"@import|url\(|fetch\(|\$[^$\n]{1,40}\$", re.sub(r'"data:[^"]*"', "", page))
        assert "CC BY 4.0" in page


def test_a_deck_takes_the_figures_made_for_slides_and_else_those_that_are_kept(tmp_path):
    for name in ("notebooks", "docs", "course"):
        (tmp_path / name).symlink_to(ROOT / name)
    shutil.copytree(ROOT / "figures", tmp_path / "figures", ignore=shutil.ignore_patterns("*.svg"))

    def pictures() -> tuple[int, int]:
        page = slides.write_slides(tmp_path, tmp_path / "decks")[0].read_text(encoding="utf-8")
        return page.count("data:image/svg"), page.count("data:image/png")

    none, every = pictures()
    assert none == 0
    assert every > 3
    for folder, name in (("figures", "00_bytes.svg"), ("build/slides/figures", "00_round.svg")):
        (tmp_path / folder).mkdir(parents=True, exist_ok=True)
        (tmp_path / folder / name).write_text("<svg/>", encoding="utf-8")
    assert pictures() == (2, every - 2)
    os.utime(tmp_path / folder / name, (0, 0))
    assert pictures() == (1, every - 1), "an outdated one is not taken"


def test_the_slides_of_a_course_ask_every_question_once(decks):
    page = next(f for f in decks if f.stem == "twelve_weeks").read_text(encoding="utf-8")
    for notebook in ALL:
        assert len(re.findall(rf"<h2>{notebook.stem.split('_')[0]} · [^<]*: a question</h2>", page)) == 1


def test_the_long_plans_have_a_goal_in_every_session_and_as_many_as_they_say():
    for name, weeks in (("Six weeks", 6), ("Twelve weeks", 12)):
        (text,) = re.findall(rf"^### {name}[^\n]*\n(.*?)(?=^##)", GUIDE, re.S | re.M)
        rows = re.findall(r"^\| (\d+) \| ([^|]+) \| ([^|]+) \| ([^|]+) \|$", text, re.M)
        assert [int(row[0]) for row in rows] == list(range(1, weeks + 1))
        assert all(len(goal.split()) > 5 for _, _, goal, _ in rows)
    named = " ".join(what for _, what, _, _ in rows)
    assert all(n.stem.split("_")[0] in named for n in ALL), "twelve weeks take all notebooks"


def test_the_points_of_the_exam_add_up():
    exam = (ROOT / "docs" / "exam.md").read_text(encoding="utf-8")
    asked = re.findall(r"^## \d+\. [^\n]*\((\d+) points\)\n(.*?)(?=^## |\Z)", exam, re.S | re.M)
    assert f"{sum(int(points) for points, _ in asked)} points in all" in exam
    for points, text in asked:
        answer = " ".join(text.split()).partition("<summary>Model answer</summary>")[2]
        assert sum(map(int, re.findall(r"\((\d) points?\)", answer))) == int(points)


@pytest.mark.skipif(shutil.which("make") is None, reason="needs make")
def test_make_bundle_can_leave_out_cuda():
    def call(*given: str) -> str:
        done = subprocess.run(
            ["make", "--no-print-directory", "-n", "bundle", *given],
            cwd=ROOT,
            capture_output=True,
            text=True,
            check=True,
        )
        return done.stdout.rstrip().splitlines()[-1]

    assert call("CPU=1").endswith("course bundle build/bundle --cpu")
    assert "--cpu" not in call()


def test_the_container_takes_torch_and_torchvision_from_one_index_and_gives_students_no_solutions():
    text = (ROOT / "Dockerfile").read_text(encoding="utf-8").replace("\\\n", " ")
    (first,) = [line for line in text.splitlines() if bundle.CPU_INDEX in line]
    assert first.endswith("torch torchvision")
    last = text.split("\nFROM ")[-1]
    assert "COPY . ." not in last
    assert re.findall(r"^COPY --from=teacher .*?(/\S+) /\S+$", last, re.M) == ["/wheels", "/course/student"]
    for document in ("docs/usage.md", "Makefile"):
        assert bundle.CPU_INDEX in (ROOT / document).read_text(encoding="utf-8")


@pytest.mark.parametrize("cpu", [False, True])
def test_a_bundle_for_cpus_takes_torch_from_their_index(tmp_path, monkeypatch, cpu):
    calls = []

    class Done:
        returncode = 0

    monkeypatch.setattr(bundle.subprocess, "run", lambda call, **how: calls.append(call) or Done)
    bundle._wheels(ROOT, tmp_path, dependencies=True, cpu=cpu)
    assert (bundle.CPU_INDEX in calls[0]) == cpu


def test_both_licences_are_said_where_text_and_code_go():
    text = (ROOT / "LICENSE-text").read_text(encoding="utf-8")
    assert "https://creativecommons.org/licenses/by/4.0/" in text
    assert "Apache License" in (ROOT / "LICENSE").read_text(encoding="utf-8")
    assert "CC BY 4.0" in (ROOT / "docs" / "conf.py").read_text(encoding="utf-8")
