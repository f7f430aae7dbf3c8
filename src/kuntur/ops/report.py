"""The report of a watch: one self-contained HTML page in English and Spanish that also prints well on A4.

The language switch is two radio buttons and a style sheet, so it works without script, and a printed page is in the
language that was chosen. Nothing is fetched from anywhere.
"""

from __future__ import annotations

import textwrap
from collections import Counter
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta
from html import escape
from importlib.resources import files

import numpy as np

from kuntur.geodesy import frames
from kuntur.model.place import Area
from kuntur.model.tracks import Alert
from kuntur.ops import charts
from kuntur.ops.account import Coverage, FlownSortie, Redraw, Review, Share, Tried, achieved
from kuntur.ops.charts import FloatArray, Layer, Mark, Words, percent
from kuntur.ops.report_words import ATTACKERS, KINDS, OUTCOME, SEVERITY, SHORT, UNREAL, VERDICT
from kuntur.units import NS_PER_S, at_least, at_most

SHOWN_ALERTS = 150


def html(review: Review, area: Area) -> str:
    """The whole page."""
    sections = [
        _promise(review, area),
        _trial(review),
        _map(review, area),
        _coverage(review, area),
        _looks(review, area),
        _flights(review),
        _alerts(review, area),
        _record(review),
        _inputs(review, area),
    ]
    style = files("kuntur.ops").joinpath("report.css").read_text(encoding="utf-8")
    title = escape(f"{area.title} · {_local(review.start_t_ns, area):%Y-%m-%d}")
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        '<meta http-equiv="Content-Security-Policy" content="default-src \'none\'; img-src data:; '
        "style-src 'unsafe-inline'\">"
        f"<title>Kuntur · {title}</title><style>{style}</style></head><body>"
        '<input type="radio" name="language" id="show-en" checked><input type="radio" name="language" id="show-es">'
        '<nav><label for="show-en" lang="x">English</label><label for="show-es" lang="x">Español</label></nav>'
        f"<main>{_head(review, area)}{''.join(sections)}{_foot(area)}</main></body></html>\n"
    )


# --- sections


def _head(review: Review, area: Area) -> str:
    start, end = _local(review.start_t_ns, area), _local(review.start_t_ns, area, review.duration_s)
    zone = f"UTC{area.requirement.utc_offset_h:+g}"
    when = f"{start:%Y-%m-%d %H:%M} – {end:%H:%M} ({zone})"
    badges = []
    if review.simulated:
        badges.append(Words("SIMULATED", "SIMULADO").html())
    if area.terrain.sketched:
        badges.append(Words("SKETCHED TERRAIN", "TERRENO ESBOZADO").html())
    marks = "".join(f'<span class="badge">{badge}</span>' for badge in badges)
    simulated = ""
    if review.simulated:
        spanish = ", ".join(UNREAL.get(word, word) for word in review.simulated)
        simulated = _note(Words(f"Not real here: {', '.join(review.simulated)}.", f"No es real aquí: {spanish}."))
    return (
        f'<header><svg class="mark" viewBox="0 0 64 28" aria-hidden="true"><path d="M32 19C27 9 16 4 1 3c8 3 12 6 15 10'
        "-3-1-6-1-9 0 6 1 11 4 16 8-2 0-4 1-5 2 6 0 11 1 14 3 3-2 8-3 14-3-1-1-3-2-5-2 5-4 10-7 16-8-3-1-6-1-9 0 3-4 "
        '7-7 15-10-15 1-26 6-31 16z"/></svg>'
        f'<p class="kicker">{Words("Report of a watch", "Informe de una vigilancia").html()}</p>'
        f"<h1>{escape(area.title)}</h1><p class='when'>{when}</p><p class='badges'>{marks}</p></header>"
        f"{simulated}<p class='lead'>{_verdict(review)}</p>"
    )


