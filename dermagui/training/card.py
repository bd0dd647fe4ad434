"""Cards as Markdown: of a tuned model, what a reader must know before asking it anything; of a training, how
it came to be.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from string import Template
from typing import Any

from dermagui.chat.bundle import Bundle
from dermagui.datasets.card import plain, table
from dermagui.paths import resources
from dermagui.storage.database import Row
from dermagui.training.history import PastRun

CARD_NAME = "README.md"

RATES = {
    "accuracy": "Label accuracy",
    "balanced_accuracy": "Balanced accuracy",
    "malignant_sensitivity": "Sensitivity for malignant",
    "benign_specificity": "Specificity (benign called benign)",
    "refusals": "Answers that name no label",
}
"""Figures of the clinical gate, and how they are called."""

_CLINICAL = {
    "passed": "Ready: of {n} malignant pictures it calls {tuned:.1%} malignant, and the base {base:.1%} "
    "(95 % interval from {low:.1%}).",
    "fell": "Not ready: of {n} malignant pictures it calls only {tuned:.1%} malignant, and the base "
    "{base:.1%} (95 % interval from {low:.1%}). Tuning made it miss what matters most, whatever its loss "
    "says.",
    "one_class": "Not ready: it does little better than one answer to everything. It calls {tuned:.1%} of "
    "{n} malignant pictures malignant, and {alarms:.1%} of {benign} benign ones; its balanced accuracy is "
    "{balanced:.1%}, and {chance:.1%} would be had by always saying the same.",
    "worse": "Not ready: its balanced accuracy is {balanced:.1%}, and that of the base {balanced_base:.1%} "
    "(95 % interval from {balanced_low:.1%}). Tuning made it worse at telling the labels apart.",
    "few": "Not ready: {n} malignant pictures were held out, and {least} are the fewest that tell anything.",
    "untested": "Not tested, and so not ready: no held-out pictures bear different labels of a file or of a "
    "person. It can be used all the same; nobody knows how often it is right.",
}


def clinical_in_words(told: Mapping[str, Any]) -> str:
    """What the clinical gate says, as a manifest holds it, in a sentence or two."""
    return _CLINICAL[told["state"]].format(**told["values"])


def write_card(bundle: Bundle, training: Row, kind: str, manifest: Mapping[str, Any] | None) -> Path:
    """Writes the card into the folder of the bundle; returns its path. Raises ``OSError``."""
    path = bundle.folder / CARD_NAME
    part = path.with_name(f".{CARD_NAME}.part")
    part.write_text(model_card(bundle, training, kind, manifest), encoding="utf-8")
    part.replace(path)
    return path


def model_card(bundle: Bundle, training: Row, kind: str, manifest: Mapping[str, Any] | None) -> str:
    """The card of a bundle that came of a training. ``manifest`` is that of its dataset, where there is one;
    ``kind`` is the ``model_type`` of the base.
    """
    about, recipe = bundle.about, training["recipe"]
    clinical = about.gates.get("clinical")
    assert isinstance(clinical, dict)
    unknown = {"all": [], "strictest": {"name": "not known"}}
    licences: Mapping[str, Any] = manifest["licences"] if manifest else unknown
    settings = {name: value for name, value in recipe.items() if name != "name"}
    ready = "It passed both gates." if about.ready else "**It is not ready**: see the clinical gate."
    return Template((resources() / "templates" / "model-card.md").read_text(encoding="utf-8")).substitute(
        name=plain(bundle.name),
        notice=about.notice,
        headline=f"{bundle.architecture}, {bundle.quantization}, {bundle.parameters:,} parameters. {ready}",
        intended_use=about.intended_use,
        base=plain(about.base),
        kind=kind,
        base_licence=plain(about.licence or "not stated"),
        base_terms=plain(about.terms or "none named"),
        dataset=plain(about.dataset or "not a dataset of this project"),
        recipe=plain(recipe["name"]),
        seed=training["seed"],
        training=plain(f"{training['name']}, {training['uid']}"),
        figures=plain(json.dumps(training["figures"])),
        app_version=bundle.app_version,
        strictest=plain(licences["strictest"]["name"]),
        licences=table(("Licence", "Attribution"), _licence_rows(licences["all"])),
        clinical=plain(clinical_in_words(clinical)),
        figures_table=_rates(clinical),
        parity=_parity(about.gates.get("parity", [])),
        settings=table(("Setting", "Value"), settings.items()),
        files=table(
            ("File", "Bytes", "SHA-256"),
            ((role, file.size_bytes, file.sha256) for role, file in bundle.files.items()),
        ),
    )


def run_card(run: PastRun) -> str:
    """The card of a training: base, data, backend and why, settings, figures, and what became of it."""
    told, origin = run.as_json(), run.origin
    base = f"{origin.name}, {origin.commit[:12]}" if origin.commit else origin.name
    facts = {
        "State": f"{told['state']}, step {told['step']:,} of {told['total']:,}",
        "Base": base,
        "Dataset": told["dataset"] or "none of this project",
        "Data": "with pairs of a rehearsal" if told["simulated"] else "no pairs of a rehearsal",
        "Recipe": told["recipe"],
        "Seed": told["seed"],
        "Backend": f"{told['backend']}: {told['why']}" if told["backend"] else "not chosen yet",
        "Device": told["device"] or "not known",
        "Versions": ", ".join(f"{name} {version}" for name, version in told["versions"].items()),
        "Last loss": _loss(told["loss"]),
        "Best loss on held-out pairs": _loss(told["best_eval_loss"]),
        "Begun, ended": f"{told['created_at']}, {told['ended_at'] or 'not yet'}",
    } | ({"What went wrong": told["failure"]} if told["failure"] else {})
    titles = ("Model", "Quantization", "Like the trained model", "Clinical gate", "Ready")
    rows = (
        (
            one.name,
            one.quantization,
            "yes" if one.parity else "no",
            one.clinical,
            "yes" if one.ready else "no",
        )
        for one in run.models
    )
    home = table(titles, rows) if run.models else "It was not brought home yet."
    settings = table(("Setting", "Value"), told["settings"].items())
    fields = table(("Training", told["name"]), facts.items())
    parts = (f"# {plain(told['name'])}: a training", fields, "## Models", home, "## Settings", settings)
    return "\n\n".join(parts) + "\n"


def _loss(value: float | None) -> str:
    return f"{value:.4f} nats a token" if value is not None else "none"


def _licence_rows(lines: Sequence[Mapping[str, str]]) -> Iterable[tuple[str, str]]:
    return ((line["licence"] or "not stated", line["attribution"]) for line in lines)


def _rates(clinical: Mapping[str, Any]) -> str:
    if not clinical["base"]:
        return ""
    rows = (
        (title, rate_in_words(clinical["base"][name]), rate_in_words(clinical["tuned"][name]))
        for name, title in RATES.items()
    )
    labels = plain(", ".join(clinical["labels"]))
    return f"Labels to choose from: {labels}.\n\n{table(('Of held-out pictures', 'Base', 'Tuned'), rows)}"


def rate_in_words(rate: Mapping[str, Any]) -> str:
    """A share with its interval and how many cases it is of."""
    if not rate["n"]:
        return "none (n = 0)"
    return f"{rate['value']:.1%} (95 % interval {rate['low']:.1%} to {rate['high']:.1%}, n = {rate['n']})"


def _parity(verdicts: object) -> str:
    assert isinstance(verdicts, list)
    titles = ("Files", "Nats a token off", "Allowed", "First tokens equal", "Own pictures", "Other pictures")
    rows = (
        (
            told["quantization"],
            f"{told['difference']:.5f}",
            told["limit"],
            f"{told['first_tokens_equal']} of {told['probes']}",
            f"{told['true_score']:.4f}",
            f"{told['shuffled_score']:.4f}",
        )
        for told in verdicts
    )
    return table(titles, rows)
