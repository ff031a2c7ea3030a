//! The stores that one could have taken instead.

use crate::{
    Fallible,
    group::{Entry, Store},
};
use fjall::{Database, Keyspace, KeyspaceCreateOptions, PersistMode};
use rusqlite::Connection;
use std::{
    fs::{File, OpenOptions},
    io::{self, Write},
    os::unix::fs::FileExt,
    path::Path,
};

/// As long as one of the spool's segments.
const FILE: u64 = 64 << 20;

/// A file of zeros that is written in circles: only data has to be synced.
pub struct BareFile {
    file: File,
    end: u64,
    buffer: Vec<u8>,
}

impl BareFile {
    pub fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        if self.end + bytes.len() as u64 > FILE {
            self.end = 0;
        }
        self.file.write_all_at(bytes, self.end)?;
        self.end += bytes.len() as u64;
        self.file.sync_data()
    }
}

impl Store for BareFile {
    fn open(dir: &Path) -> Fallible<Self> {
        let mut options = OpenOptions::new();
        let mut file = options.write(true).create_new(true).open(dir.join("log"))?;
        let zeros = vec![0; 1 << 20];
        for _ in 0..FILE >> 20 {
            file.write_all(&zeros)?;
        }
        file.sync_all()?;
        Ok(Self {
            file,
            end: 0,
            buffer: Vec::new(),
        })
    }

    fn commit(&mut self, batch: &[Entry]) -> Fallible<()> {
        let mut buffer = std::mem::take(&mut self.buffer);
        for entry in batch {
            buffer.extend_from_slice(&entry.seq.to_le_bytes());
            buffer.extend_from_slice(&entry.id);
            buffer.extend_from_slice(&entry.body);
        }
        self.write(&buffer)?;
        buffer.clear();
        self.buffer = buffer;
        Ok(())
    }
}

pub struct Fjall {
    database: Database,
    log: Keyspace,
}

impl Store for Fjall {
    fn open(dir: &Path) -> Fallible<Self> {
        let database = Database::builder(dir).open()?;
        let log = database.keyspace("log", KeyspaceCreateOptions::default)?;
        Ok(Self { database, log })
    }

    fn commit(&mut self, batch: &[Entry]) -> Fallible<()> {
        let mut write = self
            .database
            .batch()
            .durability(Some(PersistMode::SyncData));
        for entry in batch {
            let value = [&entry.id[..], &entry.body].concat();
            write.insert(&self.log, entry.seq.to_be_bytes(), value);
        }
        Ok(write.commit()?)
    }
}

pub struct Sqlite(Connection);

impl Store for Sqlite {
    fn open(dir: &Path) -> Fallible<Self> {
        let connection = Connection::open(dir.join("log"))?;
        // The first answers with the mode, the others with nothing or something.
        for pragma in [
            "journal_mode = WAL",
            "synchronous = FULL",
            "locking_mode = EXCLUSIVE",
        ] {
            connection.execute_batch(&format!("PRAGMA {pragma}"))?;
        }
        connection.execute_batch(
            "CREATE TABLE log (seq INTEGER PRIMARY KEY, id BLOB NOT NULL, body BLOB NOT NULL)",
        )?;
        Ok(Self(connection))
    }

    fn commit(&mut self, batch: &[Entry]) -> Fallible<()> {
        let transaction = self.0.transaction()?;
        {
            let mut insert = transaction
                .prepare_cached("INSERT INTO log (seq, id, body) VALUES (?1, ?2, ?3)")?;
            for entry in batch {
                insert.execute((entry.seq.cast_signed(), &entry.id[..], &entry.body[..]))?;
            }
        }
        Ok(transaction.commit()?)
    }
}
