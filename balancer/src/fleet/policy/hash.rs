//! Bytes to numbers that look random and are the same on every machine and in every version. Not for secrets.

/// FNV-1a (Fowler, Noll, Vo), then [`mix`], because FNV alone leaves names that differ only at their end close together.
pub fn hash(bytes: &[u8]) -> u64 {
    let mut h: u64 = 0xcbf2_9ce4_8422_2325;
    for byte in bytes {
        h = (h ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01b3);
    }
    mix(h)
}

/// The 64-bit finalizer of `MurmurHash3` (Appleby): every bit of the input moves about half of the output's.
pub fn mix(mut h: u64) -> u64 {
    h = (h ^ (h >> 33)).wrapping_mul(0xff51_afd7_ed55_8ccd);
    h = (h ^ (h >> 33)).wrapping_mul(0xc4ce_b9fe_1a85_ec53);
    h ^ (h >> 33)
}

/// A number in [0,1) that depends on `value` but has nothing to do with where `value` lies on a ring or in a table.
pub fn fraction(value: u64) -> f64 {
    // 53 bits are what a float holds.
    (mix(value ^ 0x9e37_79b9_7f4a_7c15) >> 11) as f64 / (1_u64 << 53) as f64
}
