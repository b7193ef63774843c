//! Members of a JSON object, one after the other. Their names are written as they come here; a derived `Serialize` would go through
//! each name and each text letter by letter, which takes most of a line's time.

use serde::Serialize;

/// A member whose value is a text.
pub(super) fn text(into: &mut Vec<u8>, name: &str, value: &str) {
    if plain(value) {
        into.extend_from_slice(name.as_bytes());
        into.push(b'"');
        into.extend_from_slice(value.as_bytes());
        into.push(b'"');
    } else {
        self::value(into, name, &value);
    }
}

/// A member of any kind that is always a value of JSON.
pub(super) fn value(into: &mut Vec<u8>, name: &str, value: &impl Serialize) {
    into.extend_from_slice(name.as_bytes());
    if serde_json::to_writer(&mut *into, value).is_err() {
        into.extend_from_slice(b"null");
    }
}

/// Whether JSON writes it as it is (RFC 8259, 7). Looked at to its end: so many bytes are compared at once.
#[expect(clippy::needless_bitwise_bool, reason = "without branches, so that many bytes are compared at once")]
fn plain(text: &str) -> bool {
    text.bytes().fold(true, |plain, byte| plain & (byte >= b' ') & (byte != b'"') & (byte != b'\\'))
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn read(write: impl FnOnce(&mut Vec<u8>)) -> Value {
        let mut object = b"{\"first\":0".to_vec();
        write(&mut object);
        object.push(b'}');
        serde_json::from_slice::<Value>(&object).expect("JSON")["second"].take()
    }

    #[test]
    fn every_text_is_read_as_it_was() {
        for letter in (0..=0x2ff).filter_map(char::from_u32) {
            let written = format!("a{letter}b");
            assert_eq!(read(|object| text(object, ",\"second\":", &written)), json!(written));
        }
    }

    #[test]
    fn what_is_no_number_is_null() {
        assert_eq!(read(|object| value(object, ",\"second\":", &1.5)), json!(1.5));
        assert_eq!(read(|object| value(object, ",\"second\":", &f64::NAN)), Value::Null);
    }
}
