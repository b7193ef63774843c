# shellcheck shell=bash
# A private Postgres under the run directory: made once, listening on 127.0.0.1 only, durable.
#
# Postgres refuses to be root, so for root it runs as the user `postgres`; where that user cannot reach the run
# directory (a checkout under /root), the data stand under /var/lib and the run directory has a link to them.

# Below the ports that systems hand to outgoing connections: otherwise, after a crash under load, some client may sit on
# the port just when Postgres wants it back.
postgres_port_from=15400
postgres_user=marquee
postgres_bin=""
# Settings on top of those in launch_postgres.
postgres_extra=()

# find_postgres: sets postgres_bin to the newest that is new enough, or to the one this data was made by.
find_postgres() {
  local dir major best=0 kept=""
  if [[ -r ${run_dir:-}/postgres.major ]]; then read -r kept <"$run_dir/postgres.major"; fi
  postgres_bin=""
  for dir in /usr/lib/postgresql/*/bin /usr/pgsql-*/bin /opt/homebrew/opt/postgresql@*/bin /usr/local/opt/postgresql@*/bin \
    "$(dirname "$(command -v postgres || echo /nowhere/postgres)")"; do
    [[ -x $dir/postgres && -x $dir/initdb && -x $dir/psql ]] || continue
    major=$("$dir/postgres" --version | sed 's/[^0-9]*\([0-9]*\).*/\1/')
    if [[ $major == "$kept" ]]; then
      postgres_bin=$dir
      return
    fi
    if ((major >= postgres_major_min && major > best)); then best=$major postgres_bin=$dir; fi
  done
  [[ -n $postgres_bin ]]
}

# What stands before a command that is to run as the user of Postgres: nothing, or for root a change of user, from a
# directory that user may enter. Each of these becomes the next, so that the pid we know is Postgres' own.
as_postgres=()
if ((EUID == 0)); then
  # shellcheck disable=SC2016 # that shell is to expand it
  as_postgres=(sh -c 'cd / && exec "$@"' sh setpriv --reuid=postgres --regid=postgres --init-groups --)
fi

# choose_postgres_dir: makes $run_dir/postgres, or a link there, that the user of Postgres owns and reaches.
choose_postgres_dir() {
  local dir=$run_dir/postgres away
  if [[ -e $dir/. ]]; then return; fi
  if ((EUID != 0)); then
    mkdir -m 700 "$dir"
    return
  fi
  command -v setpriv >/dev/null || die "missing: setpriv (package util-linux), to run Postgres as its own user"
  id postgres >/dev/null 2>&1 || die "there is no user postgres to run Postgres as; make one with: useradd --system postgres"
  if "${as_postgres[@]}" test -x "$run_dir" 2>/dev/null; then
    away=$dir
  else
    away=$(away_dir)
    mkdir -p "${away%/*}"
    chmod 755 "${away%/*}"
    ln -sfn "$away" "$dir"
    note "the user postgres cannot reach $run_dir: its data are in $away"
  fi
  install -d -o postgres -g postgres -m 700 "$away"
}

# away_dir: the place outside the run directory that belongs to it.
away_dir() { printf '/var/lib/marquee-%s/postgres' "$(printf '%s' "$run_dir" | cksum | cut -d ' ' -f 1)"; }

# forget_postgres: removes the data (--fresh). Only when Postgres is stopped.
forget_postgres() {
  local away
  if [[ -L $run_dir/postgres ]]; then
    away=$(away_dir)
    rm -rf "${away%/*}"
  fi
  rm -rf "$run_dir/postgres" "$run_dir/postgres.major"
}

# make_postgres: initdb, the first time.
make_postgres() {
  local dir locale=C.UTF-8
  if [[ -s $run_dir/postgres.major ]]; then
    check_postgres_major
    return
  fi
  # What an interrupted first time left is worth nothing.
  forget_postgres
  choose_postgres_dir
  dir=$(postgres_dir)
  locale -a 2>/dev/null | grep -q -i -x 'C\.utf-\?8' || locale=en_US.UTF-8
  new_password
  if ! attend "${as_postgres[@]}" "$postgres_bin/initdb" --pgdata="$dir/data" --username="$postgres_user" --pwfile="$dir/password" \
    --auth=scram-sha-256 --encoding=UTF8 --locale="$locale" >>"$run_dir/logs/postgres.log" 2>&1; then
    complain "initdb failed; its last lines ($run_dir/logs/postgres.log):"
    last_lines postgres >&3
    exit 1
  fi
  "$postgres_bin/postgres" --version | sed 's/[^0-9]*\([0-9]*\).*/\1/' >"$run_dir/postgres.major"
}

