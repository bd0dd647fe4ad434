"""Words every code in the user's language; where the English names a command, by its own words."""

from __future__ import annotations

from collections.abc import Mapping

from PySide6.QtCore import QT_TRANSLATE_NOOP, QCoreApplication

from dermagui import texts
from dermagui.errors import DermaError

INSTEAD: dict[str, str] = {
    "project.not_found": str(
        QT_TRANSLATE_NOOP(
            "texts", "There is no project in {path}; open another folder, or make a new project."
        )
    ),
    "image.originals_missing": str(
        QT_TRANSLATE_NOOP(
            "texts",
            "No file of this image can be found; plug its drive in, or find the images on the page of their source.",
        )
    ),
    "settings.unknown": str(QT_TRANSLATE_NOOP("texts", "There is no setting {key}.")),
    "job.stopping": str(
        QT_TRANSLATE_NOOP(
            "texts",
            "The job stops by itself when what is in flight has come back; the page Jobs tells how it ended.",
        )
    ),
    "job.waiting_for_key": str(
        QT_TRANSLATE_NOOP("texts", "The job waits for a key; keep one in the settings, then resume the job.")
    ),
    "folder.is_file": str(
        QT_TRANSLATE_NOOP(
            "texts", "{path} is a file; choose the folder that holds the pictures, or add it as a table."
        )
    ),
    "metadata.none_matched": str(
        QT_TRANSLATE_NOOP(
            "texts",
            "No row of the table was matched with a file: its column {columns} must hold the files' names, with or without their ends; choose another column for the image.",
        )
    ),
    "generate.no_images": str(
        QT_TRANSLATE_NOOP("texts", "There are no images yet; add a folder in the Library.")
    ),
    "generate.none_may_leave": str(
        QT_TRANSLATE_NOOP(
            "texts",
            "None of the {count} images may leave this computer; where you may send them, mark their source in the Library.",
        )
    ),
    "generate.none_here": str(
        QT_TRANSLATE_NOOP(
            "texts",
            "None of the {count} images is there now; connect the disk that holds them, or add the folder again.",
        )
    ),
    "generate.limit_reached": str(
        QT_TRANSLATE_NOOP(
            "texts",
            "“Requests at most” allows {limit} requests, and they were all asked before; raise it to ask on.",
        )
    ),
    "generate.no_model": str(QT_TRANSLATE_NOOP("texts", "Choose the model that answers.")),
    "generate.needs_yes": str(QT_TRANSLATE_NOOP("texts", "Nothing was sent: it was not confirmed.")),
    "terms.not_accepted": str(
        QT_TRANSLATE_NOOP("texts", "Nothing was sent: somebody has to read and accept the terms first.")
    ),
    "practice.not_here": str(
        QT_TRANSLATE_NOOP(
            "texts", "A rehearsal stays on this computer, but {address} is elsewhere; choose Gemini for it."
        )
    ),
    "key.missing": str(QT_TRANSLATE_NOOP("texts", "There is no Gemini key; keep one in the settings.")),
    "key.missing_token": str(QT_TRANSLATE_NOOP("texts", "There is no hub token.")),
    "key.is_free_tier": str(
        QT_TRANSLATE_NOOP(
            "texts",
            "The key belongs to the free tier, where people may read what is sent; confirm that you send images all the same, or use a paid key.",
        )
    ),
    "model.gone": str(
        QT_TRANSLATE_NOOP(
            "texts",
            "The service has no model {model} for this key; the test of the key in the settings lists its models.",
        )
    ),
    "budget.reached": str(
        QT_TRANSLATE_NOOP(
            "texts",
            "The budget is reached; what was paid is saved, start it again with a larger budget to go on.",
        )
    ),
    "network.airplane": str(
        QT_TRANSLATE_NOOP(
            "texts", "Airplane mode is on, so nothing leaves this computer; the page Privacy turns it off."
        )
    ),
    "request.refused": str(
        QT_TRANSLATE_NOOP(
            "texts",
            "The service refused the request ({message}); mend the setting that it names, then retry what failed.",
        )
    ),
    "person.no_name": str(
        QT_TRANSLATE_NOOP("texts", "A verdict needs a person's name; say yours in the settings.")
    ),
    "verdict.needs_reason": str(QT_TRANSLATE_NOOP("texts", "A rejection needs a reason: {known}.")),
    "verdict.needs_turns": str(QT_TRANSLATE_NOOP("texts", "An edit needs a text that differs.")),
    "export.only_simulated": str(
        QT_TRANSLATE_NOOP(
            "texts",
            "Nothing was exported: all {count} accepted pairs come from a rehearsal; tick the box of the rehearsed pairs to export them.",
        )
    ),
    "bundle.not_found": str(
        QT_TRANSLATE_NOOP(
            "texts",
            "There is no model {name} any more.",
        )
    ),
    "chat.mllama": str(
        QT_TRANSLATE_NOOP(
            "texts",
            "{path} is a Llama 3.2 Vision model (mllama), as DermatoLlama 1.0 is, and llama.cpp cannot run those: it lacks their cross-attention to pictures. Download one of the suggested models, tune a model of your own on a base that runs, or run the original weights with transformers on a GPU.",
        )
    ),
    "chat.is_adapter": str(
        QT_TRANSLATE_NOOP(
            "texts",
            "{path} is an adapter (LoRA) and no model; add its base {base}, then choose the adapter under Answering.",
        )
    ),
    "chat.mmproj_ambiguous": str(
        QT_TRANSLATE_NOOP(
            "texts",
            "Several image parts fit {path}: {candidates}; choose the one that came with it.",
        )
    ),
    "chat.template_syntax": str(
        QT_TRANSLATE_NOOP(
            "texts",
            "The chat template has a mistake in line {line} ({detail}); get another file of this model.",
        )
    ),
    "chat.text_only": str(
        QT_TRANSLATE_NOOP(
            "texts",
            "{name} has no image part, so it cannot look at pictures; add it again with its image part, or choose another model.",
        )
    ),
    "chat.cannot_see": str(
        QT_TRANSLATE_NOOP(
            "texts",
            "This model cannot look at pictures; choose one that does, or ask without a picture.",
        )
    ),
    "hub.gated": str(
        QT_TRANSLATE_NOOP(
            "texts",
            "{repo} is given only to whom its owner lets in: accept its terms at {page}, keep a hub token in the settings, and download again; or add the model from a file.",
        )
    ),
    "hub.terms_not_accepted": str(
        QT_TRANSLATE_NOOP(
            "texts",
            "{name} has terms of its own: read {link}, then accept them.",
        )
    ),
    "hub.unreachable": str(
        QT_TRANSLATE_NOOP(
            "texts",
            "{host} cannot be reached ({detail}); check the network, and download again to go on where it stopped.",
        )
    ),
    "hub.not_a_hub": str(
        QT_TRANSLATE_NOOP(
            "texts",
            "{address} does not answer like a model hub; check its address in the settings.",
        )
    ),
    "hub.redirected": str(
        QT_TRANSLATE_NOOP(
            "texts",
            "The hub sends us to {host}, which is not on the list of hosts in the settings; add it there if you trust it.",
        )
    ),
    "hub.wrong_hash": str(
        QT_TRANSLATE_NOOP(
            "texts",
            "{path} did not arrive as it was sent, and was thrown away; download it again.",
        )
    ),
    "train.base_on_hub": str(
        QT_TRANSLATE_NOOP(
            "texts",
            "{name} is not on this computer; look it up on the hub, or choose the folder that holds it.",
        )
    ),
    "train.base_gated": str(
        QT_TRANSLATE_NOOP(
            "texts",
            "{name} is not on this computer, and it is gated: accept its terms ({licence}) on its page at the hub, keep a hub token in the settings, then look it up, or choose the folder that holds it.",
        )
    ),
    "train.no_environment": str(
        QT_TRANSLATE_NOOP("texts", "The training environment is not installed; its station Computer does it.")
    ),
    "train.environment_broken": str(
        QT_TRANSLATE_NOOP(
            "texts", "The training environment does not work ({detail}); Repair on its station Computer."
        )
    ),
    "train.packages_missing": str(
        QT_TRANSLATE_NOOP(
            "texts", "The Python {path} lacks {missing}; install them there, or let an environment be made."
        )
    ),
    "train.no_lock": str(
        QT_TRANSLATE_NOOP(
            "texts",
            "No packages are listed for {platform} yet; choose the processor only, or an existing Python.",
        )
    ),
    "train.no_uv": str(
        QT_TRANSLATE_NOOP("texts", "The program uv was not found; install it, or use an existing Python.")
    ),
    "train.not_found": str(QT_TRANSLATE_NOOP("texts", "There is no training {name} any more.")),
    "train.running": str(QT_TRANSLATE_NOOP("texts", "The training {name} runs already.")),
    "train.stopped": str(
        QT_TRANSLATE_NOOP("texts", "The training {name} was stopped after step {step}, and is saved.")
    ),
    "train.failed": str(
        QT_TRANSLATE_NOOP(
            "texts", "The training {name} failed ({detail}); it can go on from its last checkpoint."
        )
    ),
    "train.not_a_llama": str(
        QT_TRANSLATE_NOOP(
            "texts",
            "The name {name} belongs to models whose base is a Llama, and this one is a {kind}; choose another.",
        )
    ),
    "train.no_converter": str(
        QT_TRANSLATE_NOOP(
            "texts",
            "The programs that turn a model into GGUF are missing; Repair on the station Computer fetches them.",
        )
    ),
    "train.base_unnamed": str(
        QT_TRANSLATE_NOOP(
            "texts",
            "The weights in {path} do not tell on which base they were trained (they name {name}, which is not here); choose that base on the station Recipe, then import them again.",
        )
    ),
    "train.foreign_job": str(
        QT_TRANSLATE_NOOP(
            "texts", "{path} is no training that this project gave away; choose the folder that was packed."
        )
    ),
    "split.leakage": str(
        QT_TRANSLATE_NOOP(
            "texts",
            "Nothing was exported: {count} groups lie on both sides of the split ({named}); use another seed for a new split.",
        )
    ),
}
"""Sentences of the window for codes whose English in ``dermagui.texts`` speaks of commands and options."""


def sentence(code: str, values: Mapping[str, object]) -> str:
    """What a code says, its values filled in after the translation."""
    template = INSTEAD.get(code) or texts.SENTENCES.get(code)
    if template is None:
        return texts.sentence(code, values)
    return texts.fill(QCoreApplication.translate("texts", template), values)


def worded(error: DermaError) -> str:
    """What an expected error says."""
    return sentence(error.code, error.values)
