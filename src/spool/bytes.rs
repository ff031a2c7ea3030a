//! Taking fixed little-endian values off the front of a slice, without a way to panic; and zeros. Pure.

/// The next `N` bytes.
pub(in crate::spool) fn take<const N: usize>(bytes: &mut &[u8]) -> Option<[u8; N]> {
    let (first, rest) = bytes.split_first_chunk::<N>()?;
    *bytes = rest;
    Some(*first)
}

/// The next byte.
pub(in crate::spool) fn take_u8(bytes: &mut &[u8]) -> Option<u8> {
    take::<1>(bytes).map(|[byte]| byte)
}

/// The next two bytes as a number.
pub(in crate::spool) fn take_u16(bytes: &mut &[u8]) -> Option<u16> {
    take(bytes).map(u16::from_le_bytes)
}

/// The next four bytes as a number.
pub(in crate::spool) fn take_u32(bytes: &mut &[u8]) -> Option<u32> {
    take(bytes).map(u32::from_le_bytes)
}

/// The next eight bytes as a number.
pub(in crate::spool) fn take_u64(bytes: &mut &[u8]) -> Option<u64> {
    take(bytes).map(u64::from_le_bytes)
}

/// The next `count` bytes.
pub(in crate::spool) fn take_slice<'a>(bytes: &mut &'a [u8], count: usize) -> Option<&'a [u8]> {
    let (first, rest) = bytes.split_at_checked(count)?;
    *bytes = rest;
    Some(first)
}

/// How much is left without the zeros at the end.
pub(in crate::spool) fn written(bytes: &[u8]) -> usize {
    const ZEROS: [u8; 512] = [0; 512];
    let mut end = bytes.len();
    while let Some(part) = bytes.get(end.saturating_sub(ZEROS.len())..end)
        && !part.is_empty()
    {
        let start = end - part.len();
        if ZEROS.get(..part.len()) != Some(part) {
            return start + part.iter().rposition(|b| *b != 0).map_or(0, |at| at + 1);
        }
        end = start;
    }
    0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn zeros_at_the_end_do_not_count_and_others_do() {
        for len in [0, 1, 511, 512, 513, 1500] {
            let mut bytes = vec![0; len];
            assert_eq!(written(&bytes), 0);
            for at in 0..len {
                bytes[at] = 1;
                assert_eq!(written(&bytes), at + 1, "of {len}");
                bytes[at] = 0;
            }
        }
    }
}
