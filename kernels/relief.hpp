// A height grid prepared for rays: the heights as they are, and above them the maxima of square blocks, so that a ray
// skips every block it clears. Index coordinates: u along columns, v along rows, whole numbers at cell centres.
#pragma once

#include <cstdint>
#include <vector>

namespace kuntur {

enum class Sight : std::uint8_t { blocked = 0, clear = 1, unknown = 2 };
enum class Hit : std::uint8_t { none = 0, ground = 1, left = 2 };

// A line of terrain higher than the sight line by less than this does not block it: touching is clear.
constexpr double touch_m = 1e-6;

struct Point {
    double x_m, y_m, z_m;
};

class Relief {
public:
    // heights: rows x cols, row 0 northernmost, NaN a void; must outlive this object.
    // x0_m, y0_m: centre of cell (0, 0).
    Relief(const float* heights, std::int64_t rows, std::int64_t cols, double cell_m, double x0_m, double y0_m);

    // Sight between two points over the terrain, which is taken linear between neighbouring cell centres along every
    // row line and every column line that is crossed (the R3 model). `curvature` is (1 - k) / (2 R) in 1/m: the ground
    // at distance d from the observer lies curvature * d^2 lower. The same bits come out when the ends are exchanged.
    Sight sight(const Point& p, const Point& q, double curvature) const;

    // Least clearance of the same line over the terrain in radii of its first Fresnel zone there (negative: the terrain
    // stands above the line; infinite: nothing is crossed). NaN over a void or outside.
    double fresnel_ratio(const Point& p, const Point& q, double curvature, double wavelength_m) const;

    // First point of the terrain (bilinear inside cells) met by a ray of unit direction `d` within `max_range_m`.
    Hit ground(const Point& origin, const Point& d, double max_range_m, double curvature, Point& hit,
               double& slant_m) const;

    // Bilinear height; NaN outside and where a neighbour with weight is a void.
    double height(double u, double v) const;

    double to_u(double x_m) const { return (x_m - x0_m_) / cell_m_; }
    double to_v(double y_m) const { return (y0_m_ - y_m) / cell_m_; }
    double x_m(std::int64_t col) const { return x0_m_ + static_cast<double>(col) * cell_m_; }
    double y_m(std::int64_t row) const { return y0_m_ - static_cast<double>(row) * cell_m_; }
    float at(std::int64_t row, std::int64_t col) const { return heights_[row * cols_ + col]; }
    bool covers(double u, double v) const;
    std::int64_t rows() const { return rows_; }
    std::int64_t cols() const { return cols_; }
    double cell_m() const { return cell_m_; }

private:
    struct Level {
        std::int64_t size;  // in cells
        std::int64_t rows, cols;
        std::vector<float> top;  // highest of (size + 1)^2 centres; infinite where one of them is a void
    };
    struct Line;  // a sight line or a ray in index coordinates

    template <class Visit>
    bool blocks(const Line& line, const Level& level, double s0, double s1, Visit&& visit) const;
    bool walk_sight(const Line& line, int level, double s0, double s1, bool& unknown) const;
    template <class Visit>
    bool crossings(const Line& line, double s0, double s1, Visit&& visit) const;
    Line chord(const Point& p, const Point& q, double curvature) const;
    bool walk_ground(const Line& line, int level, double s0, double s1, Hit& found, double& s_hit) const;
    bool patch(const Line& line, std::int64_t row, std::int64_t col, double s0, double s1, Hit& found,
               double& s_hit) const;
    double between(std::int64_t from, std::int64_t to, double f) const;

    const float* heights_;
    std::int64_t rows_, cols_;
    double cell_m_, x0_m_, y0_m_;
    std::vector<Level> levels_;  // finest first
};

}  // namespace kuntur
