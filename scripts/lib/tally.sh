# shellcheck shell=bash
# Running tests and counting them. A check that has no tests inside (a formatter, a compiler) counts when it fails.

passed=0 failed=0
failures=()

# The longest that one test binary may run.
test_seconds_max=600

# count_failure WHAT: a thing that failed without naming a test.
count_failure() {
  failed=$((failed + 1))
  failures+=("$1")
}

# read_counts LOG → counted_passed, counted_failed: from what cargo's tests, node (tap) and our shell tests print.
read_counts() {
  read -r counted_passed counted_failed < <(awk '
    /^test result: / { passed += $4; failed += $6 }
    /^# pass [0-9]+$/ { passed += $3 }
    /^# fail [0-9]+$/ { failed += $3 }
    /^[0-9]+ passed, [0-9]+ failed$/ { passed += $1; failed += $3 }
    END { print passed + 0, failed + 0 }' "$1")
}

# check NAME TEXT COMMAND…: a phase that is good or bad as a whole.
check() {
  local name=$1 text=$2 status=0
  shift 2
  phase "$name" "$text"
  attend "$@" >"$run_dir/logs/$name.log" 2>&1 || status=$?
  tell_check "$name" "$status"
}

# tell_check NAME STATUS: how it went, and the end of what it said when it went wrong.
tell_check() {
  if (($2 == 0)); then
    phase_end "good"
  else
    phase_end "FAILED"
    { grep -v -E '^ +(Compiling|Downloaded|Checking) ' "$run_dir/logs/$1.log" || true; } | tail -n 80 | indented
    count_failure "$1"
  fi
}

# tests NAME TEXT COMMAND…: a phase of tests, counted; what failed is shown.
tests() {
  local name=$1 text=$2 status=0 log=$run_dir/logs/${1//:/-}.log
  shift 2
  phase "${name%%:*}" "$text"
  begin_step "$@" >"$log" 2>&1
  await_end "$step" "$name" >>"$log"
  end_step || status=$?
  tell_tests "$text" "$status" "$log"
}

# tell_tests TEXT STATUS LOG: counts them.
tell_tests() {
  local text=$1 status=$2 log=$3
  read_counts "$log"
  passed=$((passed + counted_passed)) failed=$((failed + counted_failed))
  if ((status == 0 && counted_failed == 0)); then
    phase_end "$counted_passed passed"
    return 0
  fi
  phase_end "$counted_passed passed, $counted_failed FAILED (exit code $status)"
  show_failure "$log"
  if ((counted_failed == 0)); then count_failure "$text"; else failures+=("$text"); fi
}

# What may go on beside the phases.
asides=(shell clippy)

# beside NAME COMMAND…: begins one of them; its outcome is told later, by one of the two below.
beside() {
  new_log "$1"
  begin "$@" >"$run_dir/logs/$1.log" 2>&1
}

# end_check NAME TEXT, end_tests NAME TEXT: as `check` and `tests`, for what was begun beside. The time told is that of the waiting.
end_check() {
  local status=0
  phase "$1" "$2"
  await_end "$1" >>"$run_dir/logs/$1.log"
  finish "$1" || status=$?
  tell_check "$1" "$status"
}
end_tests() {
  local status=0
  phase "$1" "$2"
  await_end "$1" >>"$run_dir/logs/$1.log"
  finish "$1" || status=$?
  tell_tests "$2" "$status" "$run_dir/logs/$1.log"
}

# stop_asides: those of this run, or of one that was killed.
stop_asides() {
  local name
  for name in "${asides[@]}"; do stop_group "$name"; done
}

# await_end NAME [TITLE]: until it ends, or its time is over.
await_end() {
  local deadline
  now_ms
  deadline=$((REPLY + test_seconds_max * 1000))
  while running "$1"; do
    if past "$deadline"; then
      printf '%s: stopped after %s s\n' "${2:-$1}" "$test_seconds_max"
      stop_group "$1"
      return
    fi
    sleep 0.1
  done
}

# show_failure LOG: from where the failures begin.
show_failure() {
  if grep -q '^failures:$' "$1"; then
    sed -n '/^failures:$/,$p' "$1" | head -n 120 | indented
  else
    { grep '^not ok' "$1" || true; tail -n 40 "$1"; } | indented
  fi
  note "all of it: $1"
}

# test_binaries JSON → lines `package directory, kind, name, executable`, from cargo's messages: what it built to be run as
# a test. They are run from here rather than by `cargo test -p`, which would choose features anew and compile half the
# world again.
test_binaries() {
  sed -n -E 's/.*"manifest_path":"([^"]+)\/Cargo\.toml","target":\{"kind":\["([^"]+)".*"name":"([^"]+)".*"overflow_checks":[a-z]+,"test":true\}.*"executable":"([^"]+)".*/\1\t\2\t\3\t\4/p' "$1" | sort
}

# Tests that run at once: each has its own database and mostly waits.
test_threads=8

# run_binaries PHASE drill|others: those of the package drill, which want a fleet, or all others; as cargo would, from the
# package's directory.
run_binaries() {
  local dir kind name binary title threads
  while IFS=$'\t' read -r -u 8 dir kind name binary; do
    if [[ $dir == "$root/drill" ]]; then [[ $2 == drill ]] || continue; else [[ $2 == others ]] || continue; fi
    # A program without tests of its own has nothing to tell.
    [[ -n $("$binary" --list --format=terse) ]] || continue
    title="${dir##*/} ($name)"
    if [[ $kind != test ]]; then title="${dir##*/}"; fi
    # In drill all tests share one fleet, and two cores.
    threads=$test_threads
    if [[ $2 == drill ]]; then threads=2; fi
    # shellcheck disable=SC2016 # that shell is to expand it
    tests "$1:${dir##*/}-$name" "$title" sh -c 'cd "$0" && exec env CARGO_MANIFEST_DIR="$0" "$@"' "$dir" "$binary" --test-threads="$threads"
  done 8< <(test_binaries "$run_dir/build.json")
}

# tell_total: the last line, and whether all is well.
tell_total() {
  local what
  for what in "${failures[@]}"; do printf '  failed: %s\n' "$what"; done
  printf '%d passed, %d failed\n' "$passed" "$failed"
  ((failed == 0))
}
