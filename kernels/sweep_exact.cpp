// The exact mode: one sight line a cell (relief.hpp), no approximation of the horizon.
#include <algorithm>
#include <atomic>
#include <cmath>
#include <limits>
#include <thread>

#include "relief.hpp"
#include "sweep_plan.hpp"
#include "sweep_span.hpp"

namespace kuntur::sweep {

double cosine(double depression_rad) {
    return std::abs(depression_rad) > 1.5707963 ? 0.0 : std::cos(depression_rad);
}

Look look_at(const Request& q, const Observer& o, std::int64_t cell, double across2_m2) {
    const double surface = static_cast<double>(q.ground.heights[cell]);
    const double target = q.ground.targets == nullptr ? surface + q.target_height_m : static_cast<double>(q.ground.targets[cell]);
    const double across = std::sqrt(across2_m2);
    Look look{};
    look.below_m = o.alt_m - target + q.curvature_per_m * across2_m2;
    look.slant_m = std::sqrt(across2_m2 + look.below_m * look.below_m);
    look.inside = !(look.below_m * cosine(o.least_depression_rad) < across * std::sin(o.least_depression_rad)) &&
                  !(across * std::sin(o.greatest_depression_rad) < look.below_m * cosine(o.greatest_depression_rad));
    look.seen = target >= surface;
    look.need_m = q.ground.targets == nullptr ? surface - surface : surface - (target - q.target_height_m);  // NaN over a void
    return look;
}

float exposure_of(const Request& q, const Observer& o, double slant_m) {
    const double step = std::floor(slant_m / q.step_m);
    if (!(step < static_cast<double>(q.steps))) return 0.0F;
    return q.table[static_cast<std::int64_t>(step)] * static_cast<float>(o.weight_s);
}

namespace {

// How far the target must rise above the surface to stand on the horizon of its own sight line; NaN behind a void.
double rise_to_horizon(const Request& q, const Observer& o, std::int64_t row, std::int64_t col, double curvature_m) {
    const Ground& g = q.ground;
    const double du = static_cast<double>(col) - o.col, dv = static_cast<double>(row) - o.row;
    const double surface = static_cast<double>(g.heights[row * g.cols + col]) - curvature_m;
    double slope = -std::numeric_limits<double>::infinity();  // of the horizon, over the whole line
    const auto cross = [&](double start, double step, double other, double other_step, std::int64_t stride, std::int64_t other_stride, std::int64_t other_last) {
        if (step == 0.0) return;
        const double end = start + step;
        for (double line = std::ceil(std::min(start, end)); line <= std::max(start, end); line += 1.0) {
            const double s = (line - start) / step;
            if (s <= 1e-9 || s >= 1.0 - 1e-9) continue;
            const double place = other + s * other_step;
            const auto cell = std::clamp<std::int64_t>(static_cast<std::int64_t>(place), 0, std::max<std::int64_t>(0, other_last - 1));
            const double part = place - static_cast<double>(cell);
            const float* z = g.heights + static_cast<std::int64_t>(line) * stride + cell * other_stride;
            double height = static_cast<double>(part > 1.0 - 1e-9 ? z[other_stride] : z[0]);
            if (part > 1e-9 && part < 1.0 - 1e-9) height += part * (static_cast<double>(z[other_stride]) - height);
            const double rise = (height - s * s * curvature_m - o.alt_m) / s;
            if (!(rise <= slope)) slope = rise;  // NaN stays: nothing compares with it
            if (std::isnan(slope)) return;
        }
    };
    cross(o.col, du, o.row, dv, 1, g.cols, g.rows - 1);
    if (!std::isnan(slope)) cross(o.row, dv, o.col, du, g.cols, 1, g.cols - 1);
    if (std::isnan(slope)) return slope;
    return std::max(0.0, o.alt_m + slope - surface);
}

// One cell from one observer.
void look_from(const Request& q, const Relief& relief, const Observer& o, std::int64_t row, std::int64_t col) {
    const std::int64_t cell = row * q.ground.cols + col;
    const std::int64_t out = (row - q.window.row0) * (q.window.col1 - q.window.col0) + col - q.window.col0;
    const double du = static_cast<double>(col) - o.col, dv = static_cast<double>(row) - o.row;
    const double x_m = du * o.width_m, y_m = dv * o.height_m;
    const double across2 = x_m * x_m + y_m * y_m;
    const Look look = look_at(q, o, cell, across2);
    const auto add = [](std::uint16_t* sums, std::int64_t at) {
        if (sums != nullptr && sums[at] < 0xffffU) ++sums[at];
    };
    if (std::isnan(look.slant_m) || std::isnan(look.need_m)) {
        add(q.unknown, out);
        if (q.least != nullptr) q.least[out] = std::min(q.least[out], not_known);
        return;
    }
    if (!look.inside) return;
    if (q.least != nullptr) {
        const double rise = rise_to_horizon(q, o, row, col, q.curvature_per_m * across2);
        q.least[out] = std::min(q.least[out], std::isnan(rise) ? not_known : static_cast<float>(rise + look.need_m));
    }
    if (q.count == nullptr && q.unknown == nullptr && q.best == nullptr && q.exposure == nullptr) return;
    if (!look.seen) return;
    const double target = o.alt_m - (look.below_m - q.curvature_per_m * across2);
    const Spot from{o.col, o.row, o.alt_m}, to{static_cast<double>(col), static_cast<double>(row), target};
    const Sight sight = relief.sight(from, to, q.curvature_per_m * across2);
    if (sight == Sight::unknown) add(q.unknown, out);
    if (sight != Sight::clear) return;
    add(q.count, out);
    if (q.best != nullptr) q.best[out] = std::min(q.best[out], static_cast<float>(look.slant_m));
    if (q.exposure != nullptr) q.exposure[out] += exposure_of(q, o, look.slant_m);
}

struct Stripe {  // one row of a pass; straight below the observer where away is 0
    bool turned;
    int toward;
    std::int32_t row;
    double away;
};

}  // namespace

void run_exact(const Request& q) {
    const Ground& g = q.ground;
    const Relief relief(g.heights, g.rows, g.cols, 1.0, 1.0, 0.0, 0.0);  // each line brings its own cell size
    const Area all{0, g.rows, 0, g.cols};
    std::vector<Stripe> stripes;
    for (const Observer& o : q.observers) {
        const Eye eyes[2] = {eye_of(g, o, false, all), eye_of(g, o, true, all)};
        stripes.clear();
        for (const bool turned : {false, true}) {
            const Eye& e = eyes[turned ? 1 : 0];
            const std::int64_t from = turned ? q.window.col0 : q.window.row0, to = turned ? q.window.col1 : q.window.row1;
            for (std::int64_t row = from; row < to; ++row) {
                const double away = static_cast<double>(row) - e.v;
                if (away == 0.0 || std::abs(away) * e.along_m > e.reach_m) continue;
                stripes.push_back({turned, away > 0.0 ? 1 : 0, static_cast<std::int32_t>(row), std::abs(away)});
            }
        }
        std::atomic<std::size_t> next{0};
        const auto run_stripes = [&] {
            for (std::size_t k = next++; k < stripes.size(); k = next++) {
                const Stripe& stripe = stripes[k];
                Pass pass{};
                pass.box.cols = static_cast<std::int32_t>(stripe.turned ? g.rows : g.cols);
                pass.strict = stripe.turned;
                pass.toward = stripe.toward;
                Span s;
                if (!span(pass, eyes[stripe.turned ? 1 : 0], stripe.away, s)) continue;
                const std::int64_t from = stripe.turned ? q.window.row0 : q.window.col0, to = stripe.turned ? q.window.row1 : q.window.col1;
                for (std::int64_t c = std::max<std::int64_t>(s.lo, from); c <= s.hi && c < to; ++c) {
                    if (c >= s.skip_lo && c <= s.skip_hi) continue;
                    look_from(q, relief, o, stripe.turned ? c : stripe.row, stripe.turned ? stripe.row : c);
                }
            }
        };
        std::vector<std::thread> others;
        for (int k = 1; k < q.threads; ++k) others.emplace_back(run_stripes);
        run_stripes();
        for (std::thread& other : others) other.join();
        const auto row = static_cast<std::int64_t>(o.row), col = static_cast<std::int64_t>(o.col);
        if (static_cast<double>(row) == o.row && static_cast<double>(col) == o.col && row >= q.window.row0 &&
            row < q.window.row1 && col >= q.window.col0 && col < q.window.col1) {
            look_from(q, relief, o, row, col);
        }
    }
}

}  // namespace kuntur::sweep
