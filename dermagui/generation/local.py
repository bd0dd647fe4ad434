"""A model on this computer as the one who answers: the same requests and replies, and nothing leaves.

It costs time instead of money. The child that runs it may crash: that costs one request, and the next one
starts another child; only a row of crashes ends the run.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict
from functools import lru_cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from types import TracebackType

from dermagui.chat.bundle_files import read_text
from dermagui.chat.finding import find_model, sha256_of
from dermagui.chat.memory import DEFAULT_IMAGE_TOKENS
from dermagui.chat.model_facts import ProjectorFacts
from dermagui.chat.pairing import read_file
from dermagui.chat.pictures import recipe_for
from dermagui.chat.protocol import ChatTurn, Rgb, Sampling
from dermagui.chat.session import GRACE_SECONDS, Answer, ModelFiles, Room, Session, image_tokens
from dermagui.errors import DermaError, ServiceError, Stopped, UserError
from dermagui.generation.outcomes import Action, Outcome
from dermagui.generation.plan import Plan
from dermagui.generation.service import Call, Reply
from dermagui.library.pixels import full_size, rows_of
from dermagui.records import Picture, PixelRecipe, Pixels, RequestState, Role

_DEATHS_THAT_END = 3
"""So many crashes without an answer between them mean that the next request would end no better."""
_TEMPERATURE = 0.7
"""Above 0, so that an answer which was no good is not given again word by word."""
_PROMPT_TOKENS = 2048
"""Room for the text of a request: twice what the longest of ours takes in a script without short tokens."""
_LOOK_SECONDS = 0.1
_OF_ONE_REQUEST = frozenset({"chat.failed", "chat.too_long", "chat.image_too_large", "chat.image_failed"})
_FINISHED = {"end": "STOP", "length": "MAX_TOKENS", "context": "MAX_TOKENS"}
"""How an answer ended, in the words of the REST response that all answers are kept in."""


def name_model(called: str, mmproj: Path | None) -> tuple[str, str, dict[str, str]]:
    """Name, version and files of a model for a plan; the version tells which files answer, by their hashes.

    Reads a bare file to its end, which takes a while. Raises what ``find_model`` raises.
    """
    found = find_model(called, mmproj, looks=True)
    files = {role: str(path.resolve()) for role, path in found.paths.items()}
    hashes = ";".join(f"{role}={sha256_of(found, role)}" for role in sorted(files))
    quantization = read_file(found.paths["model"]).facts.quantization
    return found.name, f"{found.name}@{quantization};{hashes}", files


def recipe_of(plan: Plan, picture: Picture) -> PixelRecipe:
    """How a picture is made for whoever answers: as the plan says or, for a local model, as it needs it."""
    if not plan.local:
        return plan.recipe
    projector = _projector(plan.model_files)
    return recipe_for(projector, full_size(picture), image_tokens(projector, DEFAULT_IMAGE_TOKENS))[0]


def check_model(plan: Plan) -> None:
    """Raises ``UserError`` or ``DataError`` where the plan's model cannot look at pictures or be used."""
    if "mmproj" not in plan.model_files:
        raise UserError("chat.text_only", name=plan.model)
    with _session(plan):
        pass  # it looks into the files and starts nothing


def classify_local(failure: DermaError) -> Outcome:
    """The outcome of a request that a model on this computer did not answer; it cost nothing.

    What may go better another time is for another run.
    """
    may_pass = isinstance(failure, ServiceError | Stopped)
    state = RequestState.RETRYABLE if may_pass else RequestState.PERMANENT
    return Outcome(state, failure.code, Action.GIVE_UP, False, dict(failure.values))


def engine_version() -> str:
    """Name and version of the engine, for the run's row; only the name where it is not installed."""
    try:
        return f"llama-cpp-python {version('llama-cpp-python')}"
    except PackageNotFoundError:
        return "llama-cpp-python"


