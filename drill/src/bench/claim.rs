//! The statements with which reservations places and confirms a hold of one seat, for pgbench to run them without the rest
//! of the house. A test compares each with the source it was taken from.

/// `{COLUMNS}` in statements about holds.
const HOLD_COLUMNS: &str = "*, expires_at <= clock_timestamp() AS lapsed";
/// `{schema}` in statements about the outbox.
const SCHEMA: &str = "reservations";

/// One statement.
#[derive(Debug)]
struct Statement {
    /// Under `backend/`, whose source it is.
    #[cfg_attr(not(test), expect(dead_code, reason = "for the test that compares, and for the reader"))]
    source: &'static str,
    /// As it stands there.
    text: &'static str,
    /// What pgbench puts in the place of `$1`, `$2`…
    values: &'static [&'static str],
    /// How it ends: `;`, or with its row kept in variables.
    end: &'static str,
}

/// Text that every transaction sends alike, as variables of pgbench.
pub const CONSTANTS: [(&str, &str); 12] = [
    ("n", "0"),
    ("status", "on_hold"),
    ("booked", "booked"),
    ("price", "1250"),
    ("currency", "USD"),
    ("expires_at", "2099-01-01T00:00:00Z"),
    ("fingerprint", "A1"),
    ("lease_seconds", "5"),
    ("email", "buyer@marquee.example"),
    ("payment", "test_0123456789abcdef0123456789abcdef"),
    (
        "event",
        r#"{"type":"seats_booked","booking_id":"booking_0123456789abcdef0123456789abcdef","hold_id":"hold_0123456789abcdefghijklmnop","show_id":"show_0123456789abcdef","session_id":"0123456789abcdef0123456789abcdef","seats":["A1"],"entry_id":null}"#,
    ),
    (
        "answer",
        r#"{"id":"booking_0123456789abcdef0123456789abcdef","hold_id":"hold_0123456789abcdefghijklmnop","show_id":"show_0123456789abcdef","seats":["A1"],"status":"booked","booked_at":"2026-01-01T00:00:00.000000Z","price":{"amount":1250,"currency":"USD"}}"#,
    ),
];

/// A seat that nobody had before: of 40 shows a client, one after another. Sessions have eight holds. `series` is new with
/// every run of pgbench on one database.
const FRESH: &str = "\\set n :n + 1
\\set show (:n % 40) * 1000 + :client_id
\\set seat :series * 10000000 + :n
\\set hold (:series * 1000 + :client_id) * 10000000 + :n
\\set session :hold / 8
";

const HOLD: &[Statement] = &[
    Statement {
        source: "reservations/src/store/holds.rs",
        text: "SELECT pg_advisory_xact_lock(hashtext('reservations.session'), hashtext($1))",
        values: &[":session"],
        end: ";",
    },
    Statement {
        source: "reservations/src/store/holds.rs",
        text: "SELECT count(*) FROM reservations.holds WHERE session_id = $1 AND status = 'on_hold' AND expires_at > clock_timestamp()",
        values: &[":session"],
        end: ";",
    },
    FIND_HOLD,
    Statement {
        source: "reservations/src/store/claims.rs",
        text: "SELECT nextval('reservations.fence'), clock_timestamp()",
        values: &[],
        end: " \\gset",
    },
    Statement {
        source: "reservations/src/store/claims.rs",
        text: "INSERT INTO reservations.claims AS c (show_id, seat_id, status, owner, token, expires_at) SELECT $1, seat, 'held', $2, $3, $4 FROM unnest($5::text[]) AS seat ORDER BY seat ON CONFLICT (show_id, seat_id) DO UPDATE SET status = 'held', owner = excluded.owner, token = excluded.token, expires_at = excluded.expires_at WHERE c.token < excluded.token AND (c.status = 'free' OR (c.status = 'escrow' AND c.expires_at <= clock_timestamp()) OR (c.status = 'held' AND c.expires_at <= clock_timestamp() AND NOT EXISTS (SELECT FROM reservations.queues AS q WHERE q.show_id = $1 AND q.open))) RETURNING *",
        values: &[":show", ":hold", ":nextval", ":expires_at", "ARRAY[:seat]"],
        end: ";",
    },
    Statement {
        source: "reservations/src/store/holds.rs",
        text: "INSERT INTO reservations.holds (id, show_id, session_id, entry_id, seats, token, status, price_minor, currency, fingerprint, expires_at) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)",
        values: &[
            ":hold",
            ":show",
            ":session",
            "NULL",
            "ARRAY[:seat]",
            ":nextval",
            ":status",
            ":price",
            ":currency",
            ":fingerprint",
            ":expires_at",
        ],
        end: ";",
    },
];

const FIND_HOLD: Statement = Statement {
    source: "reservations/src/store/holds.rs",
    text: "SELECT {COLUMNS} FROM reservations.holds WHERE id = $1",
    values: &[":hold"],
    end: ";",
};

const BEFORE_BOOKING: &[Statement] = &[
    Statement {
        source: "reservations/src/store/idempotency.rs",
        text: "INSERT INTO reservations.idempotency AS i (session_id, key, fingerprint, lease_until, lease) VALUES ($1, $2, $3, clock_timestamp() + $4 * interval '1 second', $5) ON CONFLICT (session_id, key) DO UPDATE SET lease_until = excluded.lease_until, lease = excluded.lease WHERE i.status IS NULL AND i.fingerprint = excluded.fingerprint AND i.lease_until <= clock_timestamp() RETURNING key",
        values: &[":session", ":hold", ":fingerprint", ":lease_seconds", ":hold"],
        end: ";",
    },
    FIND_HOLD,
];

