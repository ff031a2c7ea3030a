//! Which streams are looked at together: as many as may be held in memory. Pure.

use super::{
    Fault,
    identity::{Identity, stream},
};

/// Parts that streams fall into, by hash.
pub(super) const BUCKETS: usize = 4096;

/// Which pass looks at which bucket.
#[derive(Debug)]
pub(super) struct Parts {
    pub(super) count: usize,
    /// Empty: the only one looks at all.
    pub(super) of: Vec<u16>,
}

impl Parts {
    pub(super) const fn whole() -> Self {
        Self {
            count: 1,
            of: Vec::new(),
        }
    }

    /// As many passes as it takes for none to hold more than `at_once`.
    pub(super) fn of(buckets: &[u64], at_once: usize) -> Result<Self, Fault> {
        let most = u64::try_from(at_once).unwrap_or(u64::MAX);
        let (mut pass, mut held) = (0, 0);
        let mut of = Vec::with_capacity(buckets.len());
        for &records in buckets {
            if records > most {
                return Err(Fault::TooMany { records, at_once });
            }
            held += records;
            if held > most {
                (pass, held) = (pass + 1, records);
            }
            of.push(pass);
        }
        Ok(Self {
            count: usize::from(pass) + 1,
            of,
        })
    }

    pub(super) fn has(&self, pass: usize, bucket: usize) -> bool {
        self.of.is_empty()
            || self
                .of
                .get(bucket)
                .is_some_and(|&of| usize::from(of) == pass)
    }
}

/// A stream falls into one bucket; without a key each record into its own.
pub(super) fn bucket(topic: &str, key: Option<&[u8]>, identity: Identity) -> usize {
    let hash = key.map_or(identity.0, |key| stream(topic, key));
    usize::try_from(hash % BUCKETS as u64).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_hold_no_more_than_they_may_and_every_bucket_once() {
        let parts = Parts::of(&[3, 4, 0, 5, 1], 7).unwrap();
        assert_eq!(
            (parts.count, parts.of.as_slice()),
            (2, &[0, 0, 0, 1, 1][..])
        );
        for bucket in 0..5 {
            let passes = (0..parts.count).filter(|pass| parts.has(*pass, bucket));
            assert_eq!(passes.count(), 1, "{bucket}");
        }
        assert!(matches!(
            Parts::of(&[1, 9], 7),
            Err(Fault::TooMany {
                records: 9,
                at_once: 7
            })
        ));
        assert!(Parts::whole().has(0, 4095));
    }

    #[test]
    fn a_stream_is_in_one_bucket_and_records_without_a_key_in_many() {
        let of = |seq, key| bucket("live.recording", key, Identity(seq));
        assert_eq!(of(1, Some(b"a".as_slice())), of(2, Some(b"a")));
        assert_ne!(of(1, None), of(2, None));
        assert!(of(1, None) < BUCKETS);
    }
}
