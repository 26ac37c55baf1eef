"""All that a class needs: one folder for students, one for teachers."""

from pathlib import Path

from fedsparse.tools.course.assignments import write_assignments
from fedsparse.tools.course.copies import write_student, write_teacher
from fedsparse.tools.course.questions import gift, qti, questions
from fedsparse.tools.course.slides import write_slides


def write_materials(root: Path, to: Path) -> Path:
    """`to/student/` and `to/teacher/`, each complete in itself; returns `to`.

    Teachers also get assignments for nbgrader, slides of every plan, and the diagnostic questions as GIFT and QTI.

    Raises:
        RunError: a notebook has no notes, a solution cannot be removed, or a question has no choices.
    """
    write_student(root, to / "student")
    teacher = write_teacher(root, to / "teacher")
    write_assignments(root, teacher / "nbgrader")
    write_slides(root, teacher / "slides")
    asked = questions(root)
    (teacher / "questions.gift.txt").write_text(gift(asked), encoding="utf-8", newline="\n")
    qti(asked, teacher / "questions_qti.zip")
    return to
