// What kernels over many points share: arrays from and to Python, the terrain held for them, work split among threads.
#pragma once

#include <nanobind/nanobind.h>
#include <nanobind/ndarray.h>

#include <algorithm>
#include <atomic>
#include <cstdint>
#include <cstdlib>
#include <initializer_list>
#include <new>
#include <thread>
#include <utility>
#include <vector>

#include "relief.hpp"

namespace kuntur {

template <class T>
using Array = nanobind::ndarray<nanobind::numpy, T, nanobind::c_contig>;

// An array of zeros that Python will own.
template <class T>
Array<T> make_array(std::initializer_list<std::size_t> shape) {
    std::size_t size = 1;
    for (const std::size_t n : shape) size *= n;
    T* data = static_cast<T*>(std::calloc(std::max<std::size_t>(size, 1), sizeof(T)));  // untouched pages stay free
    if (data == nullptr) throw std::bad_alloc();
    const nanobind::capsule owner(data, [](void* p) noexcept { std::free(p); });
    return Array<T>(data, shape.size(), shape.begin(), owner);
}

// work(i) for every i < count, on `threads` threads that take the next free i. Results must not depend on the order.
template <class Work>
void share(std::int64_t count, int threads, Work&& work) {
    std::atomic<std::int64_t> next{0};
    const auto run = [&] {
        for (std::int64_t i = next++; i < count; i = next++) work(i);
    };
    std::vector<std::thread> others;
    for (int k = 1; k < threads && k < count; ++k) others.emplace_back(run);
    run();
    for (std::thread& other : others) other.join();
}

// The same in contiguous stretches: work(first, end). Neighbours in a list are mostly neighbours on the ground.
template <class Work>
void share_stretches(std::int64_t count, std::int64_t stretch, int threads, Work&& work) {
    share((count + stretch - 1) / stretch, threads,
          [&](std::int64_t k) { work(k * stretch, std::min(count, (k + 1) * stretch)); });
}

using Heights = nanobind::ndarray<const float, nanobind::ndim<2>, nanobind::c_contig, nanobind::device::cpu>;
using Vectors = nanobind::ndarray<const double, nanobind::shape<-1, 3>, nanobind::c_contig, nanobind::device::cpu>;

// The Python object `kuntur._core.Relief`: a Relief that keeps the array it looks at.
struct HeldRelief {
    Heights heights;
    Relief relief;

    HeldRelief(Heights array, double cell_x_m, double cell_y_m, double x0_m, double y0_m)
        : heights(std::move(array)),
          relief(heights.data(), static_cast<std::int64_t>(heights.shape(0)),
                 static_cast<std::int64_t>(heights.shape(1)), cell_x_m, cell_y_m, x0_m, y0_m) {}
};

inline Point point(const Vectors& array, std::int64_t i) {
    const double* xyz = array.data() + 3 * i;
    return {xyz[0], xyz[1], xyz[2]};
}

}  // namespace kuntur
