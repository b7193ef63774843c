# shellcheck shell=bash
# A Prometheus beside the fleet, when it is asked for.

# prometheus_answers EXPRESSION TEXT: whether it gives that value and nothing else.
prometheus_answers() {
  [[ $(promtool query instant "$prometheus" "$1" 2>/dev/null | awk '{ print $(NF - 1) }') == "$2" ]]
}

test_observe_starts_a_prometheus_that_asks_everything_and_keeps_the_rules() {
  without_servers
  start_run --observe
  local prometheus
  prometheus=$(sed -n 's/^MARQUEE_PROMETHEUS_URL=//p' "$run_dir/fleet.env")
  expect_said "Prometheus: $prometheus/alerts"
  wait_for prometheus_answers 'count(up == 1)' 9
  wait_for prometheus_answers 'count(count by (job) (up))' 6
  [[ $(curl --silent "$prometheus/api/v1/rules" | jq '[.data.groups[].rules[] | select(.type == "alerting")] | length') -ge 30 ]] ||
    fail "it does not keep the rules"
  stop_run TERM
  expect_status 0
  expect_nothing_left
}

test_a_prometheus_that_dies_is_started_again_with_what_it_knew() {
  without_servers
  start_run --observe
  local prometheus old
  prometheus=$(sed -n 's/^MARQUEE_PROMETHEUS_URL=//p' "$run_dir/fleet.env")
  wait_for prometheus_answers 'count(up == 1)' 9
  pid_of prometheus
  old=$REPLY
  kill -s KILL "$old"
  wait_for restarted prometheus "$old"
  wait_for prometheus_answers 'count(count_over_time(up[1h]) > 1)' 9
}

test_without_observe_there_is_no_prometheus() {
  without_servers
  start_run
  [[ ! -e $run_dir/prometheus && ! -e $run_dir/pids/prometheus.pid ]] || fail "a Prometheus was started"
  if grep -q PROMETHEUS "$run_dir/fleet.env"; then fail "fleet.env tells of a Prometheus"; fi
}
