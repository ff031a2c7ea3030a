//! The door over real sockets, with a writer that answers as the test says.

mod acks;
mod answers;
mod follow;
mod frames;
mod http2;
mod limits;
mod phases;
mod proxies;
mod rig;
mod tls;
