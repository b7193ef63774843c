# shellcheck shell=bash
# Data: kept from run to run, forgotten with --fresh, and never touched where they are not ours.

test_a_second_run_keeps_the_data_and_fresh_forgets_them() {
  start_run
  sql 'CREATE TABLE kept (n int)'
  local key ticket affinity
  key=$(<"$run_dir/session.key") ticket=$(<"$run_dir/ticket.key") affinity=$(<"$run_dir/affinity.key")
  stop_run TERM
  start_run
  sql 'SELECT count(*) FROM kept' >/dev/null || fail "the data are gone"
  [[ $(<"$run_dir/session.key") == "$key" ]] || fail "visitors have become strangers"
  [[ $ticket =~ ^[0-9a-f]{64}$ && $(<"$run_dir/ticket.key") == "$ticket" ]] || fail "tickets have become void"
  [[ $affinity =~ ^[0-9a-f]{64}$ && $(<"$run_dir/affinity.key") == "$affinity" ]] || fail "visitors have moved"
  stop_run TERM
  start_run --fresh
  if sql 'SELECT count(*) FROM kept' >/dev/null 2>&1; then fail "the data are still there"; fi
}

test_secrets_are_readable_by_their_owner_only() {
  start_run
  local file
  for file in session.key ticket.key affinity.key fleet.env postgres.password; do
    [[ $(find "$run_dir/$file" -perm 600) ]] || fail "$file is not mode 600"
  done
}

test_servers_of_your_own_are_used_and_fresh_takes_only_what_is_marquees() {
  start_run
  sql 'CREATE SCHEMA catalog; CREATE SCHEMA catalog_published; CREATE SCHEMA waitlist; CREATE SCHEMA yours;
       CREATE TABLE catalog.gone (n int); CREATE TABLE yours.kept (n int); CREATE TABLE kept (n int)'
  local theirs=$run_dir
  DATABASE_URL=$(sed -n 's/^DATABASE_URL=//p' "$theirs/fleet.env")
  REDIS_URL=$(sed -n 's/^REDIS_URL=//p' "$theirs/fleet.env")
  export DATABASE_URL REDIS_URL
  redis-cli -u "$REDIS_URL" MSET marquee:gone 1 'marquee:{7}:gone too' 1 yours:kept 1 >/dev/null
  run_dir=$dir/other out=$dir/out-other
  find_ports
  start_run
  [[ $(sql "SELECT to_regclass('catalog.gone') IS NOT NULL") == t ]] || fail "it was wiped without --fresh"
  stop_run TERM
  start_run --fresh
  expect_said 'dropping the schemas catalog, .*, waitlist_published of the database in DATABASE_URL, nothing else'
  [[ $(sql "SELECT string_agg(nspname, ',' ORDER BY nspname) FROM pg_namespace WHERE nspname !~ '^(pg_|information)'") == public,yours ]] ||
    fail "the schemas are not what they should be"
  [[ $(sql "SELECT to_regclass('yours.kept') IS NOT NULL AND to_regclass('kept') IS NOT NULL") == t ]] || fail "yours is gone"
  [[ $(redis-cli -u "$REDIS_URL" KEYS '*') == yours:kept ]] || fail "the keys are not what they should be"
  [[ ! -e $run_dir/postgres && ! -e $run_dir/pids/redis.pid ]] || fail "private servers were started"
  stop_run TERM
  expect_status 0
  run_dir=$theirs
  pid_of postgres
  pid_of redis
}

test_data_stand_where_the_user_of_postgres_can_reach_them() {
  if ((EUID != 0)); then return 0; fi
  chmod 700 "$dir"
  start_run
  expect_said "the user postgres cannot reach $run_dir: its data are in /var/lib/marquee-"
  local place
  place=$(dirname "$(readlink "$run_dir/postgres")")
  [[ $place == /var/lib/marquee-* ]] || fail "the data are in $place"
  sql 'CREATE TABLE kept (n int)'
  stop_run TERM
  start_run
  sql 'SELECT count(*) FROM kept' >/dev/null || fail "the data are gone"
  stop_run TERM
  rm -rf "$place"
}

test_counts_are_read_from_every_kind_of_test() {
  # shellcheck source=/dev/null
  source "$root/scripts/lib/tally.sh"
  cat >"$dir/log" <<'LOG'
test result: ok. 12 passed; 0 failed; 1 ignored; 0 measured; 0 filtered out; finished in 0.01s
test result: FAILED. 3 passed; 2 failed; 0 ignored; 0 measured; 0 filtered out; finished in 0.01s
# pass 7
# fail 1
20 passed, 4 failed
LOG
  read_counts "$dir/log"
  [[ $counted_passed == 42 && $counted_failed == 7 ]] || fail "$counted_passed passed, $counted_failed failed"
}
