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

const ZEROS: [u8; 4096] = [0; 4096];

/// Appends zeros up to this length.
pub(in crate::spool) fn pad(out: &mut Vec<u8>, len: usize) {
    // In blocks: also without optimisation it must be fast, for tests that do it very often.
    while let Some(more) = len.checked_sub(out.len()).filter(|more| *more > 0) {
        out.extend_from_slice(ZEROS.get(..more).unwrap_or(&ZEROS));
    }
}

/// How much is left without the zeros at the end.
pub(in crate::spool) fn written(bytes: &[u8]) -> usize {
    let mut end = bytes.len();
    for block in [ZEROS.len(), 64, 1] {
        while let Some(part) = bytes.get(end.saturating_sub(block)..end)
            && !part.is_empty()
            && ZEROS.get(..part.len()) == Some(part)
        {
            end -= part.len();
        }
    }
    end
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn zeros_at_the_end_do_not_count_and_others_do() {
        for len in [0, 1, 4095, 4096, 4097] {
            let mut bytes = Vec::new();
            pad(&mut bytes, len);
            assert_eq!((bytes.len(), written(&bytes)), (len, 0));
            for at in (0..len).rev().take(4).chain(0..len.min(4)) {
                bytes[at] = 1;
                assert_eq!(written(&bytes), at + 1, "of {len}");
                bytes[at] = 0;
            }
        }
    }
}
