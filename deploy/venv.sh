#!/usr/bin/env bash
# venv.sh FOLDER REQUIREMENTS: a Python environment in FOLDER with just these packages. Made anew only when
# the requirements or the Python have changed; otherwise nothing happens, quickly.
set -euo pipefail

folder=$1 requirements=$2
stamp=$(python3 --version; cat "$requirements")
[ -f "$folder/made-for" ] && [ "$(cat "$folder/made-for")" = "$stamp" ] && exit 0

echo "venv: installing $(basename "$(dirname "$requirements")")/$(basename "$requirements") into $folder"
rm -rf "$folder"
mkdir -p "$(dirname "$folder")"
python3 -m venv "$folder"
"$folder/bin/python" -m pip install --quiet --disable-pip-version-check --only-binary :all: --requirement "$requirements"
printf '%s\n' "$stamp" >"$folder/made-for"
