//! What a client says to Postgres, message by message: enough of it to change the SQL of a statement on its way.
//!
//! After the start-up a message is a byte that names it, its length as four bytes with themselves in it, and its body
//! (the manual of Postgres, "Frontend/Backend Protocol, Message Formats"). Everything but statements passes as it is.

/// Bytes of a length.
const LENGTH: usize = 4;
/// Requests that come before the start-up, and are followed by another: for TLS, and for GSSAPI.
const BEFORE_START: [u32; 2] = [80_877_103, 80_877_104];

/// Whoever listens on one connection.
pub(crate) trait Listener {
    /// A statement is prepared under a name, or sent to be run at once (without one). What is to be sent instead, if anything.
    fn statement(&mut self, name: Option<&str>, sql: &str) -> Option<String>;

    /// A statement that was prepared is run.
    fn runs(&mut self, name: &str);
}

/// One client's side of one connection.
#[derive(Debug)]
pub(crate) struct Wire<L> {
    listener: L,
    started: bool,
    kept: Vec<u8>,
}

impl<L: Listener> Wire<L> {
    pub(crate) fn new(listener: L) -> Self {
        Self { listener, started: false, kept: Vec::new() }
    }

    /// Takes what comes, and returns what is to go on; the rest of an incomplete message is kept.
    pub(crate) fn carry(&mut self, chunk: &[u8]) -> Vec<u8> {
        self.kept.extend_from_slice(chunk);
        let kept = std::mem::take(&mut self.kept);
        let (mut rest, mut out) = (kept.as_slice(), Vec::with_capacity(kept.len()));
        while let Some(size) = self.next(rest) {
            let (message, later) = rest.split_at(size);
            out.extend(self.pass(message));
            rest = later;
        }
        self.kept = rest.to_vec();
        out
    }

    /// The size of the first message, if all of it is there.
    fn next(&self, bytes: &[u8]) -> Option<usize> {
        let tag = usize::from(self.started);
        let size = tag + number(bytes.get(tag..tag + LENGTH)?);
        (bytes.len() >= size).then_some(size)
    }

    fn pass(&mut self, message: &[u8]) -> Vec<u8> {
        if !self.started {
            let code = u32::try_from(number(message.get(LENGTH..2 * LENGTH).unwrap_or(&[0; LENGTH])));
            self.started = !code.is_ok_and(|code| BEFORE_START.contains(&code));
            return message.to_vec();
        }
        let body = &message[1 + LENGTH..];
        self.changed(message[0], body).unwrap_or_else(|| message.to_vec())
    }

    /// The message that is to be sent instead of one, if any.
    fn changed(&mut self, tag: u8, body: &[u8]) -> Option<Vec<u8>> {
        let (first, after_first) = text(body)?;
        match tag {
            b'Q' => {
                let sql = self.listener.statement(None, first)?;
                Some(message(tag, &[sql.as_bytes(), &[0]]))
            }
            b'P' => {
                let (sql, types) = text(after_first)?;
                let sql = self.listener.statement(Some(first), sql)?;
                Some(message(tag, &[first.as_bytes(), &[0], sql.as_bytes(), &[0], types]))
            }
            b'B' => {
                let (statement, _) = text(after_first)?;
                self.listener.runs(statement);
                None
            }
            _ => None,
        }
    }
}

fn number(bytes: &[u8]) -> usize {
    bytes.iter().fold(0, |number, byte| number << 8 | usize::from(*byte))
}

/// Text up to its end mark, and what comes behind.
fn text(bytes: &[u8]) -> Option<(&str, &[u8])> {
    let end = bytes.iter().position(|byte| *byte == 0)?;
    Some((std::str::from_utf8(&bytes[..end]).ok()?, &bytes[end + 1..]))
}

fn message(tag: u8, parts: &[&[u8]]) -> Vec<u8> {
    let body = parts.concat();
    let size = u32::try_from(LENGTH + body.len()).expect("a statement is short");
    [&[tag], size.to_be_bytes().as_slice(), &body].concat()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Shouts, and notes what is run.
    #[derive(Debug, Default)]
    struct Shouting(Vec<String>);

    impl Listener for Shouting {
        fn statement(&mut self, _name: Option<&str>, sql: &str) -> Option<String> {
            sql.starts_with("select").then(|| format!("{}!", sql.to_uppercase()))
        }

        fn runs(&mut self, name: &str) {
            self.0.push(name.to_owned());
        }
    }

    fn start_up() -> Vec<u8> {
        let version = 196_608_u32.to_be_bytes();
        [&12_u32.to_be_bytes()[..], &version, b"a\0b\0"].concat()
    }

    fn conversation() -> (Vec<u8>, Vec<u8>) {
        let secure = [&8_u32.to_be_bytes()[..], &BEFORE_START[0].to_be_bytes()].concat();
        let start = [secure, start_up(), message(b'p', &[b"secret"])].concat();
        let types = [0, 1, 0, 0, 0, 25];
        let before = [
            start.clone(),
            message(b'Q', &[b"select 1\0"]),
            message(b'Q', &[b"BEGIN\0"]),
            message(b'P', &[b"s1\0", b"select $1\0", &types]),
            message(b'B', &[b"\0", b"s1\0", &[0, 0]]),
        ];
        let after = [
            start,
            message(b'Q', &[b"SELECT 1!\0"]),
            message(b'Q', &[b"BEGIN\0"]),
            message(b'P', &[b"s1\0", b"SELECT $1!\0", &types]),
            message(b'B', &[b"\0", b"s1\0", &[0, 0]]),
        ];
        (before.concat(), after.concat())
    }

    #[test]
    fn statements_are_changed_and_everything_else_passes_however_it_is_cut() {
        let (before, after) = conversation();
        for size in [1, 2, 3, 7, 64, before.len()] {
            let mut wire = Wire::new(Shouting::default());
            let carried: Vec<u8> = before.chunks(size).flat_map(|chunk| wire.carry(chunk)).collect();
            assert!(carried == after, "in chunks of {size}");
            assert_eq!(wire.listener.0, ["s1"]);
        }
    }
}
