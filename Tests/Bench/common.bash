# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
# Shared by the scripts in Tests/Bench: programs, certificates, a broker. Sourced, not run. Everything lies in $work,
# which goes away at the end together with what was started.
set -euo pipefail
bench=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
root=$(cd "$bench/../.." && pwd)
# shellcheck source=SCRIPTDIR/../../Samples/packages.bash
. "$root/Samples/packages.bash"

work=$(mktemp -d)
pids=()
finish() {
    local pid
    for pid in ${pids[@]+"${pids[@]}"}; do kill "$pid" 2>/dev/null || true; done
    for pid in ${pids[@]+"${pids[@]}"}; do wait "$pid" 2>/dev/null || true; done
    rm -rf "$work"
}
trap finish EXIT

die() {
    printf '%s: %s\n' "${0##*/}" "$1" >&2
    [[ -z ${2:-} || ! -s $2 ]] || tail -n 20 "$2" >&2
    exit 1
}

# embedded PRODUCT [PACKAGE] : builds a program as Embedded Swift for this machine.
embedded() {
    local package=(--package "${2:-$root}")
    "$root/Boards/build" host "$1" "${package[@]}" >"$work/build.log" 2>&1 || die "$1 was not built" "$work/build.log"
}

# The flags that Boards/common gives C, but for speed instead of size.
c_flags=(-std=gnu17 -Wall -Wextra -Werror -O2 -fPIC -ffunction-sections -fdata-sections -fstack-protector-strong
    -D_FORTIFY_SOURCE=2 -fno-asynchronous-unwind-tables -fomit-frame-pointer)

# yardstick SOURCE[:NAME] [OPTIONS…] : compiles our C program $work/NAME, which is that of SOURCE.c.
yardstick() {
    gcc "${c_flags[@]}" -I "$bench/CBench/include" -o "$work/${1#*:}" "$bench/yardstick/${1%:*}.c" -Wl,--gc-sections \
        -Wl,-z,now "${@:2}" || die "${1%:*}.c was not compiled"
}

# preload NAME : compiles a library to preload, $work/NAME.so.
preload() {
    gcc -std=gnu17 -Wall -Wextra -Werror -O2 -fPIC -fno-omit-frame-pointer -shared -o "$work/$1.so" \
        "$bench/yardstick/$1.c" || die "$1.c was not compiled"
}

# key NAME : a P-256 key $work/NAME.key, its public half NAME.pub.
key() {
    (umask 077 && openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -out "$work/$1.key" 2>/dev/null)
    openssl pkey -in "$work/$1.key" -pubout -out "$work/$1.pub"
}

# certificate NAME EXTENSION… : a certificate $work/NAME.pem by our authority for a new key.
certificate() {
    key "$1"
    certify "$1" "$@"
}

# certify KEY NAME EXTENSION… : a certificate $work/KEY.pem by our authority for $work/KEY.key.
certify() {
    local key=$1 name=$2 extension
    shift 2
    openssl req -new -key "$work/$key.key" -subj "/CN=$name" -out "$work/$key.csr"
    for extension in 'basicConstraints = critical,CA:FALSE' 'keyUsage = critical,digitalSignature' \
        'subjectKeyIdentifier = hash' 'authorityKeyIdentifier = keyid:always' "$@"; do
        printf '%s\n' "$extension"
    done >"$work/$key.ext"
    openssl x509 -req -in "$work/$key.csr" -CA "$work/ca.pem" -CAkey "$work/ca.key" -CAcreateserial -days 30 \
        -extfile "$work/$key.ext" -out "$work/$key.pem" 2>/dev/null
}

# credentials : an authority, a broker for localhost, the device pump-7, also with a key of Ed25519 (ed25519), keys of a
# gateway and an operator.
credentials() {
    key ca
    openssl req -x509 -key "$work/ca.key" -subj '/CN=Bench root' -days 30 -addext 'keyUsage = critical,keyCertSign,cRLSign' \
        -out "$work/ca.pem"
    certificate localhost 'extendedKeyUsage = serverAuth' 'subjectAltName = DNS:localhost,IP:127.0.0.1'
    local extensions=('extendedKeyUsage = clientAuth' 'subjectAltName = URI:urn:dev:mac:0024befffe804ff1')
    certificate pump-7 "${extensions[@]}"
    (umask 077 && openssl genpkey -algorithm ed25519 -out "$work/ed25519.key")
    certify ed25519 pump-7 "${extensions[@]}"
    certificate watcher 'extendedKeyUsage = clientAuth'
    key gateway
    key operator
}

free_port() { python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])'; }

# broker_configuration [LINE…] : $work/broker-PORT.conf for a broker with mutual TLS on $port of this machine, with these
# lines at its end.
broker_configuration() {
    local user=
    # Started by root, Debian's broker drops to a user that cannot read our files.
    if ((EUID == 0)); then user='user root'; fi
    cat >"$work/broker-$port.conf" <<CONF
$user
listener $port 127.0.0.1
cafile $work/ca.pem
certfile $work/localhost.pem
keyfile $work/localhost.key
require_certificate true
allow_anonymous true
log_dest stderr
log_type error
log_type notice
log_type information
CONF
    (($# == 0)) || printf '%s\n' "$@" >>"$work/broker-$port.conf"
}

# broker [LINE…] : starts mosquitto with that configuration on a free port; sets `port`. Its log is $work/broker-PORT.log.
broker() {
    port=$(free_port)
    broker_configuration 'persistence false' "$@"
    local log=$work/broker-$port.log tries=100
    mosquitto -c "$work/broker-$port.conf" >"$log" 2>&1 &
    pids+=($!)
    until grep -qs 'running' "$log"; do
        ((tries-- > 0)) || die 'the broker did not start' "$log"
        sleep 0.1
    done
}

# subscriber [NAME] : takes everything, into $work/NAME, by default `received`; a broker refuses messages that nobody wants (MQTT 5 §3.4.2.1, 0x10).
subscriber() {
    mosquitto_sub -V 5 -h localhost -p "$port" --cafile "$work/ca.pem" --cert "$work/watcher.pem" \
        --key "$work/watcher.key" -i watcher -q 1 -t '#' -F '%t %x' >"$work/${1:-received}" 2>&1 &
    pids+=($!)
    local log=$work/broker-$port.log tries=100
    until grep -q 'New client.* as watcher' "$log"; do
        ((tries-- > 0)) || die 'the subscriber did not connect' "$log"
        sleep 0.1
    done
}

# configure NAME LINE… : the configuration $work/NAME.conf of a device with these lines at its end. Its key and
# certificate are those of $identity, by default pump-7, its directory is $state, by default `state`.
configure() {
    local identity=${identity:-pump-7}
    {
        printf '%s\n' '[device]' 'id = pump-7' "state = ${state:-state}" '[mqtt]' 'host = localhost' "port = $port" \
            '[identity]' "key = $identity.key" "certificate = $identity.pem" 'anchors = ca.pem' \
            '[trust]' "root = $(openssl pkey -pubin -in "$work/gateway.pub" -outform DER | sha256sum | cut -c 1-64)" \
            "${@:2}"
    } >"$work/$1.conf"
}
