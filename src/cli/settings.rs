//! Settings as the commands get them: from the process's flags, environment and files.

use super::{Failure, Outcome};
use crate::config::{self, Environment, Flags, Loaded, Surroundings};
use std::io::{self, IsTerminal, Write};

/// All settings, checked.
pub(super) fn load(flags: &Flags) -> Result<Loaded, Failure> {
    config::load(flags, &surroundings()).map_err(|faults| Failure::Usage(faults.to_string()))
}

/// All settings, for a command that takes no callbacks and so needs no key.
pub(super) fn load_without_keys(flags: &Flags) -> Result<Loaded, Failure> {
    config::load_without_keys(flags, &surroundings())
        .map_err(|faults| Failure::Usage(faults.to_string()))
}

/// The process's own environment and files.
pub(super) fn surroundings() -> Surroundings<'static> {
    Surroundings {
        environment: Environment::of_the_process(),
        read: &config::read_settings_file,
        terminal: io::stderr().is_terminal(),
    }
}

/// Says something to whoever runs the command. If that can't be written, there is nobody to be told.
pub(super) fn remark(text: &str) {
    drop(writeln!(io::stderr().lock(), "{text}"));
}

/// Prints a result. A reader that closed its end (`| head`) is no failure.
pub(super) fn print(text: &str) -> Outcome {
    match io::stdout().lock().write_all(text.as_bytes()) {
        Err(e) if e.kind() != io::ErrorKind::BrokenPipe => {
            Err(Failure::Failed(format!("standard output: {e}")))
        }
        _ => Ok(()),
    }
}
