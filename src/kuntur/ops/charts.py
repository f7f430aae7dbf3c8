"""The pictures of the report, as inline SVG: no script, no outside request, sharp on paper.

Colours and sizes come from the report's style sheet (CSS variables and classes); words come in two languages, each in
an element with its own `lang`, of which the style sheet shows one.
"""

from __future__ import annotations

import base64
import io
from collections.abc import Sequence
from html import escape

import numpy as np
from matplotlib import image
from msgspec import Struct
from numpy.typing import NDArray

from kuntur.model.place import Terrain
from kuntur.ops.account import Coverage, LookSummary, Share
from kuntur.visibility import relief

FloatArray = NDArray[np.float64]
LANGUAGES = ("en", "es")
WIDTH = 900  # user units of every chart; the page scales them


class Words(Struct, frozen=True):
    """The same in English and Spanish."""

    en: str
    es: str

    def html(self) -> str:
        return f'<span lang="en">{escape(self.en)}</span><span lang="es">{escape(self.es)}</span>'

    def svg(self, x: float, y: float, kind: str = "", anchor: str = "start") -> str:
        return "".join(
            f'<text lang="{lang}" x="{x:.1f}" y="{y:.1f}" class="{kind}" text-anchor="{anchor}">{escape(words)}</text>'
            for lang, words in zip(LANGUAGES, (self.en, self.es), strict=True)
        )


class Mark(Struct, frozen=True, kw_only=True):
    """One of the promised numbers: where it stands, what it is called, and its style class."""

    prob: float
    words: Words
    kind: str


def _svg(height: float, parts: Sequence[str], title: Words) -> str:
    return (
        f'<svg viewBox="0 0 {WIDTH} {height:.0f}" role="img" aria-label="{escape(title.en)} / {escape(title.es)}">'
        f"{''.join(parts)}</svg>"
    )


def _text(x: float, y: float, words: str, kind: str = "", anchor: str = "start") -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}" class="{kind}" text-anchor="{anchor}">{escape(words)}</text>'


def _line(x1: float, y1: float, x2: float, y2: float, kind: str) -> str:
    return f'<line x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}" class="{kind}"/>'


def _rect(x: float, y: float, width: float, height: float, kind: str) -> str:
    return f'<rect x="{x:.1f}" y="{y:.1f}" width="{max(width, 0):.1f}" height="{height:.1f}" class="{kind}"/>'


def percent(prob: float | None) -> str:
    """A probability for people: no decimals where they would be noise."""
    return "–" if prob is None else f"{100.0 * prob:.0f}\N{NO-BREAK SPACE}%"


def promise(marks: Sequence[Mark], achieved: Sequence[tuple[Words, Share]]) -> str:
    """Promised numbers as posts across the chart, achieved shares as bars with their confidence intervals."""
    left, right, row = 210.0, WIDTH - 30.0, 44.0
    top = 26.0 + 19.0 * len(marks)
    bottom = top + row * max(1, len(achieved)) + 6.0

    def x(prob: float) -> float:
        return left + (right - left) * prob

    parts = [_line(x(k / 10), top, x(k / 10), bottom, "grid") for k in range(11)]
    parts += [_text(x(k / 10), bottom + 16, f"{10 * k} %", "tick", "middle") for k in range(0, 11, 2)]
    for k, mark in enumerate(sorted(marks, key=lambda mark: mark.prob)):
        y = 18.0 + 19.0 * k
        parts.append(_line(x(mark.prob), y - 2, x(mark.prob), bottom, f"post {mark.kind}"))
        # To the right a label crosses no other post: those of smaller numbers stand left, those of larger begin lower.
        side, shift = ("start", 6.0) if mark.prob < 0.75 else ("end", -6.0)
        words = Words(f"{mark.words.en} {percent(mark.prob)}", f"{mark.words.es} {percent(mark.prob)}")
        parts.append(words.svg(x(mark.prob) + shift, y + 4, f"label {mark.kind}", side))
    for k, (name, count) in enumerate(achieved):
        y = top + row * k + 10.0
        parts.append(name.svg(left - 12, y + 11, "label", "end"))
        parts.append(_text(left - 12, y + 26, f"{count.hits} / {count.trials}", "tick", "end"))
        if count.prob is None:
            continue
        parts.append(_rect(x(0), y, x(count.prob) - x(0), 24, "bar"))
        low, high, middle = x(count.low_prob), x(count.high_prob), y + 12
        parts.append(_line(low, middle, high, middle, "whisker"))
        parts += [_line(end, middle - 6, end, middle + 6, "whisker") for end in (low, high)]
        parts.append(_text(x(0) + 8, y + 16.5, percent(count.prob), "onbar"))
    return _svg(bottom + 24, parts, Words("Promised against achieved", "Prometido frente a logrado"))


