//! Weights as small whole numbers: what two policies draw from.

/// The same proportions in the smallest whole numbers.
pub(super) fn reduced(weights: &[u32]) -> Vec<u32> {
    let divisor = weights.iter().copied().fold(0, common_divisor).max(1);
    weights.iter().map(|weight| weight / divisor).collect()
}

/// Each endpoint's index, as many times as its reduced weight says.
pub(super) fn one_for_each_weight(weights: &[u32]) -> Box<[u8]> {
    let lots = (0_u8..).zip(reduced(weights));
    lots.flat_map(|(endpoint, weight)| std::iter::repeat_n(endpoint, weight as usize)).collect()
}

/// Euclid's.
fn common_divisor(a: u32, b: u32) -> u32 {
    if b == 0 { a } else { common_divisor(b, a % b) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lot_for_each_unit_of_weight_and_no_more_than_needed() {
        assert_eq!(*one_for_each_weight(&[16, 16]), [0, 1]);
        assert_eq!(*one_for_each_weight(&[6, 4]), [0, 0, 0, 1, 1]);
        assert_eq!(*one_for_each_weight(&[3]), [0]);
        assert!(one_for_each_weight(&[]).is_empty());
    }
}
