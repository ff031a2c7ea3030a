//! Every cut and every flip.

use super::*;

const NAME: Name = Name {
    ordinal: 3,
    salt: 99,
};

fn sample() -> (Summary, Vec<Entry>) {
    let entry = |n: u64, family| Entry {
        seq: Seq(n),
        accepted_at: Millis(1000 + n),
        ce_id: CeId([u8::try_from(n).unwrap(); 16]),
        offset: 4096 + (n - 10) * 72,
        size: 72,
        source: 0,
        family,
    };
    // 11 was found damaged at a recovery.
    let entries = vec![entry(10, Family::Stream), entry(12, Family::Recording)];
    let mut summary = Summary::empty(NAME, Instance([1; 16]), Seq(10));
    entries.iter().for_each(|e| summary.add(e));
    summary.sources = vec![SourceName::parse("tencent").unwrap()];
    (summary, entries)
}

#[test]
fn what_was_put_in_comes_out_and_the_summary_needs_no_entries() {
    let (summary, entries) = sample();
    let bytes = encode(&summary, &entries);
    assert_eq!(decode(NAME, &bytes), Ok((summary.clone(), entries.clone())));
    let (alone, start) = decode_summary(NAME, &bytes[..bytes.len() - 90]).unwrap();
    assert_eq!(
        (alone, start),
        (summary.clone(), bytes.len() - 4 - 2 * ENTRY)
    );
    assert_eq!(summary.family(Family::Stream).last, Seq(10));
    assert_eq!((summary.through, summary.end), (Seq(12), entries[1].end()));
}

#[test]
fn every_cut_and_every_flip_is_caught() {
    let (summary, entries) = sample();
    let bytes = encode(&summary, &entries);
    for cut in 0..bytes.len() {
        assert!(decode(NAME, &bytes[..cut]).is_err(), "cut at {cut}");
    }
    for bit in 0..bytes.len() * 8 {
        let mut flipped = bytes.clone();
        flipped[bit / 8] ^= 1 << (bit % 8);
        assert!(decode(NAME, &flipped).is_err(), "bit {bit}");
    }
}

#[test]
fn the_bytes_on_disk_are_those_of_the_picture() {
    let (summary, entries) = sample();
    let bytes = encode(&summary, &entries);
    let (_, start) = decode_summary(NAME, &bytes).unwrap();
    let prefix = "4c4253494e444558 01000000 7c010000 4a950481";
    assert_eq!(hex::encode(&bytes[..PREFIX]), prefix.replace(' ', ""));
    let fixed = "0300000000000000 6300000000000000 01010101010101010101010101010101 \
                 0a00000000000000 0c00000000000000 d810000000000000 f403000000000000 0200000000000000";
    assert_eq!(
        hex::encode(&bytes[PREFIX..PREFIX + 72]),
        fixed.replace(' ', "")
    );
    let families = 1 + 9 * 33;
    let sources = "0100 07 74656e63656e74";
    assert_eq!(
        hex::encode(&bytes[PREFIX + 72 + families..start]),
        sources.replace(' ', "")
    );
    let first = "0a00000000000000 f203000000000000 0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a 0010000000000000 48000000 0000 03 00";
    assert_eq!(
        hex::encode(&bytes[start..start + ENTRY]),
        first.replace(' ', "")
    );
    assert_eq!(bytes.len(), start + 2 * ENTRY + 4);
}
