// Drives a sweep: every group of observers, in each of the four directions, in strips of rows outwards. See sweep.hpp for
// what a pass does with them.
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
#include "sweep_plan.hpp"

#if defined(__GNUC__)
#define KUNTUR_FETCH(p) __builtin_prefetch(p, 1)
#else
#define KUNTUR_FETCH(p) (void)(p)
#endif

namespace kuntur::sweep {
namespace {

constexpr float infinite = std::numeric_limits<float>::infinity();
constexpr double pi = 3.14159265358979323846;
constexpr std::int64_t commit_rows = 64;  // of turned sums go to the result at once, as stretches of its rows
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
    bool dark[most_in_group];
};

Kernels kernels() {
#ifdef KUNTUR_HAVE_AVX2
    if (simd_level() == SimdLevel::avx512) return kernels_avx512();
    if (simd_level() == SimdLevel::avx2) return kernels_avx2();
#endif
    return kernels_baseline();
}

// One group in one direction: north (0) or south (1), turned: west or east.
struct Task {
    const Group* group;
    bool turned;
    int toward;
};

// A rectangle of a task's own rows and columns (turned: columns and rows of the terrain); half open.
struct Strip {
    std::int64_t row0, row1, col0, col1;
};

// What a task works on. Its sums lie in `sums`, row 0 of the box first, for the whole box or for one strip at a time.
struct Work {
    const Request& q;
    const Task& task;
    Workbench& bench;
    const Kernels run;
    Area box{};  // of the terrain
    std::int64_t rows = 0, cols = 0, stride = 0;
    bool strip_sums = false;
    Pass pass{};

