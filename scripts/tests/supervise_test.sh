# shellcheck shell=bash
# Keeping processes alive.

# restarted NAME OLD_PID: whether it runs as another process.
restarted() { running "$1" && [[ $REPLY != "$2" ]]; }

test_a_killed_service_is_started_again_and_said_so_with_its_last_lines() {
  without_servers
  start_run
  pid_of reservations-2
  local old=$REPLY
  kill -s KILL "$old"
  wait_for restarted reservations-2 "$old"
  until_said 'reservations-2 started again'
  expect_said "reservations-2 (pid $old) was killed by SIGKILL; its last lines:"
  expect_said "^      reservations listens on 127.0.0.1:$((base + 202))"
  wait_for port_taken $((base + 202))
}

test_a_death_without_a_log_ends_nobody_else() {
  without_servers
  start_run
  pid_of catalog-1
  local old=$REPLY
  rm "$run_dir/logs/catalog-1.log"
  kill -s KILL "$old"
  wait_for restarted catalog-1 "$old"
  until_said 'catalog-1 started again'
}

test_a_killed_postgres_and_redis_are_started_again_with_their_data() {
  start_run
  sql 'CREATE TABLE kept (n int); INSERT INTO kept VALUES (42)'
  local name old
  for name in postgres redis; do
    pid_of "$name"
    old=$REPLY
    kill -s KILL "$old"
    wait_for restarted "$name" "$old"
    wait_for port_taken "$(<"$run_dir/$name.port")"
  done
  wait_for sql 'SELECT 1' 2>/dev/null
  [[ $(sql 'SELECT n FROM kept') == 42 ]] || fail "the data are gone"
  stop_run TERM
  expect_status 0
  expect_nothing_left
}

test_a_process_is_kept_down_while_its_file_is_there() {
  without_servers
  start_run
  local old other
  pid_of waitlist-1
  old=$REPLY
  touch "$run_dir/down/waitlist-1"
  kill -s KILL "$old"
  until_said "waitlist-1 (pid $old) was killed by SIGKILL and is kept down"
  # Another one that dies later and is back proves that the supervisor has looked again meanwhile.
  pid_of catalog-1
  other=$REPLY
  kill -s KILL "$other"
  wait_for restarted catalog-1 "$other"
  if port_taken $((base + 301)); then fail "it was started although its file is there"; fi
  rm "$run_dir/down/waitlist-1"
  wait_for restarted waitlist-1 "$old"
  wait_for port_taken $((base + 301))
}

test_a_process_that_keeps_dying_does_not_stop_the_others() {
  without_servers
  start_run
  local round old
  pid_of catalog-2
  for round in 1 2 3; do
    old=$REPLY
    kill -s KILL "$old"
    wait_for restarted catalog-2 "$old"
  done
  [[ $(grep -c 'catalog-2 started again' "$out") == "$round" ]] || fail "it should have been started $round times"
  pid_of balancer
}