def _verdict(review: Review) -> str:
    detected = achieved(review.crossings)["detected"]
    if detected.prob is None:
        return Words(
            "No simulated crossing took place in this watch, so nothing can be said about detection.",
            "En esta vigilancia no hubo ningún cruce simulado; nada puede decirse sobre la detección.",
        ).html()
    interval = f"{percent(detected.low_prob)} – {percent(detected.high_prob)}"
    count = Words(
        f"{detected.hits} of {detected.trials} simulated crossings were detected ({percent(detected.prob)}; 95 % "
        f"interval {interval}). ",
        f"Se detectaron {detected.hits} de {detected.trials} cruces simulados ({percent(detected.prob)}; intervalo del "
        f"95 %: {interval}). ",
    )
    if review.certificate is None:
        return count.html()
    floor = percent(at_least(review.certificate.floor))
    kind = "good" if detected.low_prob >= review.certificate.floor else "even"
    words = Words(
        f"The whole interval lies above the promised floor of {floor}.",
        f"Todo el intervalo está por encima del piso prometido de {floor}.",
    )
    if detected.high_prob < review.certificate.floor:
        kind = "bad"
        words = Words(
            f"That is BELOW the promised floor of {floor}: the model behind the plan must be looked into.",
            f"Está POR DEBAJO del piso prometido de {floor}: hay que revisar el modelo detrás del plan.",
        )
    elif kind == "even":
        words = Words(
            f"The promised floor of {floor} lies inside the interval: this watch neither confirms nor refutes it.",
            f"El piso prometido de {floor} está dentro del intervalo: esta vigilancia no lo confirma ni lo refuta.",
        )
    return f'{count.html()}<strong class="{kind}">{words.html()}</strong>'


def _promise(review: Review, area: Area) -> str:
    shares = achieved(review.crossings)
    rows: list[tuple[Words, Share]] = [
        (Words("Detected", "Detectados"), shares["detected"]),
        (Words("Tracked", "Seguidos"), shares["tracked"]),
        (Words("Alerted", "Con alerta"), shares["alerted"]),
    ]
    for name, words in (
        ("adaptive", Words("Detected, adaptive", "Detectados, adaptativos")),
        ("naive", Words("Detected, naive", "Detectados, ingenuos")),
        ("other", Words("Not in the requirement", "Fuera del requisito")),
    ):
        if shares[name].trials not in (0, shares["detected"].trials):
            rows.append((words, shares[name]))
    plan = review.certificate
    values = (
        {}
        if plan is None
        else {
            "floor": at_least(plan.floor),
            "attack": plan.attack,
            "ceiling": at_most(plan.ceiling),
            "leak": plan.leak,
        }
    )
    picture = charts.promise([Mark(prob=value, words=SHORT[name], kind=name) for name, value in values.items()], rows)
    table = "".join(
        f'<tr><th class="{name}">{percent(value)}</th><td>{ATTACKERS[name].html()}'
        f'<small lang="x">{escape(plan.attackers.get(name, "") if plan else "")}</small></td></tr>'
        for name, value in values.items()
    )
    note = Words(
        "All crossings of one night meet the same draw, so they are not independent, and the interval is narrower than "
        "one night can justify. Whether the plan keeps its promise over many nights is shown by the trial "
        "(kuntur review --trial 2000). "
        f"{review.unexplained_alerts} alerts of movers had no simulated crosser near them.",
        "Todos los cruces de una noche se enfrentan al mismo sorteo: no son independientes, y el intervalo es más "
        "estrecho de lo que una sola noche justifica. Si el plan cumple en muchas noches lo muestra el ensayo "
        "(kuntur review --trial 2000). "
        f"{review.unexplained_alerts} alertas de móviles no tenían cerca ningún cruce simulado.",
    )
    return _section(
        Words("Promised against achieved", "Prometido frente a logrado"),
        f'{picture}<table class="numbers">{table}</table>{_class_floors(review, area)}{_note(note)}{_caveats(review)}',
    )


