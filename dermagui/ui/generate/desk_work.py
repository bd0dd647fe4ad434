"""What the page Generate has done in the thread of the database, or in another: nothing here is shown.

Modules that load much are imported inside, so that the page stands before them.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING, Any

from PySide6.QtGui import QImage

from dermagui import settings
from dermagui.errors import DermaError, UserError
from dermagui.storage import people
from dermagui.storage.database import Store

if TYPE_CHECKING:
    from dermagui.generation.outlook import Outlook
    from dermagui.generation.own_banks import ListedBank
    from dermagui.generation.plan import Plan, Planned
    from dermagui.generation.preview import Preview
    from dermagui.generation.terms import Terms
    from dermagui.records import Picture, Question

LOCAL = "local:"
"""Before the name of a model on this computer, where somebody is named who answers."""


Raw = dict[str, Any]
"""A bank as its file holds it, right or wrong."""
Prepare = Callable[[], "tuple[Preview, QImage]"]
"""Decodes a picture and words a prompt, without the database."""


@dataclass(frozen=True, slots=True)
class Offers:
    """What the form offers: a plan for everybody who can answer, the banks, and what may not be changed."""

    plans: dict[str, Plan]
    banks: dict[str, str]
    """How a plan names each bank, and how the bank calls itself."""
    locked: frozenset[str]
    """Settings that this machine's policy fixes."""


def image_choices(store: Store) -> dict[str, str]:
    """What a plan may call its images, and how the user does: the sources, then the saved filters."""
    from dermagui.storage import sources
    from dermagui.storage.filters import saved_filters

    by_source = {f"source:{source.id}": source.name for source in sources.list_sources(store)}
    return by_source | {f"filter:{name}": name for name in saved_filters(store)}


def look_ahead(store: Store, plan: Plan, *, resend_unknown: bool, free_tier_yes: bool) -> Outlook:
    """What the plan would do if it were started now."""
    from dermagui.generation import outlook

    return outlook.look_ahead(store, plan, resend_unknown=resend_unknown, free_tier_yes=free_tier_yes)


def offers() -> Offers:
    """What there is to choose from. Raises what the settings raise."""
    from dermagui.generation.own_banks import list_banks
    from dermagui.generation.plan import plan_from_settings

    plans = {provider: plan_from_settings(provider) for provider in ("practice", "gemini")}
    banks = {listed.stem: listed.bank.name if listed.bank else listed.stem for listed in list_banks()}
    return Offers(plans | _local_plans(), banks, frozenset(settings.policy()))


def _local_plans() -> dict[str, Plan]:
    """A plan for every model on this computer that can look at pictures."""
    from dermagui.chat.bundle import list_bundles
    from dermagui.generation.local import name_model
    from dermagui.generation.plan import plan_from_settings

    plans: dict[str, Plan] = {}
    for bundle in list_bundles():
        try:
            name, version, files = name_model(bundle.name, None)
        except DermaError:
            continue  # the page of the models says what is wrong with it
        if "mmproj" in files:
            start = plan_from_settings("local")
            plans[LOCAL + bundle.name] = replace(start, model=name, model_version=version, model_files=files)
    return plans


def previews(folder: Path, plan: Plan, outlook: Outlook) -> list[tuple[Preview, QImage] | DermaError]:
    """The first requests with their pictures; what cannot be read says why in its place."""
    from dermagui.generation.preview import preview_of

    found: list[tuple[Preview, QImage] | DermaError] = []
    for request, picture in outlook.first:
        try:
            preview = preview_of(folder, plan, request, picture)
            found.append((preview, QImage.fromData(preview.pixels.encoded)))
        except DermaError as error:
            found.append(error)
    return found


def terms_and_name() -> tuple[Terms, str]:
    """The terms of the service, and the name that the user goes by."""
    from dermagui.generation import run as generation

    return generation.terms(), settings.text("person.name")


def accept(store: Store, name: str) -> None:
    """Writes down that this person accepted the terms."""
    from dermagui.generation import run as generation

    found = generation.terms()
    people.accept_terms(
        store, people.person(store, name), generation.TERMS_NAME, found.terms_date, found.sha256
    )


def key() -> str:
    """The key for Gemini. The keyring may take its time."""
    from dermagui.api_key import find_key

    found = find_key()
    if found is None:
        raise UserError("key.missing")
    return found.value


def no_key() -> None:
    """For a plan that needs none."""
    return None


def read_bank(name: str) -> tuple[ListedBank, Raw, Raw | None, list[str]]:
    """A bank, what its file says, unsaved edits of it, and the fields that may stand in a question."""
    from dermagui.generation.bank import bank_as_json, load_bank
    from dermagui.generation.fields import CLINICAL_FIELDS
    from dermagui.generation.own_banks import ListedBank, find_bank, kept_draft, list_banks

    listed = next((bank for bank in list_banks() if bank.stem == name), None)
    if listed is None:
        path = find_bank(name)
        listed = ListedBank(name, path, False, load_bank(path))
    if listed.error is not None:
        raise listed.error
    assert listed.bank is not None
    draft = kept_draft(listed.stem) if listed.own else None
    return listed, bank_as_json(listed.bank), draft, list(CLINICAL_FIELDS)


def copy_bank(raw: Raw, words: str) -> ListedBank:
    """Saves a bank under the first name that is free."""
    from dermagui.generation.own_banks import save_bank

    name = words.format(name=raw["name"])
    for number in count(2):
        try:
            return save_bank({**raw, "name": name, "version": "1"}, ())
        except UserError as error:
            if error.code != "bank.name_taken":
                raise
        name = f"{words.format(name=raw['name'])} {number}"
    raise AssertionError  # numbers do not end


def used_versions(store: Store, name: str) -> frozenset[str]:
    """The versions of a bank that this project used."""
    from dermagui.storage import banks

    return banks.used_versions(store, name)


def write_bank(raw: Raw, used: frozenset[str], stem: str) -> ListedBank:
    """Saves a bank of one's own in place of what it was."""
    from dermagui.generation.own_banks import save_bank

    return save_bank(raw, used, stem)


def plan_one(store: Store, plan: Plan, question: Question, variation: int, nth: int) -> Prepare:
    """What prepares one variation of a question, put to the nth image, for being looked at."""
    from dermagui.generation.plan import plan_question
    from dermagui.storage import images

    planned = plan_question(store, plan, question, variation, nth)
    return partial(_prepare, store.folder, plan, planned, images.picture_of(store, planned.image_id))


def _prepare(project: Path, plan: Plan, planned: Planned, picture: Picture) -> tuple[Preview, QImage]:
    from dermagui.generation.preview import preview_of

    preview = preview_of(project, plan, planned, picture)
    return preview, QImage.fromData(preview.pixels.encoded)
