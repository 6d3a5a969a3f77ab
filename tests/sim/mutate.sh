#!/bin/sh
# Plants known bugs, one after the other, and tells which seed of the simulator finds each.
#
#     tests/sim/mutate.sh                 all of tests/sim/mutations
#     tests/sim/mutate.sh lost-wake-up    one of them
#
# Each bug is a small patch, applied to a copy of the sources; what it is, is told in
# tests/sim/README.md. A bug that no seed finds means that the simulator looks away,
# and fails the script; so does a patch that fits the sources no more. SIM_SEEDS says how many seeds
# to try: a thousand, if it does not.
set -eu

export SIM_SEEDS="${SIM_SEEDS:-1000}"

root=$(cd "$(dirname "$0")/../.." && pwd)
# The copy stays where it is, so that only what a patch changes is built again.
export CARGO_TARGET_DIR="${CARGO_TARGET_DIR:-$root/target}"
scratch="$CARGO_TARGET_DIR/mutants"
copy="$scratch/lovejoy"

if [ $# -eq 0 ]; then
    set -- $(cd "$root/tests/sim/mutations" && ls | sed 's/\.patch$//')
fi
rm -rf "$copy"
mkdir -p "$copy"
(cd "$root" && tar cf - --exclude=./target --exclude=./.git .) | tar xf - -C "$copy"
# Or what was built of the last bug would pass for what these sources give.
touch "$copy/src/lib.rs"

cd "$copy"
# The seeds of the simulator that are tried; what they say is in the log.
simulate() {
    cargo test -q --test sim whatever > "$scratch/log" 2>&1
}
if ! simulate; then
    echo "BROKEN  the sources fail without any planted bug:"
    grep -m1 -a 'fails: ' "$scratch/log" || tail -20 "$scratch/log"
    exit 1
fi
failed=0
for name; do
    patch="$root/tests/sim/mutations/$name.patch"
    if ! patch -p1 -s -f --dry-run < "$patch" > "$scratch/log" 2>&1; then
        echo "BROKEN  $name: does not fit the sources"
        failed=1
        continue
    fi
    patch -p1 -s --no-backup-if-mismatch < "$patch"
    if simulate; then
        echo "MISSED  $name"
        failed=1
    elif why=$(grep -m1 -a 'fails: ' "$scratch/log"); then
        echo "found   $name: $why" | cut -c1-160
    else
        echo "BROKEN  $name: does not compile, or says nothing"
        tail -20 "$scratch/log"
        failed=1
    fi
    patch -R -p1 -s --no-backup-if-mismatch < "$patch"
done
exit $failed
