"""The radio link over ground whose losses can be worked out on paper, relays, and what stays unknown."""

from __future__ import annotations

import math
import time
from typing import get_args

import msgspec
import numpy as np
import places
import pytest
from scipy import special

from kuntur.errors import TerrainError
from kuntur.geodesy import grid
from kuntur.model.place import Terrain
from kuntur.units import EARTH_RADIUS_M, SPEED_OF_LIGHT_MPS
from kuntur.visibility import radio, rays

CELL_M = 30.0
FREQUENCY_HZ = places.RADIO.frequency_hz
WAVELENGTH_M = SPEED_OF_LIGHT_MPS / FREQUENCY_HZ
MODELS = get_args(radio.Diffraction)


def _ridges(*at: tuple[int, float], cols: int = 501) -> Terrain:
    """Flat ground with walls one cell thick across it: (column, height)."""
    heights_m = np.zeros((41, cols))
    for col, height_m in at:
        heights_m[:, col] = height_m
    return places.terrain(heights_m, CELL_M)


def _flat_alt_m(x_m: float, ends_m: float, alt_m: float) -> float:
    """What an altitude at x is over the straight line's own datum: the earth bulges between ends at -+ ends_m."""
    return alt_m - (1.0 - radio.RADIO_REFRACTION) * (ends_m**2 - x_m**2) / (2.0 * EARTH_RADIUS_M)


def _edge_db(nu: float) -> float:
    """The knife edge without its usual approximation: P.526-16, eq. (30), from the Fresnel integrals."""
    s, c = special.fresnel(nu)
    return float(-20.0 * math.log10(math.hypot(1.0 - c - s, c - s) / 2.0))


def test_free_space() -> None:
    """2.4 GHz over 10 km: 120.05 dB (ITU-R P.525: 32.4 + 20 log f_MHz + 20 log d_km)."""
    loss_db = 32.4 + 20.0 * math.log10(2400.0) + 20.0 * math.log10(10.0)
    assert radio.free_space_db(10e3, FREQUENCY_HZ) == pytest.approx(loss_db, abs=0.05)
    terrain = places.terrain(np.zeros((40, 500)), CELL_M)
    a, b = [-5000.0, 0.0, 900.0], [5000.0, 0.0, 900.0]
    margin = radio.margin_db(terrain, a, b, places.RADIO)
    assert margin[0] == pytest.approx(30.0 + 2.0 + 2.0 - loss_db + 112.0, abs=0.1)
    assert radio.reach(terrain, a, b, places.RADIO)[0]
    assert not radio.reach(terrain, a, b, places.RADIO, reserve_db=float(margin[0]) + 0.1)[0]


@pytest.mark.parametrize("over_m", [-12.0, -6.0, 0.0, 6.0, 20.0, 100.0])
@pytest.mark.parametrize("x_m", [0.0, -3000.0])
def test_a_single_knife_edge(over_m: float, x_m: float) -> None:
    """One wall: the exact Fresnel integral, and the correction each model adds for what lies around an edge."""
    terrain = _ridges((250 + int(x_m / CELL_M), 300.0))
    d1, d2 = 5000.0 + x_m, 5000.0 - x_m
    alt_m = _flat_alt_m(x_m, 5000.0, 300.0 - over_m) + 2.0 * (300.0 - _flat_alt_m(x_m, 5000.0, 300.0))
    ends = np.array([-5000.0, 0.0, alt_m]), np.array([5000.0, 0.0, alt_m])
    nu = over_m * math.sqrt(2.0 * (d1 + d2) / (WAVELENGTH_M * d1 * d2))
    edge_db = _edge_db(nu)
    for model, slope in (("bullington", 0.02), ("delta_bullington", 0.02), ("deygout", 0.04)):
        found = radio.diffraction_db(terrain, *ends, FREQUENCY_HZ, model=model)[0]
        if nu <= -0.78:
            assert found == 0.0
            continue
        expected = edge_db + (1.0 - math.exp(-edge_db / 6.0)) * (10.0 + slope * 10.0)
        assert found == pytest.approx(expected, abs=0.6)  # eq. (31) is good to 0.1 dB, and T magnifies it to 0.5
    clearance = radio.fresnel_clearance(terrain, *ends, FREQUENCY_HZ)[0]
    assert clearance == pytest.approx(-nu / math.sqrt(2.0), abs=1e-4)


