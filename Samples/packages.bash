# SPDX-License-Identifier: Apache-2.0
# For scripts of this project: installs Debian packages that are missing, and says which. Sourced, not run.

# need PACKAGE… : returns when all are installed. No service that was not there before runs afterwards.
need() {
    local package installed missing=() sudo=()
    # Also what is installed under another name: libcurl4 is libcurl4t64 in Debian 13, which provides it.
    installed=$(dpkg-query -W -f='${db:Status-Status} ${Package}, ${Provides}\n' | sed -n 's/^installed //p' |
        sed 's/ ([^)]*)//g; s/, */\n/g')
    for package in "$@"; do
        grep -qxF -- "$package" <<<"$installed" || missing+=("$package")
    done
    ((${#missing[@]})) || return 0
    if ((EUID != 0)); then
        command -v sudo >/dev/null || { echo "missing packages: ${missing[*]}; install them as root" >&2; return 1; }
        sudo=(sudo)
    fi
    echo "installing: ${missing[*]}"
    # Debian's way to keep a package from starting its service (deb-systemd-invoke, invoke-rc.d).
    local policy=/usr/sbin/policy-rc.d added=
    if [[ ! -e $policy ]]; then
        printf '#!/bin/sh\nexit 101\n' | "${sudo[@]}" tee $policy >/dev/null
        "${sudo[@]}" chmod 755 $policy
        added=1
    fi
    local log status=0
    log=$(mktemp)
    {
        "${sudo[@]}" apt-get -o Acquire::Retries=3 -q update &&
            "${sudo[@]}" env DEBIAN_FRONTEND=noninteractive apt-get -o Acquire::Retries=3 -q install -y \
                --no-install-recommends "${missing[@]}"
    } >"$log" 2>&1 </dev/null || status=$?
    [[ -z $added ]] || "${sudo[@]}" rm -f $policy
    if ((status)); then
        tail -n 15 "$log" >&2
        echo "apt-get failed: install these packages by hand and try again: ${missing[*]}" >&2
    elif command -v systemctl >/dev/null; then
        # Nor at the next boot.
        for package in mosquitto nginx avahi-daemon; do
            [[ " ${missing[*]} " != *" $package "* ]] ||
                "${sudo[@]}" systemctl disable "$package.service" >/dev/null 2>&1 || true
        done
    fi
    rm -f "$log"
    return $status
}

# need_swift : the toolchain cannot be installed from Debian.
need_swift() {
    local version
    version=$(swift --version 2>/dev/null | sed -n 's/.*Swift version \([0-9]*\.[0-9]*\).*/\1/p' | head -n 1)
    case ${version:-none} in
        none) echo 'no swift in PATH: install Swift 6.3 or later (swift.org/install) and try again' >&2; return 1 ;;
        [0-5].* | 6.[0-2]) echo "Swift $version is too old: 6.3 or later is needed" >&2; return 1 ;;
    esac
}
