"""The diagnostic questions for a learning management system: GIFT, as Moodle reads it, and QTI 2.1, a zip of items.

A question and the explanation of its answer stand in docs/teaching.md, the choices in course/questions.yaml.
"""

import re
import zipfile
from dataclasses import dataclass
from pathlib import Path
from xml.etree import ElementTree

import yaml

from fedsparse.errors import RunError

CHOICES = Path("course", "questions.yaml")
"""The file of choices, from the folder of the repository."""
QTI = "http://www.imsglobal.org/xsd/imsqti_v2p1"
PACKAGE = "http://www.imsglobal.org/xsd/imscp_v1p1"
MATCH = "http://www.imsglobal.org/question/qti_v2p1/rptemplates/match_correct"
SECTION = re.compile(r"^### (\d\d) ([^\n]*)\n(.*?)(?=^##|\Z)", re.S | re.M)
ASKED = re.compile(r"\*\*Ask:\*\* (.*?)\n\n<details><summary>Answer</summary>\n\n(.*?)</details>", re.S)


@dataclass(frozen=True)
class Question:
    """A question with one right choice; formulas stand between dollar signs."""

    number: str
    title: str
    text: str
    right: str
    wrong: tuple[str, ...]
    explanation: str

    @property
    def choices(self) -> list[str]:
        """All choices, in an order that does not give the right one away."""
        return sorted((self.right, *self.wrong))


def questions(root: Path) -> list[Question]:
    """The question of every notebook.

    Raises:
        RunError: a question without choices, or choices without a question.
    """
    choices = yaml.safe_load((root / CHOICES).read_text(encoding="utf-8"))
    guide = (root / "docs" / "teaching.md").read_text(encoding="utf-8")
    sections = {number: (title, ASKED.search(notes)) for number, title, notes in SECTION.findall(guide)}
    asked = {
        number: (title, *(" ".join(part.split()) for part in found.groups()))
        for number, (title, found) in sections.items()
        if found
    }
    if one := sorted(set(choices) ^ set(asked)):
        raise RunError(f"docs/teaching.md and {CHOICES.as_posix()} do not both have a question on {', '.join(one)}")
    return [
        Question(
            number,
            title,
            text[0].upper() + text[1:],
            choices[number]["right"],
            tuple(choices[number]["wrong"]),
            explanation,
        )
        for number, (title, text, explanation) in asked.items()
    ]


def gift(asked: list[Question]) -> str:
    """The questions in the GIFT format."""

    def escaped(text: str) -> str:
        return re.sub(r"\$([^$]+)\$", r"\\(\1\\)", re.sub(r"([~=#{}:])", r"\\\1", text))

    items = []
    for question in asked:
        choices = "".join(f"\t{'=' if c == question.right else '~'}{escaped(c)}\n" for c in question.choices)
        name = escaped(f"{question.number} {question.title}")
        items.append(f"::{name}::{escaped(question.text)} {{\n{choices}\t####{escaped(question.explanation)}\n}}\n")
    return "\n".join(items)


def qti(asked: list[Question], to: Path) -> None:
    """Write the questions as a QTI 2.1 package, the same bytes each time."""
    files = {f"question_{question.number}.xml": _item(question) for question in asked}
    manifest = ElementTree.Element("manifest", xmlns=PACKAGE, identifier="fedsparse_diagnostic_questions")
    ElementTree.SubElement(manifest, "organizations")
    resources = ElementTree.SubElement(manifest, "resources")
    for name in files:
        about = {"identifier": name.removesuffix(".xml"), "type": "imsqti_item_xmlv2p1", "href": name}
        ElementTree.SubElement(ElementTree.SubElement(resources, "resource", about), "file", href=name)
    with zipfile.ZipFile(to, "w") as package:
        for name, root in {"imsmanifest.xml": manifest, **files}.items():
            ElementTree.indent(root)
            text = ElementTree.tostring(root, encoding="utf-8", xml_declaration=True)
            package.writestr(zipfile.ZipInfo(name), text)


def _item(question: Question) -> ElementTree.Element:
    def plain(text: str) -> str:
        return text.replace("$", "")

    about = {"identifier": f"question_{question.number}", "title": f"{question.number} {question.title}"}
    item = ElementTree.Element("assessmentItem", about | {"adaptive": "false", "timeDependent": "false", "xmlns": QTI})
    answer = {"identifier": "RESPONSE", "cardinality": "single", "baseType": "identifier"}
    correct = ElementTree.SubElement(ElementTree.SubElement(item, "responseDeclaration", answer), "correctResponse")
    ElementTree.SubElement(correct, "value").text = f"choice_{question.choices.index(question.right)}"
    score = {"identifier": "SCORE", "cardinality": "single", "baseType": "float"}
    ElementTree.SubElement(item, "outcomeDeclaration", score)
    body = ElementTree.SubElement(item, "itemBody")
    how = {"responseIdentifier": "RESPONSE", "shuffle": "true", "maxChoices": "1"}
    interaction = ElementTree.SubElement(body, "choiceInteraction", how)
    ElementTree.SubElement(interaction, "prompt").text = plain(question.text)
    for index, choice in enumerate(question.choices):
        ElementTree.SubElement(interaction, "simpleChoice", identifier=f"choice_{index}").text = plain(choice)
    ElementTree.SubElement(item, "responseProcessing", template=MATCH)
    return item
