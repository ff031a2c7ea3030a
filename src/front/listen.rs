//! The accept loop: takes connections while there is room, until the door closes, and waits for the last of them.
//!
//! At the limit of connections the listener is left alone until one ends: the kernel's backlog is a queue with a limit,
//! and a sender that waits a moment in it is served, where one whose connection is closed at once has failed. Only an
//! address with too many connections of its own is closed at once, since it would hold up the others.

use super::{Phase, addresses, closing, connection, door::Door, metrics::Metrics};
use std::{
    io,
    net::{IpAddr, SocketAddr},
    sync::Arc,
    time::Duration,
};
use tokio::{
    net::{TcpListener, TcpStream},
    sync::{OwnedSemaphorePermit, Semaphore, watch},
    task::JoinSet,
    time,
};

/// How long to leave the listener alone when the system has no room (files, memory): until something ends.
const NO_ROOM_PAUSE: Duration = Duration::from_millis(100);

/// Serves until the phase is closing and the last connection has ended. The door, and its `Appender`, are dropped then.
pub async fn serve(listener: TcpListener, door: Arc<Door>, mut phase: watch::Receiver<Phase>) {
    let slots = Arc::new(Semaphore::new(door.connections.min(Semaphore::MAX_PERMITS)));
    let mut connections = JoinSet::new();
    let for_connections = phase.clone();
    loop {
        tokio::select! {
            biased;
            _ = closing(&mut phase) => break,
            Some(ended) = connections.join_next(), if !connections.is_empty() => reap(ended),
            (socket, peer, slot) = accept(&listener, &slots) => {
                let peer = peer.ip().to_canonical();
                let Some(place) = Place::take(&door, peer, slot) else {
                    door.connection_refused(peer);
                    continue;
                };
                let (door, phase) = (Arc::clone(&door), for_connections.clone());
                connections.spawn(async move {
                    connection::run(socket, peer, door, phase).await;
                    drop(place);
                });
            }
        }
    }
    drop(listener);
    while let Some(ended) = connections.join_next().await {
        reap(ended);
    }
}

fn reap(ended: Result<(), tokio::task::JoinError>) {
    if let Err(why) = ended {
        tracing::error!(%why, "a connection's task broke");
    }
}

/// The next connection, once there is a slot for it. Never ends because of an error.
async fn accept(
    listener: &TcpListener,
    slots: &Arc<Semaphore>,
) -> (TcpStream, SocketAddr, Option<OwnedSemaphorePermit>) {
    let slot = Arc::clone(slots).acquire_owned().await.ok();
    loop {
        match listener.accept().await {
            Ok((socket, peer)) => {
                // Answers are small and go out at once. If the option can't be set, the socket is dead already.
                let _ = socket.set_nodelay(true);
                return (socket, peer, slot);
            }
            Err(why) if is_of_the_client(&why) => {}
            Err(why) => {
                tracing::warn!(%why, "no connection can be taken at the moment");
                time::sleep(NO_ROOM_PAUSE).await;
            }
        }
    }
}

fn is_of_the_client(why: &io::Error) -> bool {
    matches!(
        why.kind(),
        io::ErrorKind::ConnectionAborted
            | io::ErrorKind::ConnectionReset
            | io::ErrorKind::Interrupted
    )
}

/// A connection's place among all, and among those of its address. Given back when dropped.
struct Place {
    metrics: Arc<Metrics>,
    _of_address: Option<addresses::Place>,
    _slot: Option<OwnedSemaphorePermit>,
}

impl Place {
    /// None if the address has as many as it may have. A trusted proxy's connections are those of many clients.
    fn take(door: &Door, address: IpAddr, slot: Option<OwnedSemaphorePermit>) -> Option<Self> {
        let of_address = if door.proxies.trusts(address) {
            None
        } else {
            Some(door.place(address)?)
        };
        door.metrics.connections.inc();
        Some(Self {
            metrics: Arc::clone(&door.metrics),
            _of_address: of_address,
            _slot: slot,
        })
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.metrics.connections.dec();
    }
}
