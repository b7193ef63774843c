//! The header that a load balancer in front writes before anything else, to say who the client is: the PROXY protocol, versions 1
//! and 2, as HAProxy's `proxy-protocol.txt` describes it. Pure; whom it is believed is decided elsewhere.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

/// The longest header that is read. Version 1 has at most 107 bytes; version 2 has up to 65,551, of which senders use a few hundred.
pub const BYTES_MAX: usize = 2_048;

/// The longest line of version 1, its end included.
const LINE_BYTES_MAX: usize = 107;
/// How version 1 begins.
const TEXT: &[u8] = b"PROXY ";
/// How version 2 begins.
const SIGNATURE: &[u8; 12] = b"\r\n\r\n\0\r\nQUIT\n";
/// Signature, version and command, family, and length of the rest.
const FIXED_BYTES: usize = 16;

/// A header, found at the start of what was read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Header {
    /// Its bytes; what follows is the client's.
    pub length: usize,
    /// The client; none when the sender speaks for itself, or does not know.
    pub client: Option<SocketAddr>,
}

/// Why it is no header, in words for a log.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Malformed(&'static str);

/// The header that `bytes` begin with; none when more of it has to come.
pub fn parse(bytes: &[u8]) -> Result<Option<Header>, Malformed> {
    if begins(bytes, SIGNATURE) {
        binary(bytes)
    } else if begins(bytes, TEXT) {
        line(bytes)
    } else {
        Err(Malformed("no PROXY protocol header"))
    }
}

/// Whether these bytes, as far as they have come, are how something begins.
fn begins(bytes: &[u8], start: &[u8]) -> bool {
    let shared = bytes.len().min(start.len());
    bytes[..shared] == start[..shared]
}

/// Version 2.
fn binary(bytes: &[u8]) -> Result<Option<Header>, Malformed> {
    let Some((fixed, rest)) = bytes.split_at_checked(FIXED_BYTES) else { return Ok(None) };
    let length = usize::from(u16::from_be_bytes([fixed[14], fixed[15]]));
    if FIXED_BYTES + length > BYTES_MAX {
        return Err(Malformed("the header is too long"));
    }
    let Some(addresses) = rest.get(..length) else { return Ok(None) };
    let client = match fixed[12] {
        // LOCAL: a check of its health, most likely; whatever address it gives is to be ignored.
        0x20 => None,
        0x21 => client(fixed[13], addresses)?,
        _ => return Err(Malformed("neither version 2, nor a command it knows")),
    };
    Ok(Some(Header { length: FIXED_BYTES + length, client }))
}

/// Source address and port; what follows the addresses are extensions nobody here asks for.
fn client(family: u8, addresses: &[u8]) -> Result<Option<SocketAddr>, Malformed> {
    match family {
        0x00 => Ok(None),
        0x11 => {
            let [a, b, c, d, _, _, _, _, high, low, _, _] = first(addresses)?;
            Ok(Some(SocketAddr::from((Ipv4Addr::new(a, b, c, d), u16::from_be_bytes([high, low])))))
        }
        0x21 => {
            let source: [u8; 16] = first(addresses)?;
            let ports: [u8; 36] = first(addresses)?;
            let port = u16::from_be_bytes([ports[32], ports[33]]);
            Ok(Some(SocketAddr::from((Ipv6Addr::from(source), port))))
        }
        _ => Err(Malformed("the client is not said to come by TCP")),
    }
}

fn first<const N: usize>(bytes: &[u8]) -> Result<[u8; N], Malformed> {
    bytes.first_chunk().copied().ok_or(Malformed("the addresses are cut short"))
}

/// Version 1: `PROXY TCP4 source destination port port`, and CRLF.
fn line(bytes: &[u8]) -> Result<Option<Header>, Malformed> {
    let within = &bytes[..bytes.len().min(LINE_BYTES_MAX)];
    let Some(end) = within.windows(2).position(|pair| pair == b"\r\n") else {
        return if bytes.len() < LINE_BYTES_MAX { Ok(None) } else { Err(Malformed("the line has no end")) };
    };
    let text = std::str::from_utf8(&within[..end]).map_err(|_| Malformed("the line is not text"))?;
    let fields: Vec<&str> = text.split(' ').collect();
    let client = match fields[..] {
        ["PROXY", "UNKNOWN", ..] => None,
        ["PROXY", family, source, destination, port, other] => {
            let (source, _) = (address(family, source)?, address(family, destination)?);
            let (port, _) = (number(port)?, number(other)?);
            Some(SocketAddr::new(source, port))
        }
        _ => return Err(Malformed("the line does not have six fields")),
    };
    Ok(Some(Header { length: end + 2, client }))
}

fn address(family: &str, text: &str) -> Result<IpAddr, Malformed> {
    let parsed = match family {
        "TCP4" => text.parse().ok().map(IpAddr::V4),
        "TCP6" => text.parse().ok().map(IpAddr::V6),
        _ => None,
    };
    parsed.ok_or(Malformed("an address is not one of its family"))
}

