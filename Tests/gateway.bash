# SPDX-License-Identifier: Apache-2.0
# For tests with the sample gateway: builds it, starts and stops it, and prints a line for each check.
# Sourced, with `root` set, and with `program` where the gateway is built already.

work=$(mktemp -d)
pids=()
# The last first: a faketime that is killed before its program leaves objects in /dev/shm, and the next one with that
# process id refuses to begin.
finish() {
    local index
    for ((index = ${#pids[@]} - 1; index >= 0; index--)); do end "${pids[index]}"; done
    rm -rf "$work"
}
# end PID : asks it to end, and waits for that. After a minute it is killed, with the servers that it has, each of which
# has a process group of its own.
end() {
    local server
    kill "$1" 2>/dev/null || return 0
    eventually 60 gone "$1" && return
    for server in $(cat "/proc/$1/task/"*/children); do kill -9 -- "-$server"; done 2>/dev/null
    kill -9 "$1"
    return 1
}
gone() { ! kill -0 "$1" 2>/dev/null; }
# child PID : tells the one process that it has started.
child() {
    local ids
    ids=$(<"/proc/$1/task/$1/children")
    [[ -n $ids ]] && echo "${ids%% *}"
}
trap finish EXIT
failed=0
ok() { printf 'ok - %s\n' "$1"; }
# not_ok WHAT FILE…
not_ok() {
    printf 'not ok - %s\n' "$1"
    tail -qn 12 "${@:2}" 2>/dev/null | cut -c1-240 | sed 's/^/    /'
    failed=1
}
# check WHAT COMMAND…
check() {
    local what=$1
    shift
    if "$@" >"$work/said" 2>&1; then ok "$what"; else not_ok "$what" "$work/said" "$log"; fi
}
# refused WHAT COMMAND… : passes if the command does not.
refused() {
    local what=$1
    shift
    if "$@" >"$work/said" 2>&1; then not_ok "$what" "$work/said" "$log"; else ok "$what"; fi
}
# eventually SECONDS COMMAND…
eventually() {
    local tries=$(($1 * 5))
    shift
    until "$@" >"$work/said" 2>&1; do
        ((tries-- > 0)) || return 1
        sleep 0.2
    done
}

if [[ -z ${program:-} ]]; then
    if ! swift build --package-path "$root/Samples/gateway" --product martlet-gateway >"$work/build" 2>&1; then
        not_ok 'the gateway is built' "$work/build"
        exit 1
    fi
    program=$(swift build --package-path "$root/Samples/gateway" --show-bin-path)/martlet-gateway
fi
place=$work/gateway shown=$work/shown log=$work/log
gateway() { "$program" "$@" --directory "$place"; }

# Goes before `-f TIME` and a program. libfaketime reads its environment again when its cache ends, by default after 10
# seconds, and that of an nginx worker is empty by then.
faked=(env FAKETIME_DONT_FAKE_MONOTONIC=1 FAKETIME_CACHE_DURATION=86400 faketime)

# start [WRAPPER… --] OPTION…
start() {
    wrapper=()
    while [[ $# -gt 0 && $1 != -- ]]; do wrapper+=("$1"); shift; done
    shift
    : >"$log"
    "${wrapper[@]}" "$program" run --directory "$place" --json "$@" >>"$shown" 2>"$log" &
    gateway_pid=$!
    pids+=("$gateway_pid")
    # faketime waits for the program, which is the one to signal.
    started=$gateway_pid
    if ((${#wrapper[@]})) && eventually 5 child "$gateway_pid"; then
        started=$(<"$work/said")
        pids+=("$started")
    fi
    if ! eventually 30 grep -q 'connected to the broker' "$log"; then
        not_ok 'the gateway starts' "$log" "$place/nginx.log" "$place/mosquitto.log"
        exit 1
    fi
    est=https://localhost:$(<"$place/registrar-port")/.well-known/est
    broker=$(<"$place/port")
}
stop() {
    end "$started" || not_ok 'the gateway ends' "$log"
    wait "$gateway_pid"
}
