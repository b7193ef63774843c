# shellcheck shell=bash
# The fleet: which processes there are, where they listen, how each is started. Needs $service_base, $public_port.

services=(catalog-1 catalog-2 reservations-1 reservations-2 waitlist-1 waitlist-2 cache-warmer)

# The balancer before an upgrade, under this name, until it has ended what it began.
succeeded=balancer-before

# port_of NAME → REPLY: where it listens.
port_of() {
  case $1 in
    balancer) REPLY=$public_port ;;
    admin) REPLY=$((public_port + 1)) ;;
    catalog-*) REPLY=$((service_base + 100 + ${1##*-})) ;;
    reservations-*) REPLY=$((service_base + 200 + ${1##*-})) ;;
    waitlist-*) REPLY=$((service_base + 300 + ${1##*-})) ;;
    cache-warmer) REPLY=$((service_base + 401)) ;;
    canary) REPLY=$((service_base + 501)) ;;
    postgres) REPLY=$postgres_port ;;
    redis) REPLY=$redis_port ;;
    prometheus) REPLY=$prometheus_port ;;
  esac
}

# refuse_taken_ports: before anything is started.
refuse_taken_ports() {
  local name
  for name in balancer admin; do
    port_of "$name"
    refuse_taken "the balancer's" "$REPLY" "choose another with --port N"
  done
  for name in "${services[@]}"; do
    port_of "$name"
    refuse_taken "$name's" "$REPLY" "choose others with --service-ports BASE"
  done
}

# endpoints FROM PREFIX NAME…: a TOML list of their addresses, as FROM reaches them.
endpoints() {
  local from=$1 prefix=$2 name list=""
  shift 2
  for name in "$@"; do
    reach "$from" "$name"
    list+="${list:+,}\"${prefix}127.0.0.1:$REPLY\""
  done
  printf '[%s]' "$list"
}

# own_environment NAME → settings: what this process is told over its configuration file. A reader of DESIGN section 6
# finds the same keys there.
own_environment() {
  local name=$1 program=${1%-[0-9]} pool prefix
  prefix=MARQUEE_${program^^} prefix=${prefix//-/_}
  port_of "$name"
  settings=("${prefix}__LISTEN=127.0.0.1:$REPLY")
  case $program in
    catalog)
      settings+=("${prefix}__OPENAPI_SOURCES=$(endpoints "$name" http:// reservations-1 reservations-2 waitlist-1 waitlist-2)") ;;
    waitlist)
      settings+=("${prefix}__RESERVATIONS=$(endpoints "$name" http:// reservations-1 reservations-2)"
        "${prefix}__MAIL__URL=${MARQUEE_WAITLIST__MAIL__URL:-file:$run_dir/mail}"
        "${prefix}__MAIL__PAGE_URL=${MARQUEE_WAITLIST__MAIL__PAGE_URL:-http://127.0.0.1:$public_port}") ;;
    balancer)
      port_of admin
      settings=("${prefix}__LISTEN__PUBLIC=127.0.0.1:$public_port" "${prefix}__LISTEN__ADMIN=127.0.0.1:$REPLY")
      for pool in catalog reservations waitlist; do
        settings+=("${prefix}__POOLS__${pool^^}__ENDPOINTS=$(endpoints "$name" "" "$pool-1" "$pool-2")")
      done
      # Where it hears what is to be taken out of its cache.
      if [[ -n ${REDIS_URL:-} ]]; then settings+=("${prefix}__PURGE__REDIS_URL=$REDIS_URL"); fi ;;
  esac
}

# launch NAME: starts it, whatever it is.
launch() {
  local settings=()
  case $1 in
    postgres) launch_postgres ;;
    redis) launch_redis ;;
    prometheus) launch_prometheus ;;
    canary) launch_canary ;;
    *)
      own_environment "$1"
      share_cores
      through_links "$1"
      added_environment "$1"
      start_process "$1" env "${settings[@]}" "$binaries/${1%-[0-9]}" ;;
  esac
}

# share_cores: a dozen processes live on this machine, Postgres among them; each that took a thread for every core would mostly
# wait for the others. A quarter of the cores, and one at least, unless the caller says otherwise.
share_cores() {
  local cores
  cores=$(getconf _NPROCESSORS_ONLN 2>/dev/null || echo 1)
  settings+=("TOKIO_WORKER_THREADS=${TOKIO_WORKER_THREADS:-$((cores < 4 ? 1 : cores / 4))}")
}

