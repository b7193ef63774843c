# shellcheck shell=bash
# Keeping the fleet alive, and stopping it so that nothing is left.
#
# A process that dies is started again: at once the first time, then after a pause that doubles up to a limit, and from
# the beginning again when it has lived long enough. A file down/NAME keeps NAME down, for rehearsals.

restart_pause_ms_max=8000
healthy_after_ms=30000
look_seconds_between=0.3
stop_seconds_max=${MARQUEE_STOP_SECONDS:-20}

declare -A pause_ms=() started_ms=() due_ms=()

wanted_pid="" wanted_id=""

# want_while PID: from here on this run is for that process, and ends with it.
want_while() {
  wanted_pid=$1
  identity "$1" || die "--while wants a process that runs; $1 is none"
  wanted_id=$REPLY
}

# end_when_unwanted: as a signal would.
end_when_unwanted() {
  if [[ -z $wanted_pid ]]; then return; fi
  if identity "$wanted_pid" && [[ $REPLY == "$wanted_id" ]]; then return; fi
  event "$script_name" "process $wanted_pid is gone, and this run was for it"
  asked_to_stop
}

# supervise NAME…: until a signal ends the script.
supervise() {
  local name rounds=0
  now_ms
  for name in "$@"; do pause_ms[$name]=0 started_ms[$name]=$REPLY due_ms[$name]=0; done
  while true; do
    for name in "$@"; do
      if ! running "$name"; then mend "$name"; fi
    done
    end_when_unwanted
    rounds=$((rounds + 1))
    if ((rounds % 30 == 0)); then bound_logs; fi
    sleep "$look_seconds_between" || true
  done
} 2>>"$run_dir/logs/supervisor.log"

# mend NAME: it is not running: tells of the death once, and starts it again when its time has come.
mend() {
  local name=$1
  if [[ -e $run_dir/pids/$name.pid ]]; then
    tell_death "$name"
    forget "$name"
    plan_restart "$name"
  fi
  if [[ -e $run_dir/down/$name ]]; then
    # Whoever lifts it is in no mood for a pause.
    due_ms[$name]=0
  elif past "${due_ms[$name]}"; then
    launch "$name"
    now_ms
    started_ms[$name]=$REPLY
    event "$name" "started again"
  fi
}

# tell_death NAME: how it ended, and its last words.
tell_death() {
  local name=$1 pid status=0 why
  read -r pid <"$run_dir/pids/$name.pid"
  wait "$pid" 2>/dev/null || status=$?
  why="ended with exit code $status"
  # One that scripts/upgrade has started is not our child: nobody tells us how it ended.
  if ((status == 127)); then why="ended"; fi
  if ((status > 128)); then why="was killed by SIG$(kill -l $((status - 128)) 2>/dev/null || echo "NAL $((status - 128))")"; fi
  if [[ -e $run_dir/down/$name ]]; then why+=" and is kept down"; fi
  event "$name" "(pid $pid) $why; its last lines:"
  last_lines "$name"
}

# plan_restart NAME: 0, 0.5, 1, 2, 4, 8, 8… seconds.
plan_restart() {
  local name=$1 lived
  now_ms
  lived=$((REPLY - started_ms[$name]))
  if ((lived > healthy_after_ms)); then pause_ms[$name]=0; fi
  due_ms[$name]=$((REPLY + pause_ms[$name]))
  pause_ms[$name]=$((pause_ms[$name] == 0 ? 500 : pause_ms[$name] * 2))
  if ((pause_ms[$name] > restart_pause_ms_max)); then pause_ms[$name]=$restart_pause_ms_max; fi
}

# stop_all: the balancer first, so that no visitor sees an error; then the services; then what they stand on.
stop_all() {
  # Nobody is in that much of a hurry: everything below has a limit.
  trap '' INT TERM HUP
  record_starting
  stop_step
  stop_processes TERM 10 canary
  stop_processes TERM "$stop_seconds_max" balancer "$succeeded"
  stop_processes TERM "$stop_seconds_max" "${services[@]}"
  stop_processes TERM 10 redis prometheus
  # SIGINT is Postgres' fast shutdown: it ends the sessions and writes everything down.
  stop_processes INT 60 postgres
} 2>>"$run_dir/logs/supervisor.log"

# stop_orphans: what a run that was killed has left behind.
stop_orphans() {
  local name found=""
  for name in "$step" balancer "$succeeded" "${services[@]}" redis prometheus canary postgres; do
    if running "$name"; then found+="${found:+, }$name (pid $REPLY)"; else forget "$name"; fi
  done
  if [[ -n $found ]]; then
    phase clean-up "an earlier run was killed: stopping $found"
    stop_all
    trap_signals
    phase_end
  fi
}
