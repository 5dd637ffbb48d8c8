#!/usr/bin/env bash
# What Asof is measured against. `make bench` does all of it; `make bench BENCH='run one --tools asof,duckdb'` a part.
#   bench.sh                        everything; the tables go to benches/RESULTS.md
#   bench.sh data                   the rivals, the release build, and the data (10 GB)
#   bench.sh run [CASE…] [OPTION…]  cases and options of pit/run.py; --save NAME keeps the figures under a name
#   bench.sh compare BEFORE AFTER   two saved runs side by side
#   bench.sh lineage                questions over a graph of a million edges
#   bench.sh scale                  starting, planning, applying and asking with 10,000 views and a million runs
#   bench.sh online [data | run … | compare …]   the same for serving
# CARGO_TARGET_DIR says where all of it goes (default: target); SCALE=0.001 takes a thousandth of the rows;
# ASOF_BENCH a binary that is there already, so that nothing is built.
set -euo pipefail
cd "$(dirname "$0")/.."

target=${CARGO_TARGET_DIR:-$PWD/target} scale=${SCALE:-1}
data=$target/bench-data/scale-$scale
venv=$target/venv-bench feast=$target/venv-bench-feast
binary=${ASOF_BENCH:-$target/release/asof-bench-pit}
python=$venv/bin/python
export PYTHONDONTWRITEBYTECODE=1

prepare() {
  [ -n "${ASOF_BENCH:-}" ] || cargo build --release --locked -p asof-bench-pit
  deploy/venv.sh "$venv" benches/pit/requirements.txt
  deploy/venv.sh "$feast" benches/pit/feast-requirements.txt
  "$python" benches/pit/data.py "$data" --scale "$scale"
  # Laid out anew by every new build, so that what is measured is what this build would write.
  if [ ! -d "$data/own" ] || [ "$binary" -nt "$data/own" ]; then
    rm -rf "$data/own" && mkdir "$data/own"
    echo "data: a-10m, as Asof lays it out"
    "$binary" lay-out --store "$data/own" --dataset a_10m "$data/time/a-10m.parquet"
    du -sh "$data/time/a-10m.parquet" "$data/own/datasets/bench/a_10m"
  fi
}
run() { "$python" benches/pit/run.py "$data" --asof "$binary" --feast "$feast/bin/python" "$@"; }

# Serving: the server is the binary that is shipped.
serving=$target/bench-data/online/scale-$scale
prepare_online() {
  [ -n "${ASOF_BENCH:-}" ] || cargo build --release --locked -p asof-cli -p asof-bench-online
  deploy/venv.sh "$venv" benches/pit/requirements.txt
  deploy/venv.sh "$feast-online" benches/online/feast-requirements.txt
  "$python" benches/online/data.py "$serving" --scale "$scale"
}
run_online() {
  "$python" benches/online/run.py "$serving" --scale "$scale" --tools "$target/release/asof-bench-online" \
    --asof "$target/release/asof" --feast "$feast-online/bin/python" "$@"
}
online() {
  case ${1:-all} in
  all) prepare_online && run_online --results benches/RESULTS.md ;;
  data) prepare_online ;;
  run) shift && run_online "$@" ;;
  compare) shift && "$python" benches/online/report.py "$serving" "$@" ;;
  *) usage ;;
  esac
}
usage() { sed -n '2,/^set/{/^#/s/^# \{0,1\}//p}' "$0" >&2 && exit 2; }

case ${1:-all} in
lineage) cargo build --release --locked -p asof-bench-lineage && "$target/release/asof-bench-lineage" ;;
scale)
  [ -n "${ASOF_BENCH:-}" ] || cargo build --release --locked -p asof-cli
  python3 benches/scale/run.py --asof "${ASOF_BENCH:-$target/release/asof}" --results benches/RESULTS.md
  ;;
online) shift && online "$@" ;;
all) prepare && run --results benches/RESULTS.md ;;
data) prepare ;;
run) shift && run "$@" ;;
compare) shift && "$python" benches/pit/report.py "$data" "$@" ;;
*) usage ;;
esac
