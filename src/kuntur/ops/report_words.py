"""The words of the report that stand for codes: attackers, kinds of crosser, severities, endings, verdicts."""

from __future__ import annotations

from kuntur.ops.charts import Words

# The attacker each promised number is about, in plain words; the plan's own sentence stands in small print beside it.
ATTACKERS = {
    "floor": Words(
        "Floor: proven. A crosser who knows the plan and learns each wave's draw as the wave begins.",
        "Piso: demostrado. Quien cruza conoce el plan y se entera del sorteo de cada oleada cuando esta empieza.",
    ),
    "attack": Words(
        "Strongest attack found: what the best way found leaves to a crosser who knows the plan but no draw. "
        "Found, not proven.",
        "Mejor ataque hallado: lo que deja el mejor camino hallado por quien conoce el plan pero ningún sorteo. "
        "Hallado, no demostrado.",
    ),
    "ceiling": Words(
        "Ceiling: no schedule of this fleet can promise more.",
        "Techo: ningún horario de esta flota puede prometer más.",
    ),
    "leak": Words(
        "If the draw leaks: a crosser who knows the whole night's schedule beforehand.",
        "Si el sorteo se filtra: quien cruza conoce de antemano el horario de toda la noche.",
    ),
}
SHORT = {
    "floor": Words("floor", "piso"),
    "attack": Words("strongest attack found", "mejor ataque hallado"),
    "ceiling": Words("ceiling", "techo"),
    "leak": Words("if the draw leaks", "si el sorteo se filtra"),
}
KINDS = {
    "naive": Words("Naive", "Ingenuo"),
    "learning": Words("Learning", "Aprende"),
    "uninformed": Words("Uninformed", "Sin noticias"),
    "informed": Words("Informed", "Informado"),
}
SEVERITY = {
    "info": Words("info", "aviso"),
    "warning": Words("warning", "atención"),
    "urgent": Words("urgent", "urgente"),
}
OUTCOME = {
    "landed": Words("landed", "aterrizó"),
    "returned": Words("returned early", "volvió antes"),
    "lost": Words("LOST", "PERDIDA"),
    "not_flown": Words("not flown", "no voló"),
}
# What can be unreal in a watch; other words are shown as the plan has them.
UNREAL = {
    "simulated aircraft": "aeronaves simuladas",
    "simulated crossers": "cruces simulados",
    "sketched terrain": "terreno esbozado",
    "simulated cameras": "cámaras simuladas",
}
VERDICT = {
    "intact": Words("intact", "íntegro"),
    "interrupted": Words("interrupted", "interrumpido"),
    "damaged": Words("DAMAGED", "DAÑADO"),
}
