//! Where one WebSocket frame ends and the next begins (RFC 6455, section 5.2), in bytes that come in pieces of any size.
//!
//! It reads lengths and nothing else: extensions, compression and bits it does not know pass untouched. Only a Close is
//! remembered, because nothing may follow one.

/// Two bytes, eight of length, four of mask.
const HEADER_BYTES_MAX: usize = 14;
const CLOSE: u8 = 0x8;

/// Follows one direction of a socket, from its first frame on.
#[derive(Debug, Clone, Default)]
pub(super) struct Frames {
    header: [u8; HEADER_BYTES_MAX],
    /// How much of the header is there.
    header_bytes: usize,
    /// How much of the payload is still to come.
    payload: u64,
    closed: bool,
}

impl Frames {
    /// These bytes went by.
    pub(super) fn follow(&mut self, bytes: &[u8]) {
        let mut rest = bytes;
        while !rest.is_empty() {
            rest = &rest[self.take(rest)..];
        }
    }

    /// Whether a frame of somebody else could follow now.
    pub(super) fn between(&self) -> bool {
        self.header_bytes == 0 && self.payload == 0
    }

    /// Whether a Close has begun.
    pub(super) fn closed(&self) -> bool {
        self.closed
    }

    /// How many of these bytes belong to the frame that has begun; none when none has.
    pub(super) fn rest_in(&self, bytes: &[u8]) -> usize {
        let mut ahead = self.clone();
        let mut count = 0;
        while count < bytes.len() && !ahead.between() {
            count += ahead.take(&bytes[count..]);
        }
        count
    }

    /// Takes a piece of payload or one byte of a header; how much that was.
    fn take(&mut self, bytes: &[u8]) -> usize {
        if self.payload > 0 {
            let taken = usize::try_from(self.payload).map_or(bytes.len(), |left| left.min(bytes.len()));
            self.payload -= taken as u64;
            return taken;
        }
        self.header[self.header_bytes] = bytes[0];
        self.header_bytes += 1;
        if let Some(payload) = payload_of(&self.header[..self.header_bytes]) {
            self.closed |= self.header[0] & 0x0F == CLOSE;
            (self.header_bytes, self.payload) = (0, payload);
        }
        1
    }
}

/// What a whole header announces; none while some of it is missing.
fn payload_of(header: &[u8]) -> Option<u64> {
    let second = *header.get(1)?;
    let mask = if second & 0x80 == 0 { 0 } else { 4 };
    let (length, payload) = match second & 0x7F {
        126 => (2, header.get(2..4).map(big_endian)),
        127 => (8, header.get(2..10).map(big_endian)),
        short => (0, Some(u64::from(short))),
    };
    payload.filter(|_| header.len() == 2 + length + mask)
}

fn big_endian(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0, |sum, byte| sum << 8 | u64::from(*byte))
}

#[cfg(test)]
mod tests {
    use proptest::collection::vec;
    use proptest::prelude::*;

    use super::*;

    /// One frame, written as simply as can be.
    fn frame(first: u8, masked: bool, length: usize, wide: u8) -> Vec<u8> {
        let mask = if masked { 0x80 } else { 0 };
        let mut frame = vec![first];
        if length > 0xFFFF || wide == 2 {
            frame.push(mask | 0x7F);
            frame.extend((length as u64).to_be_bytes());
        } else if length > 125 || wide == 1 {
            frame.push(mask | 0x7E);
            frame.extend((length as u16).to_be_bytes());
        } else {
            frame.push(mask | length as u8);
        }
        if masked {
            frame.extend([1, 2, 3, 4]);
        }
        // Payload that would be a Close if it were taken for a header.
        frame.extend(std::iter::repeat_n(0x88, length));
        frame
    }

    fn any_frame() -> impl Strategy<Value = Vec<u8>> {
        let length = prop_oneof![0..4_usize, 120..130_usize, 0xFFF0..0x1_0010_usize];
        let first = any::<u8>().prop_filter("no Close", |first| first & 0x0F != CLOSE);
        (first, any::<bool>(), length, 0..3_u8)
            .prop_map(|(first, masked, length, wide)| frame(first, masked, length, wide))
    }

    proptest! {
        #[test]
        fn every_end_is_found_however_the_bytes_come(
            frames in vec(any_frame(), 1..6),
            cuts in vec(1..5_000_usize, 1..20),
        ) {
            let mut ends = vec![0];
            for frame in &frames {
                ends.push(ends[ends.len() - 1] + frame.len());
            }
            let stream = frames.concat();
            let (mut tracker, mut at) = (Frames::default(), 0);
            for cut in cuts.iter().cycle() {
                prop_assert_eq!(tracker.between(), ends.contains(&at));
                let next = *ends.iter().find(|end| **end >= at).expect("the last is the end");
                prop_assert_eq!(tracker.rest_in(&stream[at..]), next - at);
                if at == stream.len() {
                    break;
                }
                let piece = &stream[at..stream.len().min(at + cut)];
                tracker.follow(piece);
                at += piece.len();
            }
            prop_assert!(!tracker.closed());
        }

        #[test]
        fn a_length_that_no_memory_holds_is_only_a_length(length in any::<u64>(), piece in vec(any::<u8>(), 1..99)) {
            let mut tracker = Frames::default();
            tracker.follow(&[0x82, 127]);
            tracker.follow(&length.to_be_bytes());
            prop_assert_eq!(tracker.between(), length == 0);
            prop_assert_eq!(tracker.rest_in(&piece) as u64, length.min(piece.len() as u64));
        }
    }

    #[test]
    fn a_close_is_remembered() {
        let mut tracker = Frames::default();
        tracker.follow(&frame(0x89, false, 3, 0));
        assert!(!tracker.closed());
        tracker.follow(&frame(0x88, false, 2, 0));
        assert!(tracker.closed() && tracker.between());
    }
}
