# shellcheck shell=bash
# A fleet for the end-to-end tests: the real scripts/run, with its own directory and ports beside whatever runs here.

rehearsal_ready_seconds_max=180
rehearsal_stop_seconds_max=150

# choose_rehearsal_ports: sets public_port and service_base so that all of them are free.
choose_rehearsal_ports() {
  public_port=18080
  while port_taken "$public_port" || port_taken $((public_port + 1)); do public_port=$((public_port + 2)); done
  service_base=17000
  until service_ports_free; do service_base=$((service_base - 1000)); done
}

# service_ports_free: at the present service_base.
service_ports_free() {
  local name
  for name in "${services[@]}"; do
    port_of "$name"
    if port_taken "$REPLY"; then return 1; fi
  done
}

# Deadlines that a test can wait for, and a browser can keep.
rehearsal_settings=(MARQUEE_RESERVATIONS__HOLD_SECONDS=15 MARQUEE_RESERVATIONS__EXTENSION_SECONDS=5
  MARQUEE_RESERVATIONS__PAYMENT_GRACE_SECONDS=2 MARQUEE_WAITLIST__OFFER_SECONDS=15)

# start_rehearsal WORD…: the phase, with these words for scripts/run; fails when the fleet does not come up. What it printed is in
# logs/run.log.
start_rehearsal() {
  local deadline
  choose_rehearsal_ports
  phase fleet "scripts/run --fresh${*:+ $*} --port $public_port --service-ports $service_base"
  new_log run
  rm -rf "$run_dir/fleet/logs" "$run_dir/fleet/fleet.env"
  start_process run env MARQUEE_RUN_DIR="$run_dir/fleet" MARQUEE_BIN_DIR="$binaries" "${rehearsal_settings[@]}" \
    "$root/scripts/run" --fresh "$@" --port "$public_port" --service-ports "$service_base"
  now_ms
  deadline=$((REPLY + rehearsal_ready_seconds_max * 1000))
  until [[ -e $run_dir/fleet/fleet.env ]]; do
    if ! running run || past "$deadline"; then
      phase_end "FAILED"
      last_lines run 40
      count_failure "the fleet did not start"
      return 1
    fi
    sleep 0.2
  done
  phase_end "ready"
}

# stop_rehearsal: the phase; and the proof that nothing is left, which counts as a test.
stop_rehearsal() {
  local file pids=() ports=() left=""
  phase fleet "stopping it"
  for file in "$run_dir"/fleet/pids/*.pid; do pids+=("$(basename "$file" .pid):$(<"$file")"); done
  ports=("$public_port" $((public_port + 1)) "$(<"$run_dir/fleet/postgres.port")" "$(<"$run_dir/fleet/redis.port")")
  if [[ -e $run_dir/fleet/prometheus.port ]]; then ports+=("$(<"$run_dir/fleet/prometheus.port")"); fi
  for file in "${services[@]}"; do
    port_of "$file"
    ports+=("$REPLY")
  done
  stop_processes TERM "$rehearsal_stop_seconds_max" run
  left=$(left_over "${pids[@]}" -- "${ports[@]}")
  if [[ -z $left ]]; then
    phase_end "nothing is left"
    passed=$((passed + 1))
  else
    phase_end "FAILED: left over:$left"
    count_failure "something is left when the fleet is stopped:$left"
  fi
}

# left_over NAME:PID… -- PORT… → what still runs or listens.
left_over() {
  while [[ $1 != -- ]]; do
    if identity "${1#*:}"; then printf ' %s (pid %s)' "${1%:*}" "${1#*:}"; fi
    shift
  done
  shift
  while (($# > 0)); do
    if port_taken "$1"; then printf ' port %s' "$1"; fi
    shift
  done
}

# forget_rehearsal: whatever happened, its processes and its data go.
forget_rehearsal() {
  stop_processes TERM "$rehearsal_stop_seconds_max" run
  if [[ -d $run_dir/fleet ]]; then
    (
      run_dir=$run_dir/fleet
      mkdir -p "$run_dir/pids" "$run_dir/logs"
      stop_orphans
      forget_postgres
    )
  fi
}
