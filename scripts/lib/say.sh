# shellcheck shell=bash
# Telling the person what is happening: one line a phase, with how long it took; one line for what went wrong.
#
# Words go to descriptor 4 and complaints to 3, the script's own stdout and stderr: a signal's handler runs with whatever
# redirection is in force just then, and bash's remarks about killed jobs go to a log. `script_name` is set by the script.

exec 3>&2 4>&1
# Output of tools is read by us, and a decimal point must be a point.
export LC_ALL=C

phase_name=""
phase_open=false
phase_started=0

# now_ms → REPLY: milliseconds since the epoch.
now_ms() { REPLY=$((${EPOCHREALTIME/./} / 1000)); }

# took MS → REPLY: "0.4 s", "12 s".
took() {
  local ms=$1
  if ((ms < 9950)); then
    printf -v REPLY '%d.%d s' $(((ms + 50) / 1000)) $(((ms + 50) % 1000 / 100))
  else
    REPLY="$(((ms + 500) / 1000)) s"
  fi
}

# phase NAME TEXT…: begins a phase; the line stays open until `phase_end` or a `note`.
phase() {
  now_ms
  phase_started=$REPLY phase_name=$1 phase_open=true
  shift
  printf '  %-12s %s …' "$phase_name" "$*" >&4
}

# phase_end [TEXT]: ends the phase with how long it took.
phase_end() {
  local text=${1:-done}
  now_ms
  took $((REPLY - phase_started))
  if $phase_open; then
    printf ' %s%s\n' "${1:+$1, }" "$REPLY" >&4
  else
    printf '  %-12s %s, %s\n' "$phase_name" "$text" "$REPLY" >&4
  fi
  phase_open=false phase_name=""
}

# close_line: a line of somebody else follows.
close_line() {
  if $phase_open; then
    printf '\n' >&4
    phase_open=false
  fi
}

# note TEXT…: a line inside a phase, or about something that happened.
note() {
  close_line
  printf '  %-12s %s\n' "" "$*" >&4
}

# event NAME TEXT…: something happened to a process.
event() {
  local name=$1
  shift
  close_line
  printf '  %(%H:%M:%S)T  %s %s\n' -1 "$name" "$*" >&4
}

# indented: stdin, moved right, so that a quotation is seen to be one.
indented() { sed 's/^/      /'; }

# complain TEXT…: one line that says what is wrong and the way out.
complain() {
  close_line
  printf '%s: %s\n' "$script_name" "$*" >&3
}

# die TEXT…: complains and ends the script; its EXIT trap stops what was started.
die() {
  complain "$@"
  exit 1
}