def _class_floors(review: Review, area: Area) -> str:
    """The floor against every class of crosser, those outside the requirement named as such."""
    if review.certificate is None or len(review.certificate.class_floors) < 2:
        return ""
    known = {crosser.id: crosser for crosser in area.crossers}
    en, es = [], []
    for class_id, floor in review.certificate.class_floors.items():
        crosser = known.get(class_id)
        name = crosser.name if crosser is not None else class_id
        inside = crosser is None or crosser.required
        en.append(f"{name} {percent(at_least(floor))}" + ("" if inside else " (not part of the requirement)"))
        es.append(f"{name} {percent(at_least(floor))}" + ("" if inside else " (fuera del requisito)"))
    return _note(Words(f"Floor by class: {'; '.join(en)}.", f"Piso por clase: {'; '.join(es)}."))


def _caveats(review: Review) -> str:
    if review.certificate is None or not review.certificate.caveats:
        return ""
    items = "".join(f'<li lang="x">{escape(words)}</li>' for words in review.certificate.caveats)
    heading = Words("What the promise rests on (as the plan states it)", "En qué se apoya la promesa (según el plan)")
    return f"<details open><summary>{heading.html()}</summary><ul>{items}</ul></details>"


def _trial(review: Review) -> str:
    """The plan tried over many nights, where that was done."""
    tried = review.tried
    if tried is None:
        return ""
    rows = [(KINDS.get(kind, Words(kind, kind)), count) for kind, count in tried.shares.items()]
    picture = charts.promise([Mark(prob=tried.floor_prob, words=SHORT["floor"], kind="floor")], rows)
    confidence = 100.0 * next((count.confidence for count in tried.shares.values()), 0.95)
    note = Words(
        f"{tried.nights} simulated nights, each with its own draw; one crosser of each kind crosses every night, seen "
        f"or not look by look; intervals of {confidence:g} %. Naive: does not know the plan. Learning: knows nothing, "
        "and tries again what got through on nights before. Uninformed: knows the plan but no draw. Informed: learns "
        "each wave's draw as it begins. What one look is worth is the plan's own and is not tried by this.",
        f"{tried.nights} noches simuladas, cada una con su sorteo; cada noche cruza uno de cada tipo, visto o no "
        f"mirada por mirada; intervalos del {confidence:g} %. Ingenuo: no conoce el plan. Aprende: no sabe nada y "
        "repite lo que pasó otras noches. Sin noticias: conoce el plan pero ningún sorteo. Informado: se entera del "
        "sorteo de cada oleada cuando empieza. Lo que vale una mirada es lo del plan y esto no lo pone a prueba.",
    )
    return _section(
        Words("The plan tried over many nights", "El plan probado en muchas noches"),
        f"{picture}{_note(note)}{_predicted(tried)}",
    )


def _predicted(tried: Tried) -> str:
    """Predicted against observed, in bins of the prediction."""
    if not tried.predicted:
        return ""
    rows = [
        (
            f"{crossings}",
            percent(predicted),
            percent(seen),
            f'<span class="{"good" if predicted <= most else "bad"}">{percent(most)}</span>',
        )
        for crossings, predicted, seen, most in tried.predicted
    ]
    head = [
        Words("Crossings", "Cruces"),
        Words("Predicted by the plan's rate", "Previsto por la tasa del plan"),
        Words("Seen", "Vistos"),
        Words("At most, by chance", "Como mucho, por azar"),
    ]
    note = Words(
        "A prediction holds where it does not lie above the last column; it may lie below what was seen, for rates are "
        "rounded down.",
        "Una previsión se sostiene si no supera la última columna; puede quedar por debajo de lo visto, pues las tasas "
        "se redondean hacia abajo.",
    )
    return f"{_table(head, rows)}{_note(note)}"


