//! The keys of one source, in order, each with the name under which metrics know it.

use crate::config::{NamedKey, Secret};

/// A key and its name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Key {
    /// As configured, or `key-1`, or `<file>-1`. Never derived from the key.
    pub name: String,
    /// The key itself.
    pub secret: Secret,
}

/// The keys of one source: those of the settings first, then those of each key file, in order.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Keys(Vec<Key>);

impl Keys {
    /// Puts them together. A file is its name and its content: one key a line, blank lines and the white space around a
    /// key don't count. Its keys are called after the file: `<name>-1`, `<name>-2`, …
    #[must_use]
    pub fn new<'a>(
        configured: &[NamedKey],
        files: impl IntoIterator<Item = (&'a str, &'a str)>,
    ) -> Self {
        let mut keys: Vec<Key> = configured
            .iter()
            .map(|named| Key {
                name: named.name.clone(),
                secret: named.key.clone(),
            })
            .collect();
        for (file, content) in files {
            let lines = Self::lines(content).enumerate();
            keys.extend(lines.map(|(i, line)| Key {
                name: format!("{file}-{}", i + 1),
                secret: Secret::new(line),
            }));
        }
        Self(keys)
    }

    /// The keys in a file's content.
    pub fn lines(content: &str) -> impl Iterator<Item = &str> {
        content
            .lines()
            .map(str::trim)
            .filter(|line| !line.is_empty())
    }

    /// All keys, in order.
    pub fn iter(&self) -> impl Iterator<Item = &Key> {
        self.0.iter()
    }

    /// The key at this place.
    #[must_use]
    pub fn get(&self, index: usize) -> Option<&Key> {
        self.0.get(index)
    }

    /// How many there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}
