"""What the page Generate says of a plan."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import QCoreApplication

from dermagui.ui.library.words import counted
from dermagui.ui.shell.words import money, whole

if TYPE_CHECKING:
    from dermagui.generation.outlook import Outlook
    from dermagui.generation.plan import Plan


def line_of(plan: Plan, outlook: Outlook) -> str:
    """The one line of count, time, money and stop."""
    words = [counted(outlook.left, _tr("1 request"), _tr("{count} requests"))]
    if plan.local:
        words.append(_tr("answered on this computer: nothing leaves it and nothing is paid"))
        if plan.time_budget_seconds is not None:
            minutes = whole(round(plan.time_budget_seconds / 60))
            words.append(_tr("stops after {minutes} min").format(minutes=minutes))
        return ", ".join(words) + "."
    words.append(_tr("about {minutes} min").format(minutes=whole(outlook.minutes)))
    if plan.simulated:
        return ", ".join([*words, _tr("rehearsed: nothing is sent and nothing is paid")]) + "."
    words.append(
        _tr("about {sum} and at most {most}").format(
            sum=money(outlook.expected_micro_usd), most=money(outlook.high_micro_usd)
        )
    )
    if outlook.counted_as != plan.model:
        words.append(_tr("counted at the price of {model}").format(model=outlook.counted_as))
    if plan.budget_micro_usd is not None:
        words.append(_tr("stops at {sum}").format(sum=money(plan.budget_micro_usd)))
    return ", ".join(words) + "."


def _tr(text: str) -> str:
    return QCoreApplication.translate("generate", text)
