//! The part of a string that means what it says. Strings are most of a callback, and each is passed over several times on
//! its way: so eight bytes are looked at together, in one word.

/// How many bytes stand before the first quote, backslash or control character; none if there is none of these.
pub(in crate::callback) fn plain(bytes: &[u8]) -> Option<usize> {
    let mut at = 0;
    while let Some(eight) = bytes.get(at..).and_then(<[u8]>::first_chunk) {
        let marked = marks(u64::from_le_bytes(*eight));
        if marked != 0 {
            return Some(at + marked.trailing_zeros() as usize / 8);
        }
        at += 8;
    }
    let rest = bytes.get(at..)?;
    let found = rest
        .iter()
        .position(|&b| b == b'"' || b == b'\\' || b < 0x20);
    found.map(|after| at + after)
}

/// The highest bit of the first byte that is special is set, and of none before it. Of later bytes it may be wrong: a
/// borrow goes upwards.
const fn marks(word: u64) -> u64 {
    const ONES: u64 = u64::from_le_bytes([1; 8]);
    const HIGH: u64 = u64::from_le_bytes([0x80; 8]);
    let quote = word ^ (ONES * b'"' as u64);
    let backslash = word ^ (ONES * b'\\' as u64);
    let below_space = word.wrapping_sub(ONES * 0x20) & !word;
    let is_quote = quote.wrapping_sub(ONES) & !quote;
    let is_backslash = backslash.wrapping_sub(ONES) & !backslash;
    (below_space | is_quote | is_backslash) & HIGH
}

#[cfg(test)]
mod tests {
    use super::plain;
    use proptest::prelude::*;

    proptest! {
        /// Against the plain loop; few different bytes, so that special ones stand next to each other.
        #[test]
        fn the_first_special_byte_is_found_wherever_it_stands(
            bytes in proptest::collection::vec(
                prop_oneof![Just(b'a'), Just(0x1f), Just(b' '), Just(b'!'), Just(b'"'), Just(b'#'), Just(b'['),
                    Just(b'\\'), Just(b']'), Just(0x7f), Just(0x80), Just(0x9f), Just(0xa2), Just(0xff), Just(0), any::<u8>()],
                0..40,
            ),
            clean in 0usize..30,
        ) {
            let mut all = vec![b'x'; clean];
            all.extend(bytes);
            let slow = all.iter().position(|&b| b == b'"' || b == b'\\' || b < 0x20);
            prop_assert_eq!(plain(&all), slow);
        }
    }
}