def _map(review: Review, area: Area) -> str:
    def ways(seen: bool) -> tuple[FloatArray, ...]:
        return tuple(np.array(c.xy_m) for c in review.crossings if c.detected == seen and len(c.xy_m) > 1)

    alerts = [a for a in review.alerts if a.lat_deg is not None and a.kind in ("crossing", "approach")]
    layers = [
        Layer(kind="planned", lines=tuple(np.column_stack([s.x_m, s.y_m]) for s in review.planned)),
        Layer(kind="flown", lines=tuple(path for path in review.paths.values() if len(path) > 1)),
        Layer(kind="line", lines=(area.border.xy_m,)),
        Layer(kind="way-missed", lines=ways(False)),
        Layer(kind="way-seen", lines=ways(True)),
        Layer(
            kind="base",
            points=np.array([[base.x_m, base.y_m] for base in area.bases]),
            labels=tuple(base.name for base in area.bases),
            radius=5.0,
        ),
    ]
    if alerts:
        layers.insert(5, Layer(kind="alert", points=_alert_points(alerts, area), radius=3.2))
    stamp = Words("SKETCHED TERRAIN", "TERRENO ESBOZADO") if area.terrain.sketched else None
    legend = "".join(
        f'<span><i class="key {kind}"></i>{words.html()}</span>'
        for kind, words in (
            ("line", Words("border", "frontera")),
            ("planned", Words("planned flight", "vuelo planeado")),
            ("flown", Words("flown", "volado")),
            ("way-seen", Words("crossing detected", "cruce detectado")),
            ("way-missed", Words("crossing missed", "cruce no detectado")),
            ("alert", Words("alert", "alerta")),
        )
    )
    return _section(
        Words("The night on the map", "La noche en el mapa"),
        f'<figure class="map">{charts.chart(area.terrain, layers, sketched=stamp)}</figure>'
        f'<p class="legend">{legend}</p>',
    )


def _alert_points(alerts: Sequence[Alert], area: Area) -> FloatArray:
    lat, lon = ([getattr(alert, name) for alert in alerts] for name in ("lat_deg", "lon_deg"))
    return np.column_stack(frames.to_local(area.frame, lat, lon))


def _coverage(review: Review, area: Area) -> str:
    seen = review.coverage
    start = _local(review.start_t_ns, area)
    worst = int(np.argmax(seen.longest_gap_s)) if len(seen.chainage_m) else 0
    never = float((seen.looks.sum(axis=1) == 0).mean()) if seen.looks.size else 1.0
    gap_min = float(seen.longest_gap_s[worst]) / 60.0 if len(seen.chainage_m) else 0.0
    km = float(seen.chainage_m[worst]) / 1000.0 if len(seen.chainage_m) else 0.0
    note = Words(
        f"Each column is {_step(seen):.0f} m of border, each row {_bin(seen):.0f} minutes; darker was looked at more "
        f"often, white never. {percent(seen.watched_prob)} of all pieces were looked at; {percent(never)} of the "
        f"border never was. The longest gap was {gap_min:.0f} minutes, at km {km:.1f}. A piece counts only when it was "
        "in the picture, in plain sight, and near enough for the camera to find a person.",
        f"Cada columna son {_step(seen):.0f} m de frontera y cada fila {_bin(seen):.0f} minutos; más oscuro: más "
        f"veces visto; blanco: nunca. Se miró el {percent(seen.watched_prob)} de los tramos; el {percent(never)} de la "
        f"frontera no se miró nunca. El mayor intervalo sin mirar fue de {gap_min:.0f} minutos, en el km {km:.1f}. Un "
        "tramo cuenta solo si estaba en la imagen, a la vista y lo bastante cerca para que la cámara halle a "
        "una persona.",
    )
    return _section(
        Words("When each kilometre was watched", "Cuándo se vigiló cada kilómetro"),
        f"<figure>{charts.strip(seen, start.hour + start.minute / 60.0)}</figure>{_note(note)}",
    )


