# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
# Sets `python`: an interpreter with the packages of requirements.txt, installed from PyPI into .build-interop.

venv=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)/.build-interop/venv
requirements=$(dirname "${BASH_SOURCE[0]}")/requirements.txt
# One at a time; the lock ends with the subshell.
(
    set -e
    flock 9
    cmp -s "$requirements" "$venv/requirements.txt" && exit
    rm -rf "$venv"
    python3 -m venv "$venv"
    "$venv/bin/pip" install --quiet --disable-pip-version-check -r "$requirements"
    cp "$requirements" "$venv/requirements.txt"
) 9<"$requirements"
# shellcheck disable=SC2034
python=$venv/bin/python
