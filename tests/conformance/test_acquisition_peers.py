"""The parts of the sensor model against two public peers: pyBSM 0.16.1 (Kitware, Apache-2.0) and colour-science 0.4.7.

Neither has a task performance metric (pyBSM rates pictures by NIIRS), so lens, pixel, blur and eye are compared. The
numbers below are theirs, computed in an environment of their own (`pip install pybsm colour-science`):

    u = np.array([[.05, .1, .2, .3, .4, .5]]) * 35e-3 / 12e-6; v = np.zeros_like(u)
    pybsm.otf.functional.circular_aperture_OTF(u=u, v=v, lambda0=10e-6, D=35e-3 / 1.4, eta=0.0)
    pybsm.otf.functional.detector_OTF(u=u, v=v, w_x=12e-6, w_y=12e-6, f=35e-3)
    pybsm.otf.functional.jitter_OTF(u=u, v=v, s_x=.3 * 12e-6 / 35e-3, s_y=.3 * 12e-6 / 35e-3)
    d = colour.contrast.pupil_diameter_Barten1999(34.26, 15, 15)
    colour.contrast.contrast_sensitivity_function_Barten1999(
        np.array([1, 2, 4, 8, 12, 16, 19.4]), sigma=colour.contrast.sigma_Barten1999(0.5 / 60, 0.08 / 60, d),
        E=colour.contrast.retinal_illuminance_Barten1999(34.26, d), X_0=15, Y_0=15)
"""

from __future__ import annotations

import numpy as np

from kuntur.visibility import acquisition

CYCLES_PER_PIXEL = np.array([0.05, 0.1, 0.2, 0.3, 0.4, 0.5])
PYBSM_LENS = [0.92577, 0.851793, 0.705629, 0.563639, 0.428154, 0.301864]
PYBSM_PIXEL = [0.995893, 0.983632, 0.935489, 0.858394, 0.756827, 0.63662]
PYBSM_JITTER = [0.995569, 0.982392, 0.931405, 0.85224, 0.752583, 0.641381]
COLOUR_SENSITIVITY = [474.18, 644.02, 597.52, 363.07, 218.23, 132.48, 86.19]


def test_lens_pixel_and_blur_are_those_of_pybsm() -> None:
    q = 10e-6 * 1.4 / 12e-6
    np.testing.assert_allclose(acquisition.optics_mtf(CYCLES_PER_PIXEL, q), PYBSM_LENS, atol=1e-6)
    np.testing.assert_allclose(acquisition.pixel_mtf(CYCLES_PER_PIXEL), PYBSM_PIXEL, atol=1e-6)
    np.testing.assert_allclose(acquisition.blur_mtf(CYCLES_PER_PIXEL, 0.3), PYBSM_JITTER, atol=1e-6)


def test_the_eye_is_no_better_than_bartens_later_model_and_of_its_shape() -> None:
    """Barten's approximation of 1990 stays below his full model of 1999 at the same luminance and screen: 0.56 of it at
    one cycle per degree, 0.81 to 0.86 from four on, where a small target's picture lies."""
    ours = 1.0 / acquisition.eye_ctf([1.0, 2.0, 4.0, 8.0, 12.0, 16.0, 19.4])
    share = ours / np.array(COLOUR_SENSITIVITY)
    assert (share <= 1.0).all()
    assert (share >= 0.55).all()
    assert (share[2:] >= 0.8).all()
