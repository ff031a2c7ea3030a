//! A running part whose end can be waited for more than once.

use std::future::{self, Future};
use tokio::task::JoinHandle;

/// Something that runs and ends once. Whoever waits for its end after it was told waits for ever, where a bare future
/// would panic: stopping looks at parts that may have been what made it stop.
#[derive(Debug)]
pub(super) struct Part<F>(Option<F>);

impl<F: Future + Unpin> Part<F> {
    pub(super) const fn new(running: F) -> Self {
        Self(Some(running))
    }

    pub(super) async fn end(&mut self) -> F::Output {
        let Some(running) = &mut self.0 else {
            return future::pending().await;
        };
        let output = running.await;
        self.0 = None;
        output
    }

    pub(super) const fn is_over(&self) -> bool {
        self.0.is_none()
    }
}

impl Part<JoinHandle<()>> {
    pub(super) fn abort(&self) {
        if let Some(task) = &self.0 {
            task.abort();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn an_end_is_told_once_and_then_waited_for_in_vain_rather_than_in_panic() {
        let mut part = Part::new(Box::pin(async { 7 }));
        assert!(!part.is_over());
        assert_eq!(part.end().await, 7);
        assert!(part.is_over());
        tokio::select! {
            biased;
            _ = part.end() => panic!("it ended twice"),
            () = future::ready(()) => {}
        }
    }
}