class LocalModel:
    """A loaded model that answers one request at a time; use it as an async context manager."""

    host = ""

    def __init__(self, plan: Plan, stop_asked: Callable[[], bool]) -> None:
        """``stop_asked`` ends the present answer too. Raises what ``check_model`` raises."""
        self._plan, self._stop_asked = plan, stop_asked
        self._session = _session(plan)
        self._deaths = 0

    async def __aenter__(self) -> LocalModel:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._session.close()

    async def generate(self, call: Call) -> Reply:
        """Asks the model; raises what would befall every other request too."""
        answering = asyncio.create_task(asyncio.to_thread(self._reply, call))
        stop_at = 0.0
        while not answering.done():
            if self._stop_asked() and time.monotonic() >= stop_at:
                self._session.stop()
                stop_at = time.monotonic() + 2 * GRACE_SECONDS  # a stop between two questions is not heard
            await asyncio.wait({answering}, timeout=_LOOK_SECONDS)
        return answering.result()

    def _reply(self, call: Call) -> Reply:
        sampling = Sampling(call.max_output_tokens, temperature=_TEMPERATURE, seed=call.seed)
        try:
            answer = self._answer(call, sampling)
        except DermaError as error:
            return self._failed(error)
        self._deaths = 0
        if answer.ended == "stopped":
            return Reply(failure=Stopped("job.stopped"))
        return Reply(body=self._body(answer, sampling))

    def _answer(self, call: Call, sampling: Sampling) -> Answer:
        turns = [
            ChatTurn(Role.SYSTEM, call.system),
            ChatTurn(Role.USER, call.user, (_seen(self._session.projector, call.pixels),)),
        ]
        *_, answer = self._session.ask(turns, sampling, schema=json.dumps(call.schema))
        assert isinstance(answer, Answer)
        return answer

    def _failed(self, error: DermaError) -> Reply:
        if error.code == "chat.died":
            self._deaths += 1
            if self._deaths >= _DEATHS_THAT_END:
                raise ServiceError("local.keeps_dying", **error.values, count=self._deaths) from error
            return Reply(failure=ServiceError("local.died", **error.values))
        if error.code in _OF_ONE_REQUEST:
            return Reply(failure=error)
        raise error

    def _body(self, answer: Answer, sampling: Sampling) -> str:
        """The answer as the REST response that everything after it reads, with how it came about."""
        seen = sum(image["tokens"] for image in answer.images)
        content = {"role": "model", "parts": [{"text": answer.text}]}
        response = {
            "candidates": [{"finishReason": _FINISHED[answer.ended], "content": content}],
            "usageMetadata": {
                "promptTokenCount": answer.prompt_tokens,
                "promptTokensDetails": [{"modality": "IMAGE", "tokenCount": seen}],
                "candidatesTokenCount": len(answer.tokens),
            },
            "modelVersion": self._plan.model_version,
            "local": {
                "sampling": asdict(sampling),
                "seconds": answer.seconds,
                "reused_tokens": answer.reused_tokens,
                "images": answer.images,
                "loaded": self._session.loaded,
            },
        }
        return json.dumps(response, ensure_ascii=False)


def _session(plan: Plan) -> Session:
    paths = {role: Path(path) for role, path in plan.model_files.items()}
    template = read_text(paths["template"]) if "template" in paths else None
    # An answer that was cut short is asked once more with twice the room.
    tokens = _PROMPT_TOKENS + DEFAULT_IMAGE_TOKENS + 2 * plan.max_output_tokens
    most = read_file(paths["model"]).facts.context_length or tokens
    return Session(ModelFiles(paths["model"], paths["mmproj"], template), Room(min(tokens, most)))


def _seen(projector: ProjectorFacts | None, pixels: Pixels) -> Rgb:
    assert projector is not None
    size, most = (pixels.width, pixels.height), image_tokens(projector, DEFAULT_IMAGE_TOKENS)
    return Rgb(pixels.sha256, *size, rows_of(pixels), recipe_for(projector, size, most)[1])


def _projector(files: Mapping[str, str]) -> ProjectorFacts:
    found = _projector_in(files["mmproj"])
    if found is None:
        raise UserError("chat.not_a_mmproj", path=files["mmproj"])
    return found


@lru_cache(maxsize=4)
def _projector_in(path: str) -> ProjectorFacts | None:
    return read_file(Path(path)).facts.projector
