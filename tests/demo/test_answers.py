"""Rehearsed answers: honest by default, wrong only where the script says so."""

from __future__ import annotations

import base64
import io
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from PIL import Image, ImageDraw

from dermagui.demo.answers import Asked, Slip, can_slip, read_request, write_answer
from dermagui.demo.phantoms import PhantomSet, draw_phantoms
from dermagui.demo.readings import Reading, read_picture
from dermagui.generation.bank import choose_questions, load_bank
from dermagui.generation.checks import check_answer, similarity
from dermagui.generation.prompt import Prompt, build_prompt
from dermagui.library.fields import normalise
from dermagui.paths import resources
from dermagui.records import ChosenQuestion, FlagKind, MetadataMode

HINT = "diagnosis: melanoma\nmalignancy: malignant\nage: 63\nsex: male\nbody site: back"
SCHEMA = {"type": "object", "properties": {"answer": {"type": "string"}}, "required": ["answer"]}
FIELDS = ("modality", "diagnosis", "malignancy", "age", "sex", "body_site", "fitzpatrick")


def spot(colour: str = "saddlebrown", size: tuple[int, int] = (160, 120)) -> bytes:
    picture = Image.new("RGB", size, (230, 190, 165))
    ImageDraw.Draw(picture).circle((size[0] / 2, size[1] / 2), 30, fill=colour)
    buffer = io.BytesIO()
    picture.save(buffer, "PNG")
    return buffer.getvalue()


def body(
    question: str,
    hint: str = "",
    context: str = "",
    image: bytes = b"",
    schema: dict[str, Any] | None = SCHEMA,
    style: str = "camel",
) -> bytes:
    """A request in the client's mixture of names, or wholly in one of the two styles."""
    marks = (("hint", hint), ("context", context), ("question", question))
    text = "\n".join(f"<{mark}>\n{inner}\n</{mark}>" for mark, inner in marks if inner)
    encode = base64.urlsafe_b64encode if style == "camel" else base64.b64encode
    data = {"data": encode(image).decode(), "mime_type": "image/png"}
    parts = [{"inlineData" if style == "camel" else "inline_data": data}, {"text": text}]
    system = {"parts": [{"text": "- The lines between <hint> and </hint> are a private check."}]}
    names = {
        "camel": ("systemInstruction", "generationConfig", "responseJsonSchema"),
        "snake": ("system_instruction", "generation_config", "response_schema"),
    }[style]
    config = {} if schema is None else {names[2]: schema}
    return json.dumps(
        {"contents": [{"role": "user", "parts": parts}], names[0]: system, names[1]: config}
    ).encode()


def answer_to(raw: bytes, slip: Slip | None = None) -> str:
    asked = read_request(raw)
    return write_answer(asked, tuple(map(read_picture, asked.pictures)), slip)


def words_of(raw: bytes, slip: Slip | None = None) -> str:
    found: str = json.loads(answer_to(raw, slip))["answer"]
    return found


def test_the_marked_parts_of_a_prompt_are_told_apart() -> None:
    asked = read_request(body("Describe\nthis.", hint=HINT, context="imaging: dermoscopy", image=spot()))
    assert asked.question == "Describe this."
    assert asked.hint == {
        "diagnosis": "melanoma",
        "malignancy": "malignant",
        "age": "63",
        "sex": "male",
        "body_site": "back",
    }
    assert asked.context == {"imaging": "dermoscopy"}
    assert asked.pictures == (spot(),)


@pytest.mark.parametrize("style", ["camel", "snake"])
def test_both_styles_of_names_and_base64_are_understood(style: str) -> None:
    image = next(image for n in range(99) if b"-" in base64.urlsafe_b64encode(image := spot(f"#6030{n:02x}")))
    asked = read_request(body("Describe this.", hint=HINT, image=image, style=style))
    assert asked.pictures == (image,)
    assert asked.schema == SCHEMA
    assert "private check" in asked.text


@pytest.mark.parametrize("raw", [b"[]", b"{}", b'{"contents": 3}', b"\xff", b"{", b'{"contents": [}'])
def test_what_is_no_request_is_refused(raw: bytes) -> None:
    with pytest.raises(ValueError, match=r"contents|decode|expect|Expect"):
        read_request(raw)


