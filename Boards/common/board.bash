# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
# shellcheck disable=SC2034 # the scripts that source this file use its variables

# Shared by the scripts in Boards/. `boards` is the absolute path of that folder.
boards=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)

# fail MESSAGE…: the error, prefixed with the script's name, and exit 1.
fail() {
    printf '%s: %s\n' "${0##*/}" "$*" >&2
    exit 1
}

# usage SYNOPSIS: for wrong input, exit 2.
usage() {
    printf 'usage: %s\n' "$*" >&2
    printf 'boards: host%s\n' "$(cd "$boards" && printf ' %s' */board.conf | sed 's,/board.conf,,g')" >&2
    exit 2
}

# load_board BOARD: a name in Boards/, or the folder of a board elsewhere (with a slash). Sets the variables of its
# board.conf, and
#   board          its name
#   folder         its folder (empty for the host)
#   build_options  for swift build
#   llvm           for the code generator, which runs in the linker
#   runner         what starts a program of the board (empty for the host)
#   gcc            the C compiler of Debian for it
#   sysroot        the board's sysroot (empty for the host)
# The host is a board without a folder: Embedded Swift for x86-64, with the machine's own libraries.
load_board() {
    board=$(basename "$1") folder=''
    if [[ $1 == host ]]; then
        [[ $(uname -m) == x86_64 ]] || fail "Swift has no Embedded standard library for this host; build for a board"
        build_options=(--toolset "$boards/common/embedded.json")
        llvm=() runner=() gcc=gcc sysroot=''
        format=elf64-x86-64 loader=ld-linux-x86-64.so.2 instructions=x86-64 page_size=4096 forbidden=''
        forbidden_libraries=''
        return
    fi
    if [[ $1 == */* ]]; then folder=$1; else folder=$boards/$1; fi
    [[ $board =~ ^[a-z0-9-]+$ && -f $folder/board.conf ]] || fail "no board '$1': no $folder/board.conf"
    folder=$(cd "$folder" && pwd)
    sysroot=$folder/$board.artifactbundle/sdk/sysroot
    llvm_options='' static_arch='' forbidden='' forbidden_libraries=''
    # shellcheck source=SCRIPTDIR/../pi-64/board.conf
    . "$folder/board.conf"
    build_options=(--swift-sdks-path "$folder" --swift-sdk "$board")
    # Code that repeats moves into functions of its own.
    read -ra llvm <<<"-enable-machine-outliner $llvm_options"
    runner=("$qemu" -cpu "$cpu" -L "$sysroot")
}

# build_product PACKAGE PRODUCT: builds it in release mode, and sets `scratch`, below which release/ holds it.
build_product() {
    scratch=$1/.build-$board
    if [[ -n $sysroot ]]; then
        "$boards/sysroot" "$folder"
        # SwiftPM does not see that a sysroot was made anew: what was built against another one goes.
        cmp -s "$sysroot/.stamp" "$scratch/sysroot.stamp" || rm -rf "$scratch"
        mkdir -p "$scratch"
        cp "$sysroot/.stamp" "$scratch/sysroot.stamp"
    fi
    # Standard output is for the paths. Without --disable-local-rpath a host program looks for libraries beside itself.
    # A toolset cannot ask for link-time optimisation, nor can it omit frame pointers, which arm64 programs do anyway.
    local option code=()
    for option in "${llvm[@]}"; do code+=(-Xlinker -mllvm -Xlinker "$option"); done
    swift build -c release --package-path "$1" --scratch-path "$scratch" "${build_options[@]}" "${code[@]}" \
        --disable-local-rpath --omit-frame-pointers --experimental-lto-mode full --product "$2" >&2
}

# offences FILE WORK: a line for each thing in a program or library that the board's code must not have. WORK is a folder
# for notes.
offences() {
    local file=$1 work=$2 tools unknown library
    tools=$(toolchain)
    # An instruction that the board's oldest CPU does not have is unknown to a disassembler for that CPU. The attributes,
    # which would widen what it knows, are those of the first object that was linked.
    "$tools/llvm-objcopy" --remove-section=.ARM.attributes "$file" "$work/code"
    "$tools/llvm-objdump" -d --mcpu="$instructions" "$work/code" >"$work/instructions"
    unknown=$(grep -cF '<unknown>' "$work/instructions" || true)
    ((unknown == 0)) || echo "holds $unknown instructions that $instructions does not have"
    if [[ -n $forbidden ]] && grep -qE "$forbidden" "$work/instructions"; then
        echo "holds instructions that $board must not have, see its board.conf"
    fi
    library=$("$tools/llvm-objdump" -p "$file" | awk '$1 == "NEEDED" { print $2 }')
    if [[ -n $forbidden_libraries ]] && grep -qxE "$forbidden_libraries" <<<"$library"; then
        echo "needs a library that $board's code cannot call, see its board.conf"
    fi
}

# toolchain: the folder of the Swift toolchain's own tools (also where swiftc is only a launcher).
toolchain() {
    local resources
    resources=$(swiftc -print-target-info | sed -n 's/.*"runtimeResourcePath": "\(.*\)".*/\1/p')
    [[ -n $resources ]] || fail 'swiftc not found: install Swift, see https://swift.org/install'
    (cd "$resources/../../bin" && pwd)
}

# strip_program PROGRAM OUT: writes what a board needs of PROGRAM to OUT, and its debug information to PROGRAM.debug,
# whose name and checksum stand in OUT. `.swift_modhash` is read by nothing and differs between build folders.
strip_program() {
    local objcopy
    objcopy=$(toolchain)/llvm-objcopy
    "$objcopy" --only-keep-debug "$1" "$1.debug"
    "$objcopy" --strip-all --remove-section=.swift_modhash --add-gnu-debuglink="$1.debug" "$1" "$2"
}
