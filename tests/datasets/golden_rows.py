"""Rows of every kind with every awkward sign, and the golden files that they become.

``python -m tests.datasets.golden_rows`` writes the files anew; look at the difference before you keep it.
"""

from __future__ import annotations

from pathlib import Path

from dermagui.datasets.formats import FORMATS, can_carry, write_rows
from dermagui.records import ExportFormat, ExportRow, PairKind, Role, Split, Turn

GOLDEN = Path(__file__).parents[1] / "golden" / "datasets"


def turns(*texts: str) -> tuple[Turn, ...]:
    """Turns that alternate, the user first."""
    roles = (Role.USER, Role.ASSISTANT)
    return tuple(Turn(roles[n % 2], text) for n, text in enumerate(texts))


def provenance(**told: object) -> dict[str, object]:
    """The same columns in every row, as the export writes them."""
    return {
        "source": "2024-03-12",
        "licence": "CC BY-NC 4.0",
        "patient": "P-K3V7QZ2MNB4A",
        "question_type": "overview",
        "state": "accepted",
        "read_by_person": True,
        "simulated": False,
        "cost_usd": 0.000125,
        "bank_version": 3,
        **told,
    }


def row(uid: str, kind: PairKind, said: tuple[Turn, ...], **fields: object) -> ExportRow:
    """A row with one image whose text nobody edited."""
    defaults: dict[str, object] = {
        "split": Split.TRAIN,
        "generated_turns": said,
        "images": ("images/ab.jpg",),
        "provenance": provenance(),
    }
    return ExportRow(uid=uid, kind=kind, turns=said, **{**defaults, **fields})  # type: ignore[arg-type]


ROWS = (
    row(
        "text-only",
        PairKind.OPEN,
        turns("What is a naevus?", "A naevus is a mole, which is nearly always harmless."),
        images=(),
        provenance=provenance(patient="", source="Lehrbuch, 2. Auflage"),
    ),
    row(
        "open",
        PairKind.OPEN,
        turns(
            "What do you see?", "An oval, brown macule; 6 mm & sharply bounded.\n\n- no ulcer\r\n- no crust"
        ),
    ),
    row(
        "edited",
        PairKind.OPEN,
        turns('Is it "benign"?', "Most likely, yes; a dermatologist should look at it. 🩺"),
        generated_turns=turns('Is it "benign"?', "Yes, it is benign."),
        split=Split.TEST,
        provenance=provenance(state="edited"),
    ),
    row(
        "signs",
        PairKind.OPEN,
        turns(
            '=HYPERLINK("http://example.invalid","ما هذا؟")',
            "'Tis a «Blauer Nävus», שומה כחולה,\tso to say; line\u2028separator\u0085, 5 < 6 > 4.",
        ),
    ),
    row(
        "choice",
        PairKind.CHOICE,
        turns("Which diagnosis fits best?", "The net is even, and its edge fades."),
        payload={"options": ["melanoma", "melanocytic naevus", "wart, common"], "key": "B"},
        generated_turns=turns("Which diagnosis fits best?", "The net is uneven."),
    ),
    row(
        "choice-worded",
        PairKind.CHOICE,
        turns("Which?\n(A) wart\n(B) corn", "A: its vessels are dotted."),
        payload={"options": {"A": "wart", "B": "corn"}, "key": "A"},
    ),
    row(
        "choice-bare",
        PairKind.CHOICE,
        turns("Which of these is seen?"),
        payload={"options": {"A": "crust", "B": "scale"}, "key": "B"},
    ),
    row(
        "dialogue",
        PairKind.DIALOGUE,
        (
            Turn(Role.SYSTEM, "You answer in plain words."),
            *turns("What is it?", "A mole.", "Must it go?", "No, but watch it."),
        ),
        generated_turns=(
            Turn(Role.SYSTEM, "You answer in plain words."),
            *turns("What is it?", "A mole.", "Must it go?", "No."),
        ),
    ),
    row(
        "several",
        PairKind.OPEN,
        turns("What changed between the two?", "It grew by about 2 mm."),
        images=("images/ab.jpg", "images/cd.jpg"),
        split=Split.VALIDATION,
    ),
    row(
        "instruction",
        PairKind.INSTRUCTION,
        turns("Say this so that a child understands it:", "You have a small brown spot."),
        payload={"input": "A hyperpigmented macule\nwas noted."},
    ),
    row(
        "case",
        PairKind.CASE,
        turns("What would you do next?", "Take a dermoscopic picture."),
        payload={
            "fields": {"Age": 45, "Symptoms": ["itch", "bleeding"], "Sex": None},
            "final_diagnosis": "BCC",
        },
    ),
    row("caption", PairKind.CAPTION, (Turn(Role.ASSISTANT, "Dermoscopy of a naevus."),)),
)


def carried(export_format: ExportFormat) -> list[ExportRow]:
    """The rows that a format takes."""
    return [row for row in ROWS if can_carry(row, export_format) is None]


def golden_file(export_format: ExportFormat) -> Path:
    """Where the golden file of a format lies."""
    return GOLDEN / f"{export_format.value}{FORMATS[export_format].suffix}"


if __name__ == "__main__":
    for export_format in ExportFormat:
        with golden_file(export_format).open("wb") as file:
            write_rows(carried(export_format), file, export_format)
