# shellcheck shell=bash
# What the tests of the scripts share: a run to look at, and ways to wait for it and to look.

wait_seconds_max=60
programs=(catalog reservations waitlist cache-warmer balancer)

# make_stand_ins: a directory of programs for MARQUEE_BIN_DIR. Each test has its own, by which it knows its processes.
make_stand_ins() {
  local program
  stand_ins=$dir/stand-ins
  mkdir "$stand_ins"
  for program in "${programs[@]}" drill; do ln -s "$here/stand-in" "$stand_ins/$program"; done
  export MARQUEE_BIN_DIR=$stand_ins
}

# run_test NAME: in a subshell of its own.
run_test() {
  set -euo pipefail
  dir=$(mktemp -d "$scratch/XXXXXX")
  chmod 755 "$dir"
  run_dir=$dir/state out=$dir/out
  calls=$dir/calls
  export STAND_IN_CALLS=$calls
  runs=()
  make_stand_ins
  find_ports
  trap end_test EXIT
  "$1"
  trap - EXIT
  end_test
}

# find_ports: sets port and base to something free, and says where servers look for a port; each worker looks elsewhere.
find_ports() {
  local name from
  port=$((20080 + 100 * worker)) base=$((21000 + 1000 * worker))
  while port_taken "$port" || port_taken $((port + 1)); do port=$((port + 2)); done
  while any_taken "$base"; do base=$((base + 1000 * workers)); done
  mkdir -p "$run_dir"
  from=$((16600 + 100 * worker))
  for name in postgres redis prometheus; do
    free_port "$from"
    printf '%s\n' "$REPLY" >"$run_dir/$name.port"
    from=$((REPLY + 1))
  done
}

# any_taken BASE: whether somebody listens on a port of services there.
any_taken() {
  local offset
  for offset in 101 102 201 202 301 302 401 501; do
    if port_taken $(($1 + offset)); then return 0; fi
  done
  return 1
}

# end_test: stops what the test has left, also when it failed; then shows what the runs have said.
end_test() {
  local status=$? pid
  for pid in "${runs[@]}"; do
    kill -s TERM "$pid" 2>/dev/null || true
    wait "$pid" 2>/dev/null || true
  done
  if ((status != 0)); then cat "$dir"/out* 2>/dev/null || true; fi
  return "$status"
}

# without_servers: the programs are stand-ins, so nobody will call these.
without_servers() { export DATABASE_URL=postgres://127.0.0.1:1/none REDIS_URL=redis://127.0.0.1:1/; }

# run_to_end [ARGUMENT…] → status: scripts/run, when it is to end by itself.
run_to_end() {
  MARQUEE_RUN_DIR=$run_dir "$root/scripts/run" --port "$port" --service-ports "$base" "$@" >"$out" 2>&1 </dev/null &
  run_pid=$!
  runs+=("$run_pid")
  wait_for ended "$run_pid"
  status=0
  wait "$run_pid" || status=$?
}

ended() { ! kill -0 "$1" 2>/dev/null; }

# start_run [ARGUMENT…]: in the background, until it is ready. Perl gives it back the SIGINT that a shell takes from what it
# starts in the background.
start_run() {
  # What the run before has said must not be taken for this one's.
  : >"$out"
  MARQUEE_RUN_DIR=$run_dir perl -e '$SIG{INT} = $SIG{HUP} = "DEFAULT"; exec @ARGV' \
    "$root/scripts/run" --port "$port" --service-ports "$base" "$@" >"$out" 2>&1 </dev/null &
  run_pid=$!
  runs+=("$run_pid")
  wait_for open_or_ended
  said 'Marquee is open' || fail "the run ended before it was ready"
}

open_or_ended() { said 'Marquee is open' || ended "$run_pid"; }

# stop_run SIGNAL → status
stop_run() {
  status=0
  kill -s "$1" "$run_pid"
  wait "$run_pid" || status=$?
}

said() { grep -q -e "$1" "$out"; }

# until_said TEXT
until_said() {
  wait_for said "$1"
}

# wait_for COMMAND…: until it succeeds.
wait_for() {
  local deadline
  now_ms
  deadline=$((REPLY + wait_seconds_max * 1000))
  until "$@"; do
    if past "$deadline"; then fail "waited in vain for: $*"; fi
    sleep 0.05
  done
}

fail() {
  printf 'failed: %s\n' "$*"
  exit 1
}

# pid_of NAME → REPLY
pid_of() { running "$1" || fail "$1 is not running"; }

# expect_said TEXT / expect_lines N: what the run has printed.
expect_said() { said "$1" || fail "it should have said: $1"; }
expect_status() { [[ $status == "$1" ]] || fail "the exit code is $status, not $1"; }
expect_failure() { ((status != 0 && status < 128)) || fail "the exit code is $status"; }

# expect_one_complaint TEXT: exactly one line of complaint, with that text.
expect_one_complaint() {
  expect_said "^scripts/run: .*$1"
  [[ $(grep -c '^scripts/run: ' "$out") == 1 ]] || fail "it should have complained in one line"
}

# expect_nothing_left: no process, no port, no lock.
expect_nothing_left() {
  local offset file
  for offset in 101 102 201 202 301 302 401 501; do
    if port_taken $((base + offset)); then fail "port $((base + offset)) still listens"; fi
  done
  for file in "$run_dir"/*.port; do
    if [[ -e $file ]] && port_taken "$(<"$file")"; then fail "$file: $(<"$file") still listens"; fi
  done
  if pgrep_here; then fail "processes are left: $REPLY"; fi
  [[ ! -e $run_dir/lock ]] || fail "the lock is left"
}

# pgrep_here → REPLY: pids of processes whose command line names this test's directory.
pgrep_here() {
  local file words
  REPLY=""
  for file in /proc/[0-9]*/cmdline; do
    { words=$(tr '\0' ' ' <"$file"); } 2>/dev/null || continue
    if [[ $words == *"$dir/"* ]]; then REPLY+=" ${file//[^0-9]/}"; fi
  done
  [[ -n $REPLY ]]
}

# sql STATEMENT: in the private Postgres of the run.
sql() {
  local psql
  psql=$(command -v psql || find /usr/lib/postgresql /opt/homebrew/opt -path '*/bin/psql' 2>/dev/null | tail -n 1)
  "$psql" --no-psqlrc --quiet --tuples-only --no-align --set=ON_ERROR_STOP=1 \
    --dbname="$(sed -n 's/^DATABASE_URL=//p' "$run_dir/fleet.env")" --command="$1"
}
