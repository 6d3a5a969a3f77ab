#!/usr/bin/env bash
# Builds the binary as one static file for Linux: no libraries, no loader, no C library of the system.
#
#   tools/static.sh x86_64|aarch64|armv7...
#
# The outcome is target/static/MACHINE/lovejoy, and beside it `run`, which runs it here, under qemu where
# the machine is another.
#
# Needs a Debian or Ubuntu machine (x86_64) with Rust, and root for what apt-get has to install. Rust's
# standard library comes for few machines with Debian and from its own sources for all, so it is built
# here, by the compiler that fits those sources: Debian's `rustc-web`. That compiler, the sources, and musl
# for other machines are only unpacked, to target/static; nothing of it is installed.
set -euo pipefail
cd "$(dirname "$0")/.."

work=$PWD/target/static
usr=$work/debian/usr

main() {
    [ $# -gt 0 ] || { sed -n '2,/^set/s/^# \{0,1\}//p' "$0" >&2; exit 2; }
    # What does not exist is found out before anything is begun.
    for machine; do describe "$machine"; done
    for machine; do
        describe "$machine"
        tools
        compiler
        musl
        add
    done
    # All at once: while one is linked, which takes one processor, the next is compiled.
    env "${settings[@]}" cargo build --release --locked --bin lovejoy "${targets[@]}" \
        -Zbuild-std=std,panic_abort -Zbuild-std-features=optimize_for_size
    for machine; do
        describe "$machine"
        finish
    done
}

# Sets what differs between machines.
describe() {
    case $1 in
        x86_64) target=x86_64-unknown-linux-musl debian=amd64 gnu=x86_64-linux-gnu musl=x86_64-linux-musl qemu= ;;
        aarch64) target=aarch64-unknown-linux-musl debian=arm64 gnu=aarch64-linux-gnu musl=aarch64-linux-musl qemu=qemu-aarch64-static ;;
        armv7) target=armv7-unknown-linux-musleabihf debian=armhf gnu=arm-linux-gnueabihf musl=arm-linux-musleabihf qemu=qemu-arm-static ;;
        *) echo "tools/static.sh: no machine is called $1; there are x86_64, aarch64 and armv7" >&2; exit 2 ;;
    esac
    out=$work/$1
}

