//! A spool of known content, byte for byte: what every release must be able to read. Its files are under
//! `tests/golden/spool-v1`.

use crate::{
    callback::{
        id::ce_id,
        json::Document,
        names::{Family, SourceName},
    },
    clock::Millis,
    spool::{
        Envelope, Record, Seq, checkpoint, envelope, frame, index,
        outlet::{Reason, Settled},
        quarantine,
        segment::{Header, Instance, Name},
    },
};
use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
};

/// In order; the numbers are 1 to 9.
const BODIES: [(Family, &str); 9] = [
    (
        Family::Recording,
        r#"{"event_type":100,"stream_id":"s1","file_id":"f1","t":1750000000,"sign":"40994cf0dff5bdb781e083f6699f3d05"}"#,
    ),
    (
        Family::Recording,
        r#"{"event_type":100,"stream_id":"s1","duration":[],"t":1750000001}"#,
    ),
    (
        Family::Stream,
        r#"{"event_type":1,"stream_id":"s1","t":1750000002}"#,
    ),
    (Family::Unknown, r#"{"event_type":9999,"task_id":"task"}"#),
    (
        Family::Stream,
        r#"{"event_type":0,"stream_id":"s2","stream_param":"txSecret=abc&x=1"}"#,
    ),
    (
        Family::Recording,
        "{ \"event_type\" : 100,\r\n \"stream_id\":\"s\u{e9}\" }",
    ),
    (
        Family::Recording,
        r#"{"event_type":100,"stream_id":"s1","file_id":"f7"}"#,
    ),
    (Family::Stream, r#"{"event_type":0,"stream_id":"s1"}"#),
    (
        Family::Moderation,
        r#"{"event_type":315,"streamId":"s3","n":1.50e2}"#,
    ),
];
pub(super) const FIRST: Name = Name {
    ordinal: 4,
    salt: 0x0123_4567_89ab_cdef,
};
pub(super) const SECOND: Name = Name {
    ordinal: 5,
    salt: 0xfedc_ba98_7654_3210,
};
const INSTANCE: Instance = Instance(*b"golden instance!");

pub(super) fn golden() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/spool-v1")
}

pub(super) fn record(seq: u64) -> Record {
    let (family, body) = BODIES[usize::try_from(seq).unwrap() - 1];
    Record {
        seq: Seq(seq),
        ce_id: ce_id(&Document::parse(body.as_bytes()).unwrap()),
        accepted_at: Millis(1_750_000_000_000 + seq),
        envelope: Envelope {
            source: SourceName::parse(if seq == 5 { "other" } else { "tencent" }).unwrap(),
            family,
            received_at: Millis(1_750_000_000_000),
            traceparent: (seq == 3)
                .then(|| "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01".into()),
            body: body.into(),
        },
    }
}

fn settled() -> Settled {
    let mut settled = Settled::default();
    for family in Family::ALL {
        settled.advance(*family, Seq(6));
    }
    settled.advance(Family::Stream, Seq(8));
    settled
}

/// The bytes of a segment and of its index: the header, these records, then `tail`, then zeros.
pub(super) fn segment(
    name: Name,
    seqs: std::ops::RangeInclusive<u64>,
    tail: &[u8],
) -> (Vec<u8>, Vec<u8>) {
    let mut bytes = Vec::new();
    let header = Header {
        name,
        first_seq: Seq(*seqs.start()),
        instance: INSTANCE,
    };
    header.encode(&mut bytes);
    let mut summary = index::Summary::empty(name, INSTANCE, Seq(*seqs.start()));
    let mut entries = Vec::new();
    for seq in seqs {
        let record = record(seq);
        let source = record.envelope.source.clone();
        let known = summary.sources.iter().position(|s| *s == source);
        let place = known.unwrap_or(summary.sources.len());
        if known.is_none() {
            summary.sources.push(source);
        }
        let head = frame::Head {
            seq: record.seq,
            synced_through: Seq(seq - 1),
            accepted_at: record.accepted_at,
            ce_id: record.ce_id,
        };
        let offset = bytes.len() as u64;
        let put = |out: &mut Vec<u8>| envelope::encode(&record.envelope, out);
        let size = frame::encode(name.salt, &head, put, &mut bytes).unwrap();
        entries.push(index::Entry {
            seq: record.seq,
            accepted_at: record.accepted_at,
            ce_id: record.ce_id,
            offset,
            size: size.try_into().unwrap(),
            source: place.try_into().unwrap(),
            family: record.envelope.family,
        });
    }
    entries.iter().for_each(|entry| summary.add(entry));
    bytes.extend_from_slice(tail);
    bytes.resize(bytes.len().next_multiple_of(4096), 0);
    (bytes, index::encode(&summary, &entries))
}

/// Bytes by file.
pub(super) type Files = BTreeMap<String, Vec<u8>>;

/// Every file of a spool of format 1: a closed segment with its index, one that was being written when the process was
/// killed in the middle of a frame, a checkpoint, a quarantined record.
pub(super) fn files() -> Files {
    let (first, first_index) = segment(FIRST, 1..=6, &[]);
    // Half of a frame that was never acknowledged.
    let (second, _) = segment(SECOND, 7..=9, &[0x5a; 40]);
    let reason = Reason {
        label: "untypable",
        detail: "duration: an integer is expected, not an array".into(),
        topic: "live.recording".into(),
    };
    let aside = quarantine::describe(&record(2), &reason, Millis(1_750_000_000_100));
    let mut aside = serde_json::to_vec(&aside).unwrap();
    aside.push(b'\n');
    aside.extend_from_slice(BODIES[1].1.as_bytes());
    let mut older = Settled::default();
    older.advance(Family::Recording, Seq(1));
    let checkpoint = [
        checkpoint::encode(2, &older),
        checkpoint::encode(3, &settled()),
    ]
    .concat();
    BTreeMap::from([
        (
            "spool-id".into(),
            b"00112233445566778899aabbccddeeff\n".to_vec(),
        ),
        ("checkpoint".into(), checkpoint),
        (FIRST.to_string(), first),
        (FIRST.index(), first_index),
        (SECOND.to_string(), second),
        (
            format!("quarantine/{:020}-{}.record", 2, record(2).ce_id),
            aside,
        ),
    ])
}

pub(super) fn write(files: &Files, to: &Path) {
    fs::create_dir_all(to.join("quarantine")).unwrap();
    for (name, bytes) in files {
        fs::write(to.join(name), bytes).unwrap();
    }
}

pub(super) fn written() -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    write(&files(), dir.path());
    dir
}

/// For a new version of the format, and never again for an old one: without the golden directory, this makes it, and
/// fails once, so that nobody takes it for a pass.
#[test]
fn this_release_still_writes_format_1_byte_for_byte() {
    if !golden().exists() {
        write(&files(), &golden());
        panic!("the golden files were missing and were made: look at them, and commit them");
    }
    for (name, bytes) in files() {
        assert!(fs::read(golden().join(&name)).unwrap() == bytes, "{name}");
    }
}
