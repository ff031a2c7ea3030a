//! Whole histories of a spool, over a disk that forgets and over real ones.

mod aside;
mod clocks;
mod crashes;
mod cursors;
mod damage;
mod evidence;
mod exhaustive;
pub(in crate::spool) mod fake_disk;
mod faults;
mod headers;
mod histories;
mod peers;
mod real;
pub(in crate::spool) mod rig;
mod room;
mod standing_down;
mod trust;
mod unreadable;
