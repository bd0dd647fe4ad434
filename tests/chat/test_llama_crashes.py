"""What llama.cpp does with bad files and bad calls: which it refuses, and which end the process.

The second kind is why the app keeps it in a child. When an upgrade mends one of them, its test says so.
"""

from __future__ import annotations

import errno
import os
import signal
from pathlib import Path
from types import ModuleType

import pytest

from tests.fakes import hostile_models, tiny_models
from tests.fakes.tiny_models import Pair

SEGFAULT, ABORT = -signal.SIGSEGV, -signal.SIGABRT

# Facts that llama.cpp believes, and those that it answers with an assertion.
BELIEVED = ("first word out of range",)
ASSERTED = ("no layers", "countless layers")
BELIEVED_OF_PROJECTORS = ("another picture size",)
ASSERTED_OF_PROJECTORS = ("no vision heads", "vision heads that do not divide the width", "another patch")

LOAD_EACH = """
engine.silence()
model, *paths = sys.argv[1:]
for path in map(Path, paths):
    try:
        engine.RawEngine(Path(model) if model else path, path if model else None).close()
        print("loaded", path)
    except engine.Refused:
        print("refused", path)
"""


def load_each(engine: ModuleType, paths: dict[str, Path], text_model: Path | None = None) -> dict[str, str]:
    """How each file fared in one process: as a model, or as a projector for ``text_model``."""
    done = engine.in_a_child(LOAD_EACH, str(text_model or ""), *paths.values())
    assert done.returncode == 0, done.stderr[-2000:]
    fates = {path: fate for fate, path in (line.split(" ", 1) for line in done.stdout.splitlines())}
    return {name: fates[str(path)] for name, path in paths.items()}


def test_a_lying_header_is_refused(engine: ModuleType, tmp_path: Path, llama_pair: Pair) -> None:
    headers = hostile_models.write_hostile_headers(tmp_path)
    assert set(load_each(engine, headers).values()) == {"refused"}
    assert set(load_each(engine, headers, llama_pair.model).values()) == {"refused"}


def test_a_model_with_a_wrong_fact_is_refused_or_ends_the_process(engine: ModuleType, tmp_path: Path) -> None:
    models = hostile_models.write_hostile_models(tmp_path)
    fatal = {name: models.pop(name) for name in ASSERTED}
    fates = load_each(engine, models)
    assert tuple(name for name, fate in fates.items() if fate == "loaded") == BELIEVED
    for path in fatal.values():
        assert engine.in_a_child(LOAD_EACH, "", path).returncode == ABORT


def test_a_projector_with_a_wrong_fact_is_refused_or_ends_the_process(
    engine: ModuleType, tmp_path: Path, llama_pair: Pair
) -> None:
    projectors = hostile_models.write_hostile_projectors(tmp_path)
    fatal = {name: projectors.pop(name) for name in ASSERTED_OF_PROJECTORS}
    fates = load_each(engine, projectors, llama_pair.model)
    assert tuple(name for name, fate in fates.items() if fate == "loaded") == BELIEVED_OF_PROJECTORS
    for path in fatal.values():
        assert engine.in_a_child(LOAD_EACH, llama_pair.model, path).returncode == ABORT


def test_a_model_that_is_cut_short_is_refused(engine: ModuleType, tmp_path: Path, llama_pair: Pair) -> None:
    assert set(load_each(engine, hostile_models.cut_short(llama_pair.model, tmp_path)).values()) == {
        "refused"
    }


def test_a_projector_that_lacks_its_end_loads(engine: ModuleType, tmp_path: Path, llama_pair: Pair) -> None:
    short = tmp_path / "short.gguf"
    short.write_bytes(llama_pair.projector.read_bytes()[:-100])
    assert load_each(engine, {"short": short}, llama_pair.model) == {"short": "loaded"}


def test_files_in_the_wrong_place_are_refused(
    engine: ModuleType, tmp_path: Path, llama_pair: Pair, qwen_pair: Pair
) -> None:
    adapter = tiny_models.write_adapter(tmp_path / "adapter.gguf")
    mllama = hostile_models.write_mllama(tmp_path / "mllama.gguf")
    models = {"projector": llama_pair.projector, "adapter": adapter, "mllama": mllama}
    assert set(load_each(engine, models).values()) == {"refused"}
    projectors = {
        "model": llama_pair.model,
        "adapter": adapter,
        "for another width": hostile_models.write_wide_projector(tmp_path / "wide.gguf"),
    }
    assert set(load_each(engine, projectors, llama_pair.model).values()) == {"refused"}
    stranger = {"for another model of this width": qwen_pair.projector}
    assert set(load_each(engine, stranger, llama_pair.model).values()) == {"loaded"}


def test_damage_is_seen_by_nobody(engine: ModuleType, tmp_path: Path, llama_pair: Pair) -> None:
    models = {
        "tensor": hostile_models.damage_tensor(llama_pair.model, tmp_path / "damaged.gguf"),
        "template": hostile_models.write_broken_template(tmp_path / "template.gguf"),
    }
    assert set(load_each(engine, models).values()) == {"loaded"}
    assert len({path.stat().st_size for path in (models["tensor"], llama_pair.model)}) == 1