# What can be installed: the C compiler for the machine, and qemu to try the binary with.
tools() {
    local missing=()
    command -v "$gnu-gcc" >/dev/null || missing+=("gcc-$gnu")
    [ -z "$qemu" ] || command -v "$qemu" >/dev/null || missing+=(qemu-user-static)
    [ ${#missing[@]} -eq 0 ] || install "${missing[@]}"
}

# The Rust compiler, its standard library for what runs while building, and the sources of that.
compiler() {
    [ -x "$work/rustc" ] && return
    local lists packages llvm
    lists=$(apt-cache depends --recurse --no-recommends --no-suggests --no-conflicts --no-breaks \
        --no-replaces --no-enhances rustc-web libstd-rust-web-dev 2>/dev/null || true)
    if [ -z "$lists" ]; then
        apt-get update -q
        compiler
        return
    fi
    llvm=$(grep -oE '^libllvm[0-9]+' <<<"$lists" | sort -u)
    packages=$(grep -oE '^(rustc-web|libstd-rust-web-.*)$' <<<"$lists" | sort -u)
    dpkg -s "$llvm" >/dev/null 2>&1 || install "$llvm"
    # shellcheck disable=SC2086 # they are several words
    unpack "$work/debian" . "" $packages
    unpack "$work/debian" . './usr/lib/rustlib/src ./usr/src/*/library' rust-web-src
    printf '#!/bin/sh\nLD_LIBRARY_PATH="%s" exec "%s" "$@"\n' \
        "$usr/lib/x86_64-linux-gnu" "$usr/bin/rustc" > "$work/rustc.new"
    chmod +x "$work/rustc.new"
    mv "$work/rustc.new" "$work/rustc"
}

# musl for the machine, and a C compiler that uses it, and nothing of the C library of Debian.
musl() {
    [ -x "$work/$musl-gcc" ] && return
    local lib=$work/musl/usr/lib/$musl include=$work/musl/usr/include/$musl
    if [ "$debian" = amd64 ]; then
        unpack "$work/musl" . "" musl-dev
    else
        # What apt-get knows of the packages of another machine is kept beside what it knows of this one.
        mkdir -p "$work/apt/$debian/lists/partial" "$work/apt/$debian/cache/archives/partial"
        local options=(-o APT::Architecture="$debian" -o APT::Architectures="$debian"
            -o Dir::State::status=/dev/null -o Dir::State::lists="$work/apt/$debian/lists"
            -o Dir::Cache="$work/apt/$debian/cache" -o APT::Sandbox::User=root)
        # A source that has nothing for this machine is an error to it, and none here.
        apt-get update -q "${options[@]}" || true
        unpack "$work/musl" "${options[*]}" "" musl-dev
    fi
    # Rust asks for `libunwind` to print where a panic came from. GCC's does it, but is built for a C
    # library that has a faster way to find a function, which musl has not: then it takes the slow one.
    printf 'int _dl_find_object(void *address, void *result) { return -1; }\n' |
        "$gnu-gcc" -x c -c -O2 -o "$lib/find_object.o" -
    printf 'GROUP(-lgcc_eh -lgcc "%s/find_object.o" -lc)\n' "$lib" > "$lib/libunwind.a"
    cat > "$work/$musl.specs" <<END
%rename cpp_options old_cpp_options

*cpp_options:
-nostdinc -isystem $include -isystem include%s %(old_cpp_options)

*cc1:
%(cc1_cpu) -nostdinc -isystem $include -isystem include%s

*link_libgcc:
-L$lib -L .%s

*libgcc:
libgcc.a%s %:if-exists(libgcc_eh.a%s)

*startfile:
%{static-pie:$lib/rcrt1.o; :$lib/crt1.o} $lib/crti.o %{static-pie:crtbeginS.o%s; :crtbeginT.o%s}

*endfile:
%{static-pie:crtendS.o%s; :crtend.o%s} $lib/crtn.o

*link:
-nostdlib %{static-pie:-static -pie --no-dynamic-linker -z text; :-static}

*esp_link:


*esp_options:


*esp_cpp_options:


END
    printf '#!/bin/sh\nexec %s "$@" -specs "%s"\n' "$gnu-gcc" "$work/$musl.specs" > "$work/$musl-gcc"
    chmod +x "$work/$musl-gcc"
}

# What Cargo is told. Of the standard library's features it is to have none but small code: what prints a
# backtrace is a tenth of the binary, and has no tables to read.
settings=("RUSTC=$work/rustc" RUSTC_BOOTSTRAP=1 "CARGO_TARGET_DIR=$work/target")
targets=()

# Adds what is to be built for the machine, and how.
add() {
    local name=${target//-/_}
    targets+=(--target "$target")
    settings+=("CC_$name=$work/$musl-gcc" "AR_$name=$gnu-ar"
        "CARGO_TARGET_${name^^}_LINKER=$work/$musl-gcc"
        "CARGO_TARGET_${name^^}_RUSTFLAGS=-Clink-self-contained=no -Ctarget-feature=+crt-static -Lnative=$work/musl/usr/lib/$musl")
}

# Puts what was built in its place.
finish() {
    mkdir -p "$out"
    cp "$work/target/$target/release/lovejoy" "$out/lovejoy"
    printf '#!/bin/sh\nexec %s "%s" "$@"\n' "$qemu" "$out/lovejoy" > "$out/run"
    chmod +x "$out/run"
    check
}

# The binary is what it is meant to be.
check() {
    local bytes headers
    bytes=$(stat -c %s "$out/lovejoy")
    headers=$("$gnu-readelf" --program-headers --wide "$out/lovejoy")
    if grep -q INTERP <<<"$headers"; then
        echo "$out/lovejoy asks for a loader: it is not static" >&2
        exit 1
    fi
    "$out/run" --version
    echo "$out/lovejoy: $bytes bytes"
}

install() {
    apt-get update -q
    DEBIAN_FRONTEND=noninteractive apt-get install -q -y --no-install-recommends "$@"
}

# unpack FOLDER OPTIONS PARTS PACKAGE...: the packages, or those parts of them, into the folder. OPTIONS
# are those of apt-get; "." is none.
unpack() {
    local folder=$1 options=$2 parts=$3 packages
    [ "$options" != . ] || options=
    packages=$(mktemp -d)
    mkdir -p "$folder"
    # apt-get downloads as somebody who may not write here, unless it is told not to.
    # shellcheck disable=SC2086 # they are several words
    (cd "$packages" && apt-get download -q -o APT::Sandbox::User=root $options "${@:4}")
    for package in "$packages"/*.deb; do
        set -f
        # shellcheck disable=SC2086 # they are several words
        dpkg-deb --fsys-tarfile "$package" | tar x -C "$folder" --wildcards $parts
        set +f
    done
    rm -r "$packages"
}

main "$@"
