//! How long a connection may do what it does: idling and dawdling are told apart, and nothing goes on for ever.
//!
//! hyper's own `header_read_timeout` runs from the end of the last answer: it can't give an idle connection 75 s and a
//! begun head 5 s. So the socket notes when bytes arrive, the service when a request is being handled, and the deadline
//! follows from that:
//!
//! ```text
//!             handshake           bytes               head complete            answer made              answer flushed
//!  Handshake ───────────► Idle ───────────► Head ────────────────► Request ───────────────► Answering ─────────► Idle
//!  handshake_timeout      idle_timeout      header_timeout         (its own limits)         write_timeout
//!
//!  HTTP/2, where requests overlap:  Streams { active }: idle_timeout since the last one ended; while there are some, theirs
//!  always:  write_timeout since the socket took no more bytes;  connection_lifetime, and then time for one more request
//! ```
//!
//! Bytes of a pipelined head that hyper read together with a body aren't seen as a begun head: it then has the idle
//! timeout, which is still a limit.

use super::{Phase, closing};
use crate::config::Http;
use std::{
    future::poll_fn,
    pin::{Pin, pin},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::Poll,
    time::Duration,
};
use tokio::{
    sync::watch,
    time::{self, Instant},
};

/// How long an answer may still go out when the door closes, and a closed connection is read on.
pub(super) const LINGER: Duration = Duration::from_secs(1);

/// What a connection is doing, and since when.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Stage {
    /// A PROXY header, then a TLS handshake.
    Handshake(Instant),
    Idle(Instant),
    Head(Instant),
    Request,
    Answering(Instant),
    /// HTTP/2: requests being handled, and when that number last changed.
    Streams {
        active: usize,
        since: Instant,
    },
}

#[derive(Debug)]
struct State {
    stage: Stage,
    /// Since when the socket has taken no more bytes.
    stalled: Option<Instant>,
}

/// What socket, service and deadline know of each other. The lock is held for a few instructions and hardly ever waited for.
#[derive(Debug, Clone)]
pub(super) struct Progress(Arc<Mutex<State>>);

impl Progress {
    pub(super) fn new() -> Self {
        let stage = Stage::Handshake(Instant::now());
        let stalled = None;
        Self(Arc::new(Mutex::new(State { stage, stalled })))
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn get(&self) -> Stage {
        self.state().stage
    }

    pub(super) fn set(&self, stage: Stage) {
        self.state().stage = stage;
    }

    /// Whether the socket took what it was given.
    pub(super) fn writes(&self, taken: bool) {
        let mut state = self.state();
        if taken {
            state.stalled = None;
        } else if state.stalled.is_none() {
            state.stalled = Some(Instant::now());
        }
    }

    /// One more request at once, until the returned guard is dropped.
    pub(super) fn stream(&self) -> Stream {
        self.count(|active| active.saturating_add(1));
        Stream(self.clone())
    }

    fn count(&self, change: impl FnOnce(usize) -> usize) {
        let mut state = self.state();
        let active = match state.stage {
            Stage::Streams { active, .. } => active,
            _ => 0,
        };
        let (active, since) = (change(active), Instant::now());
        state.stage = Stage::Streams { active, since };
    }
}

/// A request on a connection that can have several.
#[derive(Debug)]
pub(super) struct Stream(Progress);

impl Drop for Stream {
    fn drop(&mut self) {
        self.0.count(|active| active.saturating_sub(1));
    }
}

/// When a connection has had its time.
#[derive(Debug, Clone, Copy)]
pub(super) struct Patience {
    handshake: Duration,
    header: Duration,
    idle: Duration,
    write: Duration,
    /// No new request from then on.
    pub(super) aged: Instant,
    /// The end, whatever goes on.
    end: Instant,
}

impl Patience {
    /// For a connection that begins now.
    pub(super) fn new(http: &Http) -> Self {
        let aged = Instant::now() + http.connection_lifetime;
        // A request that began before may take all the time that requests have.
        let last = [
            http.header_timeout,
            http.body_timeout,
            http.answer_timeout,
            http.write_timeout,
        ];
        Self {
            handshake: http.handshake_timeout,
            header: http.header_timeout,
            idle: http.idle_timeout,
            write: http.write_timeout,
            aged,
            end: aged + last.iter().sum(),
        }
    }

    /// Whether the connection takes no new request.
    pub(super) fn is_over(&self) -> bool {
        Instant::now() >= self.aged
    }

