"""The nouns of dermagui: frozen dataclasses and StrEnums. States are stored by their names.

Coordinates are pixels of the full-size picture after EXIF orientation. Times are UTC, ISO 8601
with milliseconds and a trailing ``Z``. Money is counted in whole micro-dollars (1 USD = 1,000,000).
"""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from enum import StrEnum


class FileState(StrEnum):
    """What the last scan found of a file."""

    READY = "ready"
    UNREADABLE = "unreadable"
    MISSING = "missing"


class Origin(StrEnum):
    """Who said a value of metadata. What a model said is no truth until a person promoted it."""

    FILE = "file"
    PERSON = "person"
    MODEL = "model"


class MetadataMode(StrEnum):
    """What a question may do with the metadata of its image."""

    HIDDEN = "hidden"
    """A hint to the teacher; the answer must read as if only the picture had been seen."""
    GIVEN = "given"
    """Context that the reader of the question gets too."""
    NONE = "none"


class RequestState(StrEnum):
    """The outcome of one paid attempt. Each has its own action in ``generation/outcomes.py``."""

    SENDING = "sending"
    ANSWERED = "answered"
    BLOCKED = "blocked"
    TRUNCATED = "truncated"
    INVALID = "invalid"
    RETRYABLE = "retryable"
    PERMANENT = "permanent"
    QUOTA_MINUTE = "quota_minute"
    QUOTA_DAY = "quota_day"
    UNKNOWN = "unknown"


class PairKind(StrEnum):
    """The shape of a pair."""

    OPEN = "open"
    CHOICE = "choice"
    DIALOGUE = "dialogue"
    INSTRUCTION = "instruction"
    CASE = "case"
    CAPTION = "caption"


class PairState(StrEnum):
    """The present state of a pair, derived from its verdicts."""

    PENDING = "pending"
    ACCEPTED = "accepted"
    EDITED = "edited"
    REJECTED = "rejected"
    UNSURE = "unsure"


ACCEPTED_STATES = (PairState.ACCEPTED, PairState.EDITED)
"""The states that ``--state accepted`` exports: an edit accepts the edited text."""


class Role(StrEnum):
    """Who speaks in a turn."""

    SYSTEM = "system"
    USER = "user"
    ASSISTANT = "assistant"


class VerdictKind(StrEnum):
    """An event about a pair. ``undo`` names the event that it takes back; undoing an undo is redo."""

    ACCEPT = "accept"
    EDIT = "edit"
    REJECT = "reject"
    UNSURE = "unsure"
    UNDO = "undo"


class VerdictMethod(StrEnum):
    """How a verdict was given. Only ``read`` counts as read by a person."""

    READ = "read"
    BULK = "bulk"


class RejectReason(StrEnum):
    """The closed list of reasons to reject a pair."""

    WRONG_CONTENT = "wrong_content"
    NOT_VISIBLE = "not_visible"
    LEAKS_METADATA = "leaks_metadata"
    HARMFUL = "harmful"
    INCOMPLETE = "incomplete"
    BAD_QUESTION = "bad_question"
    LANGUAGE = "language"
    DUPLICATE = "duplicate"
    BAD_IMAGE = "bad_image"
    OTHER = "other"


class FlagKind(StrEnum):
    """What a check found in an answer."""

    LEAK = "leak"
    REFUSAL = "refusal"
    CONTRADICTION = "contradiction"
    LENGTH = "length"
    DUPLICATE = "duplicate"
    MODEL_DIFFERS = "model_differs"


class JobState(StrEnum):
    """The state of a job. ``died`` is derived: it said running, but its process is gone."""

    RUNNING = "running"
    DONE = "done"
    STOPPED = "stopped"
    WAITING = "waiting"
    FAILED = "failed"
    CRASHED = "crashed"
    DIED = "died"


class ExportFormat(StrEnum):
    """The shapes in which a dataset can be written."""

    MESSAGES = "messages"
    LLAVA = "llava"
    SHAREGPT = "sharegpt"
    ALPACA = "alpaca"
    DERMASYNTH = "dermasynth"
    CSV = "csv"
    PREFERENCE = "preference"


class Split(StrEnum):
    """The parts of a dataset."""

    TRAIN = "train"
    VALIDATION = "validation"
    TEST = "test"


@dataclass(frozen=True, slots=True)
class Region:
    """A rectangle in pixels of the full-size picture after orientation."""

    x: int
    y: int
    width: int
    height: int


@dataclass(frozen=True, slots=True)
class Picture:
    """One frame of one file on disk: what ``library`` reads pixels from.

    ``path`` may hold surrogate escapes where the name is not UTF-8.
    """

    path: str | os.PathLike[str]
    frame: int = 0


@dataclass(frozen=True, slots=True)
class PixelRecipe:
    """How a picture becomes the bytes that are sent, shown or trained on.

    ``longest_side`` in pixels (None keeps the size; only with ``enlarge`` does anything grow), both sides
    are made a multiple of ``multiple_of``, ``codec`` is ``jpeg`` or ``png``, ``quality`` is that of JPEG.
    """

    longest_side: int | None = 1024
    multiple_of: int = 1
    codec: str = "jpeg"
    quality: int = 88
    enlarge: bool = False
    """For image encoders that want one size and would otherwise enlarge by themselves."""

    @property
    def key(self) -> str:
        """A name of this recipe that is safe in a path and in a fingerprint."""
        size = f"{self.longest_side or 'full'}{'-enlarged' if self.enlarge else ''}"
        return f"{size}-{self.multiple_of}-{self.codec}-{self.quality}"


@dataclass(frozen=True, slots=True)
class Pixels:
    """What a recipe made: the encoded bytes and the RGB8 rows that they decode to."""

    encoded: bytes
    rgb: bytes
    width: int
    height: int
    mime_type: str
    sha256: str
    """Of the RGB8 bytes, row by row."""


