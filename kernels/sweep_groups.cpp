// Who shares what: observers into groups that lie near each other, and the sector of each in the wedges of a pass.
#include <algorithm>
#include <cmath>
#include <utility>

#include "sweep_plan.hpp"

namespace kuntur::sweep {
namespace {

constexpr double pi = 3.14159265358979323846;

}  // namespace

std::int64_t whole(double x) { return static_cast<std::int64_t>(std::floor(x)); }

double longest(const Ground& g) { return static_cast<double>(std::max(g.rows, g.cols)); }

// Half the width of the band of columns (rows) that the two wedges of a pass can reach.
double band(const Ground& g, const Observer& o) {
    return std::min(o.reach_m / std::hypot(o.width_m, o.height_m), longest(g)) + 3.0;
}

Area area_around(const Ground& g, const Observer& o, double rows, double cols) {
    return {std::clamp<std::int64_t>(whole(o.row - rows) - 1, 0, g.rows), std::clamp<std::int64_t>(whole(o.row + rows) + 3, 0, g.rows),
            std::clamp<std::int64_t>(whole(o.col - cols) - 1, 0, g.cols), std::clamp<std::int64_t>(whole(o.col + cols) + 3, 0, g.cols)};
}
Area disc_area(const Ground& g, const Observer& o) {
    return area_around(g, o, std::min(o.reach_m / o.height_m, longest(g)), std::min(o.reach_m / o.width_m, longest(g)));
}

Area hull(const Area& a, const Area& b) {
    return {std::min(a.row0, b.row0), std::max(a.row1, b.row1), std::min(a.col0, b.col0), std::max(a.col1, b.col1)};
}
Area common(const Area& a, const Area& b) {
    return {std::max(a.row0, b.row0), std::min(a.row1, b.row1), std::max(a.col0, b.col0), std::min(a.col1, b.col1)};
}

namespace {

// Place of a point along Hilbert's curve through a square of 2^16 x 2^16 (Hilbert 1891).
std::uint64_t hilbert(std::uint32_t x, std::uint32_t y) {
    std::uint64_t place = 0;
    for (std::uint32_t side = 1U << 15U; side > 0; side >>= 1U) {
        const std::uint32_t right = (x & side) != 0 ? 1U : 0U, high = (y & side) != 0 ? 1U : 0U;
        place = place * 4 + ((3U * right) ^ high);
        if (high == 0) {
            if (right != 0) {
                x = 0xffffU - x;
                y = 0xffffU - y;
            }
            std::swap(x, y);
        }
    }
    return place;
}

// As given where that is a path (each is near the one before), else along Hilbert's curve.
std::vector<std::size_t> order_of(const Ground& g, const std::vector<Observer>& all) {
    std::vector<std::size_t> given(all.size());
    for (std::size_t k = 0; k < all.size(); ++k) given[k] = k;
    std::vector<std::pair<std::uint64_t, std::size_t>> keyed;
    const double scale = 65535.0 / static_cast<double>(std::max(g.rows, g.cols));
    for (std::size_t k = 0; k < all.size(); ++k) {
        keyed.emplace_back(hilbert(static_cast<std::uint32_t>(all[k].col * scale), static_cast<std::uint32_t>(all[k].row * scale)), k);
    }
    std::sort(keyed.begin(), keyed.end());
    std::vector<std::size_t> curved;
    for (const auto& [place, k] : keyed) curved.push_back(k);
    const auto length = [&](const std::vector<std::size_t>& order) {
        double sum = 0.0;
        for (std::size_t k = 1; k < order.size(); ++k) {
            sum += std::hypot(all[order[k]].col - all[order[k - 1]].col, all[order[k]].row - all[order[k - 1]].row);
        }
        return sum;
    };
    return length(given) <= length(curved) ? given : curved;
}

// Of reading and writing a box once.
double cost(const Area& box) {
    constexpr double large = 8e6;
    return box.cells() * (1.0 + std::min(1.0, box.cells() / large));
}

}  // namespace

// Neighbours share a box while that makes the box cheaper for each. Depends on the observers alone, so that sums are
// added in the same order whatever the window and the number of threads.
std::vector<Group> groups_of(const Ground& g, const std::vector<Observer>& all) {
    std::vector<Group> groups;
    Area box{};
    for (const std::size_t k : order_of(g, all)) {
        const Area own = disc_area(g, all[k]);
        if (!groups.empty() && groups.back().size() < most_in_group) {
            const Area wider = hull(box, own);
            const auto n = static_cast<double>(groups.back().size());
            if (cost(wider) * n <= cost(box) * (n + 1.0)) {
                groups.back().push_back(k);
                box = wider;
                continue;
            }
        }
        groups.push_back({k});
        box = own;
    }
    return groups;
}

namespace {

// The stretches of sight lines j / i inside a sector, for one direction of a pass.
void sector_parts(const Observer& o, bool turned, int toward, Eye& e) {
    constexpr double edge = 1e-9;  // a cell on the sector's edge is inside
    if (o.sector_width_rad >= 2.0 * pi - edge) {
        e.parts[toward] = 1;
        e.from[toward][0] = -1.0;
        e.to[toward][0] = 1.0;
        return;
    }
    const auto angle = [&](double azimuth_rad) {
        const double east = std::sin(azimuth_rad) / o.width_m, north = std::cos(azimuth_rad) / o.height_m;
        const double across = turned ? -north : east, along = turned ? east : -north;
        return std::atan2(across, toward == 1 ? along : -along);
    };
    const double one = angle(o.azimuth_rad - 0.5 * o.sector_width_rad), two = angle(o.azimuth_rad + 0.5 * o.sector_width_rad);
    const bool clockwise = turned == (toward == 1);  // angles grow with azimuth, north and east of the observer
    const double start = clockwise ? one : two;
    double length = (clockwise ? two : one) - start;
    if (length < -1e-12) length += 2.0 * pi;
    e.parts[toward] = 0;
    for (const double turn : {-2.0 * pi, 0.0}) {
        const double a = start + turn, b = a + length;
        if (b < -0.25 * pi - edge || a > 0.25 * pi + edge) continue;
        const int part = e.parts[toward]++;
        e.from[toward][part] = a <= -0.25 * pi ? -1.0 : std::tan(a) - edge;
        e.to[toward][part] = b >= 0.25 * pi ? 1.0 : std::tan(b) + edge;
    }
}

}  // namespace

Eye eye_of(const Ground& g, const Observer& o, bool turned, const Area& box) {
    Eye e{};
    e.u = turned ? o.row - static_cast<double>(box.row0) : o.col - static_cast<double>(box.col0);
    e.v = turned ? o.col - static_cast<double>(box.col0) : o.row - static_cast<double>(box.row0);
    e.across_m = turned ? o.height_m : o.width_m;
    e.along_m = turned ? o.width_m : o.height_m;
    e.reach_m = o.reach_m;
    e.alt_m = static_cast<float>(o.alt_m);
    e.weight = static_cast<float>(o.weight_s);
    e.least_cos = static_cast<float>(cosine(o.least_depression_rad));
    e.least_sin = static_cast<float>(std::sin(o.least_depression_rad));
    e.most_cos = static_cast<float>(cosine(o.greatest_depression_rad));
    e.most_sin = static_cast<float>(std::sin(o.greatest_depression_rad));
    e.first_col = static_cast<std::int32_t>(std::floor((e.u - band(g, o)) / 16.0)) * 16;
    e.lines = ray_count(std::min(o.reach_m / e.along_m, longest(g)));
    for (int toward : {0, 1}) sector_parts(o, turned, toward, e);
    return e;
}

}  // namespace kuntur::sweep
