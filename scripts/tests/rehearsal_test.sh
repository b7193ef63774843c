# shellcheck shell=bash
# What rehearsals of the worst need: links in somebody else's hands, an environment for one process, an end with its owner.

# settings_of NAME → the environment of its process.
settings_of() {
  pid_of "$1"
  tr '\0' '\n' <"/proc/$REPLY/environ"
}

# told NAME TEXT: whether its environment has exactly this line.
told() { settings_of "$1" | grep -q -x -F -e "$2"; }

# expect_setting NAME TEXT: soon, for a process has its pid before it has its environment.
expect_setting() { wait_for told "$1" "$2"; }

# carry_links: says that they are open, once they are told; in the background.
carry_links() {
  (
    wait_for test -e "$run_dir/links"
    if port_taken $((base + 101)); then touch "$dir/too_late"; fi
    cp "$run_dir/links" "$dir/told"
    touch "$run_dir/links.open"
  ) &
}

# link FROM>TO → REPLY: its port, as told.
link() {
  REPLY=$(awk -v name="$1" '$3 == name { print $1 }' "$dir/told")
  [[ -n $REPLY ]] || fail "there is no link $1"
}

test_links_are_told_before_a_process_starts_and_every_process_uses_its_own() {
  local links_base=$((base + 500)) name
  carry_links
  start_run --links "$links_base"
  [[ ! -e $dir/too_late ]] || fail "the services were started first"
  [[ $(wc -l <"$dir/told") == 24 ]] || fail "there should be 24 links: $(<"$dir/told")"
  [[ $(cut -d ' ' -f 1,3 "$dir/told" | sort -u | wc -l) == 24 ]] || fail "two links are the same: $(<"$dir/told")"
  [[ $(awk '$3 == "balancer>catalog-2" { print $2 }' "$dir/told") == $((base + 102)) ]] || fail "a link leads elsewhere"
  for name in catalog-1 waitlist-2 cache-warmer; do
    link "$name>redis"
    expect_setting "$name" "REDIS_URL=redis://127.0.0.1:$REPLY/"
    link "$name>postgres"
    settings_of "$name" | grep -q "^DATABASE_URL=.*@127.0.0.1:$REPLY/marquee$" || fail "$name has another Postgres"
  done
  link 'waitlist-2>reservations-1'
  settings_of waitlist-2 | grep -q "^MARQUEE_WAITLIST__RESERVATIONS=.*:$REPLY\"" || fail "waitlist-2 has no link"
  link 'balancer>reservations-2'
  settings_of balancer | grep -q "^MARQUEE_BALANCER__POOLS__RESERVATIONS__ENDPOINTS=.*:$REPLY\"" || fail "balancer has no link"
  grep -q ":$(<"$run_dir/postgres.port")/" "$run_dir/fleet.env" || fail "fleet.env does not tell of the real Postgres"
  stop_run TERM
  expect_status 0
  expect_nothing_left
  [[ ! -e $run_dir/links && ! -e $run_dir/links.open ]] || fail "links of a fleet that is gone"
}

test_links_want_servers_of_the_run() {
  without_servers
  run_to_end --links $((base + 500))
  expect_failure
  expect_one_complaint 'unset DATABASE_URL and REDIS_URL'
}

test_a_process_is_started_with_what_its_file_says() {
  without_servers
  start_run
  pid_of catalog-1
  local old=$REPLY
  printf '# a remark\nSKEWED=by an hour\n' >"$run_dir/env/catalog-1"
  kill -s KILL "$old"
  wait_for restarted catalog-1 "$old"
  expect_setting catalog-1 'SKEWED=by an hour'
  if settings_of catalog-2 | grep -q SKEWED; then fail "catalog-2 has it too"; fi
  stop_run TERM
  [[ ! -e $run_dir/env/catalog-1 ]] || fail "the next run would have it too"
}

test_a_run_ends_with_the_process_that_it_is_for() {
  without_servers
  sleep 1000 &
  local owner=$!
  runs+=("$owner")
  start_run --while "$owner"
  kill -s KILL "$owner"
  wait_for ended "$run_pid"
  status=0
  wait "$run_pid" || status=$?
  expect_status 0
  expect_said "process $owner is gone, and this run was for it"
  expect_nothing_left
}

test_a_run_for_a_process_that_is_gone_does_not_start() {
  without_servers
  sleep 0 &
  wait $!
  run_to_end --while $!
  expect_failure
  expect_one_complaint '--while wants a process that runs'
}
