"""The project as a whole: environments in step, links that resolve, a README that runs, no machine named."""

import itertools
import json
import os
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
import yaml

from fedsparse.__main__ import COMMANDS

ROOT = Path(__file__).parents[1]
DOCUMENTS = [
    d for folder in (".", "docs", "data", "benchmarks", "flower_app") for d in sorted((ROOT / folder).glob("*.md"))
]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]


def requirement_name(text: str) -> str:
    return re.split(r"[\[<>=!~ ]", text)[0].lower()


def test_the_conda_environment_is_in_step():
    environment = yaml.safe_load((ROOT / "environment.yml").read_text())
    (pip,) = (d["pip"] for d in environment["dependencies"] if isinstance(d, dict))
    wanted = PROJECT["dependencies"] + PROJECT["optional-dependencies"]["notebooks"]
    assert sorted(pip) == sorted([*wanted, "-e ."])
    assert f"python{PROJECT['requires-python']}" in environment["dependencies"]


def test_every_dependency_of_ci_is_pinned_without_addresses():
    lines = [li for li in (ROOT / "constraints.txt").read_text().splitlines() if li and not li.startswith("#")]
    pinned = {requirement_name(line).replace("_", "-") for line in lines}
    extras = PROJECT["optional-dependencies"]
    for requirement in itertools.chain(PROJECT["dependencies"], *extras.values()):
        assert requirement_name(requirement) in pinned, requirement
    assert all(re.fullmatch(r"[A-Za-z0-9._-]+==[A-Za-z0-9.+!]+", line) for line in lines)


def test_no_module_is_larger_than_300_lines():
    for file in (ROOT / "fedsparse").rglob("*.py"):
        assert len(file.read_text().splitlines()) <= 300, file.name


def test_nothing_names_a_machine():
    tracked = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True).stdout.split()
    for name in tracked:
        if name.endswith((".py", ".md", ".ipynb", ".toml", ".txt", ".yml", ".yaml", ".json", ".csv", "Makefile")):
            found = re.search(r"(?<![\w.<])/(?:home|root|Users|work|tmp)/\w+", (ROOT / name).read_text())
            assert not found or name.startswith("tests/"), f"{name}: {found}"


def links(document: Path) -> list[str]:
    """Targets of the links and pictures of a Markdown file that lead to other files."""
    return re.findall(r"\]\((?!https?:|#)([^)\s]+)\)", document.read_text(encoding="utf-8"))


def anchors(document: Path) -> set[str]:
    """What a link to a heading of a Markdown file may name, as GitHub and the site make it."""
    headings = re.findall(r"^#+ (.+)$", document.read_text(encoding="utf-8"), re.M)
    return {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda d: str(d.relative_to(ROOT)))
def test_relative_links_resolve(document):
    for target in links(document):
        path, _, anchor = target.partition("#")
        # The site has the notebooks beside the guides; docs/index.md is its first page.
        base = ROOT if document == ROOT / "docs/index.md" and path.startswith("notebooks/") else document.parent
        assert (base / path).exists(), target
        assert not anchor or anchor in anchors(base / path), target


def test_the_index_lists_every_guide():
    listed = {target.split("#")[0] for target in links(ROOT / "docs/index.md")}
    assert {page.name for page in (ROOT / "docs").glob("*.md")} - {"index.md"} <= listed


README = (ROOT / "README.md").read_text(encoding="utf-8")


def test_the_readme_is_short():
    assert len(README.splitlines()) <= 120
    assert len(README.split()) <= 1200


@pytest.mark.slow
def test_the_python_of_the_readme_runs(tmp_path):
    (code,) = re.findall(r"```python\n(.*?)```", README, re.S)
    one_thread = os.environ | {"OMP_NUM_THREADS": "1"}  # several spin while they wait, which a busy machine punishes
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, env=one_thread)
    assert done.returncode == 0, done.stderr
    assert len(re.findall(r"bytes down, \d+ bytes up", done.stdout)) == 3


def test_the_figure_of_the_readme_is_the_committed_one():
    figure = json.loads((ROOT / "figures/index.json").read_text(encoding="utf-8"))["05_rounds.png"]
    assert f"![{figure['alt']}](figures/05_rounds.png)" in README
    assert figure["caption"] in README


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda d: str(d.relative_to(ROOT)))
def test_documents_name_commands_and_targets_that_exist(document):
    text = document.read_text(encoding="utf-8")
    targets = set(re.findall(r"^([\w-]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.M))
    assert set(re.findall(r"(?:`|^)make ([a-z][a-z-]*)", text, re.M)) <= targets
    assert set(re.findall(r"python -m fedsparse ([a-z]+)(?![\w.=])", text)) <= set(COMMANDS)
