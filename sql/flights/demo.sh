#!/usr/bin/env bash
# The tour: real flights from raw files to a training set that does not leak, to the same features served
# over gRPC, to the file each value came from; and what point-in-time correctness is for, as two numbers.
# `make demo` builds the binary and runs this. Run again, it finds definitions, data and training sets there, builds
# nothing twice, and publishes the same values anew.
#   ASOF  the binary (default: asof on the PATH)   VENV  where the Python environment goes
set -euo pipefail
cd "$(dirname "$0")"

ASOF=${ASOF:-asof}
VENV=${VENV:-$PWD/.demo/venv}
# The moment asked about: a busy afternoon near the end of the data.
AT='2013-12-30 18:00'
# What the gate at JFK knows of one flight to come.
FLIGHT=(origin=JFK carrier=UA tailnum=N14228 distance=1400)

# Nothing of the caller's own settings.
unset ASOF_SERVER

server=
stop_server() {
  [ -z "$server" ] && return
  kill -TERM "$server" 2>/dev/null || true
  wait "$server" 2>/dev/null || true
  server=
  unset ASOF_SERVER
}
trap stop_server EXIT
trap 'exit 130' INT TERM

micros() { local now=${EPOCHREALTIME:-$SECONDS.000000}; echo "${now/[.,]/}"; }
began=$(micros) step=0

# A command line as one would type it.
show() {
  local word line='asof'
  for word in "${@:2}"; do
    case $word in *' '*) line+=" '$word'" ;; *) line+=" $word" ;; esac
  done
  printf '    $ %s\n' "$line"
}

# What is meant to be refused.
refused() {
  if "$@"; then
    echo 'this was to be refused' >&2
    return 1
  fi
}

# step TITLE [quietly|refused] COMMAND…: one step, its command line, what it said, and how long it took.
step() {
  local title=$1 start end
  shift
  step=$((step + 1))
  printf '\n%2d. %s\n' "$step" "$title"
  case $1 in
    quietly) shift ;;
    refused) show "${@:2}" ;;
    *) show "$@" ;;
  esac
  start=$(micros)
  "$@" 2>&1 | sed 's/^/    /'
  end=$(micros)
  printf '    (%d.%d s)\n' $(((end - start) / 1000000)) $(((end - start) / 100000 % 10))
}

python_environment() { ../../deploy/venv.sh "$VENV" requirements.txt; }

# Starts the server on a free port and waits until it answers.
serve() {
  local port address tries=100
  port=$(python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
  address=http://127.0.0.1:$port
  "$ASOF" serve --listen "127.0.0.1:$port" >.demo/serve.log 2>&1 &
  server=$!
  until "$ASOF" --server "$address" ls services >/dev/null 2>&1; do
    if ! kill -0 "$server" 2>/dev/null || [ $((tries -= 1)) -eq 0 ]; then
      echo "the server did not start:" >&2
      cat .demo/serve.log >&2
      exit 1
    fi
    sleep 0.1
  done
  export ASOF_SERVER=$address
}

mkdir -p .demo
step 'Python, for the download and the model' quietly python_environment
step 'Fetch the data: 336,776 flights, the weather, planes and airports' quietly env PIP="$VENV/bin/python -m pip" ./fetch.sh

step 'Apply the definitions' "$ASOF" apply
step 'Ingest flights' "$ASOF" ingest flights data/flights.csv.zip --null NA
step 'Ingest the weather' "$ASOF" ingest weather data/weather.csv --null NA
step 'Ingest planes; the file has no time, so give it one' \
  "$ASOF" ingest planes data/planes.csv --null NA --set registered_at=2013-01-01T00:00:00Z
step 'Ingest airports' "$ASOF" ingest airports data/airports.csv --null NA --set listed_at=2013-01-01T00:00:00Z

step 'Build the training set: each flight as of its scheduled departure' \
  "$ASOF" train delays --out .demo/delays.parquet
step 'Build one with as-of windows: what happened in the 7 and 30 days before each departure (see windows.sql)' \
  "$ASOF" train trends --out .demo/trends.parquet
step 'Build the first with a leak, for comparison (see leak.sql)' \
  "$ASOF" train leaky_delays --out .demo/leaky_delays.parquet

step "Does a view of one's own tell the future? A day's mean that is stamped with the start of the day does (see leak.sql)" \
  refused "$ASOF" verify carrier_day --leakage
step 'The views behind the board at the gate do not' "$ASOF" verify departure_delay --leakage --samples 4

step "Bring the newest values of $AT into the online store" "$ASOF" materialize --at "$AT"

serve
printf '\n    From here a server answers: ASOF_SERVER=%s\n' "$ASOF_SERVER"
step 'Get the features of one flight, as of that moment' \
  "$ASOF" get departure_delay@1 "${FLIGHT[@]}" --at "$AT"
step 'The same, asked now: weather counts for three hours and a landing for two days, so both have expired' \
  "$ASOF" get departure_delay@1 "${FLIGHT[@]}"
step 'With the route: the inputs of the model' \
  "$ASOF" get arrival_risk@1 "${FLIGHT[@]}" dest=IAH --at "$AT"
step 'Where did these values come from?' \
  "$ASOF" explain departure_delay@1 "${FLIGHT[@]}" --at "$AT"
step 'What are the inputs of the model made of, and who uses them?' "$ASOF" lineage arrival_risk
stop_server

step 'Train a small model on each set' quietly "$VENV/bin/python" -B model.py \
  .demo/delays.parquet .demo/trends.parquet .demo/leaky_delays.parquet

end=$(micros)
cat <<END

All of it took $(((end - began) / 1000000)) seconds. The store is left in sql/flights/.demo/store; go on with

    cd sql/flights && export PATH="$(dirname "$(command -v "$ASOF" || echo "$ASOF")"):\$PATH"
    asof ls
    asof log
    asof get departure_delay@1 ${FLIGHT[*]} --at '$AT'
END
