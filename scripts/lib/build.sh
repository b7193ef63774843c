# shellcheck shell=bash
# Building the programs. Always the whole workspace, so that every command finds what the others have built.

programs=(catalog reservations waitlist cache-warmer balancer)

# Cargo's name for the directory of what it builds: a script that wants another profile sets it.
profile_dir=release

# bin_dir → where the programs are: MARQUEE_BIN_DIR when they are built already, cargo's target directory otherwise.
bin_dir() {
  local target=${CARGO_TARGET_DIR:-target}
  if [[ -n ${MARQUEE_BIN_DIR:-} ]]; then
    printf '%s' "$MARQUEE_BIN_DIR"
  else
    (cd "$root" && mkdir -p "$target/$profile_dir" && cd "$target/$profile_dir" && pwd)
  fi
}

# build_seconds_between: how often a build tells that it is alive when nobody sees cargo's own progress.
build_seconds_between=15

# watched_cargo LOG COMMAND…: cargo's own progress at a terminal; otherwise a line now and then, and on failure the log.
watched_cargo() {
  local log=$1 status=0
  shift
  if [[ -t 2 ]]; then
    close_line
    attend "$@" || status=$?
    return "$status"
  fi
  begin_step "$@" 2>"$log"
  count_crates "$log"
  end_step || status=$?
  if ((status != 0)); then grep -v -E '^ +(Compiling|Downloaded|Checking) ' "$log" | tail -n 80 >&3 || true; fi
  return "$status"
}

# count_crates LOG: how far cargo is, until it ends.
count_crates() {
  local looks=0
  while running "$step"; do
    looks=$((looks + 1))
    if ((looks % (build_seconds_between * 5) == 0)); then
      note "$(grep -c -E '^ +(Compiling|Checking) ' "$1") crates begun, $((looks / 5)) s"
    fi
    sleep 0.2
  done
}

# build_programs: the phase.
build_programs() {
  local program
  if [[ -z ${MARQUEE_BIN_DIR:-} ]]; then
    phase build "release binaries (minutes the first time)"
    watched_cargo "$run_dir/logs/build.log" cargo build --release --locked --workspace --bins ||
      die "the build failed: see above"
    phase_end "built"
  fi
  binaries=$(bin_dir)
  for program in "${programs[@]}"; do
    [[ -x $binaries/$program ]] || die "there is no program $program in $binaries; MARQUEE_BIN_DIR must name a built one"
  done
}
