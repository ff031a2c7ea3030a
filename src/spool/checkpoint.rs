//! How far each family is settled, on disk: a preallocated file of two slots, written in turn, so that a torn write leaves the
//! other one, and that a full disk can't stop it.
//!
//! At a start the newest slot is written again, as it is, and synced: it may have been found in the page cache alone, and segments
//! are deleted on its word.
//!
//! ```text
//!  0                      4096                   8192
//!  ├──────────────────────┼──────────────────────┤
//!  │ slot of even numbers │ slot of odd numbers  │
//!  └──────────────────────┴──────────────────────┘
//!  slot: "LBCHECKP", version u32, crc u32, generation u64, families u32 × {code u8, seq u64}, zeros
//! ```

use super::{
    bytes::{pad, take, take_u8, take_u32, take_u64},
    disk::{Dir, Disk, DiskFile, ReadDisk, is_unreadable, write_whole},
    outlet::Settled,
    record::Seq,
    segment::Name,
};
use crate::callback::names::Family;
use std::io;

const NAME: &str = "checkpoint";
const MAGIC: &[u8; 8] = b"LBCHECKP";
const VERSION: u32 = 1;
const SLOT: usize = 4096;
const CRC_AT: usize = 12;

/// The open file.
pub(in crate::spool) struct Checkpoint {
    file: Box<dyn DiskFile>,
    generation: u64,
    settled: Settled,
}

/// What was found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::spool) enum Found {
    /// No file, and no segment: a new spool.
    New,
    /// No file, though there are segments: everything in the log counts as unsettled.
    Missing,
    /// At least one valid slot.
    Valid,
    /// One valid slot; the other one can't be read.
    HalfUnreadable,
    /// A file without a valid slot: everything in the log counts as unsettled.
    Damaged,
}

impl Found {
    /// Whether all that it ever said is known: then nothing may be missing behind it. A slot that can't be read may say that more is
    /// settled, and deleted since.
    pub(in crate::spool) const fn is_whole(self) -> bool {
        matches!(self, Self::Valid)
    }

    /// Whether it once said so, and doesn't any more.
    pub(in crate::spool) const fn is_lost(self) -> bool {
        matches!(self, Self::Damaged | Self::Missing)
    }
}

/// Why it can't be read.
#[derive(Debug, thiserror::Error)]
pub(in crate::spool) enum Error {
    #[error(transparent)]
    Io(#[from] io::Error),
    /// Of a later release.
    #[error("{0}")]
    Newer(String),
}

impl Checkpoint {
    /// Opens the file, or makes it. A damaged one stays until [`Self::begin_anew`], and a missing one becomes such a one.
    pub(in crate::spool) fn open(disk: &dyn Disk) -> Result<(Self, Found), Error> {
        let (found, generation, settled) = read(disk)?;
        match found {
            Found::Valid => {
                let file = disk.open_to_write(Dir::Root, NAME)?;
                file.write_at(&encode(generation, &settled), place_of(generation))?;
                file.sync_data()?;
            }
            // Also where one slot can't be read: a new file lies elsewhere on the disk.
            Found::New | Found::HalfUnreadable => write_file(disk, generation, &settled)?,
            // One that says 0 would make the next start look for what was deleted long ago.
            Found::Missing => write_whole(disk, Dir::Root, NAME, &[&[0; 2 * SLOT]])?,
            Found::Damaged => {}
        }
        let checkpoint = Self {
            file: disk.open_to_write(Dir::Root, NAME)?,
            generation,
            settled,
        };
        Ok((checkpoint, found))
    }

    /// In place of a damaged one. What lies before the log's beginning isn't there any more: settled, or else lost for good; the
    /// next start must not look for it.
    pub(in crate::spool) fn begin_anew(&mut self, disk: &dyn Disk, before: Seq) -> io::Result<()> {
        let mut settled = Settled::default();
        settled.advance_all(before);
        write_file(disk, 0, &settled)?;
        *self = Self {
            file: disk.open_to_write(Dir::Root, NAME)?,
            generation: 0,
            settled,
        };
        Ok(())
    }