def test_base64_that_is_none_is_refused() -> None:
    broken = body("x", image=spot()).replace(base64.urlsafe_b64encode(spot())[:8], b"!!!!!!!!")
    with pytest.raises(ValueError, match="base64"):
        read_request(broken)


def test_fingerprint_sees_everything_and_the_key_only_the_contents() -> None:
    plain = read_request(body("Describe this.", image=spot()))
    same = read_request(json.dumps(json.loads(body("Describe this.", image=spot())), indent=3).encode())
    longer = json.loads(body("Describe this.", image=spot()))
    longer["generationConfig"]["maxOutputTokens"] = 4096
    retried = read_request(json.dumps(longer).encode())
    other = read_request(body("Describe this.", image=spot("black")))
    assert plain.fingerprint == same.fingerprint != retried.fingerprint
    assert plain.key == retried.key != other.key


def test_an_answer_describes_what_is_drawn() -> None:
    answers = {
        colour: " ".join(words_of(body(f"Describe it, variant {n}.", image=spot(rgb))) for n in range(12))
        for colour, rgb in (("dark brown", "#5c3828"), ("black", "#201818"))
    }
    assert "dark brown" in answers["dark brown"]
    assert "black" not in answers["dark brown"]
    assert "black" in answers["black"]
    assert "middle" in answers["black"]


def test_answers_are_the_same_every_time_and_differ_by_question() -> None:
    questions = [f"Describe this, please: variant {n}." for n in range(20)]
    first, second = ([words_of(body(q, image=spot())) for q in questions] for _ in range(2))
    assert first == second
    assert len(set(first)) > 15


@pytest.mark.parametrize(
    ("question", "named"),
    [
        ("What is the most likely diagnosis?", True),
        ("List the differential diagnoses in order of likelihood.", True),
        ("Describe what you can see in this image.", False),
        ("What would be sensible next steps after seeing this image?", False),
        ("Explain in plain language what can be seen, as you would to a patient.", False),
    ],
)
def test_a_diagnosis_is_named_only_when_asked_for(question: str, named: bool) -> None:
    words = words_of(body(question, hint=HINT, image=spot()))
    assert ("melanoma" in words) is named


def test_without_a_schema_the_answer_is_text_and_without_a_picture_it_says_so() -> None:
    asked = read_request(json.dumps({"contents": [{"parts": [{"text": "Hello"}]}]}).encode())
    assert "no picture" in write_answer(asked, (), None)
    assert not answer_to(body("Describe this.", image=spot(), schema=None)).startswith("{")


def test_an_answer_fills_the_schema_it_is_given() -> None:
    schema = {
        "type": "OBJECT",
        "properties": {
            "question": {"type": "STRING"},
            "answer": {"type": "STRING"},
            "sure": {"type": "BOOLEAN"},
            "grade": {"type": "STRING", "enum": ["A", "B"]},
            "score": {"type": "INTEGER", "minimum": 2},
            "notes": {"type": "ARRAY", "items": {"type": "STRING"}, "minItems": 2},
        },
    }
    found = json.loads(answer_to(body("Invent a question about this.", image=spot(), schema=schema)))
    assert list(found) == list(schema["properties"])
    assert found["question"].endswith("?")
    assert found["answer"] == found["notes"][0] == found["notes"][1]
    assert found["grade"] in {"A", "B"}
    assert (found["score"], found["sure"]) == (2, False)


def test_slips_need_a_cause() -> None:
    bare = read_request(body("Describe this.", image=spot()))
    hinted = read_request(body("Describe this.", hint="age: 63", image=spot()))
    labelled = read_request(body("Describe this.", context="diagnosis: naevus", image=spot()))
    causes = {slip: [can_slip(slip, asked) for asked in (bare, hinted, labelled)] for slip in Slip}
    assert causes == {
        Slip.LEAK: [False, True, False],
        Slip.WRONG: [False, False, True],
        Slip.DUPLICATE: [True, True, True],
        Slip.REFUSAL: [True, True, True],
    }


