# shellcheck shell=bash
# A private Redis: a mirror and a carrier of events, so nothing of it is written to disk; Postgres remembers.

# Below the ports that systems hand to outgoing connections, as for Postgres.
redis_port_from=16300
redis_ready_seconds_max=20
redis_bin=""

# find_redis: sets redis_bin; Valkey is Redis by another name.
find_redis() {
  local name major
  for name in redis-server valkey-server; do
    redis_bin=$(command -v "$name") || continue
    major=$("$redis_bin" --version | sed 's/.*v=\([0-9]*\).*/\1/')
    if ((major >= redis_major_min)); then return 0; fi
  done
  redis_bin=""
  return 1
}

# launch_redis: full means refusing, never forgetting at random.
launch_redis() {
  mkdir -p "$run_dir/redis"
  start_process redis "$redis_bin" --bind 127.0.0.1 --port "$redis_port" --dir "$run_dir/redis" --daemonize no \
    --save "" --appendonly no --maxmemory 512mb --maxmemory-policy noeviction --maxclients 4000
}

# start_redis: the whole phase. Sets REDIS_URL and redis_port.
start_redis() {
  local deadline
  new_log redis
  kept_port redis "$redis_port_from"
  redis_port=$REPLY
  launch_redis
  now_ms
  deadline=$((REPLY + redis_ready_seconds_max * 1000))
  until port_taken "$redis_port"; do
    if ! running redis || past "$deadline"; then
      complain "Redis does not start; its last lines ($run_dir/logs/redis.log):"
      last_lines redis >&3
      exit 1
    fi
    sleep 0.1
  done
  export REDIS_URL=redis://127.0.0.1:$redis_port/
}

# forget_keys: --fresh with a Redis that is not ours takes the keys under Marquee's own prefix and nothing else.
forget_keys() {
  local client
  client=$(command -v redis-cli || command -v valkey-cli) ||
    die "missing: redis-cli, to forget Marquee's keys; install with: $(install_command redis)"
  note "--fresh: removing the keys marquee:* of the server in REDIS_URL, nothing else"
  "$client" -u "$REDIS_URL" --scan --pattern 'marquee:*' 2>&1 | drop_keys "$client" ||
    die "the keys could not be removed; is REDIS_URL right?"
}

# drop_keys CLIENT: those named on stdin, a hundred at a time.
drop_keys() {
  tr '\n' '\0' | xargs -0 -n 100 "$1" -u "$REDIS_URL" UNLINK >/dev/null
}