def test_the_link_is_counted_on_from_six_tenths_of_the_zone() -> None:
    """sqrt(lambda d1 d2 / (d1 + d2)) = 17.7 m in the middle of 10 km."""
    terrain = _ridges((250, 300.0))
    sag_m = 300.0 - _flat_alt_m(0.0, 5000.0, 300.0)
    radius_m = math.sqrt(WAVELENGTH_M * 2500.0)
    for share, good in ((0.55, False), (0.65, True)):
        a = np.array([-5000.0, 0.0, 300.0 + sag_m + share * radius_m])
        assert radio.reach(terrain, a, a * [-1.0, 1.0, 1.0], places.RADIO)[0] == good


def test_two_edges() -> None:
    """Two walls, worked out by hand: Deygout's main and second edge, and Bullington's one where the tangents meet."""
    terrain = _ridges((150, 340.0), (350, 330.0))
    x = np.array([-3000.0, 3000.0])
    flat = np.array([_flat_alt_m(v, 5000.0, 0.0) for v in x])
    e = np.array([340.0, 330.0]) - flat - 300.0  # over the line between antennas at 300 m
    ends = np.array([-5000.0, 0.0, 300.0]), np.array([5000.0, 0.0, 300.0])
    d1, d2, d = x + 5000.0, 5000.0 - x, 10e3

    def nu(over: float, near: float, far: float) -> float:
        return over * math.sqrt(2.0 * (near + far) / (WAVELENGTH_M * near * far))

    main_db = _edge_db(nu(e[0], d1[0], d2[0]))
    second_over = e[1] - e[0] * d2[1] / d2[0]  # over the line from the first wall's top to the far antenna
    second_db = _edge_db(nu(second_over, x[1] - x[0], d2[1]))
    expected = main_db + (1.0 - math.exp(-main_db / 6.0)) * (second_db + 10.0 + 0.04 * 10.0)
    assert radio.diffraction_db(terrain, *ends, FREQUENCY_HZ, model="deygout")[0] == pytest.approx(expected, abs=0.3)

    rise_a, rise_b = max(e / d1), max(e / d2)
    meet = d * rise_b / (rise_a + rise_b)
    one_db = _edge_db(nu(rise_a * meet, meet, d - meet))
    expected = one_db + (1.0 - math.exp(-one_db / 6.0)) * (10.0 + 0.02 * 10.0)
    assert radio.diffraction_db(terrain, *ends, FREQUENCY_HZ, model="bullington")[0] == pytest.approx(expected, abs=0.3)


@pytest.mark.parametrize(("frequency_hz", "height_m", "length_km"), [(450e6, 30.0, 60.0), (900e6, 20.0, 80.0)])
def test_beyond_the_horizon_of_a_smooth_earth(frequency_hz: float, height_m: float, length_km: float) -> None:
    """Flat ground: what is left is the spherical earth, here from the first three terms of Fock's residue series.

    V = 2 sqrt(pi x) |sum exp(i x t) w(t - y1) w(t - y2) / w'(t)^2| over the zeros t of w, for a perfect horizontally
    polarised reflector (Fock 1965, ch. 10); w(t) ~ Ai(t exp(2 pi i / 3)).
    """
    length_m = 1e3 * length_km
    cols = int(length_m / 500.0) + 21
    terrain = places.terrain(np.zeros((3, cols)), 500.0)
    half_m = 0.5 * length_m
    ends = np.array([-half_m, 0.0, height_m]), np.array([half_m, 0.0, height_m])
    loss_db = radio.diffraction_db(terrain, *ends, frequency_hz, polarisation="horizontal")[0]
    k = 2.0 * math.pi * frequency_hz / SPEED_OF_LIGHT_MPS
    radius_m = EARTH_RADIUS_M / (1.0 - radio.RADIO_REFRACTION)
    x, y = (
        (k * radius_m / 2.0) ** (1.0 / 3.0) * length_m / radius_m,
        (2.0 / (k * radius_m)) ** (1.0 / 3.0) * k * height_m,
    )
    turn = np.exp(2j * np.pi / 3.0)
    zeros = -special.ai_zeros(3)[0] * np.exp(1j * np.pi / 3.0)
    slope = special.airy(zeros * turn)[1] * turn
    height_gain = special.airy((zeros - y) * turn)[0] / slope
    field = 2.0 * math.sqrt(math.pi * x) * abs(np.sum(np.exp(1j * x * zeros) * height_gain**2))
    assert loss_db == pytest.approx(-20.0 * math.log10(field), abs=1.0)
    assert loss_db > radio.diffraction_db(terrain, *ends, frequency_hz, model="bullington")[0]


