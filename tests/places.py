"""Small made-up places that the rooms' tests share: a cone to look round, and a ridge with a border, bases and a fleet.

Round figures for tests; nothing here is a product. `ridge_area()` is 12 km by 9.6 km at 4,300 m: a north-south ridge
carries the border (chainage runs north), ours is the eastern plain, and a saddle in the ridge lets a track through.
"""

from __future__ import annotations

import numpy as np

from kuntur.geodesy import frames, grid
from kuntur.model.assets import Aircraft, Airframe, Base, Camera, Fleet, Radio
from kuntur.model.place import (
    Area,
    Border,
    CrosserClass,
    Geoid,
    LocalFrame,
    Place,
    Requirement,
    Road,
    Terrain,
    Weather,
    Zone,
)

FRAME = LocalFrame(lat0_deg=-18.1, lon0_deg=-69.0)
SOURCE = "round figures for tests"

CAMERA = Camera(
    id="test-lwir",
    name="Test thermal camera",
    band="LWIR",
    columns_px=880,
    rows_px=704,
    hfov_rad=np.radians(24.0),
    vfov_rad=np.radians(19.4),
    source=SOURCE,
    mass_kg=0.4,
)
RADIO = Radio(
    id="test-radio",
    name="Test data link",
    frequency_hz=2.4e9,
    tx_power_dbm=30.0,
    antenna_gain_dbi=2.0,
    sensitivity_dbm=-112.0,
    max_range_m=20_000.0,
    source=SOURCE,
)
MULTIROTOR = Airframe(
    id="test-quad",
    name="Test multirotor",
    kind="multirotor",
    propulsion="electric",
    mass_kg=6.0,
    endurance_s=2400.0,
    cruise_mps=14.0,
    max_speed_mps=20.0,
    ceiling_msl_m=7000.0,
    source=SOURCE,
    battery_wh=550.0,
    endurance_mps=0.0,
    rotor_disc_area_m2=0.9,
    max_payload_kg=2.0,
    max_wind_mps=14.0,
    max_climb_mps=5.0,
)
FIXED_WING = Airframe(
    id="test-wing",
    name="Test fixed wing",
    kind="fixed_wing",
    propulsion="electric",
    mass_kg=9.0,
    endurance_s=7200.0,
    cruise_mps=20.0,
    max_speed_mps=30.0,
    ceiling_msl_m=6500.0,
    source=SOURCE,
    battery_wh=800.0,
    wing_span_m=3.2,
    wing_area_m2=0.9,
    max_payload_kg=2.0,
    max_wind_mps=15.0,
    max_climb_mps=3.0,
    stall_mps=13.0,
)


def terrain(heights_m: np.ndarray, cell_m: float, *, frame: LocalFrame = FRAME, sketched: bool = True) -> Terrain:
    """A terrain of these heights (row 0 northernmost), centred on the frame's origin."""
    rows, cols = heights_m.shape
    return Terrain(
        frame=frame,
        heights_m=np.ascontiguousarray(heights_m, dtype=np.float32),
        cell_m=cell_m,
        west_m=-cols * cell_m / 2.0,
        north_m=rows * cell_m / 2.0,
        vertical_datum="EGM96",
        product="made for tests",
        sketched=sketched,
        attribution="made for tests",
        vertical_error_le90_m=5.0,
    )


def _cell_centres(rows: int, cols: int, cell_m: float) -> tuple[np.ndarray, np.ndarray]:
    """x_m (1, cols) and y_m (rows, 1) of a grid centred on the origin."""
    x_m = (np.arange(cols) + 0.5 - cols / 2.0) * cell_m
    y_m = (rows / 2.0 - np.arange(rows) - 0.5) * cell_m
    return x_m[None, :], y_m[:, None]


def cone_terrain(
    *, size: int = 101, cell_m: float = 30.0, base_m: float = 4000.0, peak_m: float = 300.0, radius_m: float = 600.0
) -> Terrain:
    """A cone of height `peak_m` and foot radius `radius_m` in the middle of a plain at `base_m`."""
    x_m, y_m = _cell_centres(size, size, cell_m)
    return terrain(base_m + peak_m * np.maximum(0.0, 1.0 - np.hypot(x_m, y_m) / radius_m), cell_m)