    std::int64_t start_row() const { return task.turned ? box.col0 : box.row0; }
    std::int64_t start_col() const { return task.turned ? box.row0 : box.col0; }
};

// Copies a strip of the terrain to its place in a buffer that begins with row `first`; beyond the terrain its rim goes on.
void copy_strip(const Work& w, const float* source, const Strip& s, std::int64_t first, float* to) {
    const Ground& g = w.q.ground;
    const std::int64_t size = w.task.turned ? g.rows : g.cols, start = w.start_col();
    const std::int64_t col0 = std::clamp<std::int64_t>(-start, s.col0, s.col1 - 1);
    const std::int64_t col1 = std::clamp(size - start, col0 + 1, s.col1);
    float* lines = to + (s.row0 - first) * w.stride;
    if (w.task.turned) {
        w.run.turn(source + (start + col0) * g.cols + w.box.col0 + s.row0, g.cols, col1 - col0, s.row1 - s.row0, lines + col0, w.stride);
    } else {
        for (std::int64_t row = s.row0; row < s.row1; ++row) {
            std::memcpy(lines + (row - s.row0) * w.stride + col0, source + (w.box.row0 + row) * g.cols + start + col0,
                        static_cast<std::size_t>(col1 - col0) * sizeof(float));
        }
    }
    for (std::int64_t row = 0; row < s.row1 - s.row0; ++row) {
        float* line = lines + row * w.stride;
        std::fill(line + s.col0, line + col0, line[col0]);
        std::fill(line + col1, line + s.col1, line[col1 - 1]);
    }
}

// Lists the voids of a strip; row r's begin at void_start[r - s.row0].
bool find_voids(const Work& w, const Strip& s, const float* heights) {
    w.bench.void_start.assign(1, 0);
    w.bench.void_col.clear();
    for (std::int64_t row = 0; row < s.row1 - s.row0; ++row) {
        const float* line = heights + row * w.stride;
        int bad = 0;
        for (std::int64_t col = s.col0; col < s.col1; ++col) bad |= static_cast<int>(line[col] != line[col]);
        for (std::int64_t col = s.col0; bad != 0 && col < s.col1; ++col) {
            if (std::isnan(line[col])) w.bench.void_col.push_back(static_cast<std::int32_t>(col));
        }
        w.bench.void_start.push_back(static_cast<std::int32_t>(w.bench.void_col.size()));
    }
    return !w.bench.void_col.empty();
}

// Adds a strip of sums to a plane of the result: add(result, sums, cells).
template <class T, class Add>
void commit_plane(const Work& w, const T* sums, const Strip& s, T* out, Add&& add) {
    if (sums == nullptr || out == nullptr) return;
    const Area& window = w.q.window;
    const std::int64_t width_out = window.col1 - window.col0;
    const std::int64_t top = w.task.turned ? window.col0 : window.row0, bottom = w.task.turned ? window.col1 : window.row1;
    const std::int64_t left = w.task.turned ? window.row0 : window.col0, right = w.task.turned ? window.row1 : window.col1;
    const std::int64_t row0 = std::max(s.row0, top - w.start_row()), row1 = std::min(s.row1, bottom - w.start_row());
    const std::int64_t col0 = std::max(s.col0, left - w.start_col()), col1 = std::min(s.col1, right - w.start_col());
    if (row0 >= row1 || col0 >= col1) return;
    if (!w.task.turned) {
        for (std::int64_t row = row0; row < row1; ++row) {
            T* to = out + (w.box.row0 + row - window.row0) * width_out + w.box.col0 + col0 - window.col0;
            add(to, sums + row * w.stride + col0, col1 - col0);
        }
        return;
    }
    constexpr std::int64_t deep = commit_rows, wide = 64, ahead = 12;
    alignas(64) float values[deep * wide];
    alignas(64) float upright[deep * wide];
    alignas(64) T line[deep];
    for (std::int64_t row = row0; row < row1; row += deep) {  // rows of the sums are columns of the result
        const std::int64_t n = std::min(deep, row1 - row);
        for (std::int64_t col = col0; col < col1; col += wide) {
            const std::int64_t m = std::min(wide, col1 - col);
            for (std::int64_t r = 0; r < n; ++r) {
                for (std::int64_t c = 0; c < m; ++c) values[r * wide + c] = static_cast<float>(sums[(row + r) * w.stride + col + c]);
            }
            w.run.turn(values, wide, n, m, upright, deep);
            for (std::int64_t c = 0; c < m; ++c) {
                T* to = out + (w.box.row0 + col + c - window.row0) * width_out + w.box.col0 + row - window.col0;
                if (col + c + ahead < col1) {  // each row of the result is far from the last one
                    for (std::int64_t r = 0; r < n + 16; r += 64 / static_cast<std::int64_t>(sizeof(T))) {
                        KUNTUR_FETCH(to + ahead * width_out + std::min(r, n - 1));
                    }
                }
                for (std::int64_t r = 0; r < n; ++r) line[r] = static_cast<T>(upright[c * deep + r]);
                add(to, line, n);
            }
        }
    }
}

void commit(const Work& w, const Sums& sums, const Strip& s) {
    const Request& q = w.q;
    commit_plane(w, sums.count, s, q.count, w.run.add_counts);
    commit_plane(w, sums.unknown, s, q.unknown, w.run.add_counts);
    commit_plane(w, sums.best, s, q.best, w.run.keep_roots);
    commit_plane(w, sums.least, s, q.least, [](float* to, const float* from, std::int64_t n) {
        for (std::int64_t k = 0; k < n; ++k) to[k] = from[k] < to[k] ? from[k] : to[k];
    });
    commit_plane(w, sums.exposure, s, q.exposure, [](float* to, const float* from, std::int64_t n) {
        for (std::int64_t k = 0; k < n; ++k) to[k] += from[k];
    });
}

template <class T>
void clear(const Work& w, T* plane, const Strip& s, T start) {
    if (plane == nullptr) return;
    for (std::int64_t row = s.row0; row < s.row1; ++row) std::fill(plane + row * w.stride + s.col0, plane + row * w.stride + s.col1, start);
}

void clear_all(const Work& w, const Sums& sums, const Strip& s) {
    clear(w, sums.count, s, std::uint16_t{0});
    clear(w, sums.unknown, s, std::uint16_t{0});
    clear(w, sums.best, s, infinite);
    clear(w, sums.least, s, infinite);
    clear(w, sums.exposure, s, 0.0F);
}

// The cell straight below an observer lies in no wedge.
void look_down(const Work& w, const Observer& o, const Strip& s, const Sums& sums) {
    if (o.col != std::floor(o.col) || o.row != std::floor(o.row)) return;
    const std::int64_t row = static_cast<std::int64_t>(o.row) - w.box.row0, col = static_cast<std::int64_t>(o.col) - w.box.col0;
    if (row < s.row0 || row >= s.row1 || col < s.col0 || col >= s.col1) return;
    const Look look = look_below(w.q, o, static_cast<std::int64_t>(o.row) * w.q.ground.cols + static_cast<std::int64_t>(o.col));
    if (!look.inside) return;
    const std::int64_t at = row * w.stride + col;
    if (look.seen) {
        sums.count[at] = static_cast<std::uint16_t>(sums.count[at] + (sums.count[at] < 0xffffU ? 1U : 0U));
        if (sums.best != nullptr) sums.best[at] = std::min(sums.best[at], static_cast<float>(look.slant_m * look.slant_m));
        if (sums.exposure != nullptr) sums.exposure[at] += exposure_of(w.q, o, look.slant_m);
    }
    if (sums.least != nullptr) sums.least[at] = std::min(sums.least[at], static_cast<float>(look.need_m));
}

// The box of a task: what its observers can reach in its direction, as far as the window.
bool box_of(Work& w) {
    const Request& q = w.q;
    const bool turned = w.task.turned, rising = w.task.toward == 1;
    bool first = true;
    std::int64_t nearest = 0;
    for (const std::size_t k : *w.task.group) {
        const Observer& o = q.observers[k];
        if (common(disc_area(q.ground, o), q.window).empty()) continue;
        const double ahead = std::min(o.reach_m / (turned ? o.width_m : o.height_m), longest(q.ground));
        const double rows = turned ? band(q.ground, o) : ahead, cols = turned ? ahead : band(q.ground, o);
        const Area own = area_around(q.ground, o, rows, cols);
        w.box = first ? own : hull(w.box, own);
        const double at = turned ? o.col : o.row;
        const std::int64_t here = rising ? whole(at) : whole(at) + 2;  // half open
        nearest = first ? here : rising ? std::min(nearest, here) : std::max(nearest, here);
        first = false;
    }
    if (first) return false;
    std::int64_t& from = turned ? w.box.col0 : w.box.row0;
    std::int64_t& to = turned ? w.box.col1 : w.box.row1;
    if (rising) {
        from = std::max(from, nearest);
        to = std::min(to, turned ? q.window.col1 : q.window.row1);
    } else {
        to = std::min(to, nearest);
        from = std::max(from, turned ? q.window.col0 : q.window.row0);
    }
    if (w.box.empty()) return false;
    w.rows = turned ? w.box.col1 - w.box.col0 : w.box.row1 - w.box.row0;
    w.cols = turned ? w.box.row1 - w.box.row0 : w.box.col1 - w.box.col0;
    w.stride = (w.cols + 2 * guard + 15) / 16 * 16;
    return true;
}

// Columns that the observers look at in rows [row0, row1), with the guards their blocks may touch.
Strip reach_of(const Work& w, std::int64_t row0, std::int64_t row1) {
    double lo = static_cast<double>(w.cols), hi = 0.0;
    for (const Eye& e : w.bench.eyes) {
        const double sign = w.task.toward == 1 ? 1.0 : -1.0;
        const double a = (static_cast<double>(row0) - e.v) * sign, b = (static_cast<double>(row1 - 1) - e.v) * sign;
        const double near = std::max(0.0, std::min(a, b)), far = std::max(a, b);
        if (far < 0.0 || near * e.along_m > e.reach_m) continue;
        const double widest = e.reach_m / std::hypot(e.across_m, e.along_m);  // where the disc meets the wedge
        const double rest = e.reach_m * e.reach_m - near * near * e.along_m * e.along_m;
        const double side = far < widest ? far : near > widest ? std::sqrt(std::max(0.0, rest)) / e.across_m : widest;
        lo = std::min(lo, e.u - side);
        hi = std::max(hi, e.u + side);
    }
    const std::int64_t from = std::max<std::int64_t>(0, whole(std::max(lo, 0.0)) - 4), to = std::min(w.cols, whole(std::min(hi, 1e9)) + 5);
    return {row0, row1, from - guard, std::max(from, to) + guard};
}

// The observers of a task in batches that share the rows of a strip.
struct Batches {
    std::vector<std::size_t> ends;  // into bench.eyes
};

Batches place_eyes(Work& w) {
    const Request& q = w.q;
    const Group& group = *w.task.group;
    double widest = 0.0, deepest = 0.0;
    for (const std::size_t k : group) {
        const Observer& o = q.observers[k];
        widest = std::max(widest, 2.0 * band(q.ground, o));
        deepest = std::max(deepest, std::min(o.reach_m / (w.task.turned ? o.width_m : o.height_m), longest(q.ground)));
    }
    const bool accurate = q.mode == Mode::accurate;
    w.pass.eye_cols = static_cast<std::int32_t>((whole(widest) + 64) / 16 * 16);
    w.pass.scratch_per_eye = scratch_floats(accurate, w.pass.eye_cols, ray_count(deepest));
    const std::int64_t bytes = (w.pass.scratch_per_eye - 2 * ray_count(deepest)) * 4;  // without the lines a void stops
    const std::size_t at_once = static_cast<std::size_t>(std::max<std::int64_t>(1, batch_bytes / bytes));
    Batches batches;
    w.bench.eyes.clear();
    for (std::size_t k = 0; k < group.size(); ++k) {
        const Observer& o = q.observers[group[k]];
        const bool last = (k + 1) % at_once == 0 || k + 1 == group.size();
        if (!common(disc_area(q.ground, o), q.window).empty()) {
            const Eye e = eye_of(q.ground, o, w.task.turned, w.box);
            w.pass.depressions = w.pass.depressions || o.least_depression_rad > -0.5 * pi || o.greatest_depression_rad < 0.5 * pi;
            if (e.parts[w.task.toward] > 0) w.bench.eyes.push_back(e);
        }
        if (last) batches.ends.push_back(w.bench.eyes.size());
    }
    w.pass.scratch = w.bench.scratch.take<float>(w.pass.scratch_per_eye * static_cast<std::int64_t>(most_in_group));
    w.pass.eyes = w.bench.eyes.data();
    w.pass.eye_count = static_cast<std::int32_t>(w.bench.eyes.size());
    w.pass.dark = w.bench.dark;
    w.run.begin(w.pass, accurate);
    return batches;
}

Sums take_sums(const Work& w, std::int64_t rows) {
    const Request& q = w.q;
    const std::int64_t size = rows * w.stride;
    Workbench& b = w.bench;
    Sums sums{};
    sums.count = b.count.take<std::uint16_t>(size) + guard;
    if (q.unknown != nullptr) sums.unknown = b.unknown.take<std::uint16_t>(size) + guard;
    if (q.best != nullptr) sums.best = b.best.take<float>(size) + guard;
    if (q.least != nullptr) sums.least = b.least.take<float>(size) + guard;
    if (q.exposure != nullptr) sums.exposure = b.exposure.take<float>(size) + guard;
    return sums;
}

Sums from_row(const Sums& sums, std::int64_t offset) {
    const auto moved = [offset](auto* p) { return p == nullptr ? p : p + offset; };
    return {moved(sums.count), moved(sums.unknown), moved(sums.best), moved(sums.least), moved(sums.exposure)};
}

// Sweeps a task, strip after strip outwards. finish(sums, strip) is called after each.
template <class Finish>
void sweep_strips(Work& w, Finish&& finish) {
    const Request& q = w.q;
    const Batches batches = place_eyes(w);
    const bool accurate = q.mode == Mode::accurate, rising = w.task.toward == 1;
    // The sight lines of the accurate mode look back; with those rows a strip is as deep as a turn is best done.
    const std::int64_t back = accurate ? near_rows + 1 : 0, depth = 16 - back;
    float* heights = w.bench.heights.take<float>(16 * w.stride) + guard;
    float* targets = q.ground.targets == nullptr ? nullptr : w.bench.targets.take<float>(16 * w.stride) + guard;
    // Sums of one strip, or of several where the terrain lies turned, are kept and then go to the result together.
    const std::int64_t kept = w.task.turned ? commit_rows / depth * depth : depth;
    const Sums all = take_sums(w, w.strip_sums ? kept : w.rows);
    Strip ready{0, 0, 0, 0};
    Sums ready_sums{};
    const auto kernel = accurate ? w.run.accurate : w.run.fast;
    Pass& p = w.pass;
    p.target_height_m = static_cast<float>(q.target_height_m);
    p.curvature_per_m = q.curvature_per_m;
    p.table = q.table;
    p.steps = q.steps;
    p.steps_per_m = static_cast<float>(1.0 / q.step_m);
    p.strict = w.task.turned;
    p.toward = w.task.toward;
    bool torn = false;
    for (std::int64_t done = 0; done < w.rows; done += depth) {
        const std::int64_t n = std::min(depth, w.rows - done);
        const std::int64_t row0 = rising ? done : w.rows - done - n, row1 = row0 + n;
        const Strip reach = reach_of(w, row0, row1);
        const Strip with_back{std::max<std::int64_t>(0, row0 - (rising ? back : 0)), std::min(w.rows, row1 + (rising ? 0 : back)), reach.col0, reach.col1};
        copy_strip(w, q.ground.heights, with_back, with_back.row0, heights);
        torn = find_voids(w, with_back, heights) || torn;
        p.box = {heights - with_back.row0 * w.stride, nullptr, w.stride, static_cast<std::int32_t>(w.rows), static_cast<std::int32_t>(w.cols), nullptr, nullptr};
        if (targets != nullptr) {
            copy_strip(w, q.ground.targets, with_back, with_back.row0, targets);
            p.box.targets = targets - with_back.row0 * w.stride;
        }
        if (torn) {
            p.box.void_start = w.bench.void_start.data() - with_back.row0;
            p.box.void_col = w.bench.void_col.data();
        }
        // Outwards from its first strip on, a kept stretch fills its buffer upwards or downwards.
        const std::int64_t stretch = done / kept * kept, stretch_rows = std::min(kept, w.rows - stretch);
        const std::int64_t stretch_row0 = rising ? stretch : w.rows - stretch - stretch_rows;
        const Sums sums = from_row(all, w.strip_sums ? -stretch_row0 * w.stride : 0);
        if (done == stretch) {
            const Strip all_rows = reach_of(w, stretch_row0, stretch_row0 + stretch_rows);
            clear_all(w, sums, all_rows);
            ready = all_rows;
        }
        if (rising && !w.task.turned) {
            for (const std::size_t k : *w.task.group) look_down(w, q.observers[k], reach, sums);
        }
        p.sums = sums;
        if (!torn) p.sums.unknown = nullptr;
        p.first_row = static_cast<std::int32_t>(row0);
        p.last_row = static_cast<std::int32_t>(row1 - 1);
        std::size_t begin = 0;
        for (const std::size_t end : batches.ends) {
            Pass batch = p;
            batch.eyes = p.eyes + begin;
            batch.eye_count = static_cast<std::int32_t>(end - begin);
            batch.scratch = p.scratch + static_cast<std::int64_t>(begin) * p.scratch_per_eye;
            batch.dark = p.dark + begin;
            begin = end;
            if (batch.eye_count > 0) kernel(batch);
        }
        ready_sums = sums;
        if (!torn) ready_sums.unknown = nullptr;
        if (done + n == stretch + stretch_rows) finish(ready_sums, ready);
    }
}

// Bands of the result's rows, each written by one thread at a time.
class Bands {
public:
    explicit Bands(const Area& window) : window_(window), locks_(static_cast<std::size_t>((window.row1 - window.row0) / rows + 1)) {}

