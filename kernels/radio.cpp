// Radio links over the terrain: profiles, clearance of the first Fresnel zone, and loss by diffraction after
// Recommendation ITU-R P.526 (Bullington 4.5.1 and delta-Bullington; Deygout's three edges as in P.526-11, 4.4.2).
#include <nanobind/stl/tuple.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <tuple>
#include <vector>

#include "arrays.hpp"
#include "module.hpp"
#include "relief.hpp"

namespace nb = nanobind;
using namespace nb::literals;

namespace kuntur {
namespace {

constexpr double infinity = std::numeric_limits<double>::infinity();
constexpr double nan_value = std::numeric_limits<double>::quiet_NaN();
constexpr double no_weight = 1e-9;
constexpr double pi = 3.14159265358979323846;

enum class Model : int { bullington = 0, delta_bullington = 1, deygout = 2 };

struct Wave {
    double length_m;
    double frequency_ghz;
    bool vertical;     // polarisation; only the spherical earth asks for it
    double curvature;  // 1 / (2 ae) in 1/m, ae the effective earth radius
    Model model;
};

// The ground under a link, ends included. share: of the way from the first antenna; excess: the ground's height over
// the straight line between the antennas on the curved earth, in metres (negative: clear).
struct Profile {
    double length_m = 0.0;
    double first_m = 0.0, last_m = 0.0;  // altitudes of the antennas
    bool known = true;                   // false: the link leaves the terrain or meets a void
    std::vector<double> share, height_m, excess_m;

