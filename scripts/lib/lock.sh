# shellcheck shell=bash
# One run at a time in a run directory. A lock left by a killed run is taken over.

lock_held=false

# take_lock: ends the script when another run has it.
take_lock() {
  local file=$run_dir/lock
  until take_free_lock "$file"; do
    holder "$file" && die "already running in $run_dir (pid $REPLY); stop it with: kill $REPLY"
    remove_stale_lock "$file"
  done
  lock_held=true
}

# take_free_lock FILE: creates it, complete, only if it is not there (a hard link is atomic).
take_free_lock() {
  local own=$1.$BASHPID made=0
  identity "$$"
  printf '%s %s\n' "$$" "$REPLY" >"$own"
  ln "$own" "$1" 2>/dev/null || made=1
  rm -f "$own"
  return "$made"
}

# holder FILE → REPLY: the pid that holds it; fails when that process is gone.
holder() {
  local pid id
  read -r pid id <"$1" 2>/dev/null || return 1
  identity "$pid" && [[ $REPLY == "$id" ]] || return 1
  REPLY=$pid
}

# remove_stale_lock FILE: under a guard, for two may find the same stale lock, and the slower must not remove the lock
# that the faster has taken by then.
remove_stale_lock() {
  if ! mkdir "$1.takeover" 2>/dev/null; then
    die "another run is just starting in $run_dir; if none is, remove $1.takeover"
  fi
  holder "$1" || rm -f "$1"
  rmdir "$1.takeover"
}

# release_lock: for whoever comes next.
release_lock() {
  if $lock_held; then rm -f "$run_dir/lock"; fi
  lock_held=false
}
