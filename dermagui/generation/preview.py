"""Shows what would be sent, without sending it: the exact prompt, the exact bytes, and what stays here."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from dermagui.errors import from_os_error
from dermagui.generation.identity import identifying_text
from dermagui.generation.local import recipe_of
from dermagui.generation.plan import Plan, Planned
from dermagui.library.pixels import cached_pixels
from dermagui.paths import display_path
from dermagui.records import PersonalData, Picture, Pixels
from dermagui.storage import images
from dermagui.storage.database import Store

PREVIEWS_AT_MOST = 5

NOTICE = "Text in a picture (a name on a ruler, a date in a corner) is not detected: look at the pictures."


def write_previews(store: Store, plan: Plan, planned: Sequence[Planned], folder: Path) -> str:
    """Writes the first requests into ``folder``: ``1.jpg`` is byte for byte what would be sent, ``1.txt``
    the prompt. Returns the text of all of them. Nothing leaves the computer.
    """
    shown = planned[: min(plan.limit or PREVIEWS_AT_MOST, len(planned))]
    verb = "put to the model on this computer" if plan.local else "sent"
    texts = []
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for number, request in enumerate(shown, 1):
            texts.append(_write_preview(store, plan, request, folder, number))
    except OSError as error:
        raise from_os_error(error, folder) from error
    count = f"{len(planned):,} requests would be {verb}; {len(shown):,} are shown."
    return "\n".join([*texts, f"{count} {NOTICE}"])


@dataclass(frozen=True, slots=True)
class Preview:
    """One request as it would be sent: the exact pixels, and what in its words may identify a person."""

    request: Planned
    pixels: Pixels
    findings: tuple[PersonalData, ...]
    sent: frozenset[str]
    """The fields, and ``question``, whose text goes along."""


def preview_of(project: Path, plan: Plan, request: Planned, picture: Picture) -> Preview:
    """Prepares a request as the job prepares it, and sends nothing; ``picture`` is its original.

    Raises what decoding raises.
    """
    recipe = recipe_of(plan, picture)
    cache = project / "cache" / "pixels"
    said = {field: "; ".join(values) for field, values in request.fields.items()}
    findings = identifying_text(
        said | {"question": request.chosen.text, "file name": Path(picture.path).name}
    )
    return Preview(
        request,
        cached_pixels(cache, request.sha256, picture, recipe, request.redactions),
        findings,
        frozenset({*request.prompt.hinted, *request.prompt.given, "question"}),
    )


def _write_preview(store: Store, plan: Plan, request: Planned, folder: Path, number: int) -> str:
    shown_now = preview_of(store.folder, plan, request, images.picture_of(store, request.image_id))
    pixels, findings = shown_now.pixels, shown_now.findings
    name = f"{number}.{pixels.mime_type.removeprefix('image/').replace('jpeg', 'jpg')}"
    (folder / name).write_bytes(pixels.encoded)
    prompt = request.prompt
    shown = "is shown to the model, here" if plan.local else "is sent"
    lines = [
        f"--- request {number}: image {request.image_id} to {plan.model}",
        f"picture: {name}, {pixels.width}x{pixels.height} pixels, {len(pixels.encoded):,} bytes, "
        f"RGB8 sha256 {pixels.sha256}",
        f"fields sent as a hint: {', '.join(prompt.hinted) or 'none'}",
        f"fields sent openly: {', '.join(prompt.given) or 'none'}",
        f"fields withheld: {', '.join(prompt.withheld) or 'none'}",
        *(
            f"may identify a person: {found.tag} in {found.place}: {display_path(found.value)} "
            f"({shown if found.place in shown_now.sent else 'stays here'})"
            for found in findings
        ),
        "system:",
        prompt.system,
        "user:",
        prompt.user,
    ]
    text = "\n".join(lines)
    (folder / f"{number}.txt").write_text(text + "\n", encoding="utf-8")
    return text
