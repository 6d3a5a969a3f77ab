#!/usr/bin/env bash
# Compares a release build with the budgets of the design: bytes on the disk, bytes in memory, crates.
#
#   tools/budgets.sh [BINARY]
#
# What depends on how busy a machine is (times, throughput) is measured by `cargo bench` instead.
set -euo pipefail
cd "$(dirname "$0")/.."

binary=${1:-target/release/lovejoy}
failed=0

# within WHAT FIGURE BOUND UNIT
within() {
    printf '%-44s %9d  of %9d %s\n' "$1" "$2" "$3" "$4"
    [ "$2" -le "$3" ] || failed=1
}

# The machine that a file is for, as ELF numbers them.
machine() {
    od -An -j18 -N2 -tx2 "$1"
}

# Memory that is resident once a fresh server has answered its first request.
resident_kib() {
    local folder address server
    folder=$(mktemp -d)
    "$binary" --listen 127.0.0.1:0 --log off --data "$folder/data" > "$folder/stdout" &
    server=$!
    until address=$(sed -n 's/.* http:\/\///p;q' "$folder/stdout") && [ -n "$address" ]; do
        kill -0 "$server"
    done
    exec 3<> "/dev/tcp/${address%:*}/${address##*:}"
    printf 'GET /healthz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n' >&3
    grep -q '^HTTP/1.1 200 ' <&3
    sed -n 's/^VmRSS:\s*\([0-9]*\) kB/\1/p' "/proc/$server/status"
    kill "$server"
    wait "$server"
    rm -r "$folder"
}

within "binary, pages included" "$(stat -c %s "$binary")" $((2 * 1024 * 1024)) bytes
if [ "$(machine "$binary")" = "$(machine /proc/self/exe)" ]; then
    within "resident when idle, fresh database" "$(resident_kib)" $((4 * 1024)) KiB
fi
within "crates, this one among them" \
    "$(cargo tree --locked -e normal --prefix none | sed 's/ (.*//' | sort -u | wc -l)" 36 crates
exit "$failed"
