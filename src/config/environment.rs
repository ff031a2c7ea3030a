//! What the parser of the settings asks of the world: variables, files, and whether there is a terminal.

use std::{collections::BTreeMap, ffi::OsString, fmt, io, path::Path};

const PREFIX: &str = "LIVEBRIDGE_";

/// The variables that concern us, as pairs rather than a look-up: unknown names are to be warned about.
#[derive(Clone, Default)]
pub struct Environment(pub(super) BTreeMap<String, OsString>);

impl Environment {
    /// Those of `variables` that are called `LIVEBRIDGE_*` or `RUST_LOG`.
    pub fn of<N: Into<OsString>, V: Into<OsString>>(
        variables: impl IntoIterator<Item = (N, V)>,
    ) -> Self {
        let ours = variables.into_iter().filter_map(|(name, value)| {
            let name = name.into().into_string().ok()?;
            (name.starts_with(PREFIX) || name == "RUST_LOG").then(|| (name, value.into()))
        });
        Self(ours.collect())
    }

    /// Those of this process.
    #[must_use]
    pub fn of_the_process() -> Self {
        Self::of(std::env::vars_os())
    }
}

/// Keys may be among the values: only names are shown.
impl fmt::Debug for Environment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.0.keys()).finish()
    }
}

/// What the parser asks of the world; tests hand in a map and made-up files.
pub struct Surroundings<'a> {
    /// The environment variables.
    pub environment: Environment,
    /// Reads a whole file, which must have a limit.
    pub read: &'a dyn Fn(&Path) -> io::Result<Vec<u8>>,
    /// Whether the log goes to a terminal.
    pub terminal: bool,
}

impl fmt::Debug for Surroundings<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Surroundings")
            .field("environment", &self.environment)
            .field("terminal", &self.terminal)
            .finish_non_exhaustive()
    }
}
