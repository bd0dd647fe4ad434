"""The dataset card: what a reader must know before training on it, as Markdown that the hub understands."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from string import Template
from typing import Any

from dermagui.paths import resources
from dermagui.records import ExportFormat

CARD_NAME = "README.md"

_SIZES = ((1_000, "n<1K"), (10_000, "1K<n<10K"), (100_000, "10K<n<100K"), (1_000_000, "100K<n<1M"))
_COUNT_TITLES = {
    "kind": "Kind",
    "state": "State",
    "origin": "Origin",
    "question_type": "Question type",
    "model_version": "Model",
    "source": "Source",
    "licence": "Licence",
}
_LOADING = {
    ExportFormat.MESSAGES: "`datasets.load_dataset(folder)` reads it; trl and unsloth take the columns.",
    ExportFormat.PREFERENCE: "`datasets.load_dataset(folder)` reads it; it is a preference dataset of trl.",
    ExportFormat.LLAVA: "LLaVA's training scripts read each file; give them this folder as the image folder.",
    ExportFormat.SHAREGPT: 'LLaMA-Factory reads each file with `"formatting": "sharegpt", "columns": '
    '{"messages": "conversations", "images": "images"}` and this folder as `media_dir`.',
    ExportFormat.ALPACA: 'LLaMA-Factory reads each file with `"columns": {"images": "images"}` and '
    "this folder as `media_dir`.",
    ExportFormat.DERMASYNTH: "Each file is one JSON list of flat objects.",
    ExportFormat.CSV: "Each file opens in a spreadsheet. A cell whose text would run as a formula, or that "
    "begins with an apostrophe, has one apostrophe more before it.",
}


def dataset_card(manifest: Mapping[str, Any]) -> str:
    """The card of a dataset, told from its manifest alone. Its files need only name their splits."""
    counts, licences, splits = manifest["counts"], manifest["licences"], manifest["splits"]
    strictest = licences["strictest"]
    return Template((resources() / "templates" / "dataset-card.md").read_text(encoding="utf-8")).substitute(
        front_matter=_front_matter(manifest),
        name=plain(manifest["name"]),
        notice=manifest["notice"],
        pairs=counts["pairs"],
        images=counts["images"],
        app_version=manifest["app"]["version"],
        created=manifest["created"],
        format=manifest["format"],
        read_by_person=counts["read_by_person"],
        simulated=counts["simulated"],
        flagged=counts["flagged"],
        without_patient=counts["without_patient"],
        seed=splits["seed"],
        generators=_generators(manifest["generators"]),
        counts="\n\n".join(_count_tables(counts["by"])),
        near_duplicates=_near_duplicates(splits["near_duplicates"]),
        splits=_split_table(splits["ratios"], counts["by"].get("split", {})),
        licence=strictest["name"],
        licence_sources=", ".join(map(plain, strictest["sources"])) or "no source",
        sources=table(
            ("Source", "Licence", "Attribution"),
            (
                (line["source"], line["licence"] or "not stated", line["attribution"])
                for line in licences["all"]
            ),
        ),
        loading=f"{_LOADING[ExportFormat(manifest['format'])]} Paths of images are relative to this folder.",
    )


def _front_matter(manifest: Mapping[str, Any]) -> str:
    """The hub's YAML. Values are JSON, which is YAML too, so that no name can break it."""
    strictest, counts = manifest["licences"]["strictest"], manifest["counts"]
    files = [line for line in manifest["files"] if "split" in line]
    data_files = [{"split": line["split"], "path": line["path"]} for line in files]
    front: dict[str, object] = {"pretty_name": manifest["name"], "license": strictest["hub_name"]}
    if strictest["hub_name"] == "other":
        front["license_name"] = strictest["name"]
    front |= {
        "task_categories": ["visual-question-answering", "image-text-to-text"]
        if counts["images"]
        else ["question-answering"],
        "size_categories": [next((size for limit, size in _SIZES if counts["pairs"] < limit), "1M<n<10M")],
        "tags": ["dermatology", "medical", "synthetic", "dermagui", "not-for-diagnosis"],
    }
    if data_files:
        front["configs"] = [{"config_name": "default", "data_files": data_files}]
    return "\n".join(f"{name}: {json.dumps(value, ensure_ascii=False)}" for name, value in front.items())


def _generators(generators: Sequence[Mapping[str, str]]) -> str:
    if not generators:
        return "No model wrote any of these pairs."
    names = ("provider", "model", "terms_date", "tier", "note")
    return table(
        ("Provider", "Model", "Terms of", "Tier", "What the terms say"),
        ([line[name] for name in names] for line in generators),
    )


def _count_tables(by: Mapping[str, Mapping[str, int]]) -> Iterable[str]:
    for name, title in _COUNT_TITLES.items():
        if name in by:
            yield table((title, "Pairs"), by[name].items())


def _split_table(ratios: Mapping[str, float], counts: Mapping[str, int]) -> str:
    rows = ((split, f"{ratio:.1%}", counts.get(split, 0)) for split, ratio in ratios.items())
    return table(("Split", "Asked for", "Pairs"), rows)


def _near_duplicates(leaks: Sequence[Mapping[str, Any]]) -> str:
    if not leaks:
        return "No pictures in different splits look alike."
    return (
        f"**{len(leaks)} groups of pictures that look alike lie in several splits**; the manifest names them."
    )


def table(titles: Sequence[str], rows: Iterable[Iterable[object]]) -> str:
    """A table of Markdown."""
    lines = [titles, ["---"] * len(titles), *([plain(cell) for cell in row] for row in rows)]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def plain(value: object) -> str:
    """A value as text that Markdown and HTML leave alone, on one line."""
    text = " ".join(str(value).split())
    for sign in "\\`*_[]|<>#":
        text = text.replace(sign, f"\\{sign}")
    return text
