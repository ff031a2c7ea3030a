//! The sender names the URL that it posts to inside some events (`callback_url` of event 314), and the last segment of ours may be
//! the secret that unsigned events are believed by.

use crate::{callback::names::SourceName, config::Source};
use memchr::memmem::Finder;
use std::{collections::BTreeMap, fmt, sync::Arc};

/// What takes its place. No escape of JSON's is in it, nor in a token.
const BLANK: &[u8] = b"***";

/// The `path_token` of each source that has one.
#[derive(Clone, Default)]
pub(super) struct Tokens(Arc<BTreeMap<SourceName, Finder<'static>>>);

impl Tokens {
    pub(super) fn of(sources: &[Source]) -> Self {
        let tokens = sources.iter().filter_map(|source| {
            let token = source.path_token.as_ref()?;
            Some((
                source.name.clone(),
                Finder::new(token.expose()).into_owned(),
            ))
        });
        Self(Arc::new(tokens.collect()))
    }

    /// Blanks the source's own token, wherever in the value it is a segment of a path.
    pub(super) fn blank(&self, source: &SourceName, value: &mut Vec<u8>) {
        let Some(token) = self.0.get(source) else {
            return;
        };
        let mut blanked = Vec::new();
        let mut copied = 0;
        for at in token.find_iter(value) {
            let (before, from) = value.split_at_checked(at).unwrap_or_default();
            let behind = from.get(token.needle().len()).copied();
            if !begins_a_segment(before) || behind.is_some_and(is_part_of_tokens) {
                continue;
            }
            blanked.extend_from_slice(value.get(copied..at).unwrap_or_default());
            blanked.extend_from_slice(BLANK);
            copied = at + token.needle().len();
        }
        if copied > 0 {
            blanked.extend_from_slice(value.get(copied..).unwrap_or_default());
            *value = blanked;
        }
    }
}

/// After a slash, percent-encoded or not. A token is no other text, least of all a part of a number.
fn begins_a_segment(before: &[u8]) -> bool {
    before.ends_with(b"/") || before.ends_with(b"2F") || before.ends_with(b"2f")
}

const fn is_part_of_tokens(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_')
}

/// A finder shows what it looks for.
impl fmt::Debug for Tokens {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.0.keys()).finish()
    }
}
