"""Which projector goes with which model, and what is said where none does."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from dermagui.chat.catalogue import load_catalogue
from dermagui.chat.pairing import (
    GgufFile,
    choose_mmproj,
    find_mmproj,
    find_models,
    read_file,
    refuse_projector,
    refuse_unusable,
    usually_sees,
    widths_agree,
)
from dermagui.errors import UserError
from tests.fakes import hostile_models, tiny_models
from tests.fakes.tiny_models import VisionShape


@pytest.fixture
def files(tmp_path: Path) -> dict[str, GgufFile]:
    """Three models and their projectors, all of the same width, in one folder."""
    pairs = (tiny_models.llama_pair, tiny_models.qwen_pair, tiny_models.gemma_pair)
    paths = [path for pair in pairs for path in vars(pair(tmp_path)).values()]
    return {path.stem: read_file(path) for path in paths}


def code_of(model: GgufFile, mmproj: GgufFile) -> str:
    """Why a projector is refused."""
    with pytest.raises(UserError) as refused:
        refuse_projector(model, mmproj)
    return refused.value.code


@pytest.mark.parametrize("name", ["llama", "qwen", "gemma"])
def test_each_model_finds_its_own_projector_among_all(files: dict[str, GgufFile], name: str) -> None:
    assert [found.path.stem for found in find_mmproj(files[name])] == [f"{name}-mmproj"]
    assert choose_mmproj(files[name]) == files[f"{name}-mmproj"]
    assert [found.path.stem for found in find_models(files[f"{name}-mmproj"])] == [name]


def test_of_one_projector_in_several_precisions_the_handiest_is_taken(
    files: dict[str, GgufFile], tmp_path: Path
) -> None:
    fields = tiny_models.vision_fields(VisionShape())
    tensors = tiny_models.vision_tensors(VisionShape(), tiny_models.Draw(1))
    names = {32: "mmproj-BF16.gguf", 1: "mmproj-F16.gguf", 7: "mmproj-Q8_0.gguf"}
    for number, name in names.items():
        told = fields | {"general.name": "random llama", "general.file_type": number}
        tiny_models.write_gguf(tmp_path / name, "clip", told, tensors)
    found = find_mmproj(files["llama"])
    assert [mmproj.path.name for mmproj in found][:3] == [names[1], names[32], names[7]]
    chosen = choose_mmproj(files["llama"])
    assert chosen
    assert chosen.path.name == names[1]


def test_two_different_projectors_are_a_choice_for_people(tmp_path: Path) -> None:
    model = read_file(tiny_models.llama_pair(tmp_path).model)
    deeper = VisionShape(layers=3)
    tiny_models.write_llava_projector(tmp_path / "llama-mmproj-other.gguf", deeper)
    with pytest.raises(UserError) as refused:
        choose_mmproj(model)
    assert refused.value.code == "chat.mmproj_ambiguous"
    assert refused.value.values["candidates"] == ["llama-mmproj-other.gguf", "llama-mmproj.gguf"]


def test_a_projector_that_bears_the_name_of_the_model_wins(tmp_path: Path) -> None:
    model = read_file(tiny_models.llama_pair(tmp_path).model)
    path = tmp_path / "mmproj-skin-7b.gguf"
    tiny_models.write_llava_projector(path, VisionShape(layers=3))
    named = replace(model, facts=replace(model.facts, name="Skin 7B"), path=tmp_path / "skin-q4.gguf")
    chosen = choose_mmproj(named)
    assert chosen
    assert chosen.path == path


def test_a_projector_need_not_be_called_one(files: dict[str, GgufFile], tmp_path: Path) -> None:
    files["qwen-mmproj"].path.rename(tmp_path / "eyes.GGUF")
    (tmp_path / "broken.gguf").write_bytes(b"GGUF")
    assert [found.path.name for found in find_mmproj(files["qwen"])] == ["eyes.GGUF"]


def test_no_projector_no_choice(tmp_path: Path) -> None:
    model = read_file(hostile_models.write_changed_model(tmp_path / "m.gguf", {}))
    assert choose_mmproj(model) is None


def test_wrong_projectors_are_refused_each_for_its_reason(files: dict[str, GgufFile], tmp_path: Path) -> None:
    refuse_projector(files["llama"], files["llama-mmproj"])
    assert code_of(files["llama"], files["qwen-mmproj"]) == "chat.mmproj_wrong_kind"
    assert code_of(files["qwen"], files["llama-mmproj"]) == "chat.mmproj_wrong_kind"
    assert code_of(files["gemma"], files["qwen-mmproj"]) == "chat.mmproj_wrong_kind"
    assert code_of(files["llama"], files["qwen"]) == "chat.not_a_mmproj"
    wide = read_file(hostile_models.write_wide_projector(tmp_path / "wide.gguf"))
    with pytest.raises(UserError) as refused:
        refuse_projector(files["llama"], wide)
    assert refused.value.code == "chat.mmproj_wrong_width"
    assert (refused.value.values["projector_width"], refused.value.values["model_width"]) == (128, 64)


def test_a_projector_that_only_hears_is_of_the_wrong_kind(files: dict[str, GgufFile], tmp_path: Path) -> None:
    fields = tiny_models.vision_fields(VisionShape()) | {"clip.has_vision_encoder": False}
    tensors = {"mm.2.weight": np.zeros((64, 4), dtype=np.float32)}
    deaf = read_file(tiny_models.write_gguf(tmp_path / "ear.gguf", "clip", fields, tensors))
    assert code_of(files["llama"], deaf) == "chat.mmproj_wrong_kind"


def test_deepstack_counts_on_both_sides(files: dict[str, GgufFile]) -> None:
    model, projector = files["qwen"].facts, files["qwen-mmproj"].facts
    assert projector.projector
    for layers, deepstack, agree in ((3, 3, True), (3, 0, False), (0, 3, False)):
        deep = replace(projector.projector, type="qwen3vl_merger", deepstack_layers=deepstack, width=64)
        text = replace(model, architecture="qwen3vl", deepstack_layers=layers)
        assert widths_agree(text, replace(projector, projector=deep)) is agree


def test_what_cannot_be_chatted_with(files: dict[str, GgufFile], tmp_path: Path) -> None:
    def refusal(path: Path) -> UserError:
        with pytest.raises(UserError) as refused:
            refuse_unusable(read_file(path))
        return refused.value

    mllama = refusal(hostile_models.write_mllama(tmp_path / "mllama.gguf"))
    assert mllama.code == "chat.mllama"
    assert mllama.values["models"] == [model.name for model in load_catalogue()]
    picked = refusal(files["qwen-mmproj"].path)
    assert (picked.code, picked.values["models"]) == ("chat.is_mmproj", ["qwen.gguf"])
    files["qwen"].path.unlink()
    assert refusal(files["qwen-mmproj"].path).code == "chat.is_mmproj_alone"
    adapter = refusal(tiny_models.write_adapter(tmp_path / "lora.gguf"))
    assert (adapter.code, adapter.values["base"]) == ("chat.is_adapter", "llama")
    words = tiny_models.write_gguf(tmp_path / "words.gguf", "llama", {}, {})
    assert refusal(words).code == "chat.not_a_model"
    refuse_unusable(files["llama"])


def test_a_projector_is_never_given_to_what_cannot_use_it(tmp_path: Path) -> None:
    mmproj = read_file(tiny_models.llama_pair(tmp_path).projector)
    hostile_models.write_mllama(tmp_path / "mllama.gguf")
    assert [model.path.name for model in find_models(mmproj)] == ["llama.gguf"]


def test_which_models_usually_see(files: dict[str, GgufFile]) -> None:
    assert usually_sees(files["qwen"].facts)
    assert usually_sees(files["gemma"].facts)
    assert not usually_sees(files["llama"].facts)
