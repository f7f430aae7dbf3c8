#!/usr/bin/env bash
# Install what Kuntur needs from Debian itself, and nothing when it is all there.
#   debian_packages.sh build     Python's venv and headers, g++        (needed: exits 1 when it cannot have them)
#   debian_packages.sh browser   Chromium and a font for the page test (wanted: says so and goes on)
#   debian_packages.sh peers     GRASS and SPLAT! for the benchmarks   (wanted: says so and goes on)
set -euo pipefail
cd "$(dirname "$0")/.."
python="${PYTHON:-python3}"

missing_for_build() {
    command -v g++ >/dev/null || echo g++
    command -v "$python" >/dev/null || { echo python3 python3-venv python3-dev; return; }
    "$python" -c "import ensurepip, venv" 2>/dev/null || echo python3-venv
    "$python" -c "import os, sys, sysconfig
sys.exit(not os.path.exists(sysconfig.get_path('include') + '/Python.h'))" || echo python3-dev
}

missing_for_browser() {
    command -v chromium >/dev/null || echo chromium
    fc-list 2>/dev/null | grep -qi dejavu || echo fonts-dejavu-core fontconfig
}

missing_for_peers() {
    command -v grass >/dev/null || echo grass-core
    command -v splat >/dev/null || echo splat
}

case "${1:-}" in
    build) read -ra packages <<<"$(missing_for_build | tr '\n' ' ')" ;;
    browser) read -ra packages <<<"$(missing_for_browser | tr '\n' ' ')" ;;
    peers) read -ra packages <<<"$(missing_for_peers | tr '\n' ' ')" ;;
    *) echo "usage: $0 build|browser|peers" >&2; exit 2 ;;
esac
[ ${#packages[@]} -gt 0 ] || exit 0

failed="Missing from the system: ${packages[*]}. Install them (on Debian: sudo apt-get install ${packages[*]})."
if [ "$(id -u)" -eq 0 ] && command -v apt-get >/dev/null; then
    echo "Installing from Debian: ${packages[*]}"
    log="$(mktemp)"
    if { apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends \
        "${packages[@]}"; } >"$log" 2>&1 </dev/null; then
        rm -f "$log"
        exit 0
    fi
    tail -n 5 "$log" >&2
    failed="apt-get could not install ${packages[*]} (its log: $log)."
fi
if [ "$1" = build ]; then
    echo "$failed" >&2
    exit 1
fi
case "$1" in
    browser) echo "$failed The browser test will be skipped." >&2 ;;
    peers) echo "$failed The benchmark will say that they are missing." >&2 ;;
esac