    fn deadline(&self, progress: &Progress, closing: Option<Instant>) -> Instant {
        let State { stage, stalled } = *progress.state();
        let stalled = stalled.map_or(self.end, |since| since + self.write);
        self.of_stage(stage, closing).min(stalled).min(self.end)
    }

    fn of_stage(&self, stage: Stage, closing: Option<Instant>) -> Instant {
        let own = match stage {
            Stage::Handshake(since) => since + self.handshake,
            Stage::Idle(since) => (since + self.idle).min(self.aged),
            Stage::Head(since) => since + self.header,
            Stage::Answering(since) => since + self.write,
            Stage::Streams { active: 0, since } => since + self.idle,
            // Whatever goes on there has limits of its own.
            Stage::Request | Stage::Streams { .. } => return self.end,
        };
        let Some(last_call) = closing else {
            return own;
        };
        match stage {
            Stage::Handshake(since) | Stage::Idle(since) => since,
            // An answer that is made goes out, if the client reads at all.
            Stage::Answering(since) | Stage::Streams { since, .. } => {
                own.min(last_call.max(since + LINGER))
            }
            Stage::Head(_) | Stage::Request => own.min(last_call),
        }
    }
}

/// Polls a connection until it ends (its result) or has had its time (none).
pub(super) async fn within<F: Future>(
    mut connection: Pin<&mut F>,
    progress: &Progress,
    patience: &Patience,
    mut phase: watch::Receiver<Phase>,
) -> Option<F::Output> {
    let mut alarm = pin!(time::sleep(patience.handshake));
    let mut closing_at = pin!(closing(&mut phase));
    let mut last_call = None;
    poll_fn(|cx| {
        if let Poll::Ready(end) = connection.as_mut().poll(cx) {
            return Poll::Ready(Some(end));
        }
        if last_call.is_none()
            && let Poll::Ready(deadline) = closing_at.as_mut().poll(cx)
        {
            last_call = Some(deadline);
        }
        loop {
            let deadline = patience.deadline(progress, last_call);
            if deadline <= Instant::now() {
                return Poll::Ready(None);
            }
            // The alarm may ring too early, never too late: it is set anew only when it must.
            if deadline < alarm.deadline() {
                alarm.as_mut().reset(deadline);
            }
            if alarm.as_mut().poll(cx).is_pending() {
                return Poll::Pending;
            }
            alarm.as_mut().reset(deadline);
        }
    })
    .await
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    /// Each limit another power of two, so that a sum tells which ones are in it.
    fn patience() -> Patience {
        Patience::new(&Http {
            listen: ([127, 0, 0, 1], 0).into(),
            tls: None,
            trusted_proxies: vec![],
            proxy_protocol: false,
            handshake_timeout: SECOND,
            header_timeout: 2 * SECOND,
            body_timeout: 4 * SECOND,
            idle_timeout: 8 * SECOND,
            answer_timeout: 16 * SECOND,
            write_timeout: 32 * SECOND,
            connection_lifetime: 1000 * SECOND,
        })
    }

    #[test]
    fn whatever_a_connection_does_its_life_has_an_end() {
        let patience = patience();
        let end = patience.aged + (2 + 4 + 16 + 32) * SECOND;
        // As late as can be: each stage has just begun when the end has come.
        let stages = [
            Stage::Handshake(end),
            Stage::Idle(end),
            Stage::Head(end),
            Stage::Request,
            Stage::Answering(end),
            Stage::Streams {
                active: 0,
                since: end,
            },
            Stage::Streams {
                active: 9,
                since: end,
            },
        ];
        for stage in stages {
            let progress = Progress::new();
            progress.set(stage);
            for closing in [None, Some(end + SECOND)] {
                let deadline = patience.deadline(&progress, closing);
                assert!(deadline <= end, "{stage:?}");
            }
        }
        // And what is young has its own time.
        let (progress, now) = (Progress::new(), Instant::now());
        for (stage, own) in [
            (Stage::Handshake(now), Some(1)),
            (Stage::Head(now), Some(2)),
            (Stage::Idle(now), Some(8)),
            (Stage::Answering(now), Some(32)),
            (Stage::Request, None),
            (
                Stage::Streams {
                    active: 0,
                    since: now,
                },
                Some(8),
            ),
            (
                Stage::Streams {
                    active: 1,
                    since: now,
                },
                None,
            ),
        ] {
            progress.set(stage);
            let expected = own.map_or(end, |seconds| now + seconds * SECOND);
            assert_eq!(patience.deadline(&progress, None), expected, "{stage:?}");
        }
        progress.writes(false);
        assert!(patience.deadline(&progress, None) <= Instant::now() + 32 * SECOND);
    }
}
