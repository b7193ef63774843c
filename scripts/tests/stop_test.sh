# shellcheck shell=bash
# Stopping, however it comes about, leaves nothing running or listening.

test_ctrl_c_leaves_nothing_running_or_listening() {
  start_run
  stop_run INT
  expect_status 0
  expect_nothing_left
  [[ ! -e $run_dir/fleet.env ]] || fail "fleet.env tells of a fleet that is gone"
}

test_a_closed_terminal_stops_it_all() {
  without_servers
  start_run
  stop_run HUP
  expect_status 0
  expect_nothing_left
}

test_stopping_while_it_starts_leaves_nothing() {
  MARQUEE_RUN_DIR=$run_dir "$root/scripts/run" --port "$port" --service-ports "$base" >"$out" 2>&1 </dev/null &
  run_pid=$!
  runs+=("$run_pid")
  wait_for running postgres
  stop_run TERM
  expect_status 130
  expect_nothing_left
}

test_stopping_in_the_middle_of_a_step_ends_it_and_says_so() {
  without_servers
  export STAND_IN_HANGS='catalog migrate'
  MARQUEE_RUN_DIR=$run_dir "$root/scripts/run" --port "$port" --service-ports "$base" >"$out" 2>&1 </dev/null &
  run_pid=$!
  runs+=("$run_pid")
  wait_for grep -q 'catalog migrate' "$calls"
  stop_run TERM
  expect_status 130
  expect_said '^  stop  '
  expect_nothing_left
}

test_a_process_that_does_not_stop_is_killed() {
  without_servers
  export STAND_IN_STUBBORN=waitlist MARQUEE_STOP_SECONDS=1
  start_run
  stop_run TERM
  expect_status 0
  expect_said 'waitlist-1 did not stop within 1 s: killed'
  expect_nothing_left
}

test_what_a_killed_run_left_is_stopped_by_the_next() {
  start_run
  local old
  pid_of catalog-1
  old=$REPLY
  kill -s KILL "$run_pid"
  wait "$run_pid" 2>/dev/null || true
  identity "$old" || fail "the test wants an orphan"
  start_run
  expect_said 'an earlier run was killed: stopping .*catalog-1 (pid '"$old"').*postgres'
  if identity "$old"; then fail "the orphan still runs"; fi
  stop_run TERM
  expect_status 0
  expect_nothing_left
}

test_a_pid_that_belongs_to_somebody_else_by_now_is_left_alone() {
  without_servers
  sleep 1000 &
  local stranger=$!
  runs+=("$stranger")
  mkdir -p "$run_dir/pids"
  printf '%s\n' "$stranger" >"$run_dir/pids/catalog-1.pid"
  printf '1\n' >"$run_dir/pids/catalog-1.id"
  start_run
  stop_run TERM
  identity "$stranger" || fail "a stranger was killed"
}

test_the_lock_of_a_killed_run_is_taken_over() {
  without_servers
  mkdir -p "$run_dir"
  printf '%s 1\n' "$$" >"$run_dir/lock"
  start_run
}