def ridge_terrain(*, cell_m: float = 60.0, seed: int = 7) -> Terrain:
    """The relief of `ridge_area`: plain, ridge with a saddle at y = -1 km, two hills on our side, seeded swell."""
    rows, cols = round(9600.0 / cell_m), round(12_000.0 / cell_m)
    x_m, y_m = _cell_centres(rows, cols, cell_m)
    crest_m = 420.0 - 300.0 * np.exp(-(((y_m + 1000.0) / 700.0) ** 2)) + 60.0 * np.sin(y_m / 900.0)
    bend_m = 300.0 * np.sin(y_m / 2500.0)
    heights_m = 4300.0 + crest_m * np.exp(-(((x_m - bend_m) / 900.0) ** 2))
    heights_m = heights_m + 180.0 * np.exp(-((x_m - 2600.0) ** 2 + (y_m - 2200.0) ** 2) / 600.0**2)
    heights_m = heights_m + 140.0 * np.exp(-((x_m - 2000.0) ** 2 + (y_m + 3000.0) ** 2) / 500.0**2)
    rng = np.random.default_rng(seed)
    for _ in range(12):
        kx, ky = rng.normal(0.0, 1.0 / 500.0, 2)
        heights_m = heights_m + 3.0 * np.sin(kx * x_m + ky * y_m + rng.uniform(0.0, 6.28))
    return terrain(heights_m, cell_m)


def _base(relief: Terrain, base_id: str, name: str, x_m: float, y_m: float) -> Base:
    lat_deg, lon_deg = frames.to_geodetic(relief.frame, x_m, y_m)
    return Base(
        id=base_id,
        name=name,
        lat_deg=float(lat_deg),
        lon_deg=float(lon_deg),
        x_m=x_m,
        y_m=y_m,
        alt_msl_m=float(grid.height_at(relief, x_m, y_m)),
        pads=2,
    )


def _square(zone_id: str, kind: str, x_m: float, y_m: float, half_m: float) -> Zone:
    corners = np.array([[-1, -1], [1, -1], [1, 1], [-1, 1]], float) * half_m + [x_m, y_m]
    return Zone(id=zone_id, name=zone_id, kind=kind, xy_m=corners)  # type: ignore[arg-type]


def ridge_area(*, cell_m: float = 60.0) -> Area:
    """The whole made-up area: border on the ridge, 2 bases, 1 fixed wing and 2 multirotors, a one-hour watch."""
    relief = ridge_terrain(cell_m=cell_m)
    y_m = np.linspace(-4400.0, 4400.0, 23)
    geoid = Geoid(
        name="flat test geoid",
        south_deg=-20.0,
        west_deg=-71.0,
        step_deg=1.0,
        undulation_m=np.full((5, 5), 42.0, np.float32),
    )
    aircraft = [
        Aircraft(
            id=f"{frame.kind}-{k}",
            name=f"Test {k}",
            system_id=k,
            airframe=frame,
            camera=CAMERA,
            radio=RADIO,
            base_id=base_id,
            turnround_s=600.0,
        )
        for k, (frame, base_id) in enumerate([(FIXED_WING, "north"), (MULTIROTOR, "north"), (MULTIROTOR, "south")], 1)
    ]
    return Area(
        id="test-ridge",
        title="Made-up ridge for tests",
        frame=relief.frame,
        terrain=relief,
        geoid=geoid,
        border=Border(
            name="Test border",
            xy_m=np.stack([300.0 * np.sin(y_m / 2500.0), y_m], axis=-1),
            ours="right",
            our_country="Ours",
            their_country="Theirs",
            attribution="made for tests",
        ),
        bases=(
            _base(relief, "north", "North post", 4200.0, 2000.0),
            _base(relief, "south", "South post", 4000.0, -2500.0),
        ),
        zones=(
            _square("hamlet", "no_look", 4600.0, 300.0, 250.0),
            _square("airstrip", "no_fly", 5200.0, -4000.0, 400.0),
        ),
        roads=(
            Road(
                name="Saddle track",
                kind="track",
                xy_m=np.array([[-5500.0, -1200.0], [-250.0, -1000.0], [2500.0, -900.0], [5500.0, 300.0]]),
                approximate=True,
            ),
        ),
        places=(Place(name="Hamlet", kind="village", x_m=4600.0, y_m=300.0, approximate=True),),
        fleet=Fleet(aircraft=tuple(aircraft)),
        crossers=(
            CrosserClass(id="walker", name="Person on foot", mode="walk", target="person"),
            CrosserClass(id="driver", name="Light vehicle", mode="drive", target="light_vehicle"),
        ),
        requirement=Requirement(
            detection_prob=0.5,
            start_local="20:00",
            duration_s=3600.0,
            depth_m=2500.0,
            utc_offset_h=-4.0,
            wave_s=1200.0,
            crosser_cell_m=240.0,
            crosser_step_s=120.0,
            flight_cell_m=1200.0,
            height_agl_m=350.0,
            solve_s=5.0,
        ),
        weather=Weather(),
        attributions=("made for tests",),
        input_hashes={},
    )