    std::size_t size() const { return share.size(); }
    void clear() {
        share.clear();
        height_m.clear();
    }
    void add(double s, double h) {
        share.push_back(s);
        height_m.push_back(h);
    }
    void level(double curvature) {
        const std::size_t n = size();
        excess_m.resize(n);
        const double bulge_m = curvature * length_m * length_m;
        const double rise_m = last_m - first_m;
        double sum = 0.0;
        for (std::size_t i = 0; i < n; ++i) {
            const double s = share[i];
            excess_m[i] = height_m[i] + bulge_m * (s * (1.0 - s)) - (first_m + rise_m * s);
            sum += height_m[i];
        }
        known = std::isfinite(sum) && std::isfinite(rise_m) && std::isfinite(first_m);
    }
};

// The lines of one direction of the grid (rows or columns) that a link crosses, from its first end on.
class Crossings {
public:
    Crossings(double from, double to)
        : start_(from), step_(to - from), per_step_(1.0 / step_), stride_(to > from ? 1.0 : -1.0) {
        line_ = stride_ > 0.0 ? std::floor(from) + 1.0 : std::ceil(from) - 1.0;
        last_ = stride_ > 0.0 ? std::ceil(to) - 1.0 : std::floor(to) + 1.0;
        find();
    }
    double share() const { return share_; }  // of the way to the next crossing; infinite behind the last
    double line() const { return line_; }
    void advance() {
        line_ += stride_;
        find();
    }

private:
    void find() {
        const bool more = step_ != 0.0 && (stride_ > 0.0 ? line_ <= last_ : line_ >= last_);
        share_ = more ? (line_ - start_) * per_step_ : infinity;
    }
    double start_, step_, per_step_, stride_, line_, last_, share_;
};

// The ground wherever the link crosses a row line or a column line of the grid, as for sight lines (R3): between two
// crossings a bilinear surface rises above both by little, and the peaks of ridges are not stepped over.
void trace(const Relief& relief, const Point& a, const Point& b, Profile& out) {
    out.clear();
    out.length_m = std::hypot(b.x_m - a.x_m, b.y_m - a.y_m);
    out.first_m = a.z_m;
    out.last_m = b.z_m;
    const double u0 = relief.to_u(a.x_m), v0 = relief.to_v(a.y_m), u1 = relief.to_u(b.x_m), v1 = relief.to_v(b.y_m);
    if (!relief.covers(u0, v0) || !relief.covers(u1, v1)) {
        out.add(0.0, nan_value);
        out.add(1.0, nan_value);
        return;
    }
    const double du = u1 - u0, dv = v1 - v0;
    const double near = 1e-3 / std::hypot(du, dv);  // a crossing under an antenna says nothing new
    // Linear between two neighbours on a line; one without weight is not asked for its height.
    const auto add = [&](double s, double position, std::int64_t last, auto&& at) {
        if (s < near || s > 1.0 - near) return;
        const std::int64_t cell = std::min(static_cast<std::int64_t>(position), last - 1);
        const double f = position - static_cast<double>(cell);
        const double from = at(cell), to = at(cell + 1);
        out.add(s, f < no_weight ? from : f > 1.0 - no_weight ? to : from + f * (to - from));
    };
    Crossings columns(u0, u1), rows(v0, v1);
    out.add(0.0, relief.height(u0, v0));
    while (columns.share() < 1.0 || rows.share() < 1.0) {
        if (columns.share() <= rows.share()) {
            const auto col = static_cast<std::int64_t>(columns.line());
            add(columns.share(), v0 + columns.share() * dv, relief.rows() - 1,
                [&](std::int64_t row) { return relief.at(row, col); });
            columns.advance();
        } else {
            const auto row = static_cast<std::int64_t>(rows.line());
            add(rows.share(), u0 + rows.share() * du, relief.cols() - 1,
                [&](std::int64_t col) { return relief.at(row, col); });
            rows.advance();
        }
    }
    out.add(1.0, relief.height(u1, v1));
}

// Loss at a single knife edge: P.526-16, 4.1, eq. (31).
double knife_edge_db(double nu) {
    if (!(nu > -0.78)) return 0.0;
    const double x = nu - 0.1;
    return 6.9 + 20.0 * std::log10(std::sqrt(x * x + 1.0) + x);
}

struct Edge {
    double score = -infinity;
    std::size_t index = 0;
};

// The sharpest of the points [from, to): the greatest e |e| / (s (1 - s)), which orders points as nu does, on the part
// of the line between the shares s0 and s1, whose ends stand e0 and e1 over the whole line.
Edge sharpest(const Profile& p, std::size_t from, std::size_t to, double s0, double e0, double s1, double e1) {
    Edge edge;
    const double width = s1 - s0;
    const double slope = (e1 - e0) / width;
    for (std::size_t i = from; i < to; ++i) {
        const double in = p.share[i] - s0, out = s1 - p.share[i];
        const double e = p.excess_m[i] - (e0 + slope * in);
        const double score = e * std::abs(e) / (in * out);
        if (score > edge.score) edge = {score, i};
    }
    edge.score *= width;  // so that nu_of may take the length of the whole line
    return edge;
}

// nu = h sqrt(2 d / (lambda d1 d2)): P.526-16, eq. (26), from h |h| / (s (1 - s)).
double nu_of(double score, double length_m, double wavelength_m) {
    return std::copysign(std::sqrt(2.0 * std::abs(score) / (wavelength_m * length_m)), score);
}

struct Slopes {
    double score;           // of the sharpest point
    double from_a, from_b;  // steepest rise over the line seen from either end, times the length of the line
};

// P.526-16, 4.5.1. With heights taken over the line between the antennas, t and r the steepest e / s and e / (1 - s),
// the two tangents meet at s = r / (t + r), t r / (t + r) above the line: so nu there is sqrt(2 t r / (lambda d)).
double bullington_db(const Slopes& slopes, double length_m, double wavelength_m) {
    const bool seen = slopes.score < 0.0;
    const double nu = nu_of(seen ? slopes.score : slopes.from_a * slopes.from_b, length_m, wavelength_m);
    const double edge_db = knife_edge_db(nu);
    return edge_db + (1.0 - std::exp(-edge_db / 6.0)) * (10.0 + 0.02e-3 * length_m);
}

template <class Excess>
Slopes slopes_of(const Profile& p, Excess&& excess) {
    Slopes found{-infinity, -infinity, -infinity};
    for (std::size_t i = 1; i + 1 < p.size(); ++i) {
        const double s = p.share[i], e = excess(i);
        found.score = std::max(found.score, e * std::abs(e) / (s * (1.0 - s)));
    }
    if (found.score < 0.0) return found;
    for (std::size_t i = 1; i + 1 < p.size(); ++i) {
        const double s = p.share[i], e = excess(i);
        found.from_a = std::max(found.from_a, e / s);
        found.from_b = std::max(found.from_b, e / (1.0 - s));
    }
    return found;
}

// First term of the residue series over average land (relative permittivity 22, conductivity 0.003 S/m): P.526-16,
// 3.1.1.2; written with f in GHz and distances in km as in P.1812-7, 4.3.3.
double first_term_db(const Wave& wave, double distance_km, double height_a_m, double height_b_m, double radius_km) {
    const double f = wave.frequency_ghz;
    constexpr double permittivity = 22.0, conductivity = 0.003;
    const double loss_factor = 18.0 * conductivity / f;
    double k = 0.036 / (std::cbrt(radius_km * f) * std::sqrt(std::hypot(permittivity - 1.0, loss_factor)));
    if (wave.vertical) k *= std::hypot(permittivity, loss_factor);
    const double k2 = k * k;
    const double beta = (1.0 + k2 * (1.6 + 0.67 * k2)) / (1.0 + k2 * (4.5 + 1.53 * k2));
    const double x = 21.88 * beta * std::cbrt(f / (radius_km * radius_km)) * distance_km;
    const double distance_db =
        x >= 1.6 ? 11.0 + 10.0 * std::log10(x) - 17.6 * x : -20.0 * std::log10(x) - 5.6488 * std::pow(x, 1.425);
    const auto height_gain_db = [&](double height_m) {
        const double b = 0.9575 * beta * beta * std::cbrt(f * f / radius_km) * height_m;
        const double gain_db = b > 2.0 ? 17.6 * std::sqrt(b - 1.1) - 5.0 * std::log10(b - 1.1) - 8.0
                                       : 20.0 * std::log10(b + 0.1 * b * b * b);
        return std::max(gain_db, 2.0 + 20.0 * std::log10(k));
    };
    return -distance_db - height_gain_db(height_a_m) - height_gain_db(height_b_m);
}

// Loss over a smooth earth: P.526-16, 3.2.
double spherical_earth_db(const Wave& wave, double length_m, double height_a_m, double height_b_m) {
    if (!(wave.curvature > 0.0) || !(length_m > 0.0)) return 0.0;  // no horizon on a flat earth
    const double radius_km = 0.5e-3 / wave.curvature;
    const double d = 1e-3 * length_m;
    const double both_m = height_a_m + height_b_m;
    const double horizon_km =
        std::sqrt(2.0 * radius_km) * (std::sqrt(1e-3 * height_a_m) + std::sqrt(1e-3 * height_b_m));
    if (d >= horizon_km) return std::max(0.0, first_term_db(wave, d, height_a_m, height_b_m, radius_km));
    const double c = (height_a_m - height_b_m) / both_m;
    const double m = 250.0 * d * d / (radius_km * both_m);
    const double cosine = std::clamp(1.5 * c * std::sqrt(3.0 * m / ((m + 1.0) * (m + 1.0) * (m + 1.0))), -1.0, 1.0);
    const double b = 2.0 * std::sqrt((m + 1.0) / (3.0 * m)) * std::cos(pi / 3.0 + std::acos(cosine) / 3.0);
    const double d1 = 0.5 * d * (1.0 + b), d2 = d - d1;
    const double over_a_m = height_a_m - 500.0 * d1 * d1 / radius_km;
    const double over_b_m = height_b_m - 500.0 * d2 * d2 / radius_km;
    const double clearance_m = (over_a_m * d2 + over_b_m * d1) / d;
    const double required_m = 17.456 * std::sqrt(d1 * d2 * wave.length_m / d);
    if (!(clearance_m < required_m)) return 0.0;
    const double root = std::sqrt(height_a_m) + std::sqrt(height_b_m);
    const double marginal_km = 500.0 * (d / root) * (d / root);  // the radius at which the earth is just touched
    const double loss_db = first_term_db(wave, d, height_a_m, height_b_m, marginal_km);
    return loss_db > 0.0 ? (1.0 - clearance_m / required_m) * loss_db : 0.0;
}

// Heights of the antennas over the smooth surface that fits the profile: P.1812-7, Attachment 1 to Annex 1, 5.6.
std::tuple<double, double> smooth_heights_m(const Profile& p) {
    const std::size_t last = p.size() - 1;
    double v1 = 0.0, v2 = 0.0;  // over the length and its square: the fit needs only shares
    for (std::size_t i = 1; i <= last; ++i) {
        const double s0 = p.share[i - 1], s1 = p.share[i], h0 = p.height_m[i - 1], h1 = p.height_m[i];
        v1 += (s1 - s0) * (h1 + h0);
        v2 += (s1 - s0) * (h1 * (2.0 * s1 + s0) + h0 * (s1 + 2.0 * s0));
    }
    double a_m = 2.0 * v1 - v2, b_m = v2 - v1;
    double highest = -infinity, from_a = -infinity, from_b = -infinity;
    for (std::size_t i = 1; i < last; ++i) {
        const double s = p.share[i];
        const double over = p.height_m[i] - (p.first_m + (p.last_m - p.first_m) * s);
        if (over <= 0.0) continue;
        highest = std::max(highest, over);
        from_a = std::max(from_a, over / s);
        from_b = std::max(from_b, over / (1.0 - s));
    }
    if (highest > 0.0) {
        a_m -= highest * from_a / (from_a + from_b);
        b_m -= highest * from_b / (from_a + from_b);
    }
    return {std::max(0.0, p.first_m - std::min(a_m, p.height_m[0])),
            std::max(0.0, p.last_m - std::min(b_m, p.height_m[last]))};
}

// P.526-16, 4.5: Bullington, plus what a smooth earth of these heights loses beyond Bullington over that same earth.
double delta_bullington_db(const Profile& p, const Slopes& slopes, const Wave& wave) {
    const double actual_db = bullington_db(slopes, p.length_m, wave.length_m);
    const auto [a_m, b_m] = smooth_heights_m(p);
    const double sphere_db = spherical_earth_db(wave, p.length_m, a_m, b_m);
    if (sphere_db == 0.0) return actual_db;
    const double bulge_m = wave.curvature * p.length_m * p.length_m;
    const double first_m = a_m, rise_m = b_m - a_m;
    const Slopes smooth = slopes_of(p, [&](std::size_t i) {
        const double s = p.share[i];
        return bulge_m * (s * (1.0 - s)) - (first_m + rise_m * s);
    });
    return actual_db + std::max(0.0, sphere_db - bullington_db(smooth, p.length_m, wave.length_m));
}

// Deygout's construction with three edges and the correction of P.526-11, 4.4.2.
double deygout_db(const Profile& p, const Wave& wave) {
    const auto edge_db = [&](const Edge& edge) { return knife_edge_db(nu_of(edge.score, p.length_m, wave.length_m)); };
    const std::size_t last = p.size() - 1;
    const Edge main = sharpest(p, 1, last, 0.0, 0.0, 1.0, 0.0);
    const double main_db = edge_db(main);
    if (main_db == 0.0) return 0.0;
    const double s = p.share[main.index], e = p.excess_m[main.index];
    const Edge before = sharpest(p, 1, main.index, 0.0, 0.0, s, e);
    const Edge behind = sharpest(p, main.index + 1, last, s, e, 1.0, 0.0);
    const double correction_db = 10.0 + 0.04e-3 * p.length_m;
    return main_db + (1.0 - std::exp(-main_db / 6.0)) * (edge_db(before) + edge_db(behind) + correction_db);
}

struct Loss {
    double diffraction_db;
    double clearance;  // least, in radii of the first Fresnel zone: -nu / sqrt(2)
};

Loss loss(Profile& p, const Wave& wave) {
    p.level(wave.curvature);
    if (!p.known) return {nan_value, nan_value};
    if (p.height_m.front() > p.first_m + touch_m || p.height_m.back() > p.last_m + touch_m) {
        return {infinity, -infinity};  // an antenna in the ground
    }
    if (p.size() < 3) return {0.0, infinity};
    const Slopes slopes = slopes_of(p, [&](std::size_t i) { return p.excess_m[i]; });
    const double clearance = -nu_of(slopes.score, p.length_m, wave.length_m) / std::sqrt(2.0);
    switch (wave.model) {
        case Model::bullington: return {bullington_db(slopes, p.length_m, wave.length_m), clearance};
        case Model::deygout: return {deygout_db(p, wave), clearance};
        default: return {delta_bullington_db(p, slopes, wave), clearance};
    }
}

Wave wave_of(double wavelength_m, bool vertical, double curvature, int model) {
    if (model < 0 || model > 2) throw nb::value_error("no such diffraction model");
    return {wavelength_m, 0.299792458 / wavelength_m, vertical, curvature, static_cast<Model>(model)};
}

using Losses = std::tuple<Array<double>, Array<double>>;

// One Profile a task serves all its links; `fill(i, profile)` makes the profile of link i.
template <class Fill>
Losses losses(std::size_t count, const Wave& wave, int threads, Fill&& fill) {
    auto diffraction_db = make_array<double>({count});
    auto clearance = make_array<double>({count});
    double* out_db = diffraction_db.data();
    double* out_clearance = clearance.data();
    {
        nb::gil_scoped_release free_interpreter;
        share_stretches(static_cast<std::int64_t>(count), 64, threads, [&](std::int64_t begin, std::int64_t end) {
            Profile profile;
            for (std::int64_t i = begin; i < end; ++i) {
                fill(i, profile);
                const Loss found = loss(profile, wave);
                out_db[i] = found.diffraction_db;
                out_clearance[i] = found.clearance;
            }
        });
    }
    return {diffraction_db, clearance};
}

// Always from the same end of two, so that a link and its reverse give the same bits.
void trace_ordered(const Relief& relief, const Point& a, const Point& b, Profile& profile) {
    const bool keep = a.z_m != b.z_m ? a.z_m < b.z_m : a.x_m != b.x_m ? a.x_m < b.x_m : a.y_m <= b.y_m;
    trace(relief, keep ? a : b, keep ? b : a, profile);
}

Losses radio_links(const HeldRelief& held, Vectors a, Vectors b, double curvature, double wavelength_m, bool vertical,
                   int model, int threads) {
    const Wave wave = wave_of(wavelength_m, vertical, curvature, model);
    return losses(a.shape(0), wave, threads, [&](std::int64_t i, Profile& profile) {
        trace_ordered(held.relief, point(a, i), point(b, i), profile);
    });
}

using Starts = nb::ndarray<const std::int64_t, nb::ndim<1>, nb::c_contig, nb::device::cpu>;
using Column = nb::ndarray<const double, nb::ndim<1>, nb::c_contig, nb::device::cpu>;

// Profiles given as points: those of link i are starts[i] to starts[i + 1].
Losses radio_profiles(Starts starts, Column distance_m, Column height_m, Column first_m, Column last_m,
                      double curvature, double wavelength_m, bool vertical, int model, int threads) {
    const Wave wave = wave_of(wavelength_m, vertical, curvature, model);
    return losses(first_m.shape(0), wave, threads, [&](std::int64_t i, Profile& profile) {
        const std::int64_t from = starts(i), to = starts(i + 1);
        profile.clear();
        profile.first_m = first_m(i);
        profile.last_m = last_m(i);
        profile.length_m = distance_m(to - 1) - distance_m(from);
        for (std::int64_t k = from; k < to; ++k) {
            profile.add((distance_m(k) - distance_m(from)) / profile.length_m, height_m(k));
        }
    });
}

using Profiles = std::tuple<Array<std::int64_t>, Array<double>, Array<double>>;

Profiles terrain_profiles(const HeldRelief& held, Vectors a, Vectors b) {
    const std::size_t count = a.shape(0);
    auto starts = make_array<std::int64_t>({count + 1});
    std::vector<double> distance_m, height_m;
    Profile profile;
    for (std::size_t i = 0; i < count; ++i) {
        const auto link = static_cast<std::int64_t>(i);
        trace(held.relief, point(a, link), point(b, link), profile);
        for (std::size_t k = 0; k < profile.size(); ++k) {
            distance_m.push_back(profile.share[k] * profile.length_m);
            height_m.push_back(profile.height_m[k]);
        }
        starts.data()[i + 1] = static_cast<std::int64_t>(distance_m.size());
    }
    auto distances = make_array<double>({distance_m.size()});
    auto heights = make_array<double>({height_m.size()});
    std::copy(distance_m.begin(), distance_m.end(), distances.data());
    std::copy(height_m.begin(), height_m.end(), heights.data());
    return {starts, distances, heights};
}

}  // namespace

void register_radio(nb::module_& m) {
    m.def("radio_links", &radio_links, "relief"_a, "a_m"_a, "b_m"_a, "curvature_per_m"_a, "wavelength_m"_a,
          "vertical"_a, "model"_a, "threads"_a);
    m.def("radio_profiles", &radio_profiles, "starts"_a, "distance_m"_a, "height_m"_a, "first_m"_a, "last_m"_a,
          "curvature_per_m"_a, "wavelength_m"_a, "vertical"_a, "model"_a, "threads"_a);
    m.def("terrain_profiles", &terrain_profiles, "relief"_a, "a_m"_a, "b_m"_a);
}

}  // namespace kuntur