@dataclass(frozen=True, slots=True)
class PersonalData:
    """One finding that may identify a person: where it stands, which tag, and its value as text."""

    place: str
    """``exif``, ``gps``, ``xmp``, ``iptc``, ``comment``, ``dicom`` or ``file name``."""
    tag: str
    value: str


@dataclass(frozen=True, slots=True)
class FrameFacts:
    """What the library learns of one frame.

    ``width`` and ``height`` are after orientation; ``perceptual_hash`` is 32 bytes (256-bit
    difference hash of the luminance); ``thumbnail`` is a JPEG whose longest side is at most 256.
    """

    frame: int
    width: int
    height: int
    pixel_hash: str
    perceptual_hash: bytes
    thumbnail: bytes
    quality: dict[str, float]


@dataclass(frozen=True, slots=True)
class FileFacts:
    """What the library learns of one readable file."""

    sha256: str
    size_bytes: int
    format: str
    orientation: int
    modality: str | None
    frames: tuple[FrameFacts, ...]
    personal: tuple[PersonalData, ...]
    metadata: dict[str, str] = field(default_factory=dict)
    """Known fields that the file itself states (DICOM body site, sex, age), never identity."""


@dataclass(frozen=True, slots=True)
class Question:
    """A question type of a bank with its variations; ``{placeholders}`` name metadata fields."""

    key: str
    type: str
    kind: PairKind
    weight: float
    variations: tuple[str, ...]
    modalities: tuple[str, ...] = ()
    """Empty: for every modality."""


@dataclass(frozen=True, slots=True)
class Bank:
    """A frozen set of questions."""

    name: str
    version: str
    language: str
    licence: str
    questions: tuple[Question, ...]
    sha256: str
    """Of the canonical content, so that two banks with the same version cannot be mixed up."""


@dataclass(frozen=True, slots=True)
class ChosenQuestion:
    """One question drawn for one image: which variation, and its text with placeholders filled."""

    question: Question
    variation: int
    text: str


@dataclass(frozen=True, slots=True)
class Flag:
    """A finding about an answer, with the words that prove it."""

    kind: FlagKind
    evidence: str
    detail: str = ""
    """Which field, label or rule; machine-readable."""


@dataclass(frozen=True, slots=True)
class Turn:
    """One thing said in a pair."""

    role: Role
    text: str


@dataclass(frozen=True, slots=True)
class PairImage:
    """An image of a pair, in order, with an optional region of it."""

    image_id: int
    region: Region | None = None


@dataclass(frozen=True, slots=True)
class Pair:
    """Ordered turns about zero to n images, and where they came from."""

    uid: str
    kind: PairKind
    turns: tuple[Turn, ...]
    images: tuple[PairImage, ...] = ()
    payload: dict[str, object] = field(default_factory=dict)
    """What the kind needs besides turns: the options and key of a choice, the fields of a case."""
    flags: tuple[Flag, ...] = ()
    state: PairState = PairState.PENDING
    simulated: bool = False
    run_uid: str | None = None
    request_uid: str | None = None
    question_key: str | None = None
    created_at: str = ""


@dataclass(frozen=True, slots=True)
class ExportRow:
    """One pair as the export formats see it: final turns, and the generated ones for preferences.

    ``images`` are paths relative to the dataset's folder, with forward slashes. ``provenance`` is
    flat: strings, numbers and booleans such as ``licence``, ``source``, ``model_version``,
    ``question_type``, ``state``, ``read_by_person``, ``patient`` (pseudonymised), ``simulated``.
    """

    uid: str
    kind: PairKind
    split: Split
    turns: tuple[Turn, ...]
    generated_turns: tuple[Turn, ...]
    images: tuple[str, ...] = ()
    payload: dict[str, object] = field(default_factory=dict)
    provenance: dict[str, object] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Verdict:
    """One append-only event about a pair. An edit holds the full new turns."""

    uid: str
    pair_uid: str
    person_uid: str
    kind: VerdictKind
    at: str
    method: VerdictMethod = VerdictMethod.READ
    undoes: str | None = None
    turns: tuple[Turn, ...] = ()
    reason: RejectReason | None = None
    note: str = ""
    rubric: dict[str, str] = field(default_factory=dict)
    visible: tuple[str, ...] = ()
    """What was on the screen: ``image``, ``metadata``, ``flags``, ``answer``."""
    seconds: float = 0.0
    device: str = ""
    app_version: str = ""


@dataclass(frozen=True, slots=True)
class Usage:
    """Tokens of one attempt as the service counted them."""

    prompt: int = 0
    cached: int = 0
    answer: int = 0
    thoughts: int = 0
    image: int = 0


@dataclass(frozen=True, slots=True)
class Price:
    """A dated row of the price table, in USD for a million tokens."""

    model: str
    tier: str
    input: float
    output: float
    cached: float
    valid_from: str
    valid_to: str | None
    source: str


@dataclass(frozen=True, slots=True)
class Source:
    """A folder of images and what may be done with them."""

    id: int
    name: str
    root: str
    licence: str
    attribution: str = ""
    non_commercial: bool = False
    may_leave: bool = False


@dataclass(frozen=True, slots=True)
class Person:
    """A human who decides something in a project."""

    uid: str
    name: str


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a job is: done and total count the same thing, named by ``unit``."""

    done: int
    total: int | None
    unit: str


@dataclass(frozen=True, slots=True)
class Changes:
    """Which kinds of rows a finished job changed, and the figures that it reports."""

    kinds: tuple[str, ...] = ()
    figures: dict[str, object] = field(default_factory=dict)
