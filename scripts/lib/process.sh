# shellcheck shell=bash
# One process: started with a pid file and a log, recognised later, stopped within a time.
#
# A pid alone proves nothing after a crash, so `<name>.pid` (the number, for everybody) has `<name>.id` beside it: when
# that process started. Needs $run_dir.

# identity PID → REPLY: what tells this process from a later one with the same pid; fails when it is gone or a zombie.
identity() {
  local pid=$1 stat fields
  if [[ -r /proc/self/stat ]]; then
    { read -r stat <"/proc/$pid/stat"; } 2>/dev/null || return 1
    read -r -a fields <<<"${stat##*) }"
    # Behind the name come the state (field 3) and, as field 22, the start in clock ticks.
    [[ ${fields[0]:-Z} != Z ]] || return 1
    REPLY=${fields[19]}
  else
    [[ $(ps -o stat= -p "$pid" 2>/dev/null) =~ ^[^Z] ]] || return 1
    REPLY=$(ps -o lstart= -p "$pid")
  fi
}

# running NAME → REPLY: its pid; fails when the process that was started under this name, or has succeeded it, is gone.
running() {
  local pid again id ids file=$run_dir/pids/$1
  { read -r pid <"$file.pid"; } 2>/dev/null || return 1
  while true; do
    { mapfile -t ids <"$file.id"; } 2>/dev/null || return 1
    identity "$pid" || REPLY=gone
    for id in "${ids[@]}"; do
      if [[ $REPLY == "$id" && $id != gone ]]; then
        REPLY=$pid
        return 0
      fi
    done
    # Between one look and the other it may have been succeeded.
    { read -r again <"$file.pid"; } 2>/dev/null || return 1
    if [[ $again == "$pid" ]]; then return 1; fi
    pid=$again
  done
}

# in_own_session COMMAND…: the command in place of this subshell, out of reach of the terminal's Ctrl-C: we stop things
# ourselves, in order.
in_own_session() {
  if command -v setsid >/dev/null; then
    exec setsid "$@"
  fi
  exec perl -MPOSIX -e 'POSIX::setsid(); exec { $ARGV[0] } @ARGV or die "$ARGV[0]: $!\n"' "$@"
}

# start_process NAME COMMAND…: in the background, its words in logs/NAME.log.
start_process() {
  starting=$1
  shift
  in_own_session "$@" </dev/null >>"$run_dir/logs/$starting.log" 2>&1 3>&- 4>&- &
  record "$starting" "$!"
  starting=""
}

# What is being started just now: a signal may arrive between the fork and the record.
starting=""

# record_starting: on the way out; whatever was forked last is under its name then.
record_starting() {
  if [[ -n $starting && -n ${!:-} ]]; then record "$starting" "$!"; fi
}

# record NAME PID: from here on it is ours to stop.
record() {
  local file=$run_dir/pids/$1
  printf '%s\n' "$2" >"$file.pid"
  # It may be gone already; then no identity ever matches, and that is right.
  identity "$2" || REPLY=gone
  printf '%s\n' "$REPLY" >"$file.id"
}

# succeed NAME PID: from here on that process goes by this name. Whoever looks meanwhile finds the one or the other running.
succeed() {
  local file=$run_dir/pids/$1 id
  identity "$2" || REPLY=gone
  id=$REPLY
  { cat "$file.id" && printf '%s\n' "$id"; } >"$file.id.new"
  mv -f "$file.id.new" "$file.id"
  printf '%s\n' "$2" >"$file.pid.new"
  mv -f "$file.pid.new" "$file.pid"
  printf '%s\n' "$id" >"$file.id.new"
  mv -f "$file.id.new" "$file.id"
}

# forget NAME: it is stopped.
forget() { rm -f "$run_dir/pids/$1.pid" "$run_dir/pids/$1.id"; }

# The name under which a step (a build, a migration) is known while it runs.
step=step

# begin NAME COMMAND…: in the background, so that a signal to us is heard at once; stdout and stderr stay ours.
begin() {
  starting=$1
  shift
  in_own_session "$@" </dev/null 3>&- 4>&- &
  begun[$starting]=$!
  record "$starting" "$!"
  starting=""
}
declare -A begun=()

# finish NAME: waits for what was begun, and returns its status.
finish() {
  local status=0
  wait "${begun[$1]}" || status=$?
  # What it may have left behind, such as a browser whose driver was killed.
  kill -s TERM -- "-${begun[$1]}" 2>/dev/null || true
  forget "$1"
  return "$status"
}

# begin_step COMMAND…, end_step: the one thing that is done just now.
begin_step() { begin "$step" "$@"; }
end_step() { finish "$step"; }

# attend COMMAND…: a step, to its end.
attend() {
  begin_step "$@"
  end_step
}

# stop_processes SIGNAL SECONDS NAME…: asks all of them, waits, then kills and says so.
stop_processes() {
  local signal=$1 seconds=$2 name deadline
  shift 2
  for name in "$@"; do
    if running "$name"; then kill -s "$signal" "$REPLY" 2>/dev/null || true; fi
  done
  now_ms
  deadline=$((REPLY + seconds * 1000))
  for name in "$@"; do
    until ! running "$name" || past "$deadline"; do sleep 0.05; done
    if running "$name"; then
      event "$name" "did not stop within $seconds s: killed"
      kill_now "$name"
    fi
    forget "$name"
  done
}

# kill_now NAME: with all that it started. A process that survives this is in the kernel's hands, or another user's.
kill_now() {
  local pid deadline
  running "$1" || return 0
  pid=$REPLY
  kill -s KILL -- "-$pid" 2>/dev/null || kill -s KILL "$pid" 2>/dev/null || true
  now_ms
  deadline=$((REPLY + 5000))
  while running "$1"; do
    if past "$deadline"; then
      complain "$1 (pid $pid) cannot be killed; end it by hand"
      return 0
    fi
    sleep 0.05
  done
}

# past MS: whether that time is over.
past() {
  now_ms
  ((REPLY > $1))
}

# stop_step: ends an attended step and whatever it started.
stop_step() { stop_group "$step"; }

# stop_group NAME: ends it and whatever it started.
stop_group() {
  if running "$1"; then
    kill -s TERM -- "-$REPLY" 2>/dev/null || true
    stop_processes TERM 5 "$1"
  fi
}

# Before a command: it has the time that nobody else wants. Where the kernel shares time among sessions first, its session is told too.
# shellcheck disable=SC2016,SC2034 # that shell is to expand it; others use it
at_leisure=(sh -c '{ echo 19 >/proc/self/autogroup; } 2>/dev/null; exec nice -n 19 "$@"' sh)

# last_lines NAME [COUNT]: the end of its log, as a quotation.
last_lines() {
  { tail -n "${2:-5}" "$run_dir/logs/$1.log" 2>/dev/null || true; } | cut -c 1-400 | indented
}

# new_log NAME: the log of the last time becomes .log.1.
new_log() {
  local log=$run_dir/logs/$1.log
  if [[ -s $log ]]; then mv -f "$log" "$log.1"; fi
  : >"$log"
}

# The most that one log file may hold; the process goes on writing into the emptied file (it appends).
log_mib_max=64

# bound_logs: copies logs that grew past the limit to .log.1 and empties them.
bound_logs() {
  local log
  while IFS= read -r log; do
    # A full disk is a reason to empty it all the more.
    cp -f "$log" "$log.1" || true
    : >"$log"
  done < <(find "$run_dir/logs" -name '*.log' -size +$((log_mib_max * 2048)))
}
