// A height grid prepared for rays: the heights as they are, and above them the maxima of square blocks, each level of
// blocks twice as wide as the one below, so that a ray skips every block it clears.
// Index coordinates: u along columns, v along rows, whole numbers at cell centres. Cells need not be square.
#pragma once

#include <cstdint>
#include <vector>

namespace kuntur {

enum class Sight : std::uint8_t { blocked = 0, clear = 1, unknown = 2 };
enum class Hit : std::uint8_t { none = 0, ground = 1, left = 2, lost = 3 };

// A line of terrain higher than the sight line by less than this does not block it: touching is clear.
constexpr double touch_m = 1e-6;

// A point of the local frame, and one in index coordinates.
struct Point {
    double x_m, y_m, z_m;
};
struct Spot {
    double u, v, z_m;
};

// The terrain's own error, as a margin that known terrain is raised by (visibility/doubt.py): with w the target's share
// of the line and d the distance from the target, error_m * sqrt(1 + w^2 - 2 w exp(-d / correlation_m)).
struct Doubt {
    double error_m;  // standard deviations wanted times sigma
    double correlation_m;
};

class Relief {
public:
    // heights: rows x cols (2 x 2 at least), row 0 northernmost, NaN a void; must outlive this object.
    // x0_m, y0_m: centre of cell (0, 0). cell_x_m, cell_y_m: from column to column and from row to row.
    Relief(const float* heights, std::int64_t rows, std::int64_t cols, double cell_x_m, double cell_y_m, double x0_m,
           double y0_m);

    // Sight between two points over the terrain, which is taken linear between neighbouring cell centres along every
    // row line and every column line that is crossed (the R3 model). `sag_m` is what the ground falls below a level
    // line over that distance: curvature * distance^2, curvature being (1 - k) / (2 R). So each call may bring its own
    // cell size. The same bits come out when the ends are exchanged.
    // Unknown: an end outside, a height that is no number, or a void on the way that known ground does not hide.
    Sight sight(const Spot& p, const Spot& q, double sag_m) const;

    // The same with the terrain raised by the doubt's margin, by nothing at the target, which stands on the ground.
    Sight certain_sight(const Spot& target, const Spot& observer, double sag_m, double distance_m,
                        const Doubt& doubt) const;

    Sight sight(const Point& p, const Point& q, double curvature) const;
    Sight certain_sight(const Point& target, const Point& observer, double curvature, const Doubt& doubt) const;

    // First point of the terrain (bilinear inside cells) met by a ray of unit direction `d` within `max_range_m`, the
    // slant range to it, and the angle there between the ray and the normal of the ground.
    // left: the ray leaves the terrain first, begins outside or is no ray. lost: it comes over a void first.
    Hit ground(const Point& origin, const Point& d, double max_range_m, double curvature, Point& hit, double& slant_m,
               double& incidence_rad) const;

    // Bilinear height; NaN outside and where a neighbour with weight is a void.
    double height(double u, double v) const;

    // Ask memory for what the sight between these two will look at first; bulk work does so a few lines ahead.
    void fetch(const Spot& p, const Spot& q) const;

    double to_u(double x_m) const { return (x_m - x0_m_) / cell_x_m_; }
    double to_v(double y_m) const { return (y0_m_ - y_m) / cell_y_m_; }
    Spot spot(const Point& p) const { return {to_u(p.x_m), to_v(p.y_m), p.z_m}; }
    double x_m(std::int64_t col) const { return x0_m_ + static_cast<double>(col) * cell_x_m_; }
    double y_m(std::int64_t row) const { return y0_m_ - static_cast<double>(row) * cell_y_m_; }
    float at(std::int64_t row, std::int64_t col) const { return heights_[row * cols_ + col]; }
    bool covers(double u, double v) const;
    std::int64_t rows() const { return rows_; }
    std::int64_t cols() const { return cols_; }
    double cell_x_m() const { return cell_x_m_; }
    double cell_y_m() const { return cell_y_m_; }

private:
    struct Level {
        std::int64_t rows, cols;
        std::vector<float> top;  // highest centre of the block, its border included; infinite with a void among them
    };
    struct Line;    // a sight line or a ray in index coordinates
    struct Walk;    // a position on a line and the cell it is in
    struct Bare;    // terrain as it is
    struct Raised;  // terrain raised by a doubt

    template <class Margin>
    Sight look(const Spot& p, const Spot& q, double sag_m, const Margin& margin) const;
    template <class Margin>
    bool blocked(const Line& line, const Margin& margin, bool& unknown) const;
    template <class Clears, class Leaf>
    bool walk(Walk& at, double end, std::size_t level, Clears&& clears, Leaf&& leaf) const;
    template <class Visit>
    bool crossings(const Line& line, double s0, double s1, Visit&& visit) const;
    Hit patch(const Line& line, std::int64_t row, std::int64_t col, double s0, double s1, double& s_hit) const;
    double incidence(const Line& line, std::int64_t row, std::int64_t col, double s) const;
    double between(std::int64_t from, std::int64_t to, double f) const;

    const float* heights_;
    std::int64_t rows_, cols_;
    double cell_x_m_, cell_y_m_, x0_m_, y0_m_;
    std::vector<Level> levels_;  // finest first
};

}  // namespace kuntur
