//! The keys of one source, in order, each with the name under which metrics know it.

use crate::config::NamedKey;

/// The keys of one source: those of the settings first, then those of its key files. See `config::keys` for their names.
#[derive(Debug, Clone, Default)]
pub struct Keys(Vec<NamedKey>);

impl Keys {
    /// In this order they are tried and counted.
    #[must_use]
    pub const fn new(keys: Vec<NamedKey>) -> Self {
        Self(keys)
    }

    /// All keys, in order.
    pub fn iter(&self) -> impl Iterator<Item = &NamedKey> {
        self.0.iter()
    }

    /// The key at this place.
    #[must_use]
    pub fn get(&self, index: usize) -> Option<&NamedKey> {
        self.0.get(index)
    }

    /// How many there are.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there is none.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}