def test_clear_of_flat_ground_nothing_is_lost() -> None:
    terrain = places.terrain(np.zeros((40, 500)), CELL_M)
    for model in MODELS:
        loss = radio.diffraction_db(terrain, [-5000.0, 0.0, 200.0], [5000.0, 0.0, 200.0], FREQUENCY_HZ, model=model)
        assert loss[0] == 0.0


def test_a_profile_gives_what_its_link_gives() -> None:
    terrain = places.ridge_terrain()
    rng = np.random.default_rng(3)
    a_m = np.column_stack([rng.uniform(-4000.0, 4000.0, (40, 2)), rng.uniform(4300.0, 5000.0, 40)])
    b_m = np.column_stack([rng.uniform(-4000.0, 4000.0, (40, 2)), rng.uniform(4300.0, 5000.0, 40)])
    a_m[:, 2] = np.maximum(a_m[:, 2], grid.height_at(terrain, a_m[:, 0], a_m[:, 1]) + 2.0)
    ground = radio.profiles(terrain, a_m, b_m)
    distance_m, height_m = ground.link(7)
    assert distance_m[0] == 0.0
    assert distance_m[-1] == pytest.approx(np.hypot(*(b_m[7] - a_m[7])[:2]))
    assert np.diff(distance_m).max() <= math.sqrt(2.0) * terrain.cell_m
    along = distance_m / distance_m[-1]
    x_m, y_m = (a_m[7, :2] + along[:, None] * (b_m[7] - a_m[7])[:2]).T
    np.testing.assert_allclose(height_m, grid.height_at(terrain, x_m, y_m), atol=1e-6)
    for model in MODELS:
        whole = radio.diffraction_db(terrain, a_m, b_m, FREQUENCY_HZ, model=model)
        apart = radio.profile_diffraction_db(ground, a_m[:, 2], b_m[:, 2], FREQUENCY_HZ, model=model)
        np.testing.assert_allclose(whole, apart, atol=1e-6)
        one = radio.diffraction_db(terrain, a_m, b_m, FREQUENCY_HZ, model=model, threads=1)
        np.testing.assert_array_equal(whole, one)
    clear = rays.line_of_sight(terrain, a_m, b_m, refraction=radio.RADIO_REFRACTION) == rays.CLEAR
    np.testing.assert_array_equal(radio.fresnel_clearance(terrain, a_m, b_m, FREQUENCY_HZ) >= 0.0, clear)
    assert 0 < clear.sum() < 40


def test_a_profile_whose_points_stand_still_is_refused() -> None:
    ground = radio.Profiles(starts=np.array([0, 3]), distance_m=np.array([0.0, 5.0, 5.0]), height_m=np.zeros(3))
    with pytest.raises(TerrainError, match="Profile 0 is not a profile"):
        radio.profile_diffraction_db(ground, 10.0, 10.0, FREQUENCY_HZ)


