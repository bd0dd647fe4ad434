"""The words of rehearsed answers: two to four plain sentences about what was measured in a picture.

A diagnosis is named only where the question asks for one. Which words are taken is a matter of the dice.
"""

from __future__ import annotations

import random
import re
from collections.abc import Callable

from .readings import Reading

UNEVEN_FROM = 0.09
"""Asymmetry from which an outline is called irregular."""
SHARP_FROM = 0.6

DIAGNOSES = {
    "naevus": "benign",
    "melanoma": "malignant",
    "seborrhoeic keratosis": "benign",
    "basal cell carcinoma": "malignant",
}
"""The diagnoses that an answer can name by itself, and their malignancy."""

REFUSALS = (
    "I'm sorry, but I can't help with the interpretation of medical images.",
    "I cannot provide an assessment of this image. Please consult a qualified doctor.",
)
NEW_QUESTIONS = (
    "Which colours can be told apart in this spot, and how does its edge run?",
    "How do the two halves of the spot compare, and which tones does it hold?",
    "Where in the frame does the spot lie, and how much room does it take?",
    "Is the border of this spot crisp or blurred, and does the outline look even?",
)
NO_PICTURE = "There is no picture in this request, so nothing can be said about its appearance."

_TOPICS = {
    "differential": r"differential|alternative|possibilit|other conditions|diagnoses|missed here|mimics"
    r"|plausible explanations|malignant, and|narrow the list|first thought|possible causes|pathologist find"
    r"|candidate|rare disease|look-alikes|could they be|experts disagree|rule out",
    "diagnosis": r"diagnos|which condition|the condition|what is this|most likely|impression line"
    r"|name the disease|benign or malignant|harmless or worrying|kind of lesion|classify|medically"
    r"|which entity|put a name|name of this|what label",
    "steps": r"next step|examinations|further imaging|biops|urgent|history would|work-?up|refer\b|recommend"
    r"|ought to prompt|documented|manag|tests|follow-?up|better picture|should happen|deserve an inspection"
    r"|single step|call for action|advice on|multidisciplinary",
    "patient": r"patient|plain language|\blay\b|simple words|jargon|twelve|leaflet|my mother|bedside"
    r"|never studied|anxious|friendly|everyday|worried person|frightening|keep an eye|at home|voice message"
    r"|two short",
}
"""The kind of answer that a question wants, by its words; the first that fits. Else it is described."""

_AMOUNTS = (
    (0.03, ("a very small part", "only a sliver", "hardly any")),
    (0.07, ("a small part", "a modest share", "less than a tenth")),
    (0.14, ("about a tenth", "a tenth or so", "roughly one part in ten")),
    (0.22, ("about a fifth", "a fifth or so", "roughly one part in five")),
    (0.29, ("about a quarter", "a quarter or so", "roughly one part in four")),
    (0.42, ("about a third", "a third or so", "roughly one part in three")),
    (0.65, ("about half", "half or so", "roughly one part in two")),
    (2.0, ("most", "nearly all", "the greater part")),
)
_PLACE = (
    "The picture shows a single spot {where}; it covers {amount} of the frame.",
    "One mark is seen {where}, filling {amount} of the view.",
    "Placed {where}, the lesion takes up {amount} of the image.",
    "With {amount} of the area, the lesion lies {where}.",
    "A solitary patch sits {where} and accounts for {amount} of what is shown.",
    "Looking {where}, one meets a lone lesion; {amount} of the field belongs to it.",
)
_EVEN = (
    "The outline is regular, and its halves mirror each other.",
    "It is symmetrical: folded along either axis, both sides would meet.",
    "Both halves correspond closely, so the form appears balanced.",
    "No side bulges more than its opposite, which makes for a calm contour.",
    "In shape it comes near to a disc or an oval without notches.",
)
_UNEVEN = (
    "The outline is irregular, and its halves do not match.",
    "It is asymmetrical: folded along either axis, the sides would miss each other.",
    "One half bulges where its counterpart is notched, so the form appears lopsided.",
    "Lobes and indentations alternate, which makes for a restless contour.",
    "In shape it resembles neither a disc nor an oval; the margin wanders in and out.",
)
_CRISP = (
    "Its edge is sharply set off from the surrounding skin.",
    "The border is crisp nearly everywhere and can be followed without doubt.",
    "Where lesion and skin meet, the change is abrupt.",
    "One could trace the rim with a fine pen, so clear is the step.",
    "Hardly any transition zone exists between the mark and its neighbourhood.",
)
_BLURRED = (
    "Its edge fades gradually into the surrounding skin.",
    "The border is blurred and cannot be pinned to one line.",
    "Where lesion and skin meet, the change is gentle.",
    "One would hesitate where to trace the rim, so soft is the step.",
    "A broad transition zone lies between the mark and its neighbourhood.",
)
_ONE_COLOUR = (
    "The colour is an even {colours}.",
    "Throughout, the tone stays {colours}.",
    "A single hue prevails, namely {colours}.",
    "Pigment of one kind only is visible: {colours}.",
    "Apart from slight shading, everything within is {colours}.",
)
_COLOURS = (
    "Shades of {colours} can be told apart.",
    "Several hues occur side by side, namely {colours}.",
    "By their extent, the colours are {colours}.",
    "The pigment is not uniform: {colours} are all present.",
    "Within it one finds {colours}, each in an area of its own.",
)
_FEATURELESS = (
    "No single spot stands out from the skin around it.",
    "The surface looks even, without a border that could be followed.",
    "Colour varies only a little over the whole field.",
)
_CLOSINGS = {
    "overview": (
        "The skin beside it looks unremarkable.",
        "Nothing else in the frame calls for mention.",
        "Finer detail than this cannot be made out with certainty.",
        "Light and focus are good enough to rely on these points.",
    ),
    "diagnosis": (
        "A picture alone cannot settle it.",
        "An examination would have to confirm this.",
        "How sure this is depends on what touch and history add.",
    ),
    "differential": (
        "The order could change once the spot is examined.",
        "Comparison over time would help to decide between them.",
        "Tissue would be needed for a final word.",
    ),
    "patient": (
        "What it feels like, and whether it changes, a picture cannot tell.",
        "Should it begin to itch, grow or bleed, please have it seen.",
        "Such things are common, and looking closely is the right first step.",
    ),
    "steps": (
        "It should be shown earlier if it grows, bleeds or alters its colour.",
        "The rest of the skin deserves the same attention.",
        "A ruler and even light would make later pictures comparable.",
    ),
    "creative": (
        "Following the edge all around shows as much.",
        "Anyone can check that by looking twice.",
        "That much is visible without any instrument.",
    ),
}