const BOOKING: &[Statement] = &[
    Statement {
        source: "reservations/src/store/holds.rs",
        text: "SELECT {COLUMNS} FROM reservations.holds WHERE id = $1 FOR UPDATE",
        values: &[":hold"],
        end: ";",
    },
    Statement {
        source: "reservations/src/store/claims.rs",
        text: "SELECT FROM reservations.claims WHERE show_id = ANY($1) AND owner = ANY($2) ORDER BY show_id, seat_id FOR UPDATE",
        values: &["ARRAY[:show]", "ARRAY[:hold]"],
        end: ";",
    },
    Statement {
        source: "reservations/src/store/claims.rs",
        text: "UPDATE reservations.claims SET status = 'booked', expires_at = NULL WHERE show_id = $1 AND owner = $2 AND token = $3 AND status = 'held' AND expires_at > clock_timestamp() RETURNING *",
        values: &[":show", ":hold", ":nextval"],
        end: ";",
    },
    Statement {
        source: "reservations/src/store/holds.rs",
        text: "UPDATE reservations.holds SET status = $2 WHERE id = $1",
        values: &[":hold", ":booked"],
        end: ";",
    },
    Statement {
        source: "reservations/src/store/bookings.rs",
        text: "INSERT INTO reservations.bookings (id, hold_id, show_id, session_id, email, seats, status, price_minor, currency, payment_reference, idempotency_key) VALUES ($1, $2, $3, $4, $5, $6, 'booked', $7, $8, $9, $10) RETURNING *",
        values: &[
            ":hold",
            ":hold",
            ":show",
            ":session",
            ":email",
            "ARRAY[:seat]",
            ":price",
            ":currency",
            ":payment",
            ":hold",
        ],
        end: ";",
    },
    Statement {
        source: "reservations/src/store/bookings.rs",
        text: "INSERT INTO reservations.booking_seats (booking_id, show_id, seat_id, live) SELECT $1, $2, seat, true FROM unnest($3::text[]) AS seat",
        values: &[":hold", ":show", "ARRAY[:seat]"],
        end: ";",
    },
    Statement {
        source: "service/src/outbox.rs",
        text: "INSERT INTO {schema}.outbox (event) VALUES ($1)",
        values: &[":event"],
        end: ";",
    },
    Statement {
        source: "reservations/src/store/idempotency.rs",
        text: "UPDATE reservations.idempotency SET status = $3, body = $4 WHERE session_id = $1 AND key = $2 AND status IS NULL",
        values: &[":session", ":hold", "201", ":answer"],
        end: ";",
    },
];

const CAPTURED: &[Statement] = &[Statement {
    source: "reservations/src/store/bookings.rs",
    text: "UPDATE reservations.bookings SET captured_at = clock_timestamp() WHERE id = $1",
    values: &[":hold"],
    end: ";",
}];

/// pgbench's script of a hold.
pub fn hold_script() -> String {
    FRESH.to_owned() + &transaction(HOLD)
}

/// pgbench's script of a hold that is confirmed.
pub fn confirm_script() -> String {
    hold_script() + &lines(BEFORE_BOOKING) + &transaction(BOOKING) + &lines(CAPTURED)
}

fn transaction(statements: &[Statement]) -> String {
    format!("BEGIN;\n{}COMMIT;\n", lines(statements))
}

fn lines(statements: &[Statement]) -> String {
    statements.iter().map(|statement| statement.line() + "\n").collect()
}

impl Statement {
    fn line(&self) -> String {
        let mut line = self.text.replace("{COLUMNS}", HOLD_COLUMNS).replace("{schema}", SCHEMA);
        // From the last: `$1` is also how `$10` begins.
        for (at, value) in self.values.iter().enumerate().rev() {
            line = line.replace(&format!("${}", at + 1), value);
        }
        line + self.end
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use std::path::Path;

    fn all() -> impl Iterator<Item = &'static Statement> {
        [HOLD, BEFORE_BOOKING, BOOKING, CAPTURED].into_iter().flatten()
    }

    /// A file under `backend/`, with every space and line break one space.
    pub(in crate::bench) fn source(file: &str) -> String {
        let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../backend").join(file);
        let text =
            std::fs::read_to_string(&file).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
        text.replace("\\\n", " ").split_whitespace().collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn every_statement_is_what_reservations_says() {
        for statement in all() {
            let found = source(statement.source).contains(&format!("{}\"", statement.text));
            assert!(found, "{} does not say: {}", statement.source, statement.text);
        }
        let columns = format!("const COLUMNS: &str = \"{HOLD_COLUMNS}\"");
        assert!(source("reservations/src/store/holds.rs").contains(&columns));
        assert!(source("reservations/src/store.rs").contains(&format!("SCHEMA: &str = \"{SCHEMA}\"")));
    }

    #[test]
    fn every_parameter_has_its_value() {
        for statement in all() {
            let line = statement.line();
            assert!(!line.contains('$') && !line.contains('{'), "{line}");
        }
        assert!(
            HOLD[5]
                .line()
                .ends_with("ARRAY[:seat], :nextval, :status, :price, :currency, :fingerprint, :expires_at);")
        );
    }
}
