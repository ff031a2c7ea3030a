//! Every cut, and any damage.

use super::{
    super::{
        frame::Head,
        record::{CeId, Envelope},
        segment::Instance,
    },
    judge::{Part, Verdict, judge},
    *,
};
use crate::{callback::names::Family, clock::Millis};
use proptest::prelude::*;

const NAME: Name = Name {
    ordinal: 1,
    salt: 7,
};

/// A segment of batches: each frame says how far the log was durable when it was written.
fn segment(first: u64, batches: &[u64], body: usize) -> Vec<u8> {
    let mut bytes = Vec::new();
    let header = Header {
        name: NAME,
        first_seq: Seq(first),
        instance: Instance([1; 16]),
    };
    header.encode(&mut bytes);
    let mut next = first;
    for batch in batches {
        let durable = next - 1;
        for _ in 0..*batch {
            let head = Head {
                seq: Seq(next),
                synced_through: Seq(durable),
                accepted_at: Millis(next),
                ce_id: CeId([2; 16]),
            };
            let envelope = Envelope {
                source: SourceName::parse("s").unwrap(),
                family: Family::Recording,
                received_at: Millis(next),
                traceparent: None,
                body: vec![b'x'; body].into(),
            };
            frame::encode(
                NAME.salt,
                &head,
                |out| envelope::encode(&envelope, out),
                &mut bytes,
            )
            .unwrap();
            next += 1;
        }
    }
    bytes
}

/// The same records in a segment with another salt.
fn older_segment(batches: &[u64], body: usize) -> Vec<u8> {
    let bytes = segment(1, batches, body);
    let mut older = bytes[..segment::HEADER].to_vec();
    let mut rest = &bytes[segment::HEADER..];
    while let Decoded::Record {
        head,
        payload,
        size,
    } = frame::decode(NAME.salt, rest)
    {
        let put = |out: &mut Vec<u8>| out.extend_from_slice(payload);
        frame::encode(NAME.salt + 1, &head, put, &mut older).unwrap();
        rest = &rest[size..];
    }
    assert_eq!(older.len(), bytes.len());
    older
}