def _step(seen: Coverage) -> float:
    return float(seen.chainage_m[0]) * 2.0 if len(seen.chainage_m) else 0.0


def _bin(seen: Coverage) -> float:
    return float(seen.edges_s[1] - seen.edges_s[0]) / 60.0 if len(seen.edges_s) > 1 else 0.0


def _looks(review: Review, area: Area) -> str:
    seen = review.looks
    met = max(1, seen.ours + seen.across)
    rows = [
        (Words("Pictures taken", "Imágenes tomadas"), f"{seen.pictures}"),
        (Words("centre on our side", "centro en nuestro lado"), f"{seen.ours} ({percent(seen.ours / met)})"),
        (Words("centre across the border", "centro al otro lado"), f"{seen.across} ({percent(seen.across / met)})"),
        (Words("centre meets no ground", "centro sin suelo"), f"{seen.no_ground}"),
        (Words("any corner across", "alguna esquina al otro lado"), f"{seen.touching_across}"),
        (
            Words(
                f"any corner farther than {seen.limit_m:.0f} m across",
                f"alguna esquina a más de {seen.limit_m:.0f} m al otro lado",
            ),
            f"{seen.beyond_limit}",
        ),
        (Words("into a no-look zone", "dentro de una zona de no mirar"), f"{seen.no_look}"),
    ]
    note = Words(
        "The policy allows pictures to reach so far beyond the border and no farther; every picture that did is "
        "counted here, whether or not anybody looked at it.",
        "La política permite que las imágenes lleguen hasta ese límite al otro lado y no más; aquí se cuenta cada "
        "imagen que lo pasó, la haya mirado alguien o no.",
    )
    picture = charts.distances(seen, area.border.our_country, area.border.their_country)
    return _section(
        Words("Where the cameras looked", "Hacia dónde miraron las cámaras"),
        f"<figure>{picture}</figure>{_table(None, [(name.html(), value) for name, value in rows])}{_note(note)}",
    )


def _flights(review: Review) -> str:
    planned_h = sum(f.planned_s for f in review.flown) / 3600.0
    flown_h = sum(f.airborne_s for f in review.flown) / 3600.0
    whole = sum(f.complete for f in review.flown)
    lead = Words(
        f"{whole} of {len(review.flown)} sorties were flown whole; {flown_h:.1f} h of {planned_h:.1f} h planned.",
        f"{whole} de {len(review.flown)} salidas se volaron enteras; {flown_h:.1f} h de {planned_h:.1f} h planeadas.",
    )
    head = [
        Words("Sortie", "Salida"),
        Words("Aircraft", "Aeronave"),
        Words("Planned", "Planeado"),
        Words("Flown", "Volado"),
        Words("Off path (median / worst)", "Desvío (mediana / máximo)"),
        Words("Most below plan", "Máximo bajo el plan"),
        Words("Late (median)", "Retraso (mediana)"),
        Words("Ended", "Final"),
    ]
    rows = [
        (
            escape(f.sortie_id),
            escape(f.aircraft_id),
            f"{f.planned_s / 60:.0f} min",
            f"{f.airborne_s / 60:.0f} min",
            f"{_metres(f.median_off_path_m)} / {_metres(f.worst_off_path_m)}",
            _metres(f.worst_below_plan_m),
            "–" if f.median_late_s is None else f"{f.median_late_s:.0f} s",
            _ending(f),
        )
        for f in review.flown
    ]
    return _section(
        Words("Flown against planned", "Volado frente a planeado"), f"<p>{lead.html()}</p>{_table(head, rows)}"
    )


def _ending(flight: FlownSortie) -> str:
    status, _, why = flight.outcome.partition(": ")
    words = OUTCOME.get(status, Words("whole", "entera") if flight.complete else Words("not whole", "incompleta"))
    kind = "" if flight.complete else "bad"
    return f'<span class="{kind}">{words.html()}</span>' + (f'<small lang="x">{escape(why)}</small>' if why else "")


