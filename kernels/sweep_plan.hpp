// What is asked of a sweep, and the parts of it that its files share.
#pragma once

#include <cstdint>
#include <vector>

#include "sweep.hpp"

namespace kuntur::sweep {

enum class Mode { fast, accurate, exact };

struct Ground {
    const float* heights;  // rows x cols, NaN a void
    const float* targets;  // heights looked at, or null
    std::int64_t rows, cols;
};

struct Observer {
    double col, row, alt_m;
    double width_m, height_m;  // of a cell, east-west and north-south
    double reach_m, weight_s;
    double azimuth_rad, sector_width_rad, least_depression_rad, greatest_depression_rad;
};

struct Area {  // half open
    std::int64_t row0, row1, col0, col1;
    double cells() const { return static_cast<double>(row1 - row0) * static_cast<double>(col1 - col0); }
    bool empty() const { return row0 >= row1 || col0 >= col1; }
};

struct Request {
    Ground ground;
    std::vector<Observer> observers;
    Mode mode;
    double target_height_m, curvature_per_m;
    const float* table;  // exposure a second
    std::int32_t steps;
    double step_m;
    Area window;
    int threads;
    // Results, one a cell of the window, or null. count and unknown begin as 0, best and least as infinity, exposure 0.
    std::uint16_t* count;
    std::uint16_t* unknown;
    float* best;
    float* least;
    float* exposure;
};

void run(const Request& request);

std::int64_t whole(double x);
double longest(const Ground& ground);                      // side, in cells
double band(const Ground& ground, const Observer& observer);  // half the width of what the two wedges of a pass reach
Area area_around(const Ground& ground, const Observer& observer, double rows, double cols);
Area disc_area(const Ground& ground, const Observer& observer);
Area hull(const Area& a, const Area& b);
Area common(const Area& a, const Area& b);

using Group = std::vector<std::size_t>;
constexpr std::size_t most_in_group = 128;
std::vector<Group> groups_of(const Ground& ground, const std::vector<Observer>& all);

double cosine(double depression_rad);  // exactly 0 straight up and down
Eye eye_of(const Ground& ground, const Observer& observer, bool turned, const Area& box);

// One cell as one observer sees it, without asking what lies between.
struct Look {
    bool inside;  // of the camera's depressions
    bool seen;    // nothing of the cell itself hides the target point
    double below_m, slant_m;
    double need_m;  // least height above ground that stands above the surface
};
Look look_at(const Request& q, const Observer& o, std::int64_t cell, double across2_m2);
inline Look look_below(const Request& q, const Observer& o, std::int64_t cell) { return look_at(q, o, cell, 0.0); }
float exposure_of(const Request& q, const Observer& o, double slant_m);
void run_exact(const Request& q);

}  // namespace kuntur::sweep