def distances(summary: LookSummary, ours: str, theirs: str) -> str:
    """Histogram of where the picture centres fell, across the border on the left, our side on the right."""
    left, right, top, bottom = 40.0, WIDTH - 20.0, 34.0, 230.0
    edges, counts = np.array(summary.edges_m), np.array(summary.counts)
    most = max(1, int(counts.max(initial=0)))

    def x(offset_m: float) -> float:
        return float(left + (right - left) * (offset_m - edges[0]) / (edges[-1] - edges[0]))

    parts = []
    for low, high, count in zip(edges[:-1], edges[1:], counts, strict=True):
        height = (bottom - top) * count / most
        kind = "ours" if low >= 0 else ("beyond" if high <= -summary.limit_m else "across")
        parts.append(_rect(x(low) + 0.8, bottom - height, x(high) - x(low) - 1.6, height, f"column {kind}"))
    parts.append(_line(left, bottom, right, bottom, "axis"))
    parts.append(_line(x(0), top - 26, x(0), bottom + 6, "border"))
    parts.append(_text(x(0) - 10, top - 14, f"← {theirs}", "label", "end"))
    parts.append(_text(x(0) + 10, top - 14, f"{ours} →", "label"))
    for km in range(int(edges[0] // 1000), int(edges[-1] // 1000) + 1, 2):
        open_end = "+" if 1000 * km in (edges[0], edges[-1]) else ""
        parts.append(_text(x(1000 * km), bottom + 18, f"{abs(km)}{open_end} km", "tick", "middle"))
    if summary.limit_m < -edges[0]:
        parts.append(_line(x(-summary.limit_m), top + 14, x(-summary.limit_m), bottom, "limit"))
        limit = f"{summary.limit_m / 1000:g} km"
        parts.append(Words(f"limit {limit}", f"límite {limit}").svg(x(-summary.limit_m) - 6, top + 22, "tick", "end"))
    return _svg(bottom + 28, parts, Words("Where the pictures fell", "Dónde cayeron las imágenes"))


def strip(seen: Coverage, start_h: float) -> str:
    """Border chainage across, local time down, darker where it was looked at more often; white where never."""
    left, right, top = 56.0, WIDTH - 20.0, 24.0
    stations, bins = seen.looks.shape
    length_km = _length_km(seen)
    height = min(420.0, max(120.0, 9.0 * bins))
    strength = np.log1p(seen.looks.T.astype(float)) / np.log1p(60.0)
    cell = (right - left) / stations
    parts = [_rect(left, top, right - left, height, "paper")]
    for b in range(bins):
        y, tall = top + height * b / bins, height / bins
        for s in np.flatnonzero(strength[b] > 0):
            opacity = 0.18 + 0.82 * min(1.0, float(strength[b, s]))
            parts.append(
                f'<rect x="{left + cell * s:.1f}" y="{y:.1f}" width="{cell + 0.2:.1f}" height="{tall + 0.2:.1f}" '
                f'class="seen" opacity="{opacity:.2f}"/>'
            )
    parts.append(f'<rect x="{left}" y="{top}" width="{right - left}" height="{height}" class="frame"/>')
    for km in range(0, int(length_km) + 1, 5):
        at = left + (right - left) * km / length_km
        parts.append(_line(at, top - 4, at, top, "axis"))
        parts.append(_text(at, top - 8, f"km {km}", "tick", "middle"))
    step_s = 3600.0 if seen.edges_s[-1] > 5400.0 else 600.0
    for t_s in np.arange(0.0, seen.edges_s[-1] + 1.0, step_s):
        y = top + height * t_s / seen.edges_s[-1]
        parts.append(_line(left - 4, y, left, y, "axis"))
        parts.append(_text(left - 8, y + 4, clock(start_h + t_s / 3600.0), "tick", "end"))
    return _svg(top + height + 10, parts, Words("When each kilometre was watched", "Cuándo se vigiló cada kilómetro"))


def _length_km(seen: Coverage) -> float:
    step_m = seen.chainage_m[0] * 2.0
    return float(seen.chainage_m[-1] + step_m / 2.0) / 1000.0


def clock(hours: float) -> str:
    """Hours after midnight as HH:MM, past midnight beginning again."""
    minutes = round(hours * 60.0) % 1440
    return f"{minutes // 60:02d}:{minutes % 60:02d}"


class Layer(Struct, frozen=True, kw_only=True):
    """Lines and points of one kind on the map. lines: (n, 2) arrays in the local frame; points: (n, 2)."""

    kind: str
    lines: tuple[FloatArray, ...] = ()
    points: FloatArray | None = None
    labels: tuple[str, ...] = ()
    radius: float = 4.0


def chart(terrain: Terrain, layers: Sequence[Layer], *, sketched: Words | None = None) -> str:
    """A map of the whole terrain: shaded relief, lines and points on it, a scale bar, a stamp where it is sketched."""
    height = WIDTH * terrain.rows / terrain.cols
    scale = WIDTH / (terrain.cols * terrain.cell_m)

    def place(xy_m: FloatArray) -> FloatArray:
        return np.column_stack([(xy_m[:, 0] - terrain.west_m) * scale, (terrain.north_m - xy_m[:, 1]) * scale])

    parts = [f'<image href="{_relief(terrain)}" width="{WIDTH}" height="{height:.1f}" preserveAspectRatio="none"/>']
    for layer in layers:
        for line in layer.lines:
            path = "L".join(f"{a:.1f} {b:.1f}" for a, b in place(np.asarray(line, float)))
            parts.append(f'<path d="M{path}" class="{layer.kind}"/>')
        if layer.points is not None and len(layer.points):
            for k, (a, b) in enumerate(place(np.asarray(layer.points, float))):
                parts.append(f'<circle cx="{a:.1f}" cy="{b:.1f}" r="{layer.radius}" class="{layer.kind}"/>')
                if k < len(layer.labels):
                    side, shift = ("start", layer.radius + 3) if a < 0.75 * WIDTH else ("end", -layer.radius - 3)
                    parts.append(_text(a + shift, b + 4, layer.labels[k], "place", side))
    bar_m = 10_000 if terrain.cols * terrain.cell_m > 30_000 else 2_000
    parts.append(f'<path d="M20 {height - 18:.1f}v6h{bar_m * scale:.1f}v-6" class="scale"/>')
    parts.append(_text(26, height - 20, f"{bar_m // 1000} km", "place"))
    if sketched is not None:
        parts.append(sketched.svg(WIDTH - 14, height - 14, "stamp", "end"))
    return _svg(height, parts, Words("Map of the watch", "Mapa de la vigilancia"))


def _relief(terrain: Terrain, *, width_px: int = 1100) -> str:
    """Shaded relief in muted height colours as a JPEG data address."""
    step = max(1, terrain.cols // width_px)
    light = relief.shade(terrain)[::step, ::step].astype(float) / 255.0
    height = terrain.heights_m[::step, ::step]
    known = ~np.isnan(height)
    low, high = np.percentile(height[known], [2, 99.5]) if known.any() else (0.0, 1.0)
    share = np.clip((np.nan_to_num(height, nan=low) - low) / max(high - low, 1.0), 0.0, 1.0)
    stops = np.array([[0.80, 0.83, 0.76], [0.87, 0.84, 0.74], [0.80, 0.74, 0.67], [0.93, 0.92, 0.92]])
    at = np.linspace(0.0, 1.0, len(stops))
    colour = np.stack([np.interp(share, at, stops[:, k]) for k in range(3)], axis=-1)
    colour = np.clip(colour * (0.45 + 0.75 * light[..., None]), 0.0, 1.0)
    colour[~known] = [0.75, 0.75, 0.78]
    file = io.BytesIO()
    image.imsave(file, (colour * 255).astype(np.uint8), format="jpg", pil_kwargs={"quality": 82})
    return "data:image/jpeg;base64," + base64.b64encode(file.getvalue()).decode("ascii")
