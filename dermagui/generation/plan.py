"""A plan: which questions about which images, asked how. From it follows every request, by fingerprint."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass, field, replace
from itertools import islice
from typing import Any

from dermagui import paths, settings
from dermagui.errors import UserError
from dermagui.generation.bank import choose_questions, fill, load_bank
from dermagui.generation.fields import weighted_value
from dermagui.generation.own_banks import find_bank
from dermagui.generation.prompt import Prompt, build_prompt
from dermagui.records import Bank, ChosenQuestion, MetadataMode, PixelRecipe, Question, Region
from dermagui.storage import images, sources
from dermagui.storage.database import Row, Store
from dermagui.storage.filters import Filter, find_images, saved_filters
from dermagui.storage.metadata import fields_of_images

_IMAGES_AT_ONCE = 500
_HOW = frozenset(
    {"limit", "concurrency", "budget_micro_usd", "timeout_seconds", "time_budget_seconds", "base_url"}
    | {"key_tier", "model_version", "model_files"}
)
"""What of a plan does not change what is asked."""
Fields = Mapping[str, tuple[Row, ...]]


@dataclass(frozen=True, slots=True)
class Plan:
    """All that decides what is asked, and how it is sent.

    ``limit`` bounds how many requests the plan has, counted from its beginning, so that the same plan
    with the same limit has nothing left once it is done. ``budget_micro_usd`` bounds what the plan may
    cost over all its runs together, ``time_budget_seconds`` how long one of them may take.
    """

    provider: str
    model: str
    base_url: str
    api_version: str = "v1"
    service_tier: str = "standard"
    key_tier: str = "undeclared"
    bank: str = "general-en"
    questions: int = 2
    metadata: MetadataMode = MetadataMode.HIDDEN
    language: str = "en"
    seed: int = 0
    max_output_tokens: int = 2048
    recipe: PixelRecipe = field(default_factory=PixelRecipe)
    limit: int | None = None
    concurrency: int = 8
    budget_micro_usd: int | None = None
    timeout_seconds: int = 300
    time_budget_seconds: float | None = None
    model_version: str = ""
    """Of a model on this computer: what it is called, and after an @ which files it is, by their hashes."""
    model_files: Mapping[str, str] = field(default_factory=dict)
    """Where those files lie, by role."""
    images: str = ""
    """Which images: all, those of a ``source:`` (its id or name), or those of a saved ``filter:``."""

    @property
    def local(self) -> bool:
        """Whether a model on this computer answers: nothing leaves it, and nothing is paid."""
        return self.provider == "local"

    @property
    def leaves(self) -> bool:
        """Whether anything leaves this computer."""
        return not (self.local or self.simulated)

    @property
    def answerer(self) -> str:
        """Who answers, for an identity: a model's name or, of local files, their content."""
        return self.model_version.partition("@")[2] or self.model

    @property
    def simulated(self) -> bool:
        """Whether nobody but a rehearsal answers."""
        return self.provider == "practice"

    @property
    def key(self) -> str:
        """The identity of what is asked, whatever the limit, speed and budget."""
        what = {name: value for name, value in self.as_json().items() if name not in _HOW}
        if not self.images:  # so that plans from before there was a choice are known again
            del what["images"]
        return _sha256(what | {"model": self.answerer})

    def as_json(self) -> dict[str, Any]:
        """The plan as plain values; ``plan_from_json`` reads it back."""
        return asdict(self)


def plan_from_settings(provider: str) -> Plan:
    """The plan that the settings describe, for ``gemini``, ``practice`` or ``local``.

    Raises what the settings raise; a local plan still needs its model.
    """
    gemini, local = provider == "gemini", provider == "local"
    return Plan(
        provider=provider,
        model=settings.text("gemini.model") if gemini else provider,
        base_url=settings.text("gemini.base_url") if gemini else "",
        # What only matters elsewhere is empty where nothing leaves.
        api_version="" if local else settings.text("gemini.api_version"),
        service_tier="" if local else settings.text("gemini.service_tier"),
        key_tier="" if local else settings.text("gemini.key_tier"),
        bank=settings.text("generation.bank"),
        questions=settings.number("generation.questions"),
        metadata=MetadataMode(settings.text("generation.metadata")),
        max_output_tokens=settings.number("generation.max_output_tokens"),
        recipe=PixelRecipe() if local else PixelRecipe(settings.number("generation.longest_side")),
        concurrency=1 if local else settings.number("generation.concurrency"),
        timeout_seconds=settings.number("gemini.timeout_seconds"),
    )


