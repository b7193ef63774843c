# shellcheck shell=bash
# A private Prometheus on the fleet, with the configuration and the rules of configs/prometheus as they are, and a canary that
# watches seats as a buyer does. Prometheus' data are kept from run to run, like all others.

# Below the ports that systems hand to outgoing connections, as for Postgres.
prometheus_port_from=19090
prometheus_ready_seconds_max=60

# launch_prometheus: as long as an error budget lasts, and a day.
launch_prometheus() {
  start_process prometheus prometheus --config.file="$run_dir/prometheus/prometheus.yml" \
    --storage.tsdb.path="$run_dir/prometheus/data" --storage.tsdb.retention.time=31d \
    --web.listen-address="127.0.0.1:$prometheus_port" --web.enable-lifecycle --log.format=json
}

# launch_canary: as a visitor, and with Postgres at hand.
launch_canary() {
  port_of canary
  start_process canary env MARQUEE_URL="http://127.0.0.1:$public_port" DATABASE_URL="$DATABASE_URL" MARQUEE_DRILL__LISTEN="127.0.0.1:$REPLY" \
    "$binaries/drill" canary
}

# refuse_without_canary: before anything is started.
refuse_without_canary() {
  [[ -x $binaries/drill ]] || die "there is no program drill in $binaries, which --observe wants for its canary"
  port_of canary
  refuse_taken "the canary's" "$REPLY" "choose others with --service-ports BASE"
}

# start_prometheus: the whole phase. Sets prometheus_port.
start_prometheus() {
  local deadline
  phase observe "Prometheus, a canary"
  new_log canary
  launch_canary
  new_log prometheus
  make_prometheus
  kept_port prometheus "$prometheus_port_from"
  prometheus_port=$REPLY
  launch_prometheus
  now_ms
  deadline=$((REPLY + prometheus_ready_seconds_max * 1000))
  until
    http_status "$prometheus_port" /-/ready
    [[ $REPLY == 200 ]]
  do
    if ! running prometheus || past "$deadline"; then
      complain "Prometheus does not start; its last lines ($run_dir/logs/prometheus.log):"
      last_lines prometheus >&3
      exit 1
    fi
    sleep 0.1
  done
  phase_end "127.0.0.1:$prometheus_port"
}

# make_prometheus: what it reads. The shipped files are linked, so that a change of theirs needs a reload only.
make_prometheus() {
  local dir=$run_dir/prometheus
  if $fresh; then rm -rf "$dir"; fi
  mkdir -p "$dir/data"
  ln -sfn "$root/configs/prometheus/prometheus.yml" "$dir/prometheus.yml"
  ln -sfn "$root/configs/prometheus/rules" "$dir/rules"
  targets >"$dir/targets.json"
  printf '[]\n' >"$dir/alertmanagers.json"
}

# targets → everything that has metrics, as Prometheus reads it from a file.
targets() {
  local name at separator='['
  for name in "${services[@]}" balancer canary; do
    at=$name
    if [[ $name == balancer ]]; then at="admin"; fi
    port_of "$at"
    printf '%s\n  {"targets": ["127.0.0.1:%s"], "labels": {"job": "%s", "instance": "%s"}}' "$separator" "$REPLY" "${name%-[0-9]}" "$name"
    separator=','
  done
  printf '\n]\n'
}

# tell_where_to_look: beside the page itself.
tell_where_to_look() {
  printf '  Prometheus: http://127.0.0.1:%s/alerts and /graph. The balancer: http://127.0.0.1:%s/status\n' "$prometheus_port" $((public_port + 1))
  printf '  For Grafana: configs/grafana. What an alert means: configs/runbook.md\n\n'
}
