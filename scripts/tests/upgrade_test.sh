# shellcheck shell=bash
# scripts/upgrade: a balancer in place of another, and scripts/run knows it as its own.

# upgrade [ARGUMENT…] → status: scripts/upgrade to its end; what it said is in out-upgrade.
upgrade() {
  status=0
  MARQUEE_RUN_DIR=$run_dir "$root/scripts/upgrade" "$@" >"$dir/out-upgrade" 2>&1 </dev/null || status=$?
}

upgrade_said() { grep -q -e "$1" "$dir/out-upgrade" || fail "the upgrade should have said: $1"; }

# gone PID: whoever had to wait for it.
gone() { ! identity "$1"; }

# supervisor_has_looked: another one that dies and is back proves it.
supervisor_has_looked() {
  pid_of catalog-1
  local old=$REPLY
  kill -s KILL "$old"
  wait_for restarted catalog-1 "$old"
}

test_an_upgraded_balancer_is_the_one_that_the_run_watches_and_stops() {
  without_servers
  start_run
  local old new
  pid_of balancer
  old=$REPLY
  upgrade
  expect_status 0
  pid_of balancer
  new=$REPLY
  [[ $new != "$old" ]] || fail "it is the old one"
  if identity "$old"; then fail "the old one still runs"; fi
  upgrade_said "process $new serves"
  supervisor_has_looked
  if said 'balancer.*started again'; then fail "the supervisor took it for dead"; fi
  [[ $(grep -c '^balancer ' "$calls") == 3 ]] || fail "check, serve and upgrade: $(<"$calls")"
  kill -s KILL "$new"
  wait_for restarted balancer "$new"
  until_said "balancer (pid $new) ended; its last lines:"
  until_said 'balancer started again'
  upgrade
  expect_status 0
  stop_run TERM
  expect_status 0
  expect_nothing_left
}

test_a_new_balancer_that_does_not_start_leaves_the_old_one_and_says_why() {
  without_servers
  start_run
  pid_of balancer
  local old=$REPLY
  printf 'STAND_IN_FAILS=balancer --upgrade\n' >"$run_dir/env/balancer"
  upgrade
  expect_failure
  upgrade_said "the old one (pid $old) goes on; balancer: --upgrade was told to fail"
  pid_of balancer
  [[ $REPLY == "$old" ]] || fail "the old one is gone"
  rm "$run_dir/env/balancer"
  upgrade
  expect_status 0
}

test_a_new_balancer_that_never_serves_is_ended() {
  without_servers
  start_run
  pid_of balancer
  local old=$REPLY
  printf 'STAND_IN_HANGS=balancer --upgrade\n' >"$run_dir/env/balancer"
  upgrade --seconds 0
  expect_failure
  upgrade_said 'does not serve after 0 s'
  pid_of balancer
  [[ $REPLY == "$old" ]] || fail "the old one is gone"
  stop_run TERM
  expect_nothing_left
}

test_one_upgrade_at_a_time_and_one_that_is_stopped_leaves_nothing() {
  without_servers
  start_run
  pid_of balancer
  local old=$REPLY first
  printf 'STAND_IN_HANGS=balancer --upgrade\n' >"$run_dir/env/balancer"
  MARQUEE_RUN_DIR=$run_dir "$root/scripts/upgrade" >"$dir/out-first" 2>&1 </dev/null &
  first=$!
  runs+=("$first")
  wait_for grep -q 'balancer --upgrade' "$calls"
  upgrade
  expect_failure
  upgrade_said "another upgrade is under way (pid $first)"
  kill -s TERM "$first"
  wait_for ended "$first"
  pid_of balancer
  [[ $REPLY == "$old" ]] || fail "the old one is gone"
  stop_run TERM
  expect_nothing_left
}

test_without_a_run_there_is_nothing_to_upgrade() {
  upgrade
  expect_failure
  upgrade_said 'nothing runs in .*; start it with scripts/run'
}

test_a_balancer_that_stands_alone_is_upgraded_by_its_pid_file() {
  local old new
  export STAND_IN_MARK=kept MARQUEE_BALANCER__LISTEN__PUBLIC=127.0.0.1:$port
  "$stand_ins/balancer" serve --pid-file "$dir/pid" >"$dir/out-alone" 2>&1 &
  old=$!
  runs+=("$old")
  wait_for test -s "$dir/pid"
  unset STAND_IN_MARK MARQUEE_BALANCER__LISTEN__PUBLIC
  upgrade --pid-file "$dir/pid" --binary "$stand_ins/balancer"
  expect_status 0
  new=$(<"$dir/pid")
  runs+=("$new")
  [[ $new != "$old" ]] || fail "the pid is the old one's"
  if identity "$old"; then fail "the old one still runs"; fi
  port_taken "$port" || fail "nobody listens"
  tr '\0' '\n' <"/proc/$new/environ" | grep -q -x STAND_IN_MARK=kept || fail "it has another environment"
  [[ $(grep -c 'balancer listens' "$dir/out-alone") == 2 ]] || fail "it writes elsewhere: $(<"$dir/out-alone")"
  kill -s TERM "$new"
  wait_for gone "$new"
}
