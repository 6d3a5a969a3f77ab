#!/bin/sh
# Plants known bugs, one after the other, and reports which seed of the simulator finds each.
#
#     tests/sim/mutate.sh                 all of tests/sim/mutations
#     tests/sim/mutate.sh lost-wake-up    one of them
#
# Each bug is a small patch, applied to a copy of the sources. A bug that no seed finds means that
# the simulator looks away, and fails the script. SIM_SEEDS says how many seeds to try.
set -eu

root=$(cd "$(dirname "$0")/../.." && pwd)
copy=$(mktemp -d)
trap 'rm -rf "$copy"' EXIT
# The dependencies need no second build.
export CARGO_TARGET_DIR="${CARGO_TARGET_DIR:-$root/target}"

if [ $# -eq 0 ]; then
    set -- $(cd "$root/tests/sim/mutations" && ls | sed 's/\.patch$//')
fi
mkdir "$copy/clean"
(cd "$root" && tar cf - --exclude=./target --exclude=./.git .) | tar xf - -C "$copy/clean"

missed=0
for name; do
    rm -rf "$copy/lovejoy"
    cp -R "$copy/clean" "$copy/lovejoy"
    cd "$copy/lovejoy"
    patch -p1 -s --no-backup-if-mismatch < "tests/sim/mutations/$name.patch"
    if cargo test -q --test sim whatever > "$copy/log" 2>&1; then
        echo "MISSED  $name"
        missed=1
    elif why=$(grep -m1 -a 'fails: ' "$copy/log"); then
        echo "found   $name: $why" | cut -c1-160
    else
        echo "BROKEN  $name: does not compile, or says nothing"
        tail -20 "$copy/log"
        missed=1
    fi
done
exit $missed
