#!/bin/sh
# Plants the bug of an exercise of docs/tour/exercises.md in the sources, or takes it away again.
#
#     tests/sim/exercise.sh 3
#     tests/sim/exercise.sh undo
#
# The bugs are patches of tests/sim/mutations; which one an exercise is about is told there only in its
# answer. What is planted is noted in target/exercise.
set -eu

cd "$(dirname "$0")/../.."
note=target/exercise
page=docs/tour/exercises.md

if [ $# -ne 1 ]; then
    echo "usage: tests/sim/exercise.sh NUMBER | undo" >&2
    exit 2
fi
if [ "$1" = undo ]; then
    [ -f "$note" ] || { echo "No bug is planted." >&2; exit 1; }
    patch -R -p1 -s --no-backup-if-mismatch < "$(cat "$note")"
    rm "$note"
    exit
fi
[ ! -f "$note" ] || { echo "A bug is planted already: tests/sim/exercise.sh undo" >&2; exit 1; }
# The first name in the answer.
name=$(awk -v number="$1" '
    /^## / { here = $2 == number "." }
    here && /<summary>The answer/ { answer = 1 }
    here && answer && /^`/ { split($0, part, "`"); print part[2]; exit }
' "$page")
patch=tests/sim/mutations/$name.patch
[ -n "$name" ] && [ -f "$patch" ] || { echo "There is no exercise $1." >&2; exit 1; }
mkdir -p target
patch -p1 -s --no-backup-if-mismatch < "$patch"
echo "$patch" > "$note"
echo "Planted. Now: cargo test --test sim whatever"
