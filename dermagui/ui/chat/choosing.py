"""Which model answers, with which adapter: chosen from those that are here, remembered for the next time."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from PySide6.QtCore import QObject, QSettings, Signal
from PySide6.QtWidgets import QFileDialog, QWidget

from dermagui.ui.chat import desk_work, model_work
from dermagui.ui.chat.desk_work import ModelCard
from dermagui.ui.chat.layout import ChatLayout
from dermagui.ui.chat.models_sheet import ModelsSheet
from dermagui.ui.desk import Desk
from dermagui.ui.shell import state
from dermagui.ui.widgets.bar import Level

if TYPE_CHECKING:
    from dermagui.chat.protocol import Adapter

_ADVANCED = "chat/advanced"
_KEPT_NUMBERS = ("temperature", "max_tokens", "context_tokens", "image_tokens", "threads", "gpu_layers")


class Choosing(QObject):
    """Fills the picker, and shows where models come from while there is none, or somebody wants one more."""

    changed = Signal()
    """There are other models, or another one is chosen."""
    failed = Signal(object)
    """A ``DermaError``."""

    def __init__(self, desk: Desk, parts: ChatLayout, page: QWidget) -> None:
        super().__init__(page)
        self._desk, self._parts = desk, parts
        self._wanted = ""
        self._shipped = ""
        """The name of the model that came with the program."""
        self._is_wanted = False
        """Whether the user asked for the sheet."""
        self.cards: list[ModelCard] = []
        self.memory_bytes = 0
        self.sheet = ModelsSheet(desk, parts.bar)
        parts.add_view(self.sheet)
        self._restore()
        self._connect()

    def _connect(self) -> None:
        self.sheet.came.connect(self._on_came)
        self.sheet.left.connect(self.close_sheet)
        self.sheet.phantom_wanted.connect(lambda: self.choose(self._shipped))
        models, settings = self._parts.models, self._parts.settings
        models.picker.activated.connect(lambda _: self._keep(state.MODEL, models.name))
        models.chosen.connect(self._on_chosen)
        settings.context_tokens.editingFinished.connect(self.look)
        settings.advanced.toggled.connect(lambda on: state.set_mark(_ADVANCED, on))
        for name in _KEPT_NUMBERS:
            getattr(settings, name).valueChanged.connect(partial(self._keep, f"chat/{name}"))
        settings.adapter.wanted.connect(self.choose_adapter)
        settings.adapter.changed.connect(self._keep_adapter)

    # -- what is remembered ---------------------------------------------------------------------

    def _restore(self) -> None:
        settings, kept = self._parts.settings, state.window_state()
        self._wanted = str(kept.value(state.MODEL, ""))
        settings.advanced.setChecked(state.is_set(_ADVANCED))
        for name in _KEPT_NUMBERS:
            number = _number(kept, f"chat/{name}")
            if number is not None:
                box = getattr(settings, name)
                box.setValue(type(box.value())(number))

    def _keep(self, key: str, value: object) -> None:
        state.window_state().setValue(key, value)

    def _keep_adapter(self) -> None:
        box, name = self._parts.settings.adapter, self._parts.models.name
        self._keep(f"chat-adapters/{name}", [str(box.path or ""), box.scale.value()])

    def _on_chosen(self) -> None:
        worn = self.adapters_of(self._parts.models.name)
        box = self._parts.settings.adapter
        box.show_adapter(Path(worn[0].path) if worn else None, worn[0].scale if worn else 1.0)
        self.changed.emit()

    def adapters_of(self, name: str) -> tuple[Adapter, ...]:
        """What a model wears, as it was chosen for it last."""
        from dermagui.chat.protocol import Adapter

        kept = state.window_state().value(f"chat-adapters/{name}", [])
        path, scale = kept if isinstance(kept, list) and len(kept) == 2 else ("", None)
        number = _as_number(scale)
        return (Adapter(str(path), 1.0 if number is None else number),) if path else ()

    # -- models ---------------------------------------------------------------------------------

    def look(self) -> None:
        """Reads which models are here."""
        look = partial(desk_work.list_models, self._parts.settings.context_tokens.value())
        self._desk.work(look, self._on_listed, owner=self, failed=self.failed.emit)

    def choose(self, name: str) -> None:
        """Has that bundle answer from now on; it may have come only just now."""
        self._wanted = name
        self._keep(state.MODEL, name)
        self.close_sheet()
        self.look()

    def _on_listed(self, found: tuple[list[ModelCard], int]) -> None:
        cards, self.memory_bytes = found
        # The one that ships is no start: whoever has none of their own is led to one, unless they chose it.
        self._shipped = next((card.name for card in cards if card.is_shipped), "")
        self.sheet.phantom.setVisible(bool(self._shipped))
        chosen = str(state.window_state().value(state.MODEL, ""))
        has_own = any(not card.is_shipped for card in cards)
        self.cards = [card for card in cards if has_own or card.name == chosen]
        models = self._parts.models
        before = models.name
        models.show_models(self.cards, self.memory_bytes)
        if any(card.name == self._wanted for card in self.cards):
            models.choose(self._wanted)
            self._wanted = ""
        if models.name != before:
            self._on_chosen()
        self.sheet.show_state(bool(self.cards), self.memory_bytes)
        if self.cards and not self._is_wanted:
            self._parts.leave_view(self.sheet)
        elif not self.cards:
            self._show_sheet()
        self.changed.emit()

    # -- where they come from -------------------------------------------------------------------

    def open_sheet(self) -> None:
        """The user wants one more model."""
        self._is_wanted = True
        self._show_sheet()
        self.sheet.file.setFocus()

    def _show_sheet(self) -> None:
        if not self._parts.is_in_view(self.sheet):
            self._parts.show_view(self.sheet)
            self.sheet.look()

    def close_sheet(self) -> None:
        """Back to the chat."""
        self._is_wanted = False
        self._parts.leave_view(self.sheet)
        self._parts.composer.draft.setFocus()

    def take_model(self, path: Path) -> None:
        """Somebody dropped a model."""
        self.open_sheet()
        self.sheet.look_at(path)

    def _on_came(self, name: str) -> None:
        told = self.tr("{name} is ready to chat.").format(name=name)
        self._parts.bar.tell(told, Level.DONE)
        self.choose(name)

    # -- the adapter ----------------------------------------------------------------------------

    def choose_adapter(self) -> None:
        """Asks for the file of an adapter that goes with the chosen model."""
        name, _ = QFileDialog.getOpenFileName(
            self._parts, self.tr("An adapter"), "", self.tr("Adapters (*.gguf)")
        )
        if name:
            path, model = Path(name), self._parts.models.name
            read = partial(model_work.check_adapter, path, model)
            take = partial(self._take_adapter, path, model)
            self._desk.work(read, take, owner=self, failed=self.failed.emit)

    def _take_adapter(self, path: Path, model: str, _: object) -> None:
        if self._parts.models.name == model:
            self._parts.settings.adapter.take(path)


def _number(kept: QSettings, key: str) -> float | None:
    return _as_number(kept.value(key))


def _as_number(value: object) -> float | None:
    """What an INI file gives back is text."""
    try:
        return float(str(value))
    except ValueError:
        return None