def speak(question: str, creative: bool, reading: Reading, label: str, dice: random.Random) -> str:
    """Answer a question about a measured picture; ``label`` is the diagnosis to name if one is asked for."""
    topic = "creative" if creative else _topic(question)
    features = _features(reading, dice)
    opening, wanted = _OPENINGS[topic](reading, label, dice)
    sentences = [*opening, *features[:wanted]]
    if len(sentences) < 4 and (topic != "overview" or dice.random() < 0.5):
        sentences.append(dice.choice(_CLOSINGS[topic]))
    return " ".join(sentences)


def guess_label(reading: Reading) -> str:
    """Name a diagnosis by the picture alone."""
    return "melanoma" if is_uneven(reading) and len(reading.colours) > 2 else "naevus"


def is_uneven(reading: Reading) -> bool:
    """Tell whether the outline is irregular."""
    return reading.asymmetry > UNEVEN_FROM


def _topic(question: str) -> str:
    found = (topic for topic, words in _TOPICS.items() if re.search(words, question, re.IGNORECASE))
    return next(found, "overview")


def _features(reading: Reading, dice: random.Random) -> list[str]:
    """Say in any order where the spot lies, how it is shaped and bordered, and which colours it has."""
    if not reading.share:
        return dice.sample(_FEATURELESS, len(_FEATURELESS))
    *others, last = reading.colours or ("skin-coloured",)
    colours = f"{', '.join(others)} and {last}" if others else last
    amounts = next(words for limit, words in _AMOUNTS if reading.share < limit)
    features = [
        dice.choice(_PLACE).format(where=_where(reading), amount=dice.choice(amounts)),
        dice.choice(_UNEVEN if is_uneven(reading) else _EVEN),
        dice.choice(_CRISP if reading.sharpness > SHARP_FROM else _BLURRED),
        dice.choice(_COLOURS if others else _ONE_COLOUR).format(colours=colours),
    ]
    return dice.sample(features, len(features))


def _where(reading: Reading) -> str:
    x, y = reading.centre
    across = "left" if x < 0.42 else "right" if x > 0.58 else ""
    upright = "upper" if y < 0.42 else "lower" if y > 0.58 else ""
    side = " ".join(filter(None, (upright, across)))
    return f"in the {side} part" if side else "near the middle"


def _open_diagnosis(reading: Reading, label: str, dice: random.Random) -> tuple[list[str], int]:
    openings = (
        "The appearance fits {} best.",
        "The first impression is {}.",
        "Going by looks, {} comes to mind before anything else.",
        "What is seen here is in keeping with {}.",
    )
    return [dice.choice(openings).format(label)], 2


def _open_differential(reading: Reading, label: str, dice: random.Random) -> tuple[list[str], int]:
    rivals = dice.sample([name for name in DIAGNOSES if _plain(name) != _plain(label)], 2)
    rankings = (
        "The first to be considered is {}, followed by {} and {}.",
        "Most weight goes to {}; {} and {} remain on the list.",
        "In falling order of likelihood: {}, {}, {}.",
    )
    return [dice.choice(rankings).format(label, *rivals)], 2


def _open_patient(reading: Reading, label: str, dice: random.Random) -> tuple[list[str], int]:
    openings = (
        "In plain words, this is a coloured spot.",
        "What you see is a patch of colour on skin.",
        "Think of it as a stain that the skin made by itself.",
        "Compare it to an ink drop on paper.",
    )
    advice = (
        ("A doctor should look at it soon.", "It would be wise to show it to a specialist before long.")
        if is_uneven(reading)
        else ("It can be watched calmly for change.", "There is no sign here that calls for hurry.")
    )
    return [dice.choice(openings), dice.choice(advice)], 1


def _open_steps(reading: Reading, label: str, dice: random.Random) -> tuple[list[str], int]:
    advice = (
        (
            "A closer examination within the next weeks is sensible.",
            "Someone with experience should inspect this soon and decide about a tissue specimen.",
            "Rather than wait, one would arrange a visit to a specialist.",
        )
        if is_uneven(reading)
        else (
            "A second photograph under the same light after some months would show any change.",
            "Watching and comparing is enough for the moment.",
            "An unhurried look at the next routine visit will do.",
        )
    )
    return [dice.choice(advice)], 2


def _open_nothing(reading: Reading, label: str, dice: random.Random) -> tuple[list[str], int]:
    return [], 3


def _plain(name: str) -> str:
    """Drop the differences of British and American spelling."""
    return name.lower().replace("ae", "e").replace("oe", "e")


_OPENINGS: dict[str, Callable[[Reading, str, random.Random], tuple[list[str], int]]] = {
    "overview": _open_nothing,
    "diagnosis": _open_diagnosis,
    "differential": _open_differential,
    "patient": _open_patient,
    "steps": _open_steps,
    "creative": _open_nothing,
}