    /// Nothing up to here is there any more, nor will be: the next start must not look for it.
    pub(in crate::spool) fn pass(&mut self, through: Seq) -> io::Result<()> {
        let mut settled = self.settled;
        settled.advance_all(through);
        self.store(&settled, through)
    }

    /// What is on disk.
    pub(in crate::spool) const fn settled(&self) -> Settled {
        self.settled
    }

    /// Writes and syncs. An error ends the run: what is on disk is unknown.
    pub(in crate::spool) fn store(
        &mut self,
        settled: &Settled,
        durable_end: Seq,
    ) -> io::Result<()> {
        if settled.most() > durable_end {
            let text = format!(
                "a checkpoint at record {} would lead the durable end {durable_end}",
                settled.most()
            );
            return Err(io::Error::other(text));
        }
        if *settled == self.settled {
            return Ok(());
        }
        let generation = self.generation + 1;
        self.file
            .write_at(&encode(generation, settled), place_of(generation))?;
        self.file.sync_data()?;
        self.generation = generation;
        self.settled = *settled;
        Ok(())
    }
}

/// What the file says: what was found, the newest valid slot's generation, and how far it says that all is settled.
/// Changes nothing.
pub(in crate::spool) fn read(disk: &dyn ReadDisk) -> Result<(Found, u64, Settled), Error> {
    let files = disk.list(Dir::Root)?;
    let exists = files.iter().any(|name| name == NAME);
    let is_new = !files.iter().any(|file| file.parse::<Name>().is_ok());
    let mut slots = Vec::new();
    let mut unreadable = false;
    if exists {
        let file = disk.open(Dir::Root, NAME)?;
        for place in [place_of(0), place_of(1)] {
            let mut slot = [0; SLOT];
            match file.read_at(&mut slot, place) {
                Ok(read) => slots.extend(decode(slot.get(..read).unwrap_or_default())?),
                Err(e) if is_unreadable(&e) => unreadable = true,
                Err(e) => return Err(e.into()),
            }
        }
    }
    let newest = slots.into_iter().max_by_key(|(generation, _)| *generation);
    Ok(match newest {
        Some((generation, settled)) if unreadable => (Found::HalfUnreadable, generation, settled),
        Some((generation, settled)) => (Found::Valid, generation, settled),
        None if exists => (Found::Damaged, 0, Settled::default()),
        None if is_new => (Found::New, 0, Settled::default()),
        None => (Found::Missing, 0, Settled::default()),
    })
}

fn write_file(disk: &dyn Disk, generation: u64, settled: &Settled) -> io::Result<()> {
    let mut slots = [vec![0; SLOT], encode(generation, settled)];
    if place_of(generation) == 0 {
        slots.reverse();
    }
    write_whole(disk, Dir::Root, NAME, &[&slots.concat()])
}

/// Where the slot of a generation is.
const fn place_of(generation: u64) -> u64 {
    (generation % 2) * SLOT as u64
}

pub(in crate::spool) fn encode(generation: u64, settled: &Settled) -> Vec<u8> {
    let mut slot = Vec::with_capacity(SLOT);
    slot.extend_from_slice(MAGIC);
    slot.extend_from_slice(&VERSION.to_le_bytes());
    slot.extend_from_slice(&[0; 4]);
    slot.extend_from_slice(&generation.to_le_bytes());
    let families = u32::try_from(Family::ALL.len()).unwrap_or(u32::MAX);
    slot.extend_from_slice(&families.to_le_bytes());
    for family in Family::ALL {
        slot.push(family.code());
        slot.extend_from_slice(&settled.of(*family).0.to_le_bytes());
    }
    pad(&mut slot, SLOT);
    let crc = checksum(&slot).to_le_bytes();
    if let Some(place) = slot.get_mut(CRC_AT..CRC_AT + 4) {
        place.copy_from_slice(&crc);
    }
    slot
}

/// None for a damaged or unused slot.
fn decode(slot: &[u8]) -> Result<Option<(u64, Settled)>, Error> {
    let mut rest = slot;
    let rest = &mut rest;
    let start = |rest: &mut &[u8]| Some((take::<8>(rest)?, take_u32(rest)?, take_u32(rest)?));
    let Some((magic, version, crc)) = start(rest) else {
        return Ok(None);
    };
    if &magic != MAGIC || slot.len() != SLOT || checksum(slot) != crc {
        return Ok(None);
    }
    if version != VERSION {
        return Err(Error::Newer(format!("checkpoint version {version}")));
    }
    let Some((generation, families)) = take_u64(rest).zip(take_u32(rest)) else {
        return Ok(None);
    };
    let mut settled = Settled::default();
    for _ in 0..families {
        let Some((code, seq)) = take_u8(rest).zip(take_u64(rest)) else {
            return Ok(None);
        };
        let family =
            Family::from_code(code).ok_or_else(|| Error::Newer(format!("family number {code}")))?;
        settled.advance(family, Seq(seq));
    }
    Ok(Some((generation, settled)))
}

fn checksum(slot: &[u8]) -> u32 {
    let (before, rest) = slot.split_at_checked(CRC_AT).unwrap_or_default();
    crc32c::crc32c_append(crc32c::crc32c(before), rest.get(4..).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::super::disk::RealDisk;
    use super::*;

    fn settled(n: u64) -> Settled {
        let mut settled = Settled::default();
        Family::ALL
            .iter()
            .for_each(|f| settled.advance(*f, Seq(n + u64::from(f.code()))));
        settled
    }

    #[test]
    fn the_newest_slot_counts_and_a_damaged_one_leaves_the_other() {
        let dir = tempfile::tempdir().unwrap();
        let disk = RealDisk::new(dir.path()).unwrap();
        let (mut checkpoint, found) = Checkpoint::open(&disk).unwrap();
        assert_eq!(found, Found::New);
        for n in 1..=3 {
            checkpoint.store(&settled(n * 10), Seq(100)).unwrap();
            let (again, found) = Checkpoint::open(&disk).unwrap();
            assert_eq!((again.settled(), found), (settled(n * 10), Found::Valid));
        }
        // Generation 3 is in the odd slot; whatever bit of it is hit, generation 2 is what counts.
        for byte in [0, 9, 13, 17, 30, 4095] {
            let file = disk.open_to_write(Dir::Root, NAME).unwrap();
            let mut old = [0];
            file.read_at(&mut old, 4096 + byte).unwrap();
            file.write_at(&[old[0] ^ 4], 4096 + byte).unwrap();
            let (again, found) = Checkpoint::open(&disk).unwrap();
            assert_eq!(
                (again.settled(), found),
                (settled(20), Found::Valid),
                "byte {byte}"
            );
            file.write_at(&old, 4096 + byte).unwrap();
        }
        let file = disk.open_to_write(Dir::Root, NAME).unwrap();
        file.write_at(&[7; 2 * SLOT], 0).unwrap();
        assert_eq!(Checkpoint::open(&disk).unwrap().1, Found::Damaged);
    }

    #[test]
    fn the_bytes_on_disk_are_those_of_the_picture() {
        let slot = encode(7, &settled(10));
        let golden = "4c42434845434b50 01000000 3d2ba71f 0700000000000000 09000000 \
                      00 0a00000000000000 01 0b00000000000000 02 0c00000000000000 \
                      03 0d00000000000000 04 0e00000000000000 05 0f00000000000000 \
                      06 1000000000000000 07 1100000000000000 08 1200000000000000";
        assert_eq!(hex::encode(&slot[..109]), golden.replace(' ', ""));
        assert_eq!((slot.len(), &slot[109..]), (SLOT, &[0; SLOT - 109][..]));
    }

    #[test]
    fn the_checkpoint_never_leads() {
        let dir = tempfile::tempdir().unwrap();
        let disk = RealDisk::new(dir.path()).unwrap();
        let (mut checkpoint, _) = Checkpoint::open(&disk).unwrap();
        let most = settled(10).most();
        assert!(checkpoint.store(&settled(10), Seq(most.0 - 1)).is_err());
        assert_eq!(
            Checkpoint::open(&disk).unwrap().0.settled(),
            Settled::default()
        );
        assert!(checkpoint.store(&settled(10), most).is_ok());
    }
}