def _alerts(review: Review, area: Area) -> str:
    seen_to = {a.alert_id: a for a in review.acknowledgements}
    urgent = sum(a.severity == "urgent" for a in review.alerts)
    answered = sum(a.id in seen_to for a in review.alerts)
    lead = Words(
        f"{len(review.alerts)} alerts, {urgent} of them urgent; {answered} were acknowledged.",
        f"{len(review.alerts)} alertas, {urgent} de ellas urgentes; {answered} fueron atendidas.",
    )
    head = [
        Words("Time", "Hora"),
        Words("Severity", "Gravedad"),
        Words("What", "Qué"),
        Words("Acknowledged", "Atendida"),
    ]
    rows = []
    for alert in review.alerts[:SHOWN_ALERTS]:
        answer = seen_to.get(alert.id)
        who = "–" if answer is None else f"{escape(answer.actor)} {_local(answer.t_ns, area):%H:%M:%S}"
        note = f"<small>{escape(answer.note)}</small>" if answer is not None and answer.note else ""
        rows.append(
            (
                f"{_local(alert.t_ns, area):%H:%M:%S}",
                f'<span class="severity {alert.severity}">{SEVERITY[alert.severity].html()}</span>',
                Words(alert.text_en, alert.text_es).html(),
                who + note,
            )
        )
    more = len(review.alerts) - len(rows)
    rest = ""
    if more > 0:
        rest = _note(Words(f"{more} more are in alerts.geojson.", f"Otras {more} están en alerts.geojson."))
    table = _table(head, rows) if rows else ""
    return _section(Words("Alerts", "Alertas"), f"<p>{lead.html()}</p>{table}{rest}")


def _record(review: Review) -> str:
    v = review.verification
    state = f'<strong class="{"good" if v.ok else "bad"}">{VERDICT[v.verdict].html()}</strong>'
    lead = Words(
        f"{v.entries} entries, {v.covered} of them under a signed checkpoint. The record is ",
        f"{v.entries} asientos, {v.covered} de ellos bajo un punto de control firmado. El registro está ",
    )
    findings = "".join(f'<li lang="x">{escape(str(finding))}</li>' for finding in v.findings)
    counts = Counter(entry.action for entry in review.entries)
    actions = ", ".join(f"{escape(name)} {count}" for name, count in counts.items())
    refused = [
        (
            escape(entry.subject),
            escape(str(entry.detail.get("action", ""))),
            escape(str(entry.detail.get("reason", ""))),
        )
        for entry in review.entries
        if entry.action == "refuse"
    ]
    refusals = ""
    if refused:
        head = [Words("Refused for", "Negado a"), Words("Action", "Acción"), Words("Why", "Por qué")]
        refusals = _table(head, refused)
    keep = Words(
        "Keep this checkpoint outside the station. It fixes everything above for ever: ",
        "Guarde este punto de control fuera de la estación. Fija para siempre todo lo anterior: ",
    )
    return _section(
        Words("The record", "El registro"),
        f"<p>{lead.html()}{state}.</p>{f'<ul>{findings}</ul>' if findings else ''}"
        f"<p>{Words('Entries by action: ', 'Asientos por acción: ').html()}{actions}.</p>{refusals}"
        f"{''.join(_redraw(one) for one in review.redraws)}"
        f"<p>{keep.html()}<code>kuntur verify record --checkpoint checkpoint.txt</code></p>"
        f"<pre>{escape(_folded(review.checkpoint))}</pre>"
        f"<p class='hash'>{Words('Public key', 'Clave pública').html()} {escape(v.key)}</p>",
    )