# added_environment NAME: adds to settings what env/NAME says.
added_environment() {
  local line
  if [[ ! -e $run_dir/env/$1 ]]; then return; fi
  while IFS= read -r line; do
    if [[ $line == [A-Za-z_]*=* ]]; then settings+=("$line"); fi
  done <"$run_dir/env/$1"
}

# check_configs [each]: every program reads its configuration as it will; with `each`, a line for each of them.
check_configs() {
  local name settings=() said bad=0
  for name in catalog-1 reservations-1 waitlist-1 cache-warmer balancer; do
    own_environment "$name"
    # Ours have no address before they are started; any will do for reading a file.
    settings+=("DATABASE_URL=${DATABASE_URL:-postgres://127.0.0.1/marquee}" "REDIS_URL=${REDIS_URL:-redis://127.0.0.1/}")
    if said=$(env "${settings[@]}" "$binaries/${name%-1}" --check 2>&1 </dev/null); then
      if [[ ${1:-} == each ]]; then printf '%s\n' "${said:-${name%-1}: good}"; fi
    else
      complain "${said:-${name%-1} --check failed without a word}"
      bad=1
    fi
  done
  return "$bad"
}

# step_of PROGRAM VERB: a command that ends, such as `migrate`; its last lines when it fails.
step_of() {
  local settings=() log=$1-$2
  own_environment "$1-1"
  new_log "$log"
  if ! attend env "${settings[@]}" "$binaries/$1" "$2" >>"$run_dir/logs/$log.log" 2>&1; then
    complain "$1 $2 failed; its last lines ($run_dir/logs/$log.log):"
    last_lines "$log" >&3
    exit 1
  fi
}

# How long the fleet may take until GET /healthz is 200.
ready_seconds_max=90

# all_run: ends the script with the last lines of what died while starting.
all_run() {
  local name
  for name in "${services[@]}" balancer; do
    if ! running "$name"; then
      complain "$name ended while starting; its last lines ($run_dir/logs/$name.log):"
      last_lines "$name" >&3
      exit 1
    fi
  done
}

# await_fleet: until a visitor is served; ends the script with the last lines of what died, or what is still missing.
await_fleet() {
  local deadline status
  now_ms
  deadline=$((REPLY + ready_seconds_max * 1000))
  while true; do
    http_status "$public_port" /healthz
    status=$REPLY
    # In this order: another fleet that took our ports meanwhile answers as well, and ours has ended then.
    if [[ $status == 200 ]] && all_listen; then
      all_run
      return
    fi
    all_run
    if past "$deadline"; then die "not ready after $ready_seconds_max s: GET /healthz says ${status:-nothing}; logs in $run_dir/logs"; fi
    sleep 0.1
  done
} 2>>"$run_dir/logs/supervisor.log"

# all_listen: also those that /healthz does not ask.
all_listen() {
  local name
  for name in "${services[@]}" balancer admin; do
    port_of "$name"
    port_taken "$REPLY" || return 1
  done
}

# write_fleet_env: where everything is, for tests and developers; `KEY=VALUE` lines that a shell can read too.
write_fleet_env() {
  local name key
  (
    umask 077
    {
      printf 'MARQUEE_URL=http://127.0.0.1:%s\n' "$public_port"
      printf 'MARQUEE_ADMIN_URL=http://127.0.0.1:%s\n' $((public_port + 1))
      printf 'MARQUEE_RUN_DIR=%s\n' "$(quoted "$run_dir")"
      printf 'DATABASE_URL=%s\n' "$(quoted "$DATABASE_URL")"
      printf 'REDIS_URL=%s\n' "$(quoted "$REDIS_URL")"
      if $observe; then
        printf 'MARQUEE_PROMETHEUS_URL=http://127.0.0.1:%s\n' "$prometheus_port"
        port_of canary
        printf 'MARQUEE_CANARY_URL=http://127.0.0.1:%s\n' "$REPLY"
      fi
      for name in "${services[@]}"; do
        port_of "$name"
        key=${name^^}
        printf 'MARQUEE_%s_URL=http://127.0.0.1:%s\n' "${key//-/_}" "$REPLY"
      done
    } >"$run_dir/fleet.env.new"
  )
  mv -f "$run_dir/fleet.env.new" "$run_dir/fleet.env"
}

# quoted TEXT: in single quotes when a shell would read it otherwise.
quoted() {
  if [[ $1 =~ ^[A-Za-z0-9_./:@%+,=-]*$ ]]; then printf '%s' "$1"; else printf "'%s'" "${1//\'/\'\\\'\'}"; fi
}
