"""Slides for every plan of docs/teaching.md: one page of HTML each, which needs no network and no other file.

The rows of a plan become slides, and each is followed by what its notebooks bring: what one can do after them, their
figures, and the diagnostic question with its answer. Arrow keys, Page Down and a swipe turn the slides.
"""

import base64
import html
import json
import re
from pathlib import Path

from nbconvert.filters.markdown import markdown2html

from fedsparse.errors import RunError
from fedsparse.tools.course.questions import Question, questions
from fedsparse.tools.notebooks.files import read

PLAN = re.compile(r"^### ([^\n]+)\n+(.*?)(?=^##|\Z)", re.S | re.M)
OBJECTIVES = re.compile(r"\*\*After this notebook you can\*\*\n\n(.*?)(?=\n\n|\Z)", re.S)
NUMBER = re.compile(r"\b(?:0\d|1[01])\b")
KINDS = {".svg": "image/svg+xml", ".png": "image/png"}
DRAWN = ("figures", "build/slides/figures")
"""Where figures lie: git keeps the PNGs of the first; SVGs of 16:9 are there once notebooks, or `make slides`, ran."""
PAGE = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{title}</title>
<style>
html {{ scroll-snap-type: y mandatory; font: 2.6vmin/1.4 system-ui, sans-serif; color: #111; background: #fff; }}
body {{ margin: 0; }}
section {{ box-sizing: border-box; min-height: 100vh; padding: 5vmin 8vmin; scroll-snap-align: start; display: flex;
  flex-direction: column; justify-content: center; border-bottom: 1px solid #ccc; }}
h1 {{ font-size: 2em; }} h2 {{ font-size: 1.6em; }} h1, h2 {{ line-height: 1.15; margin: 0 0 .6em; }}
dt {{ font-weight: bold; }} dd {{ margin: 0 0 .8em; }} li {{ margin: .3em 0; }}
img {{ max-width: 100%; max-height: 62vh; object-fit: contain; align-self: center; }}
figure {{ margin: 0; display: flex; flex-direction: column; }} figcaption, footer {{ font-size: .7em; color: #444; }}
footer {{ margin-top: auto; padding-top: 1em; }}
@media print {{ section {{ break-after: page; border: 0; }} @page {{ size: landscape; margin: 0; }} }}
</style>
</head>
<body>
<main>
{slides}
</main>
<script>
const slides = [...document.querySelectorAll("section")];
const turns = {{ArrowRight: 1, ArrowDown: 1, PageDown: 1, " ": 1, ArrowLeft: -1, ArrowUp: -1, PageUp: -1}};
addEventListener("keydown", event => {{
  if (!(event.key in turns) || event.ctrlKey || event.altKey || event.metaKey) return;
  event.preventDefault();
  const now = slides.findIndex(slide => slide.getBoundingClientRect().bottom > innerHeight / 2);
  slides[Math.max(0, Math.min(slides.length - 1, now + turns[event.key]))].scrollIntoView();
}});
</script>
</body>
</html>
"""


def write_slides(root: Path, to: Path) -> list[Path]:
    """Write `to/<plan>.html` for every plan; returns the files.

    Raises:
        RunError: there is no plan.
    """
    guide = (root / "docs" / "teaching.md").read_text(encoding="utf-8")
    plans = guide.partition("\n## Plans\n")[2].partition("\n## ")[0]
    asked = {question.number: question for question in questions(root)}
    files = []
    to.mkdir(parents=True, exist_ok=True)
    for title, text in PLAN.findall(plans):
        rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in re.findall(r"^\|.*\|$", text, re.M)]
        if len(rows) < 3:  # no table of sessions
            continue
        name = re.sub(r"\W+", "_", title.partition(":")[0].strip().lower())
        (to / f"{name}.html").write_text(deck(root, title, rows[0], rows[2:], asked), encoding="utf-8")
        files.append(to / f"{name}.html")
    if not files:
        raise RunError("docs/teaching.md has no plan: a heading '### …' with a table, below '## Plans'")
    return files


def deck(root: Path, title: str, head: list[str], rows: list[list[str]], asked: dict[str, Question]) -> str:
    """A page of slides: the plan's title, and for each row its cells and what its notebooks bring, once in a deck.

    Args:
        head: names of the columns.
        asked: the diagnostic questions, by the number of the notebook.
    """
    licence = "<footer>fedsparse. Text and figures: CC BY 4.0; code: Apache-2.0</footer>"
    slides, shown = [f"<section><h1>{html.escape(title)}</h1>{licence}</section>"], set()
    for row in rows:
        first, second, *others = row
        named = zip(head[2:], others, strict=False)
        details = "".join(f"<dt>{html.escape(what)}</dt><dd>{_words(cell)}</dd>" for what, cell in named)
        label = f"{first} minutes" if head[0] == "minutes" else f"{head[0].capitalize()} {first}"
        slides.append(f"<section><h2>{label}: {_words(second)}</h2><dl>{details}</dl></section>")
        for number in NUMBER.findall(second):
            if number not in shown and number in asked:
                slides += _of_notebook(root, asked[number])
                shown.add(number)
    return PAGE.format(title=html.escape(title), slides="\n".join(slides))


def _of_notebook(root: Path, question: Question) -> list[str]:
    (notebook,) = (root / "notebooks").glob(f"{question.number}_*.ipynb")
    title = f"{question.number} · {html.escape(question.title)}"
    found = OBJECTIVES.search(read(notebook).cells[0].source)
    slides = [f"<section><h2>{title}</h2><p>Afterwards you can</p>{_words(found.group(1))}</section>"] if found else []
    for name, about in json.loads((root / "figures" / "index.json").read_text(encoding="utf-8")).items():
        if about["notebook"] == notebook.stem:
            file = _drawn(root, name)
            data = base64.b64encode(file.read_bytes()).decode()
            picture = f'<img src="data:{KINDS[file.suffix]};base64,{data}" alt="{html.escape(about["alt"])}">'
            caption = f"<figcaption>{html.escape(about['caption'])}</figcaption>"
            slides.append(f"<section><h2>{title}</h2><figure>{picture}{caption}</figure></section>")
    slides.append(f"<section><h2>{title}: a question</h2><div>{_words(question.text)}</div></section>")
    slides.append(f"<section><h2>{title}: an answer</h2><div>{_words(question.explanation)}</div></section>")
    return slides


def _drawn(root: Path, name: str) -> Path:
    """The file of a figure that suits a slide best: its SVG of 16:9, unless the PNG that is kept is newer."""
    kept = root / "figures" / name
    drawn = [(root / folder / name).with_suffix(".svg") for folder in DRAWN]
    return next((f for f in drawn if f.exists() and f.stat().st_mtime >= kept.stat().st_mtime), kept)


def _words(markdown: str) -> str:
    """Markdown as HTML, with formulas as MathML, which browsers draw by themselves; links are only their words."""
    from latex2mathml.converter import convert

    text = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", markdown)
    text = re.sub(r"\$([^$]+)\$", lambda formula: convert(formula.group(1)), text)
    made = markdown2html(text).strip()
    return made.removeprefix("<p>").removesuffix("</p>") if made.count("<p>") == 1 and made.startswith("<p>") else made