def test_over_a_void_nothing_is_known() -> None:
    heights_m = np.zeros((41, 501))
    heights_m[20, 300] = np.nan
    terrain = places.terrain(heights_m, CELL_M)
    a, b = [[-5000.0, 0.0, 900.0], [-5000.0, 300.0, 900.0]], [[5000.0, 0.0, 900.0], [5000.0, 300.0, 900.0]]
    for model in MODELS:
        np.testing.assert_array_equal(
            np.isnan(radio.margin_db(terrain, a, b, places.RADIO, model=model)), [True, False]
        )
    np.testing.assert_array_equal(np.isnan(radio.fresnel_clearance(terrain, a, b, FREQUENCY_HZ)), [True, False])
    np.testing.assert_array_equal(radio.reach(terrain, a, b, places.RADIO), [False, True])
    assert np.isnan(radio.margin_db(terrain, a[1], [99e3, 0.0, 900.0], places.RADIO)).all()
    assert np.isnan(radio.margin_db(terrain, [np.nan, 0.0, 900.0], b[1], places.RADIO)).all()


def test_an_antenna_in_the_ground_reaches_nobody() -> None:
    terrain = _ridges((250, 300.0))
    buried, free = [0.0, 0.0, 280.0], [3000.0, 0.0, 500.0]
    assert radio.margin_db(terrain, buried, free, places.RADIO)[0] == -np.inf
    assert radio.diffraction_db(terrain, free, buried, FREQUENCY_HZ)[0] == np.inf
    assert not radio.reach(terrain, buried, free, places.RADIO, reserve_db=-1e9)[0]


def test_unknown_figures_stay_unknown() -> None:
    terrain = places.terrain(np.zeros((40, 500)), CELL_M)
    a, b = [-5000.0, 0.0, 900.0], [[5000.0, 0.0, 900.0], [99e3, 0.0, 900.0]]
    vague = msgspec.structs.replace(places.RADIO, sensitivity_dbm=None)
    assert np.isnan(radio.margin_db(terrain, a, b, vague)).all()
    np.testing.assert_array_equal(radio.reach(terrain, a, b, vague), [True, False])  # by its known range; outside
    nothing = msgspec.structs.replace(vague, max_range_m=None)
    assert not radio.reach(terrain, a, b, nothing).any()
    short = msgspec.structs.replace(places.RADIO, max_range_m=9000.0)
    assert not radio.reach(terrain, a, b, short).any()
    weak = msgspec.structs.replace(places.RADIO, tx_power_dbm=-20.0, max_range_m=None)
    assert not radio.reach(terrain, a, b, weak).any()


def test_each_end_may_have_an_antenna_of_its_own() -> None:
    terrain = places.terrain(np.zeros((40, 500)), CELL_M)
    a, b = [-5000.0, 0.0, 900.0], [5000.0, 0.0, 900.0]
    plain = radio.margin_db(terrain, a, b, places.RADIO)[0]
    assert radio.margin_db(terrain, a, b, places.RADIO, a_gain_dbi=12.0)[0] == pytest.approx(plain + 10.0)
    assert radio.margin_db(terrain, a, b, places.RADIO, b_gain_dbi=-1.0)[0] == pytest.approx(plain - 3.0)
    bare = msgspec.structs.replace(places.RADIO, antenna_gain_dbi=None)
    assert np.isnan(radio.margin_db(terrain, a, b, bare, a_gain_dbi=12.0)[0])
    known = radio.margin_db(terrain, a, b, bare, a_gain_dbi=12.0, b_gain_dbi=2.0)[0]
    assert known == pytest.approx(plain + 10.0)


def test_vertical_polarisation_loses_less_close_to_the_ground() -> None:
    """A surface wave: antennas lower than a wavelength."""
    terrain = places.terrain(np.zeros((3, 300)), 500.0)
    ends = np.array([-20e3, 0.0, 1.0]), np.array([20e3, 0.0, 1.0])
    flat, upright, unknown = (
        radio.diffraction_db(terrain, *ends, 40e6, polarisation=p)[0] for p in ("horizontal", "vertical", None)
    )
    assert upright < flat - 1.0
    assert unknown == flat


