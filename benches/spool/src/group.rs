//! The group commit that one would write by hand around a store: a thread that takes all that waits, commits it once, and tells
//! everybody; with the dedup window that each of them would need, in memory.

use crate::{
    Fallible,
    clients::{self, Measured, record},
};
use std::{
    collections::HashMap,
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    thread,
    time::Duration,
};
use tokio::sync::{mpsc, oneshot};

/// What a commit gets of a record.
pub struct Entry {
    pub seq: u64,
    pub id: [u8; 16],
    pub body: Vec<u8>,
}

pub trait Store: Send + 'static {
    /// Opens it anew in an empty directory.
    fn open(dir: &Path) -> Fallible<Self>
    where
        Self: Sized;
    /// Makes all of them durable.
    fn commit(&mut self, batch: &[Entry]) -> Fallible<()>;
}

struct Waiting {
    id: [u8; 16],
    body: Vec<u8>,
    done: oneshot::Sender<u64>,
}

pub fn measure(mut store: impl Store, clients: usize, time: Duration) -> Fallible<Measured> {
    let (queue, mut waiting) = mpsc::channel::<Waiting>(4096);
    let syncs = Arc::new(AtomicU64::new(0));
    let counted = Arc::clone(&syncs);
    let writer = thread::spawn(move || -> Fallible<()> {
        let (mut window, mut next) = (HashMap::new(), 1);
        let (mut taken, mut batch, mut done) = (Vec::new(), Vec::new(), Vec::new());
        while waiting.blocking_recv_many(&mut taken, 4096) > 0 {
            for one in taken.drain(..) {
                if let Some(seq) = window.get(&one.id) {
                    let _ = one.done.send(*seq);
                    continue;
                }
                window.insert(one.id, next);
                batch.push(Entry {
                    seq: next,
                    id: one.id,
                    body: one.body,
                });
                done.push((one.done, next));
                next += 1;
            }
            store.commit(&batch)?;
            counted.fetch_add(1, Ordering::Relaxed);
            batch.clear();
            for (done, seq) in done.drain(..) {
                let _ = done.send(seq);
            }
        }
        Ok(())
    });
    let append = move |number| {
        let queue = queue.clone();
        async move {
            let (id, body) = record(number);
            let (done, receipt) = oneshot::channel();
            queue.send(Waiting { id, body, done }).await?;
            receipt.await?;
            Ok(())
        }
    };
    let runtime = clients::runtime()?;
    let (took, time) = clients::run(&runtime, clients, time, append, || Ok(()))?;
    writer.join().map_err(|_| "the writer panicked")??;
    Ok(Measured::of(took, 1, time, syncs.load(Ordering::Relaxed)))
}
