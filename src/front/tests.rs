//! The door over real sockets, with a writer that answers as the test says.

mod answers;
mod limits;
mod phases;
mod rig;
