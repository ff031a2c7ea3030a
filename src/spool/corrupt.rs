//! Copies of damaged ranges, under `corrupt/`: for people to look at, never more than a limit. To the relay the names alone matter:
//! they say which records of a segment are known to be damaged.
//!
//! ```text
//!  corrupt/0000000007-9f86d081884c7d65-000000004096.bytes
//!          segment                     offset        the bytes, as far as they could be read
//! ```

use super::{
    disk::{Dir, Disk, write_whole},
    segment::Name,
    shared::locked,
};
use std::{collections::BTreeMap, io, sync::Mutex};

/// The most bytes kept in one run; of what is found beyond it only the place is kept …
const BYTES_MAX: u64 = 64 << 20;
/// … and beyond so many places nothing.
const PLACES_MAX: usize = 1 << 16;

/// What is known to be damaged.
#[derive(Debug, Default)]
pub(in crate::spool) struct CorruptStore(Mutex<Known>);

#[derive(Debug, Default)]
struct Known {
    /// Segment and offset, to length.
    places: BTreeMap<(Name, u64), u64>,
    /// By this run.
    put: u64,
}

impl CorruptStore {
    /// Looks at what is there.
    pub(in crate::spool) fn open(disk: &dyn Disk) -> io::Result<Self> {
        let mut known = Known::default();
        for file in disk.list(Dir::Corrupt)? {
            if file.ends_with(".tmp") {
                disk.remove(Dir::Corrupt, &file)?;
            } else if let Some(place) = place_of(&file) {
                let size = match disk.size(Dir::Corrupt, &file) {
                    // Somebody took it away just now.
                    Err(e) if e.kind() == io::ErrorKind::NotFound => continue,
                    size => size?,
                };
                known.places.insert(place, size);
            }
        }
        // What an earlier run renamed and didn't sync must not vanish any more: segments go on its word.
        disk.sync_dir(Dir::Corrupt)?;
        Ok(Self(Mutex::new(known)))
    }

    /// Keeps a copy of bytes that were found at `offset` of a segment. Putting the same again changes nothing.
    pub(in crate::spool) fn put(
        &self,
        disk: &dyn Disk,
        name: Name,
        offset: u64,
        bytes: &[u8],
    ) -> io::Result<()> {
        let mut known = locked(&self.0);
        let place = (name, offset);
        if known.places.contains_key(&place) {
            return Ok(());
        }
        if known.places.len() >= PLACES_MAX {
            return Err(io::Error::new(
                io::ErrorKind::QuotaExceeded,
                format!("corrupt/ names {PLACES_MAX} places already"),
            ));
        }
        let more = bytes.len() as u64;
        let fits = known.put + more <= BYTES_MAX;
        let kept = if fits { bytes } else { &[] };
        write_whole(disk, Dir::Corrupt, &file_of(name, offset), &[kept])?;
        known.put += kept.len() as u64;
        known.places.insert(place, more);
        Ok(())
    }

    /// Whether this is the start of a range that is damaged.
    pub(in crate::spool) fn knows(&self, name: Name, offset: u64) -> bool {
        locked(&self.0).places.contains_key(&(name, offset))
    }

    /// How many ranges are set aside; at most [`PLACES_MAX`].
    pub(in crate::spool) fn places(&self) -> usize {
        locked(&self.0).places.len()
    }

    /// Whether this place lies in a range that is damaged.
    pub(in crate::spool) fn covers(&self, name: Name, offset: u64) -> bool {
        let known = locked(&self.0);
        let before = known.places.range((name, 0)..=(name, offset)).next_back();
        before.is_some_and(|((_, start), len)| offset < start + (*len).max(1))
    }
}

fn file_of(name: Name, offset: u64) -> String {
    format!("{:010}-{:016x}-{offset:012}.bytes", name.ordinal, name.salt)
}

fn place_of(file: &str) -> Option<(Name, u64)> {
    let (segment, offset) = file.strip_suffix(".bytes")?.rsplit_once('-')?;
    let name = format!("{segment}.segment").parse().ok()?;
    Some((name, offset.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::super::{
        disk::{ReadDisk, read_all},
        tests::fake_disk::FakeDisk,
    };
    use super::*;

    const NAME: Name = Name {
        ordinal: 3,
        salt: 9,
    };

    #[test]
    fn a_place_is_known_across_runs_by_its_file_alone() {
        let disk = FakeDisk::new();
        let store = CorruptStore::open(&disk).unwrap();
        store.put(&disk, NAME, 4096, b"damaged").unwrap();
        store.put(&disk, NAME, 8192, b"").unwrap();
        store.put(&disk, NAME, 4096, b"again").unwrap();
        let file = "0000000003-0000000000000009-000000004096.bytes";
        let kept = read_all(&disk, Dir::Corrupt, file, 100).unwrap();
        assert_eq!(kept, b"damaged");
        for store in [store, CorruptStore::open(&disk).unwrap()] {
            let covered = [4095, 4096, 4102, 4103, 8192, 8193].map(|at| store.covers(NAME, at));
            assert_eq!(covered, [false, true, true, false, true, false]);
            assert!(!store.covers(Name { salt: 8, ..NAME }, 4096));
            assert!(store.knows(NAME, 4096) && !store.knows(NAME, 4097));
        }
    }

    #[test]
    fn beyond_the_limit_only_the_place_is_kept() {
        let disk = FakeDisk::new();
        let store = CorruptStore::default();
        locked(&store.0).put = BYTES_MAX - 3;
        store.put(&disk, NAME, 1, b"four").unwrap();
        store.put(&disk, NAME, 2, b"one").unwrap();
        let size = |offset| disk.size(Dir::Corrupt, &file_of(NAME, offset)).unwrap();
        assert_eq!((size(1), size(2)), (0, 3));
        assert!(store.knows(NAME, 1));
    }
}