    // Calls write() while nobody else writes to rows [row0, row1) of the terrain.
    template <class Write>
    void alone(std::int64_t row0, std::int64_t row1, Write&& write) {
        row0 = std::max(row0, window_.row0), row1 = std::min(row1, window_.row1);
        if (row0 >= row1) return;
        const auto first = static_cast<std::size_t>((row0 - window_.row0) / rows);
        const auto last = static_cast<std::size_t>((row1 - 1 - window_.row0) / rows);
        for (std::size_t k = first; k <= last; ++k) locks_[k].lock();  // always upwards: no two wait for each other
        write();
        for (std::size_t k = first; k <= last; ++k) locks_[k].unlock();
    }

private:
    static constexpr std::int64_t rows = 64;
    Area window_;
    std::vector<std::mutex> locks_;
};

// Counts and least values come out the same in any order: every thread takes a stretch of the groups and adds strip by
// strip to the result.
void run_in_any_order(const Request& q, const std::vector<Group>& groups) {
    Bands bands(q.window);
    std::mutex lock;
    std::exception_ptr failed;
    const auto run_stretch = [&](std::size_t first, std::size_t end) {
        try {
            Workbench bench;
            for (std::size_t k = first; k < end; ++k) {
                for (const Task& task : {Task{&groups[k], false, 0}, {&groups[k], false, 1}, {&groups[k], true, 0}, {&groups[k], true, 1}}) {
                    Work w{q, task, bench, kernels()};
                    w.strip_sums = true;
                    if (!box_of(w)) continue;
                    sweep_strips(w, [&](const Sums& sums, const Strip& s) {
                        const std::int64_t row0 = w.box.row0 + (task.turned ? s.col0 : s.row0);
                        const std::int64_t row1 = w.box.row0 + (task.turned ? s.col1 : s.row1);
                        bands.alone(row0, row1, [&] { commit(w, sums, s); });
                    });
                }
            }
        } catch (...) {
            const std::lock_guard<std::mutex> hold(lock);
            if (!failed) failed = std::current_exception();
        }
    };
    const std::size_t threads = std::min(groups.size(), static_cast<std::size_t>(std::max(1, q.threads)));
    std::vector<std::thread> others;
    for (std::size_t k = 1; k < threads; ++k) {
        others.emplace_back(run_stretch, k * groups.size() / threads, (k + 1) * groups.size() / threads);
    }
    if (threads > 0) run_stretch(0, groups.size() / threads);
    for (std::thread& other : others) other.join();
    if (failed) std::rethrow_exception(failed);
}

// Exposure is a sum of floats: tasks write it in their order, so that it does not depend on the threads. Each keeps sums
// of its own until it is its turn.
void run_in_order(const Request& q, const std::vector<Group>& groups) {
    std::vector<Task> tasks;
    for (const Group& group : groups) {
        for (const bool turned : {false, true}) {
            for (const int toward : {0, 1}) tasks.push_back({&group, turned, toward});
        }
    }
    std::atomic<std::size_t> next{0};
    std::mutex lock;
    std::condition_variable turn;
    std::size_t committed = 0;
    std::exception_ptr failed;
    const auto run_one_of = [&] {
        Workbench bench;
        for (std::size_t t = next++; t < tasks.size(); t = next++) {
            Work w{q, tasks[t], bench, kernels()};
            std::vector<std::pair<Sums, Strip>> done;
            std::exception_ptr wrong;
            try {
                if (box_of(w)) sweep_strips(w, [&](const Sums& sums, const Strip& strip) { done.emplace_back(sums, strip); });
            } catch (...) {
                wrong = std::current_exception();
            }
            std::unique_lock<std::mutex> hold(lock);
            turn.wait(hold, [&] { return committed == t; });
            if (wrong && !failed) failed = wrong;
            hold.unlock();
            if (!wrong) {
                for (const auto& [sums, strip] : done) commit(w, sums, strip);
            }
            hold.lock();
            ++committed;
            turn.notify_all();
        }
    };
    std::vector<std::thread> others;
    for (int k = 1; k < q.threads && static_cast<std::size_t>(k) < tasks.size(); ++k) others.emplace_back(run_one_of);
    run_one_of();
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
        const std::vector<Group> groups = groups_of(q.ground, q.observers);
        if (q.exposure == nullptr || q.threads <= 1) {
            run_in_any_order(q, groups);
        } else {
            run_in_order(q, groups);
        }
    }
    settle_least(q);
}

}  // namespace kuntur::sweep