def check_policy(plan: Plan) -> None:
    """Raises ``UserError`` ``settings.locked`` where a plan differs from what this machine's policy fixes."""
    fixed = settings.policy()
    for key, value in _settings_of(plan).items():
        if key in fixed and settings.get(key) != value:
            raise UserError("settings.locked", key=key, path=str(paths.policy_file()))


def _settings_of(plan: Plan) -> dict[str, object]:
    """What a plan says of each setting that matters to who answers it."""
    said: dict[str, object] = {
        "generation.bank": plan.bank,
        "generation.questions": plan.questions,
        "generation.metadata": plan.metadata.value,
        "generation.max_output_tokens": plan.max_output_tokens,
    }
    if not plan.local:
        said |= {
            "generation.longest_side": plan.recipe.longest_side,
            "generation.concurrency": plan.concurrency,
        }
    if plan.leaves:
        said |= {
            "gemini.model": plan.model,
            "gemini.base_url": plan.base_url,
            "gemini.api_version": plan.api_version,
            "gemini.service_tier": plan.service_tier,
            "gemini.key_tier": plan.key_tier,
            "gemini.timeout_seconds": plan.timeout_seconds,
        }
    return said


def plan_from_json(values: Mapping[str, Any]) -> Plan:
    """A plan from the plain values that ``Plan.as_json`` gave."""
    known = {name: values[name] for name in Plan.__dataclass_fields__ if name in values}
    known["metadata"] = MetadataMode(known.get("metadata", MetadataMode.HIDDEN))
    if isinstance(known.get("recipe"), Mapping):
        known["recipe"] = PixelRecipe(**known["recipe"])
    return Plan(**known)


def bank_of(plan: Plan) -> Bank:
    """The bank that a plan names: one that ships, one of the user's own, or a file."""
    return load_bank(find_bank(plan.bank))


@dataclass(frozen=True, slots=True)
class Planned:
    """One request of a plan. ``pixels_of`` names what the picture is made of, never its encoded bytes."""

    image_id: int
    sha256: str
    frame: int
    redactions: tuple[Region, ...]
    chosen: ChosenQuestion
    prompt: Prompt
    fields: Mapping[str, tuple[str, ...]]
    max_output_tokens: int
    fingerprint: str


def plan_requests(store: Store, plan: Plan, bank: Bank) -> Iterator[Planned]:
    """Every request of a plan, in order of the images: those that may leave, or all where nothing leaves."""
    return islice(_all_requests(store, plan, bank), plan.limit)


def _all_requests(store: Store, plan: Plan, bank: Bank) -> Iterator[Planned]:
    found = list(images.ready_images(store) if plan.local else images.sendable_images(store))
    if plan.images:
        wanted = _wanted_images(store, plan.images)
        found = [image for image in found if image["id"] in wanted]
    for start in range(0, len(found), _IMAGES_AT_ONCE):
        some = found[start : start + _IMAGES_AT_ONCE]
        said = fields_of_images(store, [image["id"] for image in some])
        for image in some:
            yield from _requests_of_image(store, plan, bank, image, said.get(image["id"], {}))


def _wanted_images(store: Store, which: str) -> set[int]:
    """The ids of what ``Plan.images`` names. Raises ``UserError`` ``generate.no_such_images``."""
    kind, _, name = which.partition(":")
    if kind == "source":
        known = [one.id for one in sources.list_sources(store) if name in (str(one.id), one.name)]
        chosen = [Filter(source_id=source_id) for source_id in known]
    else:
        chosen = [one for called, one in saved_filters(store).items() if called == name]
    if not chosen:
        raise UserError("generate.no_such_images", which=name)
    return {number for one in chosen for number in find_images(store, one)}


