//! A follower's connection: lines as long as both sides are there. It has a place of its own, so that whoever follows
//! keeps no other command out.

use super::Reply;
use crate::follow::{Filter, Follower, Seen};
use std::time::Duration;
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt},
    time::timeout,
};

/// How long a follower may take nothing, as one behind a pager does, before its place goes to somebody else.
const PATIENCE: Duration = Duration::from_secs(60);
/// Bytes in a write, about.
const BATCH: usize = 32 << 10;

/// Tells a follower until the door is no more, or the follower is.
pub(super) async fn follow(
    mut read: impl AsyncRead + Unpin,
    mut write: impl AsyncWrite + Unpin,
    mut follower: Follower,
    filter: &Filter,
) {
    let mut lines = Lines::default();
    lines.add(&Reply::Following {});
    loop {
        if !matches!(
            timeout(PATIENCE, write.write_all(&lines.0)).await,
            Ok(Ok(()))
        ) || lines.1
        {
            return;
        }
        lines.0.clear();
        let mut byte = [0];
        let first = tokio::select! {
            seen = follower.next() => seen,
            // It has nothing more to say: it has gone.
            _ = read.read(&mut byte) => return,
        };
        let mut next = Some(first);
        while let Some(seen) = next {
            lines.see(&seen, filter);
            next = (lines.0.len() < BATCH && !lines.1)
                .then(|| follower.ready())
                .flatten();
        }
    }
}

/// What is to be written, and whether it is the last.
#[derive(Default)]
struct Lines(Vec<u8>, bool);

impl Lines {
    fn see(&mut self, seen: &Seen, filter: &Filter) {
        match seen {
            Seen::Decision(decision) if filter.takes(decision) => {
                self.add(&Reply::Decision(Box::new((**decision).clone())));
            }
            Seen::Decision(_) => {}
            Seen::Lost(decisions) => self.add(&Reply::Lost {
                decisions: *decisions,
            }),
            Seen::End => {
                self.add(&Reply::Ended {});
                self.1 = true;
            }
        }
    }

    fn add(&mut self, reply: &Reply) {
        // Nothing in a reply can fail to be JSON.
        if serde_json::to_writer(&mut self.0, reply).is_ok() {
            self.0.push(b'\n');
        }
    }
}
