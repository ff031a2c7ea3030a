//! From the door to those who follow it: a ring that the door writes without waiting, and that each follower reads at
//! its own pace.

use super::decision::Decision;
use crate::callback::names::SourceName;
use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};
use tokio::sync::broadcast::{
    self,
    error::{RecvError, TryRecvError},
};

/// Followers at once.
pub const FOLLOWERS: usize = 8;
/// Decisions that a follower may be behind.
const RING: usize = 1024;

/// The door's end. Followers hear of the end when it is dropped.
#[derive(Debug)]
pub struct Decisions {
    ring: broadcast::Sender<Arc<Decision>>,
    followers: Arc<AtomicUsize>,
    sources: Vec<String>,
    redact: Vec<String>,
}

/// Why nobody more can follow.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NoFollower {
    /// The limit.
    #[error("{FOLLOWERS} others follow already: end one of them")]
    TooMany,
    /// It would wait for ever.
    #[error("no source is called {asked:?}: there is {known}")]
    NoSuchSource {
        /// What was asked for.
        asked: String,
        /// Those that there are.
        known: String,
    },
}

impl Decisions {
    /// Nobody follows yet. `redact` is the setting of that name.
    #[must_use]
    pub fn new(sources: &[SourceName], redact: &[String]) -> Self {
        Self {
            ring: broadcast::Sender::new(RING),
            followers: Arc::default(),
            sources: sources.iter().map(ToString::to_string).collect(),
            redact: redact.to_vec(),
        }
    }

    /// Whether anybody does. All that the door pays for when nobody does.
    #[must_use]
    pub fn are_followed(&self) -> bool {
        self.followers.load(Ordering::Relaxed) > 0
    }

    /// The names of query parameters whose values nobody may see.
    #[must_use]
    pub fn redact(&self) -> &[String] {
        &self.redact
    }

    /// Tells those who follow. Never waits for them.
    pub fn tell(&self, decision: Decision) {
        // Nobody may be there any more.
        drop(self.ring.send(Arc::new(decision)));
    }

    /// One more follower, of decisions from now on.
    ///
    /// # Errors
    /// If there are [`FOLLOWERS`] already, or a source of that name is not configured.
    pub fn follow(&self, sources: &[String]) -> Result<Follower, NoFollower> {
        if let Some(asked) = sources.iter().find(|name| !self.sources.contains(name)) {
            return Err(NoFollower::NoSuchSource {
                asked: asked.clone(),
                known: self.sources.join(", "),
            });
        }
        let one_more = |count| (count < FOLLOWERS).then_some(count + 1);
        let counted = self
            .followers
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, one_more);
        counted.map_err(|_| NoFollower::TooMany)?;
        Ok(Follower {
            ring: self.ring.subscribe(),
            followers: Arc::clone(&self.followers),
        })
    }
}

/// What a follower sees next.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Seen {
    /// A decision.
    Decision(Arc<Decision>),
    /// So many decisions that it was too slow for.
    Lost(u64),
    /// The door is no more.
    End,
}

/// One who follows, until dropped.
#[derive(Debug)]
pub struct Follower {
    ring: broadcast::Receiver<Arc<Decision>>,
    followers: Arc<AtomicUsize>,
}

impl Follower {
    /// Waits for what comes next. Nothing is lost if the future is dropped.
    pub async fn next(&mut self) -> Seen {
        match self.ring.recv().await {
            Ok(decision) => Seen::Decision(decision),
            Err(RecvError::Lagged(count)) => Seen::Lost(count),
            Err(RecvError::Closed) => Seen::End,
        }
    }

    /// What is there already.
    pub fn ready(&mut self) -> Option<Seen> {
        match self.ring.try_recv() {
            Ok(decision) => Some(Seen::Decision(decision)),
            Err(TryRecvError::Lagged(count)) => Some(Seen::Lost(count)),
            Err(TryRecvError::Closed) => Some(Seen::End),
            Err(TryRecvError::Empty) => None,
        }
    }
}

impl Drop for Follower {
    fn drop(&mut self) {
        self.followers.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{clock::Millis, follow::Outcome};

    fn decisions() -> Decisions {
        Decisions::new(&[SourceName::parse("tencent").unwrap()], &[])
    }

    fn decision(at: u64) -> Decision {
        Decision::new(Millis(at), Outcome::Accepted, [192, 0, 2, 1].into())
    }

    #[tokio::test]
    async fn a_follower_hears_what_comes_after_it_and_of_the_end() {
        let decisions = decisions();
        assert!(!decisions.are_followed());
        decisions.tell(decision(1));
        let mut follower = decisions.follow(&["tencent".into()]).unwrap();
        assert!(decisions.are_followed() && follower.ready().is_none());
        decisions.tell(decision(2));
        assert_eq!(follower.next().await, Seen::Decision(Arc::new(decision(2))));
        decisions.tell(decision(3));
        drop(decisions);
        assert_eq!(
            follower.ready(),
            Some(Seen::Decision(Arc::new(decision(3))))
        );
        assert_eq!(follower.next().await, Seen::End);
    }

    #[tokio::test]
    async fn one_who_is_too_slow_loses_the_oldest_is_told_how_many_and_holds_nobody_up() {
        let decisions = decisions();
        let mut slow = decisions.follow(&[]).unwrap();
        let mut fast = decisions.follow(&[]).unwrap();
        let all = 3 * RING as u64;
        for at in 1..=all {
            decisions.tell(decision(at));
            assert_eq!(fast.next().await, Seen::Decision(Arc::new(decision(at))));
        }
        assert_eq!(slow.next().await, Seen::Lost(all - RING as u64));
        for at in all - RING as u64 + 1..=all {
            assert_eq!(slow.ready(), Some(Seen::Decision(Arc::new(decision(at)))));
        }
        assert_eq!(slow.ready(), None);
    }

    #[test]
    fn there_are_only_so_many_and_a_place_is_given_back() {
        let decisions = decisions();
        let mut all: Vec<_> = (0..FOLLOWERS)
            .map(|_| decisions.follow(&[]).unwrap())
            .collect();
        assert_eq!(decisions.follow(&[]).unwrap_err(), NoFollower::TooMany);
        all.pop();
        all.push(decisions.follow(&[]).unwrap());
        drop(all);
        assert!(!decisions.are_followed());
        let why = decisions.follow(&["tencnet".into()]).unwrap_err();
        assert!(why.to_string().contains("there is tencent"), "{why}");
        assert!(!decisions.are_followed());
    }
}
