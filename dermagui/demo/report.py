"""Writes the tour's report: one page that needs nothing but the pictures beside it, and no network."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from html import escape

from dermagui import __version__, paths
from dermagui.datasets.manifest import NOTICE
from dermagui.demo.showing import WindowPicture
from dermagui.demo.steps import Claim, Ran, Shown, Stage, Tour

_MARKS = {True: ("holds", "✓"), False: ("untrue", "✗"), None: ("open", "–")}
_SAID_LINES = 6
_LINE_CHARACTERS = 230


def write_report(tour: Tour, seconds: float, pictures: Sequence[WindowPicture] = ()) -> None:
    """Writes ``index.html`` into the report's folder, with the pictures of the window."""
    style = (paths.resources() / "templates" / "demo-report.css").read_text(encoding="utf-8")
    body = "\n".join(
        [_opening(tour, seconds), _overview(tour), *_stages(tour), _gallery(tour, pictures), _closing(tour)],
    )
    page = f"""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>dermagui: the tour</title>
<style>
{style}</style>
</head>
<body>
<div class="notice" role="note">{escape(NOTICE)}</div>
<main>
{body}
</main>
</body>
</html>
"""
    (tour.out / "index.html").write_text(page, encoding="utf-8")


def _opening(tour: Tour, seconds: float) -> str:
    claims = [claim for stage in tour.stages for claim in stage.claims]
    untrue = sum(claim.holds is False for claim in claims)
    open_ones = sum(claim.holds is None for claim in claims)
    word = (
        f"{untrue} of {len(claims)} lines are untrue"
        if untrue
        else f"All {len(claims) - open_ones} lines hold"
    )
    more = f"<span>{open_ones} do not apply here</span>" if open_ones else ""
    pictures = (
        "phantom lesions that this program has drawn" if tour.phantoms else "your own pictures, read-only"
    )
    commands = sum(len(stage.runs) for stage in tour.stages)
    return f"""<h1>From a folder of skin images to a dataset</h1>
<p class="lead">This page was written by <code>dermagui demo</code>, version {__version__}. It ran the whole
way on {pictures}: {commands} commands of the real command line, each in a process of its own. What came
back was read from the database and compared with what an independent server had counted.</p>
<div class="verdict {"untrue" if untrue else ""}"><strong>{word}</strong>{more}
<span>{seconds:.0f} seconds</span></div>
{_headlines(claims)}
{"".join(_figure(picture, tour) for stage in tour.stages[:1] for picture in stage.pictures)}"""


def _headlines(claims: list[Claim]) -> str:
    return _tiles([claim.headline for claim in claims if claim.headline])


def _tiles(figures: Iterable[tuple[str, str]]) -> str:
    cells = "".join(f"<div><dt>{escape(name)}</dt><dd>{escape(value)}</dd></div>" for name, value in figures)
    return f'<dl class="figures">{cells}</dl>'


def _overview(tour: Tour) -> str:
    lines = "\n".join(
        f'<tr><td class="n">{number}</td><td><a href="#stage-{number}">{escape(stage.title)}</a></td>'
        f"<td>{_badge(stage.nature)}</td><td class='n'>{_score(stage)}</td>"
        f'<td class="n">{_seconds(stage)}</td></tr>'
        for number, stage in enumerate(tour.stages, 1)
    )
    return f"""<section><h2>What was done, and how real it was</h2>
<p class="story"><b>Real</b> is the program as it is used. <b>Rehearsed</b> is the same program talking to a
server on this computer in the place of Gemini: nothing left the computer, and nothing was paid.</p>
<table class="overview"><thead><tr><th></th><th>Stage</th><th>How real</th><th class="n">Lines that hold</th>
<th class="n">Time</th></tr></thead>
<tbody>{lines}</tbody></table></section>"""


def _badge(word: str) -> str:
    return f'<span class="badge {escape(word.partition(" ")[0])}">{escape(word)}</span>'


def _score(stage: Stage) -> str:
    told = [claim for claim in stage.claims if claim.holds is not None]
    return f"{sum(bool(claim.holds) for claim in told)} of {len(told)}" if told else "–"


def _seconds(stage: Stage) -> str:
    return f"{sum(ran.seconds for ran in stage.runs):.1f} s" if stage.runs else "–"


def _stages(tour: Tour) -> Iterable[str]:
    for number, stage in enumerate(tour.stages, 1):
        parts = [
            _commands(stage.runs, tour),
            _figures(stage.figures),
            _claims(stage.claims),
            _pictures(stage, tour) if number > 1 else "",  # those of the first stand at the top
        ]
        yield f"""<section id="stage-{number}">
<div class="head"><h2><span class="number">{number}</span> {escape(stage.title)}</h2>
{_badge(stage.nature)}</div>
<p class="story">{escape(stage.story)}</p>
{"".join(parts)}</section>"""


def _commands(runs: list[Ran], tour: Tour) -> str:
    if not runs:
        return ""
    lines = "\n".join(f'<span class="prompt">$ </span>{escape(_shortened(ran.line))}' for ran in runs)
    said = "\n".join(_said(ran, tour) for ran in runs)
    return f"<pre>{lines}</pre><details><summary>What was said</summary><pre>{said}</pre></details>"


