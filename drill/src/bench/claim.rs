//! A claim's statements for pgbench, to run them without the rest of the house: those that reservations asks for many buyers
//! together, with one buyer in each. A test compares each with the source of reservations, so that they cannot become others.

/// pgbench's script of a hold.
pub const HOLD: &str = include_str!("claim/hold.sql");
/// pgbench's script of a hold that is confirmed: what follows on [`HOLD`].
pub const CONFIRM: &str = include_str!("claim/confirm.sql");

/// What every transaction sends alike, as variables of pgbench.
pub const CONSTANTS: [(&str, &str); 16] = [
    ("n", "0"),
    ("holder", "1"),
    ("one", "1"),
    ("due", "capture"),
    ("answered", "201"),
    ("price", "1250"),
    ("currency", "USD"),
    ("expires_at", "2099-01-01T00:00:00Z"),
    ("fingerprint", "A1"),
    ("lease_seconds", "5"),
    ("settle_seconds", "15"),
    ("email", "buyer@marquee.example"),
    ("payment", "test_0123456789abcdef0123456789abcdef"),
    (
        "told_held",
        r#"{"type":"SeatsHeld","version":1,"show_id":"show_0123456789abcdef","data":{
            "hold_id":"hold_0123456789abcdefghijklmnop","session_id":"0123456789abcdef0123456789abcdef",
            "seats":["A1"],"expires_at":"2099-01-01T00:00:00Z"}}"#,
    ),
    (
        "told_booked",
        r#"{"type":"BookingConfirmed","version":1,"show_id":"show_0123456789abcdef","data":{
            "booking_id":"booking_0123456789abcdef0123456789abcdef","hold_id":"hold_0123456789abcdefghijklmnop",
            "session_id":"0123456789abcdef0123456789abcdef","seats":["A1"],"entry_id":null}}"#,
    ),
    (
        "answer",
        r#"{"id":"booking_0123456789abcdef0123456789abcdef","hold_id":"hold_0123456789abcdefghijklmnop",
            "show_id":"show_0123456789abcdef","seats":["A1"],"status":"booked",
            "booked_at":"2026-01-01T00:00:00.000000Z","price":{"amount":1250,"currency":"USD"}}"#,
    ),
];

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use std::path::Path;

    /// A file under `backend/`, with every space and line break one space.
    pub(in crate::bench) fn source(file: &str) -> String {
        let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../backend").join(file);
        let text =
            std::fs::read_to_string(&file).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
        spaced(&text.replace("\\\n", " "))
    }

    pub(in crate::bench) fn spaced(text: &str) -> String {
        text.split_whitespace().collect::<Vec<_>>().join(" ")
    }

    /// What reservations asks, with its constants in their places.
    fn asked() -> String {
        let files = ["bookings", "claims", "holds", "idempotency", "queues", "unsettled"]
            .map(|table| source(&format!("reservations/src/store/{table}.rs")));
        let captures = source("reservations/src/batch/captures.rs");
        let asked =
            files.map(|file| with_columns(&file)).concat() + &source("service/src/outbox.rs") + &captures;
        anonymous(&asked.replace("{schema}", "reservations").replace("{gone}", &gone()))
    }

    /// How it asks whether a key's holder is gone.
    fn gone() -> String {
        let file = source("service/src/postgres/presence.rs");
        let sql = file.split_once("format!(\"").and_then(|(_, rest)| rest.split_once("\")"));
        sql.map(|(sql, _)| sql.replace("{holder}", "i.holder")).expect("one format")
    }

    /// A file with the value of its `COLUMNS` wherever that is named.
    fn with_columns(file: &str) -> String {
        let columns = file.split_once("const COLUMNS: &str = \"").and_then(|(_, rest)| rest.split_once('"'));
        columns.map_or_else(|| file.to_owned(), |(columns, _)| file.replace("{COLUMNS}", columns))
    }

    /// With every parameter a question mark: `$1` in Rust, `:name` in pgbench, which has no arrays (`ARRAY[:name]`) and no NULL.
    fn anonymous(text: &str) -> String {
        let mut parts = text.split("::");
        let mut all = parts.next().map(nameless).unwrap_or_default();
        for part in parts {
            all = all + "::" + &nameless(part);
        }
        all.replace("ARRAY[?]", "?").replace("ARRAY[NULL]", "?")
    }

    fn nameless(text: &str) -> String {
        let mut all = String::new();
        let mut rest = text;
        while let Some(at) = rest.find(['$', ':']) {
            let name = rest[at + 1..].find(|letter: char| !letter.is_alphanumeric() && letter != '_');
            let name = name.unwrap_or(rest.len() - at - 1);
            all += &rest[..at];
            all += if name > 0 { "?" } else { &rest[at..=at] };
            rest = &rest[at + 1 + name..];
        }
        all + rest
    }

    /// Without remarks and pgbench's own commands.
    fn statements(script: &str) -> Vec<String> {
        let lines = script.lines().filter(|line| !line.starts_with("--") && !line.starts_with('\\'));
        let text = lines.collect::<Vec<_>>().join("\n").replace(" \\gset", ";");
        let all = text.split(';').map(|statement| anonymous(&spaced(statement)));
        all.filter(|statement| !["", "BEGIN", "COMMIT"].contains(&statement.as_str())).collect()
    }

    #[test]
    fn every_statement_is_one_that_reservations_asks() {
        let asked = asked();
        let statements = [statements(HOLD), statements(CONFIRM)].concat();
        assert_eq!(statements.len(), 9 + 17);
        for statement in statements {
            assert!(asked.contains(&format!("{statement}\"")), "reservations does not ask: {statement}");
        }
    }

    #[test]
    fn every_variable_is_set() {
        let script = [HOLD, CONFIRM].concat();
        let set = script.lines().filter_map(|line| line.strip_prefix("\\set ")?.split(' ').next());
        let given = ["client_id", "series", "nextval", "clock_timestamp"];
        let known: Vec<&str> = set.chain(given).chain(CONSTANTS.map(|(name, _)| name)).collect();
        let used = script.replace("::", " ");
        for name in used.split(':').skip(1) {
            let end =
                name.find(|letter: char| !letter.is_alphanumeric() && letter != '_').unwrap_or(name.len());
            assert!(known.contains(&&name[..end]), "nobody sets {}", &name[..end]);
        }
    }
}