def test_the_field_of_a_mast_is_the_margin_over_each_cell() -> None:
    terrain = places.ridge_terrain()
    lattice = grid.lattice(terrain, 300.0, (-3000.0, -3000.0, 3000.0, 3000.0))
    mast = np.array([3000.0, 0.0, float(grid.height_at(terrain, 3000.0, 0.0)) + 10.0])
    field = radio.field_db(terrain, lattice, mast, places.RADIO, height_agl_m=120.0, mast_gain_dbi=6.0)
    assert field.shape == (lattice.rows, lattice.cols)
    x_m, y_m = lattice.centres()
    top_m = grid.blocks(terrain, lattice)[4, 2].max()
    one = radio.margin_db(terrain, mast, [x_m[2], y_m[4], top_m + 120.0], places.RADIO, a_gain_dbi=6.0)
    assert field[4, 2] == one[0]
    assert np.median(field[:, x_m < -1500.0]) < np.median(field[:, x_m > 1500.0]) - 20.0  # the ridge stands between


def test_a_relay_over_the_ridge_links_both_sides() -> None:
    terrain = _ridges((250, 600.0))
    base, far = np.array([-5000.0, 0.0, 10.0]), np.array([[5000.0, 0.0, 120.0], [6000.0, 0.0, 120.0]])
    relays = np.array([[-2000.0, 0.0, 300.0], [0.0, 0.0, 800.0], [200.0, 0.0, 900.0], [99e3, 0.0, 800.0]])
    direct = radio.margin_db(terrain, base, far, places.RADIO)
    margin, which = radio.relay_margin_db(terrain, base, relays, far, places.RADIO)
    hops = np.array([
        np.minimum(
            radio.margin_db(terrain, base, relays[k], places.RADIO)[0],
            radio.margin_db(terrain, relays[k], far, places.RADIO),
        )
        for k in range(3)
    ])  # fmt: skip
    np.testing.assert_array_equal(margin, hops.max(axis=0))
    np.testing.assert_array_equal(which, hops.argmax(axis=0))
    assert (margin > direct + 20.0).all()

    stand = radio.relay_stand(terrain, base, relays, far, places.RADIO)
    assert stand is not None
    assert stand.relay == int(hops.min(axis=1).argmax())
    assert stand.reached.all()
    np.testing.assert_array_equal(stand.margin_db, hops[stand.relay])
    assert radio.relay_stand(terrain, base, relays[:1], far, places.RADIO) is None  # still behind the wall
    lost, nobody = radio.relay_margin_db(terrain, base, relays[3:], far, places.RADIO)
    assert np.isnan(lost).all()
    assert (nobody == -1).all()


def test_a_relay_is_found_for_a_radio_of_unknown_budget() -> None:
    terrain = _ridges((250, 600.0))
    vague = msgspec.structs.replace(places.RADIO, tx_power_dbm=None)
    relays = np.array([[-2000.0, 0.0, 300.0], [0.0, 0.0, 800.0]])
    stand = radio.relay_stand(terrain, [-5000.0, 0.0, 10.0], relays, [[5000.0, 0.0, 120.0]], vague)
    assert stand is not None
    assert stand.relay == 1
    assert np.isnan(stand.margin_db).all()


def test_a_field_is_quick() -> None:
    terrain = places.ridge_terrain()
    lattice = grid.lattice(terrain, 60.0, (-4000.0, -4000.0, 4000.0, 4000.0))
    mast = np.array([3000.0, 0.0, float(grid.height_at(terrain, 3000.0, 0.0)) + 10.0])
    radio.field_db(terrain, lattice, mast, places.RADIO, height_agl_m=120.0)
    start = time.process_time()
    field = radio.field_db(terrain, lattice, mast, places.RADIO, height_agl_m=120.0)
    assert (time.process_time() - start) / field.size < 20e-6  # 2 us on a quiet core
