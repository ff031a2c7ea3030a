//! The calls themselves: what each does to the state, and what it leaves when it fails.

use super::{EIO, ENOSPC, FakeDisk, FakeFile, Verb, Why, content::Content};
use crate::spool::disk::{Dir, Disk, DiskFile, ReadDisk, ReadFile, Space};
use std::io;

fn not_found() -> io::Error {
    io::ErrorKind::NotFound.into()
}

impl ReadDisk for FakeDisk {
    fn list(&self, dir: Dir) -> io::Result<Vec<String>> {
        self.ask(Verb::List, |s| {
            let live = s.names.live().iter().filter(|(d, _, _)| *d == dir);
            Ok(live.map(|(_, name, _)| name.to_string()).collect())
        })
    }

    fn open(&self, dir: Dir, name: &str) -> io::Result<Box<dyn ReadFile>> {
        let id = self.ask(Verb::Open, |s| {
            s.names.find(dir, name).ok_or_else(not_found)
        })?;
        Ok(self.file(id))
    }

    fn size(&self, dir: Dir, name: &str) -> io::Result<u64> {
        self.ask(Verb::Size, |s| {
            let id = s.names.find(dir, name).ok_or_else(not_found)?;
            Ok(s.contents[&id].live().len() as u64)
        })
    }
}

impl Disk for FakeDisk {
    fn create(&self, dir: Dir, name: &str) -> io::Result<Box<dyn DiskFile>> {
        let id = self.ask(Verb::Create, |s| {
            if s.names.find(dir, name).is_some() {
                return Err(io::ErrorKind::AlreadyExists.into());
            }
            s.next += 1;
            s.contents.insert(s.next, Content::default());
            s.names.link(dir, name, s.next);
            Ok(s.next)
        })?;
        Ok(self.file(id))
    }

    fn open_to_write(&self, dir: Dir, name: &str) -> io::Result<Box<dyn DiskFile>> {
        let id = self.ask(Verb::Open, |s| {
            s.names.find(dir, name).ok_or_else(not_found)
        })?;
        Ok(self.file(id))
    }

    fn rename(&self, dir: Dir, from: &str, to: &str) -> io::Result<()> {
        self.ask(Verb::Rename, |s| {
            let id = s.names.find(dir, from).ok_or_else(not_found)?;
            s.names.rename(dir, from, to, id);
            Ok(())
        })
    }

    fn remove(&self, dir: Dir, name: &str) -> io::Result<()> {
        self.ask(Verb::Remove, |s| {
            s.names.find(dir, name).ok_or_else(not_found)?;
            s.names.unlink(dir, name);
            Ok(())
        })
    }

    fn sync_dir(&self, dir: Dir) -> io::Result<()> {
        self.ask(Verb::SyncDir, |s| {
            s.names.sync(dir);
            Ok(())
        })
    }

    /// No call of the disk: it neither dies nor fails here.
    fn random(&self, bytes: &mut [u8]) -> io::Result<()> {
        let chance = &mut self.0.lock().unwrap().state.chance;
        for byte in bytes {
            *chance = chance
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1_442_695_040_888_963_407);
            *byte = u8::try_from(*chance >> 56).unwrap();
        }
        Ok(())
    }

    fn space(&self) -> io::Result<Space> {
        self.ask(Verb::Space, |s| {
            let left = |capacity: u64| capacity.saturating_sub(s.used());
            Ok(Space {
                free: s.capacity.map_or(s.free, left),
                total: 1 << 40,
            })
        })
    }

    fn uncache(&self, dir: Dir, name: &str) -> io::Result<()> {
        self.ask(Verb::Uncache, |s| {
            s.names.find(dir, name).ok_or_else(not_found).map(drop)
        })?;
        self.0.lock().unwrap().uncached.push(name.into());
        Ok(())
    }
}

impl ReadFile for FakeFile {
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        self.disk.ask(Verb::Read, |s| {
            let content = &s.contents[&self.id];
            let offset = usize::try_from(offset).unwrap();
            let rest = content.live().get(offset..).unwrap_or_default();
            let len = rest.len().min(buffer.len());
            if !content.can_read(&(offset..offset + len)) {
                return Err(io::Error::from_raw_os_error(EIO));
            }
            buffer[..len].copy_from_slice(&rest[..len]);
            Ok(len)
        })
    }

    fn len(&self) -> io::Result<u64> {
        self.disk
            .ask(Verb::Len, |s| Ok(s.contents[&self.id].live().len() as u64))
    }
}

impl DiskFile for FakeFile {
    /// One that fails has written some of it; one that the power fails in is under way.
    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<()> {
        let offset = usize::try_from(offset).unwrap();
        self.disk.call(
            Verb::Write,
            |s| {
                let growth = (offset + bytes.len()).saturating_sub(s.file(self.id).live().len());
                if s.capacity
                    .is_some_and(|most| s.used() + growth as u64 > most)
                {
                    return Err(io::Error::from_raw_os_error(ENOSPC));
                }
                s.file(self.id).write(bytes, offset);
                Ok(())
            },
            |s, why| {
                let written = match why {
                    Why::Death => bytes,
                    Why::Error => &bytes[..bytes.len() / 2],
                };
                s.file(self.id).write(written, offset);
            },
        )
    }

    fn sync_data(&self) -> io::Result<()> {
        self.disk.call(
            Verb::Sync,
            |s| {
                s.file(self.id).sync(true);
                Ok(())
            },
            |s, why| {
                if why == Why::Error {
                    s.file(self.id).sync(false);
                }
            },
        )
    }
}
