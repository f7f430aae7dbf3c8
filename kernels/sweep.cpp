// Plans a sweep: observers into groups that share a box of the terrain, groups into batches, and the sums of every group
// added to the result in a fixed order. See sweep.hpp for what a pass does.
#include "sweep_plan.hpp"

#include <algorithm>
#include <atomic>
#include <cmath>
#include <condition_variable>
#include <cstdlib>
#include <cstring>
#include <limits>
#include <mutex>
#include <new>
#include <thread>
#if defined(__linux__)
#include <sys/mman.h>
#endif

#include "cpu.hpp"

namespace kuntur::sweep {
namespace {

constexpr float infinite = std::numeric_limits<float>::infinity();
constexpr double pi = 3.14159265358979323846;
constexpr std::int64_t batch_bytes = 24 * 1024;  // of horizons, beside the rows that a batch shares, in a 48 kB cache

// Memory that lives from task to task, so that its pages are touched once; large pages where the system has them.
class Store {
public:
    Store() = default;
    Store(const Store&) = delete;
    Store& operator=(const Store&) = delete;
    ~Store() { std::free(data_); }
    template <class T>
    T* take(std::int64_t count) {
        constexpr std::size_t large = std::size_t{1} << 21U;
        const std::size_t bytes = (static_cast<std::size_t>(count) * sizeof(T) + large - 1) / large * large;
        if (bytes > bytes_) {
            std::free(data_);
            bytes_ = 0;
            data_ = std::aligned_alloc(large, bytes);
            if (data_ == nullptr) throw std::bad_alloc();
            bytes_ = bytes;
#if defined(__linux__)
            madvise(data_, bytes, MADV_HUGEPAGE);
#endif
        }
        return static_cast<T*>(data_);
    }

private:
    void* data_ = nullptr;
    std::size_t bytes_ = 0;
};

struct Workbench {  // of one thread
    Store heights, targets, count, unknown, best, least, exposure, scratch;
    std::vector<std::int32_t> void_start, void_col;
    std::vector<Eye> eyes;
};

std::int64_t whole(double x) { return static_cast<std::int64_t>(std::floor(x)); }

double longest(const Ground& g) { return static_cast<double>(std::max(g.rows, g.cols)); }

// Half the width of the band of columns (rows) that the two wedges of a pass can reach.
double band(const Ground& g, const Observer& o) {
    return std::min(o.reach_m / std::hypot(o.width_m, o.height_m), longest(g)) + 3.0;
}

Area disc_area(const Ground& g, const Observer& o, double rows, double cols) {
    return {std::clamp<std::int64_t>(whole(o.row - rows) - 1, 0, g.rows), std::clamp<std::int64_t>(whole(o.row + rows) + 3, 0, g.rows),
            std::clamp<std::int64_t>(whole(o.col - cols) - 1, 0, g.cols), std::clamp<std::int64_t>(whole(o.col + cols) + 3, 0, g.cols)};
}
Area disc_area(const Ground& g, const Observer& o) {
    return disc_area(g, o, std::min(o.reach_m / o.height_m, longest(g)), std::min(o.reach_m / o.width_m, longest(g)));
}

Area hull(const Area& a, const Area& b) {
    return {std::min(a.row0, b.row0), std::max(a.row1, b.row1), std::min(a.col0, b.col0), std::max(a.col1, b.col1)};
}
Area common(const Area& a, const Area& b) {
    return {std::max(a.row0, b.row0), std::min(a.row1, b.row1), std::max(a.col0, b.col0), std::min(a.col1, b.col1)};
}

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

using Group = std::vector<std::size_t>;

// Neighbours share a box while that makes the box cheaper for each. Depends on the observers alone, so that sums are
// added in the same order whatever the window and the number of threads.
std::vector<Group> groups_of(const Ground& g, const std::vector<Observer>& all) {
    constexpr std::size_t most = 128;
    std::vector<Group> groups;
    Area box{};
    for (const std::size_t k : order_of(g, all)) {
        const Area own = disc_area(g, all[k]);
        if (!groups.empty() && groups.back().size() < most) {
            const Area wider = hull(box, own);
            const auto n = static_cast<double>(groups.back().size());
            if (wider.cells() * n <= box.cells() * (n + 1.0)) {
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

// ----------------------------------------------------------------------------------------------------------- sectors

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

namespace {

// -------------------------------------------------------------------------------------------------------------- boxes

// Copies [row0, row1) x [col0, col1) of a grid, turned or not, with guards; beyond the grid its rim goes on.
void copy_box(const float* from, const Ground& g, const Area& a, bool turned, float* to, std::int64_t stride) {
    const auto col_at = [&](std::int64_t col) { return std::clamp<std::int64_t>(col, 0, g.cols - 1); };
    const auto row_at = [&](std::int64_t row) { return std::clamp<std::int64_t>(row, 0, g.rows - 1); };
    if (!turned) {
        const std::int64_t first = std::max<std::int64_t>(0, a.col0 - guard), last = std::min(g.cols, a.col1 + guard);
        for (std::int64_t row = a.row0; row < a.row1; ++row) {
            const float* source = from + row * g.cols;
            float* line = to + (row - a.row0) * stride - a.col0;  // line[col]
            for (std::int64_t col = a.col0 - guard; col < first; ++col) line[col] = source[0];
            std::memcpy(line + first, source + first, static_cast<std::size_t>(last - first) * sizeof(float));
            for (std::int64_t col = last; col < a.col1 + guard; ++col) line[col] = source[g.cols - 1];
        }
        return;
    }
    constexpr std::int64_t tile = 16;
    for (std::int64_t row = a.row0 - guard; row < a.row1 + guard; row += tile) {
        for (std::int64_t col = a.col0; col < a.col1; col += tile) {
            const std::int64_t row_end = std::min(row + tile, a.row1 + guard), col_end = std::min(col + tile, a.col1);
            for (std::int64_t c = col; c < col_end; ++c) {
                float* line = to + (c - a.col0) * stride - a.row0;  // line[row]
                for (std::int64_t r = row; r < row_end; ++r) line[r] = from[row_at(r) * g.cols + col_at(c)];
            }
        }
    }
}

bool find_voids(const float* heights, std::int64_t rows, std::int64_t cols, std::int64_t stride, Workbench& bench) {
    bench.void_start.assign(1, 0);
    bench.void_col.clear();
    for (std::int64_t row = 0; row < rows; ++row) {
        const float* line = heights + row * stride;
        int bad = 0;
        for (std::int64_t col = 0; col < cols; ++col) bad |= static_cast<int>(line[col] != line[col]);
        if (bad != 0) {
            for (std::int64_t col = 0; col < cols; ++col) {
                if (std::isnan(line[col])) bench.void_col.push_back(static_cast<std::int32_t>(col));
            }
        }
        bench.void_start.push_back(static_cast<std::int32_t>(bench.void_col.size()));
    }
    return !bench.void_col.empty();
}

template <class T, class Add>
void commit_plane(const T* sums, std::int64_t stride, const Area& box, bool turned, const Area& window, const Area& part,
                  T* out, Add&& add) {
    const std::int64_t width_out = window.col1 - window.col0;
    const auto at = [&](std::int64_t row, std::int64_t col) { return (row - window.row0) * width_out + col - window.col0; };
    if (!turned) {
        for (std::int64_t row = part.row0; row < part.row1; ++row) {
            const T* line = sums + (row - box.row0) * stride + part.col0 - box.col0;
            T* into = out + at(row, part.col0);
            for (std::int64_t k = 0; k < part.col1 - part.col0; ++k) into[k] = add(into[k], line[k]);
        }
        return;
    }
    constexpr std::int64_t tile = 16;
    for (std::int64_t row = part.row0; row < part.row1; row += tile) {
        for (std::int64_t col = part.col0; col < part.col1; col += tile) {
            const std::int64_t col_end = std::min(col + tile, part.col1);
            for (std::int64_t r = row; r < std::min(row + tile, part.row1); ++r) {
                T* into = out + at(r, col);
                const T* line = sums + (col - box.col0) * stride + r - box.row0;
                for (std::int64_t k = 0; k < col_end - col; ++k) into[k] = add(into[k], line[k * stride]);
            }
        }
    }
}

using Kernel = void (*)(const Pass&);

Kernel kernel_of(bool accurate) {
#ifdef KUNTUR_HAVE_AVX2
    if (simd_level() == SimdLevel::avx512) return accurate ? accurate_avx512 : fast_avx512;
    if (simd_level() == SimdLevel::avx2) return accurate ? accurate_avx2 : fast_avx2;
#endif
    return accurate ? accurate_baseline : fast_baseline;
}

// ------------------------------------------------------------------------------------------------------------- a task

struct Task {  // one group, north and south or turned: west and east
    const Group* group;
    bool turned;
};

// The sums of one task, ready to be added to the result.
struct Done {
    Area box{0, 0, 0, 0};  // of the terrain
    Sums sums{};
    std::int64_t stride = 0;
};

void look_down(const Request& q, const Observer& o, const Area& box, const Done& done) {
    if (o.col != std::floor(o.col) || o.row != std::floor(o.row)) return;  // no cell straight below
    const auto r = static_cast<std::int64_t>(o.row), c = static_cast<std::int64_t>(o.col);
    if (r < box.row0 || r >= box.row1 || c < box.col0 || c >= box.col1) return;
    const std::int64_t at = (r - box.row0) * done.stride + c - box.col0;
    const Look look = look_below(q, o, r * q.ground.cols + c);
    if (!look.inside) return;
    if (look.seen) {
        auto& count = done.sums.count[at];
        count = static_cast<std::uint16_t>(count + (count < 0xffffU ? 1U : 0U));
        if (done.sums.best != nullptr) {
            done.sums.best[at] = std::min(done.sums.best[at], static_cast<float>(look.slant_m * look.slant_m));
        }
        if (done.sums.exposure != nullptr) done.sums.exposure[at] += exposure_of(q, o, look.slant_m);
    }
    if (done.sums.least != nullptr) done.sums.least[at] = std::min(done.sums.least[at], static_cast<float>(look.need_m));
}

Done work(const Request& q, const Task& task, Workbench& bench) {
    const Group& group = *task.group;
    const Ground& g = q.ground;
    Done done;
    Area box{}, whole_box{};
    bool first = true;
    double widest = 0.0, deepest = 0.0;
    for (const std::size_t k : group) {
        const Observer& o = q.observers[k];
        const double ahead = std::min(o.reach_m / (task.turned ? o.width_m : o.height_m), longest(g));
        const double rows = task.turned ? band(g, o) : ahead, cols = task.turned ? ahead : band(g, o);
        Area own = disc_area(g, o, rows, cols);
        widest = std::max(widest, 2.0 * band(g, o));
        deepest = std::max(deepest, ahead);
        if (!common(disc_area(g, o), q.window).empty()) {
            whole_box = first ? own : hull(whole_box, own);
            first = false;
        }
    }
    if (first) return done;
    box = whole_box;
    // Ground farther than the window, seen from all observers of the group, hides nothing in it.
    std::int64_t& near0 = task.turned ? box.col0 : box.row0;
    std::int64_t& near1 = task.turned ? box.col1 : box.row1;
    std::int64_t eyes0 = near1, eyes1 = near0;
    for (const std::size_t k : group) {
        const double at = task.turned ? q.observers[k].col : q.observers[k].row;
        eyes0 = std::min(eyes0, whole(at) - 1);
        eyes1 = std::max(eyes1, whole(at) + 3);
    }
    near0 = std::max(near0, std::min(eyes0, task.turned ? q.window.col0 : q.window.row0));
    near1 = std::min(near1, std::max(eyes1, task.turned ? q.window.col1 : q.window.row1));
    const std::int64_t rows = task.turned ? box.col1 - box.col0 : box.row1 - box.row0;
    const std::int64_t cols = task.turned ? box.row1 - box.row0 : box.col1 - box.col0;
    const std::int64_t stride = (cols + 2 * guard + 15) / 16 * 16, size = rows * stride;

    Pass pass{};
    float* heights = bench.heights.take<float>(size) + guard;
    copy_box(g.heights, g, box, task.turned, heights, stride);
    pass.box = {heights, nullptr, stride, static_cast<std::int32_t>(rows), static_cast<std::int32_t>(cols), nullptr, nullptr};
    if (g.targets != nullptr) {
        float* targets = bench.targets.take<float>(size) + guard;
        copy_box(g.targets, g, box, task.turned, targets, stride);
        pass.box.targets = targets;
    }
    const bool voids = find_voids(heights, rows, cols, stride, bench);
    if (voids) {
        pass.box.void_start = bench.void_start.data();
        pass.box.void_col = bench.void_col.data();
    }
    done.box = box;
    done.stride = stride;
    const auto sums_of = [&](auto* wanted, Store& store, auto start) -> decltype(start)* {
        if (wanted == nullptr) return nullptr;
        auto* plane = store.take<decltype(start)>(size);
        std::fill(plane, plane + size, start);
        return plane + guard;
    };
    std::uint16_t none = 0;
    done.sums.count = sums_of(q.count == nullptr ? &none : q.count, bench.count, std::uint16_t{0});
    done.sums.unknown = voids ? sums_of(q.unknown, bench.unknown, std::uint16_t{0}) : nullptr;
    done.sums.best = sums_of(q.best, bench.best, infinite);
    done.sums.least = sums_of(q.least, bench.least, infinite);
    done.sums.exposure = sums_of(q.exposure, bench.exposure, 0.0F);
    pass.sums = done.sums;
    pass.target_height_m = static_cast<float>(q.target_height_m);
    pass.curvature_per_m = q.curvature_per_m;
    pass.table = q.table;
    pass.steps = q.steps;
    pass.steps_per_m = static_cast<float>(1.0 / q.step_m);
    pass.strict = task.turned;

    const bool accurate = q.mode == Mode::accurate;
    const Kernel kernel = kernel_of(accurate);
    pass.eye_cols = static_cast<std::int32_t>((whole(widest) + 64) / 16 * 16);
    pass.scratch_per_eye = scratch_floats(accurate, pass.eye_cols, ray_count(deepest), voids);
    // As many at once as fit the nearest cache beside the rows they share. Not to depend on voids or the window.
    const std::int64_t bytes = scratch_floats(accurate, pass.eye_cols, ray_count(deepest), false) * 4;
    const std::size_t at_once = static_cast<std::size_t>(std::clamp<std::int64_t>(batch_bytes / bytes, 1, most_eyes));
    pass.scratch = bench.scratch.take<float>(pass.scratch_per_eye * most_eyes);
    for (std::size_t k = 0; k < group.size(); k += at_once) {
        bench.eyes.clear();
        pass.depressions = false;
        double lowest = static_cast<double>(rows), highest = -1.0;
        double from = lowest, to = highest;
        for (std::size_t n = k; n < std::min(group.size(), k + at_once); ++n) {
            const Observer& o = q.observers[group[n]];
            if (common(disc_area(g, o), q.window).empty()) continue;
            const Eye e = eye_of(g, o, task.turned, box);
            if (!task.turned) look_down(q, o, box, done);
            const double reach = std::min(o.reach_m / e.along_m, longest(g));
            lowest = std::min(lowest, e.v);
            highest = std::max(highest, e.v);
            from = std::min(from, e.v - reach);
            to = std::max(to, e.v + reach);
            pass.depressions = pass.depressions || o.least_depression_rad > -0.5 * pi || o.greatest_depression_rad < 0.5 * pi;
            bench.eyes.push_back(e);
        }
        if (bench.eyes.empty()) continue;
        pass.eyes = bench.eyes.data();
        pass.eye_count = static_cast<std::int32_t>(bench.eyes.size());
        for (const int toward : {0, 1}) {
            pass.toward = toward;
            const bool nobody = std::all_of(bench.eyes.begin(), bench.eyes.end(), [&](const Eye& e) { return e.parts[toward] == 0; });
            if (nobody) continue;
            const double begin = toward == 0 ? from : lowest, end = toward == 0 ? highest : to;
            pass.first_row = static_cast<std::int32_t>(std::clamp<std::int64_t>(whole(begin), 0, rows - 1));
            pass.last_row = static_cast<std::int32_t>(std::clamp<std::int64_t>(whole(end) + 1, 0, rows - 1));
            kernel(pass);
        }
    }
    return done;
}

void commit(const Request& q, const Task& task, const Done& done) {
    if (done.stride == 0) return;
    const Area part = common(done.box, q.window);
    if (part.empty()) return;
    const auto plane = [&](const auto* sums, auto* out, auto&& add) {
        if (sums != nullptr && out != nullptr) commit_plane(sums, done.stride, done.box, task.turned, q.window, part, out, add);
    };
    const auto saturate = [](std::uint16_t a, std::uint16_t b) {
        const std::uint32_t sum = std::uint32_t{a} + b;
        return static_cast<std::uint16_t>(sum < 0xffffU ? sum : 0xffffU);
    };
    plane(done.sums.count, q.count, saturate);
    plane(done.sums.unknown, q.unknown, saturate);
    plane(done.sums.best, q.best, [](float a, float b) {
        const float slant = std::sqrt(b);
        return slant < a ? slant : a;
    });
    plane(done.sums.least, q.least, [](float a, float b) { return b < a ? b : a; });
    plane(done.sums.exposure, q.exposure, [](float a, float b) { return a + b; });
}

void run_tasks(const Request& q) {
    const std::vector<Group> groups = groups_of(q.ground, q.observers);
    std::vector<Task> tasks;
    for (const Group& group : groups) {
        tasks.push_back({&group, false});
        tasks.push_back({&group, true});
    }
    std::atomic<std::size_t> next{0};
    std::mutex lock;
    std::condition_variable turn;
    std::size_t committed = 0;
    std::exception_ptr failed;
    const auto run = [&] {
        Workbench bench;
        for (std::size_t t = next++; t < tasks.size(); t = next++) {
            Done done;
            std::exception_ptr wrong;
            try {
                done = work(q, tasks[t], bench);
            } catch (...) {
                wrong = std::current_exception();
            }
            std::unique_lock<std::mutex> hold(lock);
            turn.wait(hold, [&] { return committed == t; });
            if (wrong && !failed) failed = wrong;
            hold.unlock();
            if (!wrong) commit(q, tasks[t], done);
            hold.lock();
            ++committed;
            turn.notify_all();
        }
    };
    std::vector<std::thread> others;
    for (int k = 1; k < q.threads && static_cast<std::size_t>(k) < tasks.size(); ++k) others.emplace_back(run);
    run();
    for (std::thread& other : others) other.join();
    if (failed) std::rethrow_exception(failed);
}

void settle_least(const Request& q) {  // cells that every observer in range lost behind a void
    if (q.least == nullptr) return;
    const std::int64_t size = (q.window.row1 - q.window.row0) * (q.window.col1 - q.window.col0);
    for (std::int64_t k = 0; k < size; ++k) {
        if (q.least[k] == not_known) q.least[k] = std::numeric_limits<float>::quiet_NaN();
    }
}

}  // namespace

void run(const Request& q) {
    if (q.mode == Mode::exact) {
        run_exact(q);
    } else {
        run_tasks(q);
    }
    settle_least(q);
}

}  // namespace kuntur::sweep