@pytest.mark.parametrize(
    ("label", "said"),
    [
        ("diagnosis: melanoma", "benign"),
        ("diagnosis: nevus", "malignant"),
        ("malignancy: malignant\ndiagnosis: something new", "benign"),
        ("malignancy: benign", "malignant"),
        ("diagnosis: Malignant > basal cell carcinoma (weight 0.7); nevus (weight 0.3)", "benign"),
    ],
)
def test_a_wrong_answer_is_on_the_other_side_of_the_label(label: str, said: str) -> None:
    assert words_of(body("Describe this.", hint=label, image=spot()), Slip.WRONG).endswith(
        f"a {said} lesion."
    )


def test_duplicates_say_the_same_to_every_question_about_an_image() -> None:
    questions = ("Describe this.", "What is the most likely diagnosis?", "How urgent is this?")
    same = {words_of(body(question, image=spot()), Slip.DUPLICATE) for question in questions}
    assert len(same) == 1
    assert same != {words_of(body("Describe this.", image=spot("black")), Slip.DUPLICATE)}


# What follows asks the checks of the generation room for their opinion.


@pytest.fixture(scope="module")
def phantoms(tmp_path_factory: pytest.TempPathFactory) -> PhantomSet:
    return draw_phantoms(tmp_path_factory.mktemp("phantoms"), 8)


def prompts(phantoms: PhantomSet) -> Iterator[list[tuple[ChosenQuestion, Prompt, Asked, Reading, Any]]]:
    """Four hidden-hint questions for each phantom, as the generation room would ask them."""
    bank = load_bank(Path(resources() / "banks" / "general-en.json"))
    for phantom in phantoms.images:
        encoded = phantom.path.read_bytes()
        reading = read_picture(encoded)
        said = {name: tuple(v.value for v in normalise(name, phantom.values[name])) for name in FIELDS}
        metadata = {name: values for name, values in said.items() if values}
        first = {name: values[0] for name, values in metadata.items()}
        asked_for = []
        for chosen in choose_questions(bank, phantom.path.name, first, phantom.values["modality"], 4, seed=1):
            prompt = build_prompt(chosen, metadata, MetadataMode.HIDDEN)
            parts = [
                {"inlineData": {"data": base64.urlsafe_b64encode(encoded).decode()}},
                {"text": prompt.user},
            ]
            request = {
                "contents": [{"parts": parts}],
                "generationConfig": {"responseJsonSchema": prompt.schema},
            }
            asked_for.append((chosen, prompt, read_request(json.dumps(request).encode()), reading, metadata))
        yield asked_for


def flags_of(slip: Slip | None, asked_for: list[Any]) -> list[set[FlagKind]]:
    found, previous = [], []
    for chosen, prompt, asked, reading, metadata in asked_for:
        reply = json.loads(write_answer(asked, (reading,), slip))
        flags = check_answer(
            reply["answer"],
            reply.get("question") or prompt.reader_question,
            question_type=chosen.question.type,
            metadata=metadata,
            mode=MetadataMode.HIDDEN,
            previous_answers=previous,
        )
        previous.append(reply["answer"])
        found.append({flag.kind for flag in flags})
    return found


def test_honest_answers_raise_no_flag(phantoms: PhantomSet) -> None:
    assert [flags_of(None, asked_for) for asked_for in prompts(phantoms)] == [[set()] * 4] * 10


@pytest.mark.parametrize(
    ("slip", "kind"),
    [
        (Slip.LEAK, FlagKind.LEAK),
        (Slip.WRONG, FlagKind.CONTRADICTION),
        (Slip.REFUSAL, FlagKind.REFUSAL),
    ],
)
def test_every_slip_is_found_by_its_check(phantoms: PhantomSet, slip: Slip, kind: FlagKind) -> None:
    for asked_for in prompts(phantoms):
        assert all(kind in flags for flags in flags_of(slip, asked_for))


def test_every_second_duplicate_is_found(phantoms: PhantomSet) -> None:
    for asked_for in prompts(phantoms):
        flags = flags_of(Slip.DUPLICATE, asked_for)
        assert [FlagKind.DUPLICATE in found for found in flags] == [False, True, True, True]


def test_answers_about_different_images_differ(phantoms: PhantomSet) -> None:
    answers = [
        json.loads(write_answer(asked, (reading,), None))["answer"]
        for asked_for in prompts(phantoms)
        for _, _, asked, reading, _ in asked_for[:1]
    ]
    assert max(similarity(a, b) for n, a in enumerate(answers) for b in answers[:n]) < 0.9