# postgres_dir → where it really is: the user of Postgres may not come by way of the run directory.
postgres_dir() { (cd "$run_dir/postgres" && pwd -P); }

# check_postgres_major: data of one major version cannot be opened by another.
check_postgres_major() {
  local kept
  read -r kept <"$run_dir/postgres.major"
  [[ $("$postgres_bin/postgres" --version) =~ [^0-9]$kept([^0-9]|$) ]] ||
    die "the data in $run_dir/postgres need PostgreSQL $kept, which is gone; install it, or forget the data with --fresh"
}

# new_password: for 127.0.0.1 is shared by everyone on the machine. Readable by the user of Postgres, once.
new_password() {
  local file=$run_dir/postgres.password
  (umask 077 && random_hex 16 >"$file")
  cp "$file" "$run_dir/postgres/password"
  chmod 600 "$run_dir/postgres/password"
  if ((EUID == 0)); then chown postgres:postgres "$run_dir/postgres/password"; fi
}

# random_hex BYTES: from the system's generator.
random_hex() { od -A n -t x1 -N "$1" /dev/urandom | tr -d ' \n'; }

# launch_postgres: starts the server on the data that are there.
launch_postgres() {
  local dir
  dir=$(postgres_dir)/data
  # No Unix socket: its path has a limit of 107 bytes, and nobody here needs it. fsync stays on: a booking that was
  # acknowledged survives a lost machine.
  start_process postgres "${as_postgres[@]}" "$postgres_bin/postgres" -D "$dir" -p "$postgres_port" \
    -c listen_addresses=127.0.0.1 -c unix_socket_directories= -c max_connections=300 -c shared_buffers=256MB \
    -c fsync=on -c synchronous_commit=on -c max_wal_size=2GB -c jit=off -c timezone=UTC -c log_timezone=UTC \
    -c logging_collector=off -c log_checkpoints=off -c cluster_name=marquee "${postgres_extra[@]}"
}

# start_postgres: the whole phase. Sets DATABASE_URL and postgres_port.
start_postgres() {
  new_log postgres
  make_postgres
  kept_port postgres "$postgres_port_from"
  postgres_port=$REPLY
  launch_postgres
  await_postgres
  DATABASE_URL=postgres://$postgres_user:$(<"$run_dir/postgres.password")@127.0.0.1:$postgres_port/marquee
  export DATABASE_URL
  sql_as_owner template1 "SELECT 1 FROM pg_database WHERE datname = 'marquee'" | grep -q 1 ||
    sql_as_owner template1 'CREATE DATABASE marquee' >/dev/null
}

# sql_as_owner DATABASE STATEMENT: in the private server.
sql_as_owner() {
  PGPASSWORD=$(<"$run_dir/postgres.password") "$postgres_bin/psql" --no-psqlrc --tuples-only --quiet \
    --set=ON_ERROR_STOP=1 --host=127.0.0.1 --port="$postgres_port" --username="$postgres_user" --dbname="$1" --command="$2"
}

# How long the server may take to be ready; after a crash it replays its log first.
postgres_ready_seconds_max=60

# await_postgres: until it answers; ends the script with its last lines when it does not.
await_postgres() {
  local deadline
  now_ms
  deadline=$((REPLY + postgres_ready_seconds_max * 1000))
  until "$postgres_bin/pg_isready" --quiet --host=127.0.0.1 --port="$postgres_port"; do
    if ! running postgres || past "$deadline"; then
      complain "Postgres does not start; its last lines ($run_dir/logs/postgres.log):"
      last_lines postgres >&3
      exit 1
    fi
    sleep 0.1
  done
}

# forget_schemas: --fresh on a server that is not ours takes Marquee's own schemas and nothing else.
forget_schemas() {
  local psql schema list=""
  find_postgres || true
  psql=${postgres_bin:+$postgres_bin/}psql
  command -v "$psql" >/dev/null || die "missing: psql, to forget Marquee's schemas; install with: $(install_command postgres)"
  for schema in catalog reservations waitlist; do list+="${list:+, }$schema, ${schema}_published"; done
  note "--fresh: dropping the schemas $list of the database in DATABASE_URL, nothing else"
  "$psql" --no-psqlrc --quiet --set=ON_ERROR_STOP=1 --dbname="$DATABASE_URL" \
    --command="SET client_min_messages = warning; DROP SCHEMA IF EXISTS $list CASCADE" >/dev/null ||
    die "the schemas could not be dropped; is DATABASE_URL right?"
}
