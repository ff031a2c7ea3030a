//! `moderation.audio` (315) and `moderation.image` (317): suspicious sound and pictures. What is harmless is not sent.

mod audio;
mod image;

pub use audio::*;
pub use image::*;
