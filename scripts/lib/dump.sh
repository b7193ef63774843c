# shellcheck shell=bash
# What backup and restore share: which database, which schemas, which of Postgres' programs.

# What each owner keeps, and what it publishes for the others.
schemas=(catalog catalog_published reservations reservations_published waitlist waitlist_published)

# find_database: sets DATABASE_URL, and REDIS_URL with it, from the run that runs when they are not set.
find_database() {
  local fleet=${MARQUEE_RUN_DIR:-$root/.run}/fleet.env
  if [[ -n ${DATABASE_URL:-} ]]; then return; fi
  [[ -r $fleet ]] || die "no database is named: set DATABASE_URL, or start scripts/run"
  # shellcheck source=/dev/null
  source "$fleet"
}

# database_name → of the database, without the password.
database_name() { sed -E 's|^[a-z]+://([^/@]*@)?||; s|\?.*||' <<<"$DATABASE_URL"; }

# renumber: SQL for what was restored. Rows say which transaction wrote them, and another server counts its own: what it restored was
# written by the transaction that restored it, and what people did about films is added up anew.
renumber() {
  cat <<'SQL'
DO $$
DECLARE
    it record;
BEGIN
    FOR it IN SELECT table_schema, table_name, column_name FROM information_schema.columns NATURAL JOIN information_schema.tables
              WHERE table_schema IN ('catalog', 'reservations', 'waitlist') AND table_type = 'BASE TABLE' AND udt_name = 'xid8'
                AND column_name <> 'folded_below'
    LOOP
        EXECUTE format('UPDATE %1$I.%2$I SET %3$I = pg_current_xact_id() WHERE %3$I IS NOT NULL',
            it.table_schema, it.table_name, it.column_name);
    END LOOP;
    IF to_regclass('catalog.demand_state') IS NOT NULL THEN
        UPDATE catalog.demand_state SET folded_below = '0', half_life_seconds = 0;
    END IF;
END $$;
SQL
}

# find_client PROGRAM: sets client to Postgres' program of that name, the newest there is: it reads what older ones wrote.
find_client() {
  run_dir=/nowhere find_postgres || true
  client=${postgres_bin:+$postgres_bin/}$1
  command -v "$client" >/dev/null || die "missing: $1; install with: $(install_command postgres)"
}
