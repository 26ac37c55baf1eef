"""What holds the project together: environments in step, imports that go one way, nothing that names a machine."""

import ast
import itertools
import re
import subprocess
import tomllib
from pathlib import Path

import yaml

ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]

# A room may import those before it; the last ones, where people come in, may import anything.
ORDER = [
    "errors", "experiment", "overrides", "control", "randomness", "parallel", "partition", "skew", "data", "layers",
    "enumeration", "models", "pathways", "regularizers", "entropy", "subset_sums", "coding", "toy_coder", "shared",
    "wire", "codec", "weight_codec", "anatomy", "quantizers", "client", "cohort", "server", "relay", "algorithms",
    "evaluation", "network_file", "history", "run_folder", "population", "federation", "grid", "lottery", "contests",
    "flower",
]  # fmt: skip
DOORS = {
    "__init__", "__main__", "doctor", "notebooks", "plots", "checks", "course", "studies", "costs", "explore", "paper",
}  # fmt: skip


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


def imports(file: Path) -> set[str]:
    """Rooms of fedsparse that a file imports."""
    found = set()
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("fedsparse"):
            parts = (node.module or "").split(".")
            found |= {parts[1]} if len(parts) > 1 else {a.name for a in node.names}
    return found


def test_imports_go_one_way():
    for file in (ROOT / "fedsparse").rglob("*.py"):
        room = file.relative_to(ROOT / "fedsparse").parts[0].removesuffix(".py")
        if room in DOORS:
            continue
        allowed = set(ORDER[: ORDER.index(room)]) | ({room} if room in ("algorithms", "flower") else set())
        assert imports(file) <= allowed, f"{room} imports {imports(file) - allowed}"


def test_no_room_is_larger_than_300_lines():
    for file in (ROOT / "fedsparse").rglob("*.py"):
        assert len(file.read_text().splitlines()) <= 300, file.name


def test_nothing_names_a_machine():
    tracked = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True).stdout.split()
    for name in tracked:
        if name.endswith((".py", ".md", ".ipynb", ".toml", ".txt", ".yml", ".yaml", ".json", ".csv", "Makefile")):
            found = re.search(r"(?<![\w.<])/(?:home|root|Users|work|tmp)/\w+", (ROOT / name).read_text())
            assert not found or name.startswith("tests/"), f"{name}: {found}"


def test_links_in_the_readme_resolve():
    for document in ("README.md", "CONTRIBUTING.md"):
        for target in re.findall(r"\]\((?!http)([^)#]+)", (ROOT / document).read_text()):
            assert (ROOT / target).exists(), f"{document}: {target}"