fn number(text: &str) -> Result<u16, Malformed> {
    let digits = text.bytes().all(|byte| byte.is_ascii_digit());
    text.parse().ok().filter(|_| digits).ok_or(Malformed("a port is not a number"))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn version_2(command: u8, family: u8, rest: &[u8]) -> Vec<u8> {
        let length = u16::try_from(rest.len()).expect("short");
        [SIGNATURE.as_slice(), &[command, family], &length.to_be_bytes(), rest].concat()
    }

    fn client_of(bytes: &[u8]) -> Option<String> {
        let header = parse(bytes).expect("well-formed").expect("whole");
        header.client.map(|client| client.to_string())
    }

    const TCP4: &[u8] = &[203, 0, 113, 7, 10, 0, 0, 1, 0x30, 0x39, 0, 80];

    #[test]
    fn a_client_is_told_in_either_version_and_family() {
        let told = |client: &str| Some(client.to_owned());
        assert_eq!(client_of(&version_2(0x21, 0x11, TCP4)), told("203.0.113.7:12345"));
        let mut tcp6 = [0; 36];
        (tcp6[0], tcp6[1], tcp6[15], tcp6[33]) = (0x20, 0x01, 1, 9);
        assert_eq!(client_of(&version_2(0x21, 0x21, &tcp6)), told("[2001::1]:9"));
        assert_eq!(client_of(b"PROXY TCP4 203.0.113.7 10.0.0.1 12345 80\r\nGET"), told("203.0.113.7:12345"));
        assert_eq!(client_of(b"PROXY TCP6 2001::1 ::1 9 80\r\n"), told("[2001::1]:9"));
    }

    #[test]
    fn extensions_are_skipped_and_what_follows_is_left() {
        let with = [TCP4, &[0x04, 0, 3, 1, 2, 3]].concat();
        let bytes = [version_2(0x21, 0x11, &with), b"GET / HTTP/1.1".to_vec()].concat();
        let header = parse(&bytes).expect("well-formed").expect("whole");
        assert_eq!(&bytes[header.length..], b"GET / HTTP/1.1");
        assert_eq!(header.client.map(|client| client.to_string()).as_deref(), Some("203.0.113.7:12345"));
    }

    #[test]
    fn who_speaks_for_itself_tells_nobody() {
        assert_eq!(client_of(&version_2(0x20, 0x11, TCP4)), None);
        assert_eq!(client_of(&version_2(0x20, 0, &[])), None);
        assert_eq!(client_of(&version_2(0x21, 0, &[])), None);
        assert_eq!(client_of(b"PROXY UNKNOWN\r\n"), None);
        assert_eq!(client_of(b"PROXY UNKNOWN whatever it says here\r\n"), None);
    }

    #[test]
    fn what_is_no_header_is_refused() {
        let long = [0; BYTES_MAX];
        let wrong: [&[u8]; 14] = [
            b"GET / HTTP/1.1\r\n",
            b"\x16\x03\x01\x02\x00",
            b"PROXY\tTCP4",
            b"PROXY TCP4 203.0.113.7 10.0.0.1 12345\r\n",
            b"PROXY TCP4 ::1 10.0.0.1 12345 80\r\n",
            b"PROXY TCP4 203.0.113.7 10.0.0.1 +1 80\r\n",
            b"PROXY TCP4 203.0.113.7 10.0.0.1 65536 80\r\n",
            b"PROXY UDP4 203.0.113.7 10.0.0.1 1 80\r\n",
            &version_2(0x21, 0x11, &TCP4[..11]),
            &version_2(0x21, 0x12, TCP4),
            &version_2(0x22, 0x11, TCP4),
            &version_2(0x11, 0x11, TCP4),
            &version_2(0x20, 0, &long),
            &[b"PROXY UNKNOWN ".as_slice(), &[b'x'; 107]].concat(),
        ];
        for bytes in wrong {
            assert!(parse(bytes).is_err(), "{:?} was taken", String::from_utf8_lossy(bytes));
        }
    }

    proptest! {
        #[test]
        fn no_bytes_make_it_panic(start in 0..3_usize, bytes in prop::collection::vec(any::<u8>(), 0..300)) {
            let start: &[u8] = [b"".as_slice(), TEXT, SIGNATURE][start];
            let bytes = [start, &bytes].concat();
            if let Ok(Some(header)) = parse(&bytes) {
                prop_assert!(header.length <= bytes.len());
            }
        }

        #[test]
        fn a_part_is_never_taken_for_the_whole(cut in 0..50_usize, extension in prop::collection::vec(any::<u8>(), 0..50)) {
            let whole = version_2(0x21, 0x11, &[TCP4, &extension].concat());
            let cut = cut.min(whole.len() - 1);
            prop_assert_eq!(parse(&whole[..cut]), Ok(None));
            let text = b"PROXY TCP4 203.0.113.7 10.0.0.1 12345 80\r\n";
            prop_assert_eq!(parse(&text[..cut.min(text.len() - 1)]), Ok(None));
        }

        #[test]
        fn whatever_is_written_is_read(source: [u8; 4], port: u16, six: [u8; 16]) {
            let four = [&source[..], &[10, 0, 0, 1], &port.to_be_bytes(), &[0, 80]].concat();
            let client = SocketAddr::from((source, port));
            prop_assert_eq!(client_of(&version_2(0x21, 0x11, &four)), Some(client.to_string()));
            let text = format!("PROXY TCP4 {} 10.0.0.1 {port} 80\r\n", client.ip());
            prop_assert_eq!(client_of(text.as_bytes()), Some(client.to_string()));
            let rest = [&six[..], &[0; 16], &port.to_be_bytes(), &[0, 80]].concat();
            let client = SocketAddr::from((six, port));
            prop_assert_eq!(client_of(&version_2(0x21, 0x21, &rest)), Some(client.to_string()));
        }
    }
}
