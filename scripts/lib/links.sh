# shellcheck shell=bash
# Links: with --links BASE every process reaches every other one, Postgres and Redis by a port of a link, which somebody
# else (`drill faults`) carries on from there, and can cut.
#
# What must be carried stands in the file `links` before a process starts, a line for each link: its port, the real port,
# FROM>TO. Whoever carries says that all links are open by making `links.open`. Needs $links_base; 0 is no links.

links=()

# How long whoever carries may take to open all links.
links_open_seconds_max=60

# list_links: sets links, in the order of their ports.
list_links() {
  local name other
  links=()
  for name in "${services[@]}"; do links+=("$name>postgres" "$name>redis"); done
  for name in "${services[@]}"; do
    if [[ $name != cache-warmer ]]; then links+=("balancer>$name"); fi
  done
  for name in "${services[@]}"; do
    if [[ $name != waitlist-* ]]; then continue; fi
    for other in "${services[@]}"; do
      if [[ $other == reservations-* ]]; then links+=("$name>$other"); fi
    done
  done
}

# reach FROM TO → REPLY: the port by which FROM reaches TO: the link's, or TO's own where there is none.
reach() {
  local at
  for at in "${!links[@]}"; do
    if [[ ${links[at]} == "$1>$2" ]]; then
      REPLY=$((links_base + at))
      return
    fi
  done
  port_of "$2"
}

# refuse_useless_links: before anything is started.
refuse_useless_links() {
  local at
  if ! $private_postgres || ! $private_redis; then
    die "--links is for servers of this run: unset DATABASE_URL and REDIS_URL"
  fi
  for at in "${!links[@]}"; do
    refuse_taken "${links[at]}" $((links_base + at)) "choose others with --links BASE"
  done
}

# open_links: the phase; ends the script when nobody carries.
open_links() {
  local at deadline
  phase links "${#links[@]}, carried by somebody else"
  for at in "${!links[@]}"; do
    port_of "${links[at]#*>}"
    printf '%s %s %s\n' $((links_base + at)) "$REPLY" "${links[at]}"
  done >"$run_dir/links.new"
  mv -f "$run_dir/links.new" "$run_dir/links"
  now_ms
  deadline=$((REPLY + links_open_seconds_max * 1000))
  until [[ -e $run_dir/links.open ]]; do
    end_when_unwanted
    if past "$deadline"; then die "nobody has opened the links of $run_dir/links and made links.open there within $links_open_seconds_max s"; fi
    sleep 0.1
  done
  phase_end "open"
}

# through_links NAME: adds to settings how NAME reaches Postgres and Redis.
through_links() {
  if [[ $1 == balancer ]] || ((links_base == 0)); then return; fi
  reach "$1" postgres
  settings+=("DATABASE_URL=${DATABASE_URL/:$postgres_port\//:$REPLY/}")
  reach "$1" redis
  settings+=("REDIS_URL=${REDIS_URL/:$redis_port\//:$REPLY/}")
}