def _requests_of_image(store: Store, plan: Plan, bank: Bank, image: Row, said: Fields) -> Iterator[Planned]:
    heaviest, modality = _known_of(image, said)
    image_key = f"{image['sha256']}:{image['frame']}"
    plan_one = _planner(store, plan, image, said)
    filling = _filling(plan, heaviest)
    for chosen in choose_questions(bank, image_key, filling, modality, plan.questions, plan.seed):
        yield plan_one(chosen)


def _known_of(image: Row, said: Fields) -> tuple[dict[str, str], str | None]:
    heaviest = {name: rows[0]["value"] for name, rows in said.items()}
    return heaviest, heaviest.get("modality", image["modality"])


def _filling(plan: Plan, heaviest: Mapping[str, str]) -> Mapping[str, str]:
    """Without metadata no placeholder may be filled either: the question would tell what it must not."""
    return {} if plan.metadata is MetadataMode.NONE else heaviest


def _planner(store: Store, plan: Plan, image: Row, said: Fields) -> Callable[[ChosenQuestion], Planned]:
    prompted = {
        name: tuple(weighted_value(row["value"], row["weight"]) for row in rows)
        for name, rows in said.items()
    }
    redactions = images.redactions_of(store, image["id"])

    def plan_one(chosen: ChosenQuestion) -> Planned:
        planned = Planned(
            image_id=image["id"],
            sha256=image["sha256"],
            frame=image["frame"],
            redactions=redactions,
            chosen=chosen,
            prompt=build_prompt(chosen, prompted, plan.metadata, plan.language),
            fields={name: tuple(row["value"] for row in rows) for name, rows in said.items()},
            max_output_tokens=plan.max_output_tokens,
            fingerprint="",
        )
        return replace(planned, fingerprint=fingerprint_of(plan, planned))

    return plan_one


def plan_question(store: Store, plan: Plan, question: Question, variation: int, nth: int) -> Planned:
    """One variation put to the nth image, as a plan would put it, for whoever writes the question.

    Raises ``UserError``: ``generate.no_images``, ``bank.not_for_modality``; ``DataError``
    ``bank.missing_value``.
    """
    found = list(islice(images.ready_images(store), _IMAGES_AT_ONCE))
    if not found:
        raise UserError("generate.no_images")
    image = found[nth % len(found)]
    said = fields_of_images(store, [image["id"]]).get(image["id"], {})
    heaviest, modality = _known_of(image, said)
    if question.modalities and modality not in question.modalities:
        raise UserError("bank.not_for_modality", modality=modality or "-", wanted=list(question.modalities))
    text = fill(question.variations[variation], _filling(plan, heaviest))
    return _planner(store, plan, image, said)(ChosenQuestion(question, variation, text))


def with_more_tokens(plan: Plan, planned: Planned) -> Planned:
    """The same request with room for a longer answer, for one that was truncated: another fingerprint."""
    larger = replace(planned, max_output_tokens=planned.max_output_tokens * 2)
    return replace(larger, fingerprint=fingerprint_of(plan, larger))


def fingerprint_of(plan: Plan, planned: Planned) -> str:
    """What makes two requests the same: the question as it is sent, the original picture and its recipe."""
    return _sha256(
        {
            "provider": plan.provider,
            "model": plan.answerer,
            "service_tier": plan.service_tier,
            "system": planned.prompt.system,
            "user": planned.prompt.user,
            "schema": planned.prompt.schema,
            "max_output_tokens": planned.max_output_tokens,
            "image": planned.sha256,
            "frame": planned.frame,
            "recipe": plan.recipe.key,
            "redactions": [asdict(region) for region in planned.redactions],
        }
    )


def _sha256(value: object) -> str:
    text = json.dumps(value, sort_keys=True, ensure_ascii=False, separators=(",", ":"))
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()