fn verdict(bytes: &[u8], later: &[Part<'_>]) -> (Vec<u64>, Verdict) {
    let scanned = read(NAME, bytes);
    let parts: Vec<_> = [Part::Scanned(&scanned)]
        .into_iter()
        .chain(later.iter().copied())
        .collect();
    let (mut verdicts, _) = judge(Some(Seq(1)), Seq(0), &parts);
    let first = verdicts.remove(0);
    (first.kept.iter().map(|e| e.seq.0).collect(), first)
}

#[test]
fn every_cut_ends_the_log_before_the_first_frame_that_is_not_whole() {
    let bytes = segment(1, &[2, 2], 10);
    let size = (bytes.len() - segment::HEADER) / 4;
    for cut in segment::HEADER..=bytes.len() {
        let (kept, verdict) = verdict(&bytes[..cut], &[]);
        let whole = (cut - segment::HEADER) / size;
        assert_eq!((kept.len(), verdict.lost.len()), (whole, 0), "cut at {cut}");
    }
}

#[test]
fn the_same_cut_is_a_loss_when_the_next_segment_starts_beyond_it() {
    let bytes = segment(1, &[2, 2], 10);
    let next = Part::Indexed {
        from: Seq(5),
        through: Seq(9),
    };
    let (kept, _) = verdict(&bytes[..bytes.len() - 8], &[next]);
    assert_eq!(kept, [1, 2, 3]);
    let scanned = read(NAME, &bytes[..bytes.len() - 8]);
    let (verdicts, judge) = judge(Some(Seq(1)), Seq(0), &[Part::Scanned(&scanned), next]);
    let end = judge.log_end();
    let lost: Vec<u64> = verdicts[1].lost.iter().flat_map(Clone::clone).collect();
    assert_eq!((verdicts[0].damaged.len(), lost, end), (1, vec![4], Seq(9)));
}

proptest! {
    /// Any bits flipped, ranges zeroed, pieces of the segment copied over others: it ends, doesn't panic, keeps an
    /// ordered part of what was written, and says how many acknowledged records are gone.
    #[test]
    fn any_damage_is_told_and_yields_only_what_was_written(
        batches in proptest::collection::vec(1u64..5, 1..6),
        body in 0usize..90,
        damage in proptest::collection::vec((0u8..3, any::<prop::sample::Index>(), any::<prop::sample::Index>(), 1usize..200), 0..6),
    ) {
        let whole = segment(1, &batches, body);
        let (all, _) = verdict(&whole, &[]);
        prop_assert_eq!(all.len() as u64, batches.iter().sum::<u64>());
        let mut bytes = whole.clone();
        for (what, at, from, len) in damage {
            let at = segment::HEADER + at.index(bytes.len() - segment::HEADER);
            let end = (at + len).min(bytes.len());
            match what {
                0 => bytes[at] ^= 1 << (len % 8),
                1 => bytes[at..end].fill(0),
                _ => {
                    let from = from.index(bytes.len() - (end - at));
                    let piece = whole[from..from + (end - at)].to_vec();
                    bytes[at..end].copy_from_slice(&piece);
                }
            }
        }
        let (kept, verdict) = verdict(&bytes, &[]);
        prop_assert!(kept.windows(2).all(|w| w[0] < w[1]));
        let lost: u64 = verdict.lost.iter().map(|r| r.end - r.start).sum();
        prop_assert_eq!(kept.len() as u64 + lost, verdict.through.0);
        // All before the last batch was acknowledged if a frame of the last batch is there to say so.
        let acked: u64 = batches.iter().rev().skip(1).sum();
        if kept.last().is_some_and(|last| *last > acked) {
            prop_assert!(verdict.through.0 >= acked);
        }
    }

    /// Flips, zeros, pieces of older segments, a piece of the segment itself in another place, a cut end: whatever lies outside of the
    /// damage and is known to have been acknowledged is there, and all that is there was written, to the byte.
    #[test]
    fn whatever_lies_outside_of_the_damage_survives(
        batches in proptest::collection::vec(1_u64..5, 1..6),
        body in 0_usize..90,
        damage in proptest::collection::vec((0_u8..3, any::<prop::sample::Index>(), 1_usize..300), 0..6),
        splice in proptest::option::of((any::<prop::sample::Index>(), any::<prop::sample::Index>(), 1_usize..400)),
        cut in proptest::option::of(any::<prop::sample::Index>()),
    ) {
        let whole = segment(1, &batches, body);
        let older = older_segment(&batches, body);
        let all: u64 = batches.iter().sum();
        let size = (whole.len() - segment::HEADER) / usize::try_from(all).unwrap();
        let mut bytes = whole.clone();
        let mut touched = vec![false; bytes.len()];
        let alone = splice.is_some();
        if let Some((at, from, len)) = splice {
            let at = segment::HEADER + at.index(bytes.len() - segment::HEADER) / 8 * 8;
            let end = (at + len).min(bytes.len());
            let from = segment::HEADER + from.index(bytes.len() - segment::HEADER - (end - at) + 1) / 8 * 8;
            bytes[at..end].copy_from_slice(&whole[from..from + (end - at)]);
            touched[at..end].fill(true);
        }
        // A piece in another place is only told from the right one by those around it: so nothing else happens then.
        for (what, at, len) in damage.into_iter().filter(|_| !alone) {
            let at = segment::HEADER + at.index(bytes.len() - segment::HEADER);
            let end = (at + len).min(bytes.len());
            match what {
                0 => bytes[at] ^= 1 << (len % 8),
                1 => bytes[at..end].fill(0),
                _ => bytes[at..end].copy_from_slice(&older[at..end]),
            }
            let end = if what == 0 { at + 1 } else { end };
            touched[at..end].fill(true);
        }
        if let (Some(cut), false) = (cut, alone) {
            let cut = segment::HEADER + cut.index(bytes.len() - segment::HEADER);
            touched[cut..].fill(true);
            bytes.truncate(cut);
        }
        let scanned = read(NAME, &bytes);
        // The checkpoint says that everything was durable.
        let (verdicts, judge) = judge(Some(Seq(1)), Seq(all), &[Part::Scanned(&scanned)]);
        let end = judge.log_end();
        let kept = &verdicts[0].kept;
        for n in 1..=all {
            let start = segment::HEADER + usize::try_from(n - 1).unwrap() * size;
            if touched[start..start + size].iter().all(|touched| !touched) {
                prop_assert!(kept.iter().any(|e| e.seq == Seq(n)), "{} of {}: {:?}", n, all, scanned);
            }
        }
        for entry in kept {
            let there = &bytes[usize::try_from(entry.offset).unwrap()..][..size];
            let written = segment::HEADER + usize::try_from(entry.seq.0 - 1).unwrap() * size;
            prop_assert_eq!(there, &whole[written..written + size]);
        }
        let lost: u64 = verdicts[0].lost.iter().map(|r| r.end - r.start).sum();
        prop_assert_eq!((kept.len() as u64 + lost, end), (all, Seq(all)));
    }

    #[test]
    fn any_bytes_are_scanned_without_panic(mut bytes in proptest::collection::vec(any::<u8>(), 0..600)) {
        let mut block = vec![0; segment::HEADER];
        block.append(&mut bytes);
        let scanned = read(NAME, &block);
        prop_assert!(scanned.items.iter().all(|item| matches!(item, Item::Bad(_))));
    }
}
