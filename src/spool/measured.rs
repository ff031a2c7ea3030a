//! The pure inside of the spool, for the benches, which see only what is public. Nothing else may use it.

use super::{
    envelope,
    frame::{self, Head},
    record::{Record, Seq},
    scan::{self, Item},
    segment::{Header, Instance, Name},
};

const NAME: Name = Name {
    ordinal: 1,
    salt: 7,
};

/// Appends a record's frame. False: it doesn't fit one.
pub fn encode(record: &Record, out: &mut Vec<u8>) -> bool {
    let head = Head {
        seq: record.seq,
        synced_through: Seq(record.seq.0.saturating_sub(1)),
        accepted_at: record.accepted_at,
        ce_id: record.ce_id,
    };
    let payload = |out: &mut Vec<u8>| envelope::encode(&record.envelope, out);
    frame::encode(NAME.salt, &head, payload, out).is_ok()
}

/// A segment with these records, as it would be on disk.
#[must_use]
pub fn segment(records: &[Record]) -> Vec<u8> {
    let mut bytes = Vec::new();
    let header = Header {
        name: NAME,
        first_seq: records.first().map_or(Seq(1), |record| record.seq),
        instance: Instance([1; 16]),
    };
    header.encode(&mut bytes);
    for record in records {
        encode(record, &mut bytes);
    }
    bytes
}

/// How many whole frames a scan finds.
#[must_use]
pub fn scan(segment: &[u8]) -> usize {
    let items = scan::read(NAME, segment).items.into_iter();
    items.filter(|item| matches!(item, Item::Frame(_))).count()
}