START = """
import ctypes, llama_cpp as llama
engine.silence()
raw = engine.RawEngine(Path(sys.argv[1]))
"""
HIGH_LEVEL = "from llama_cpp import Llama, LlamaGrammar\npath = sys.argv[1]\n"

FATAL_CALLS = {
    "grammar that does not parse, added unseen": (
        START
        + """
chain = llama.llama_sampler_chain_init(llama.llama_sampler_chain_default_params())
grammar = llama.llama_sampler_init_grammar(raw.vocabulary, b"root ::= (", b"root")
assert not grammar
llama.llama_sampler_chain_add(chain, grammar)
llama.llama_sampler_chain_add(chain, llama.llama_sampler_init_greedy())
raw.decode([1, 5])
llama.llama_sampler_sample(chain, raw.context, -1)
""",
        SEGFAULT,
    ),
    "sampling before anything was evaluated": (
        START
        + """
greedy = llama.llama_sampler_init_greedy()
llama.llama_sampler_sample(greedy, raw.context, -1)
""",
        ABORT,
    ),
    "more tokens at once than a batch takes": (START + "raw.decode([5] * 513)", ABORT),
    "a context that was closed": (
        HIGH_LEVEL
        + """
chat = Llama(path, n_ctx=128, verbose=False)
chat.close()
chat.eval([1, 5])
""",
        SEGFAULT,
    ),
}


@pytest.mark.parametrize("name", FATAL_CALLS)
def test_a_wrong_call_ends_the_process(engine: ModuleType, llama_pair: Pair, name: str) -> None:
    code, signal_number = FATAL_CALLS[name]
    done = engine.in_a_child(code, llama_pair.model)
    assert done.returncode == signal_number, done.stderr[-2000:]


def test_the_high_level_does_not_see_that_an_adapter_does_not_fit(
    engine: ModuleType, llama_pair: Pair, tmp_path: Path
) -> None:
    misfit = tiny_models.write_misfit_adapter(tmp_path / "misfit.gguf")
    code = HIGH_LEVEL + "Llama(path, lora_path=sys.argv[2], n_ctx=128, verbose=False).eval([1, 5])"
    assert engine.in_a_child(code, llama_pair.model, misfit).returncode == SEGFAULT


LOOK = """
from PIL import Image
engine.silence()
with engine.RawEngine(Path(sys.argv[1]), Path(sys.argv[2]), physical_batch=int(sys.argv[3])) as raw:
    raw.look("<__media__>", Image.new("RGB", (90, 60)))
    print("seen")
"""


def test_image_tokens_that_see_each_other_need_one_physical_batch(
    engine: ModuleType, gemma_pair: Pair, llama_pair: Pair
) -> None:
    def look(pair: Pair, physical_batch: str) -> tuple[int, str]:
        done = engine.in_a_child(LOOK, pair.model, pair.projector, physical_batch)
        return done.returncode, done.stdout.strip()

    assert look(gemma_pair, "8") == (ABORT, "")
    assert look(gemma_pair, "16") == (0, "seen")
    assert look(llama_pair, "8") == (0, "seen")


def test_a_dying_engine_starts_a_debugger_unless_told_not_to(
    engine: ModuleType, llama_pair: Pair, tmp_path: Path
) -> None:
    trace, debugger = tmp_path / "started", tmp_path / "gdb"
    debugger.write_text(f"#!/bin/sh\ntouch '{trace}'\n")
    debugger.chmod(0o755)
    path = f"{tmp_path}{os.pathsep}{os.environ['PATH']}"
    die = START + "raw.decode([5] * 513)"
    assert engine.in_a_child(die, llama_pair.model, PATH=path).returncode == ABORT
    assert not trace.exists()
    allow = "import os\nos.unsetenv('GGML_NO_BACKTRACE')\n"
    done = engine.in_a_child(allow + die, llama_pair.model, PATH=path)
    assert done.returncode == ABORT
    assert trace.exists()


LARGE = (
    HIGH_LEVEL
    + """
import resource
resource.setrlimit(resource.RLIMIT_AS, (2 << 30, 2 << 30))
try:
    Llama(path, n_ctx=8_000_000, verbose=False)
except ValueError:
    sys.exit(7)
"""
)


def test_a_context_that_no_memory_holds_is_refused(engine: ModuleType, llama_pair: Pair) -> None:
    assert engine.in_a_child(LARGE, llama_pair.model).returncode == 7


CLOSED = """
import os
for number in (1, 2):
    os.close(number)
from llama_cpp import Llama
try:
    Llama(sys.argv[1], n_ctx=128, verbose=False)
except OSError as error:
    os._exit(error.errno)
os._exit(0)
"""


def test_the_high_level_needs_real_descriptors(engine: ModuleType, llama_pair: Pair) -> None:
    assert engine.in_a_child(CLOSED, llama_pair.model).returncode == errno.EBADF
