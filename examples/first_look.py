"""A first look at Kuntur from Python, cell by cell: load an area, see from a point, survey it, plan its patrols.

Run it whole (`.venv/bin/python examples/first_look.py`), or cell by cell in an editor that knows `# %%`.
"""

# %% The embedded area: 40 km of the Bolivia - Chile border. Its terrain is SKETCHED, and says so.
import kuntur

area = kuntur.load("tambo_quemado")
print(area.title)
print("terrain:", area.terrain.product)
print("sketched:", area.terrain.sketched)

# %% What does somebody see from 300 m above the ground beside the pass? 0 hidden, 1 seen, 2 unknown, 255 not looked at.
seen = kuntur.see(area, lat_deg=-18.28, lon_deg=-69.05, height_agl_m=300.0, max_range_m=4000.0)
cell_km2 = (area.terrain.cell_m / 1000.0) ** 2
visible_km2 = float((seen == 1).sum()) * cell_km2
print(f"{visible_km2:.1f} km2 of ground in sight within 4 km; the whole circle is {3.14159 * 4.0**2:.1f} km2")
print(seen.attrs["summary"])
print(f"half of the ground there is in sight of {float(seen.least_height_m.median()):.0f} m")

# %% What could the fleet's cameras see of the strip behind the border, and what can they never see?
survey = kuntur.survey(area)
never = survey.never_seen.sum() / survey.fine_corridor.sum()
print(f"{len(survey.viewpoints_m)} viewpoints; {never:.1%} of the strip is seen from none of them")

# %% Patrols that hold up against somebody who knows the plan. `accept_best`: keep it even below the requirement.
strategy = kuntur.plan(area, seconds=10.0, accept_best=True)
promise = strategy.certificate

# %% Three numbers, never one. Each is about another crosser; `attackers` says which, and in which model it holds.
for name in ("floor", "attack", "ceiling"):
    print(f"{name:8}{getattr(promise, name):.2f}  {promise.attackers[name]}")
print(f"{'leak':8}{promise.leak:.2f}  {promise.attackers['leak']}")
for crosser_class, floor in promise.class_floors.items():
    print(f"floor against {crosser_class}: {floor:.2f}")
for caveat in promise.caveats:
    print("-", caveat)

# %% The plan is a mixture: in each wave one of these columns is drawn, by the weight it carries.
for number, wave in enumerate(strategy.waves, 1):
    heaviest = max(column.weight for column in wave.columns) / strategy.weight_total
    print(f"wave {number:2}: {len(wave.columns):2} to draw from, the likeliest with probability {heaviest:.2f}")