def _shortened(line: str) -> str:
    return line if len(line) <= _LINE_CHARACTERS else f"{line[:_LINE_CHARACTERS]}…"


def _said(ran: Ran, tour: Tour) -> str:
    """A command as it was typed, how it ended, and the last lines of what it said to a person."""
    told = ran.stderr.replace(f"{tour.work}/", "").strip().splitlines()[-_SAID_LINES:]
    end = f"  # {ran.seconds:.1f} s" + (f", exit code {ran.code}" if ran.code else "")
    said = "".join(f"\n  {escape(line)}" for line in told)
    return f'<span class="prompt">$ </span>{escape(ran.line)}<span class="said">{end}{said}</span>'


def _figures(figures: dict[str, object]) -> str:
    if not figures:
        return ""
    return f"<h3>Read back</h3>{_tiles((name, _number(value)) for name, value in figures.items())}"


def _number(value: object) -> str:
    if isinstance(value, float):
        return f"{value:.4f}"
    return f"{value:,}" if isinstance(value, int) else str(value)


def _claims(claims: list[Claim]) -> str:
    if not claims:
        return ""
    lines = "".join(
        f'<tr class="{kind}"><td class="mark">{mark}</td><td>{escape(claim.text)}</td>'
        f'<td class="found">{escape(claim.found)}</td></tr>'
        for claim in claims
        for kind, mark in [_MARKS[claim.holds]]
    )
    return f'<h3>Checked</h3><table class="claims"><tbody>{lines}</tbody></table>'


def _pictures(stage: Stage, tour: Tour) -> str:
    if stage.quote:
        shown = "".join(_figure(picture, tour) for picture in stage.pictures)
        return f'<div class="beside">{shown}<pre>{escape(stage.quote)}</pre></div>'
    if any(picture.lines for picture in stage.pictures):
        pairs = "".join(_pair(picture, tour) for picture in stage.pictures)
        return f'<h3>Some of the pairs</h3><div class="pairs">{pairs}</div>'
    return "".join(_figure(picture, tour) for picture in stage.pictures)


def _figure(shown: Shown, tour: Tour) -> str:
    caption = escape(shown.caption)
    picture = f'<img src="{_source(shown, tour)}" alt="{caption}">'
    return f"<figure>{picture}<figcaption>{caption}</figcaption></figure>"


def _pair(shown: Shown, tour: Tour) -> str:
    told = "".join(
        f"<p{' class=flag' if label.startswith('Flag') else ''}><b>{escape(label)}</b>{escape(text)}</p>"
        for label, text in shown.lines
    )
    picture = f'<img src="{_source(shown, tour)}" alt="The picture of this pair" loading="lazy">'
    return f'<figure class="pair">{picture}<div class="body">{_badge(shown.caption)}{told}</div></figure>'


def _source(shown: Shown, tour: Tour) -> str:
    return escape(shown.path.relative_to(tour.out).as_posix())


def _gallery(tour: Tour, pictures: Sequence[WindowPicture]) -> str:
    """All pictures of the window, small, page by page; each leads to its full size."""
    pages: dict[str, list[WindowPicture]] = {}
    for picture in pictures:
        pages.setdefault(picture.view.partition("-")[0], []).append(picture)
    groups = "".join(_window_page(tour, page, shown) for page, shown in pages.items())
    return f'<section id="window"><h2>The window in pictures</h2>{groups}</section>' if pages else ""


def _window_page(tour: Tour, page: str, pictures: list[WindowPicture]) -> str:
    figures = "".join(_window_picture(tour, one) for one in sorted(pictures, key=_place))
    summary = f"<summary>{escape(page.capitalize())}: {len(pictures)} pictures</summary>"
    return f'<details open>{summary}<div class="window">{figures}</div></details>'


def _place(picture: WindowPicture) -> tuple[str, str, int, str]:
    return picture.view, picture.state, picture.scale, picture.look


def _window_picture(tour: Tour, picture: WindowPicture) -> str:
    states = {"none": "no project", "empty": "an empty project", "project": "this project"}
    words = [picture.view.replace("-", ", "), states[picture.state], picture.look, f"{picture.scale} %"]
    words += [f"process {picture.job} at work"] if picture.job is not None else []
    caption = escape(" · ".join(words))
    full, small = (escape(path.relative_to(tour.out).as_posix()) for path in (picture.path, picture.small))
    image = f'<img src="{small}" alt="The window: {caption}" loading="lazy">'
    return f'<figure><a href="{full}">{image}</a><figcaption>{caption}</figcaption></figure>'


def _closing(tour: Tour) -> str:
    own = "" if tour.phantoms else "<p>This page shows pictures of yours: keep it as you keep them.</p>"
    return f"""<footer>{own}
<p>Everything that this page speaks of lies in the folder <code>work</code> beside it: the project, the
datasets, the server's own book. To look for yourself: <code>dermagui status work/project</code>,
<code>dermagui review work/project list</code>.</p>
<p>The answers on this page are rehearsed: written by a program that measures a picture, not by a doctor and
not by a medical model. Some are wrong on purpose.</p></footer>"""
