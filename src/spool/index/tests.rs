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
