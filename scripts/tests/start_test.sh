# shellcheck shell=bash
# What scripts/run refuses, and what it says then.

test_a_port_in_use_is_one_line_naming_port_and_holder() {
  without_servers
  MARQUEE_CATALOG__LISTEN=127.0.0.1:$((base + 202)) "$stand_ins/catalog" >/dev/null 2>&1 &
  local holder=$!
  runs+=("$holder")
  wait_for port_taken $((base + 202))
  run_to_end
  expect_failure
  expect_one_complaint "port $((base + 202)) (reservations-2's) is in use by .* (pid $holder); .*--service-ports"
  [[ ! -e $run_dir/pids/catalog-1.pid ]] || fail "something was started"
}

test_a_public_port_in_use_names_the_flag() {
  without_servers
  MARQUEE_CATALOG__LISTEN=127.0.0.1:$port "$stand_ins/catalog" >/dev/null 2>&1 &
  runs+=("$!")
  wait_for port_taken "$port"
  run_to_end
  expect_failure
  expect_one_complaint "port $port (the balancer's) is in use .*--port N"
}

test_a_bad_configuration_is_one_line() {
  export MARQUEE_WAITLIST__NONSENSE=1
  run_to_end
  expect_failure
  expect_one_complaint 'waitlist: environment MARQUEE_WAITLIST__NONSENSE: unknown field'
  expect_nothing_left
}

test_check_says_a_line_each_and_starts_nothing() {
  run_to_end --check
  expect_status 0
  [[ $(grep -c 'is good$' "$out") == 5 ]] || fail "five configurations should be good"
  [[ ! -e $run_dir/postgres && ! -e $run_dir/fleet.env ]] || fail "something was started"
  expect_nothing_left
}

test_check_fails_for_one_bad_configuration_and_tells_of_the_others() {
  export MARQUEE_CATALOG__NONSENSE=1
  run_to_end --check
  expect_failure
  expect_one_complaint 'MARQUEE_CATALOG__NONSENSE'
  [[ $(grep -c 'is good$' "$out") == 4 ]] || fail "four configurations should be good"
}

test_a_failing_migration_is_told_and_the_servers_are_stopped() {
  export STAND_IN_FAILS='reservations migrate'
  run_to_end
  expect_failure
  expect_one_complaint 'reservations migrate failed'
  expect_said 'reservations: migrate was told to fail'
  expect_nothing_left
}

test_a_postgres_that_does_not_start_shows_its_last_lines() {
  start_run
  stop_run TERM
  printf 'nonsense = on\n' >>"$(cd "$run_dir/postgres" && pwd -P)/data/postgresql.conf"
  run_to_end
  expect_failure
  expect_one_complaint 'Postgres does not start'
  expect_said 'unrecognized configuration parameter "nonsense"'
  expect_nothing_left
}

test_a_program_that_dies_at_once_shows_its_last_lines() {
  without_servers
  export STAND_IN_FAILS='cache-warmer serve'
  run_to_end
  expect_failure
  expect_one_complaint 'cache-warmer ended while starting'
  expect_said 'cache-warmer: serve was told to fail'
  expect_nothing_left
}

test_arguments_that_make_no_sense_are_refused() {
  without_servers
  run_to_end --prot 80
  expect_failure
  expect_one_complaint 'unknown argument --prot'
  run_to_end --port 70000
  expect_failure
  expect_one_complaint "wants a number from 1 to 65534, not '70000'"
  run_to_end --port
  expect_failure
  expect_one_complaint "wants a number"
}

test_programs_that_are_not_there_are_named() {
  without_servers
  export MARQUEE_BIN_DIR=$dir
  run_to_end
  expect_failure
  expect_one_complaint "there is no program catalog in $dir"
}

test_a_second_run_in_the_same_place_is_refused() {
  without_servers
  start_run
  local first=$out first_pid=$run_pid
  out=$dir/out-second
  run_to_end
  expect_failure
  expect_one_complaint "already running in $run_dir (pid $first_pid)"
  out=$first
  pid_of catalog-1
}

test_steps_come_in_order_once() {
  without_servers
  start_run
  [[ $(grep -E ' (migrate|demo)$' "$calls" | paste -s -d , -) == \
    'catalog migrate,reservations migrate,waitlist migrate,catalog demo,reservations demo' ]] || fail "$(<"$calls")"
}
