# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
# Sets `python`: an interpreter with the packages of requirements.txt, installed from PyPI into .build-interop.

venv=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)/.build-interop/venv
requirements=$(dirname "${BASH_SOURCE[0]}")/requirements.txt
if ! cmp -s "$requirements" "$venv/requirements.txt"; then
    rm -rf "$venv"
    python3 -m venv "$venv"
    "$venv/bin/pip" install --quiet --disable-pip-version-check -r "$requirements"
    cp "$requirements" "$venv/requirements.txt"
fi
# shellcheck disable=SC2034
python=$venv/bin/python