def _redraw(one: Redraw) -> str:
    if one.holds:
        words = Words(
            f"Drawn again from the seed revealed at entry {one.revealed_at}: {one.sorties} sorties, and all "
            f"{one.launches} missions launched are among them. The night was drawn, not chosen.",
            f"Sorteado de nuevo con la semilla revelada en el asiento {one.revealed_at}: {one.sorties} salidas, y las "
            f"{one.launches} misiones lanzadas están entre ellas. La noche fue sorteada, no elegida.",
        )
        return f"<p>{words.html()}</p>"
    words = Words(
        f"The launches before entry {one.revealed_at} are NOT what its seed draws from this plan"
        + (
            f" (entries {', '.join(map(str, one.strangers))})." if one.same_plan else ": another plan was committed to."
        ),
        f"Los lanzamientos anteriores al asiento {one.revealed_at} NO son los que su semilla sortea de este plan"
        + (f" (asientos {', '.join(map(str, one.strangers))})." if one.same_plan else ": se comprometió otro plan."),
    )
    return f'<p class="bad">{words.html()}</p>'


def _inputs(review: Review, area: Area) -> str:
    rows = [(escape(name), f"<code>{escape(value)}</code>") for name, value in sorted(review.inputs.items())]
    remarks = []
    if review.replay_agrees is not None:
        remarks.append(
            Words("Replaying the stored feed raised the same alerts again.", "La repetición dio las mismas alertas.")
            if review.replay_agrees
            else Words(
                "Replaying the stored feed did NOT raise the same alerts again.",
                "La repetición NO dio las mismas alertas.",
            )
        )
    remarks += [Words(f"Lost: {words}", f"Perdido: {words}") for words in review.losses]
    if review.unreadable:
        remarks.append(
            Words(
                f"{review.unreadable} messages of the feed could not be read and were passed over.",
                f"{review.unreadable} mensajes no se pudieron leer y se omitieron.",
            )
        )
    notes = "".join(_note(words) for words in remarks)
    return _section(
        Words("What this report was made from", "De qué se hizo este informe"),
        f"{_table([Words('Input', 'Entrada'), Words('SHA-256', 'SHA-256')], rows)}{notes}",
    )


def _foot(area: Area) -> str:
    named = dict.fromkeys((*area.attributions, area.terrain.attribution))
    credits = "; ".join(escape(words) for words in named if words)
    words = Words(
        "Kuntur watches; it does not decide. It says “a person-sized mover here, with this error” and never who. "
        "It carries no weapon, designates no target and recognises nobody.",
        "Kuntur observa; no decide. Dice «aquí se mueve algo del tamaño de una persona, con este error», nunca quién. "
        "No lleva armas, no señala blancos y no reconoce a nadie.",
    )
    return f'<footer><p>{words.html()}</p><p lang="x">{credits}</p></footer>'


# --- pieces


def _section(title: Words, body: str) -> str:
    return f"<section><h2>{title.html()}</h2>{body}</section>"


def _note(words: Words) -> str:
    return f'<p class="note">{words.html()}</p>'


def _table(head: Sequence[Words] | None, rows: Iterable[Sequence[str]]) -> str:
    """A table of cells that are HTML already."""
    top = "" if head is None else f"<thead><tr>{''.join(f'<th>{words.html()}</th>' for words in head)}</tr></thead>"
    body = "".join(f"<tr>{''.join(f'<td>{cell}</td>' for cell in row)}</tr>" for row in rows)
    return f"<table>{top}<tbody>{body}</tbody></table>"


def _metres(value: float | None) -> str:
    return "–" if value is None else f"{value:.0f} m"


def _folded(note: str) -> str:
    return "\n".join("\n    ".join(textwrap.wrap(line, 86)) if line else "" for line in note.rstrip("\n").split("\n"))


def _local(t_ns: int, area: Area, later_s: float = 0.0) -> datetime:
    """Local time of the area, for people."""
    moment = datetime.fromtimestamp(t_ns / NS_PER_S + later_s, UTC)
    return moment + timedelta(hours=area.requirement.utc_offset_h)
