//! What is said about wrong arguments: the nearest known flag, and never a word that may have been meant for a key.

use crate::config::reference::nearest;
use clap::{
    Command,
    error::{ContextKind, ContextValue, Error, ErrorKind},
};
use std::ffi::OsString;

/// The text for an error of clap's, with what it leaves out.
pub(super) fn explain(error: &Error, root: &Command, arguments: &[OsString]) -> String {
    let text = error.render().to_string();
    let Some(ContextValue::String(unknown)) = error.get(ContextKind::InvalidArg) else {
        return text;
    };
    if error.kind() != ErrorKind::UnknownArgument {
        return text;
    }
    let command = asked_for(root, arguments);
    if !unknown.starts_with('-') {
        let name = command.get_name();
        return format!(
            "error: `{name}` takes no such argument (not shown: it may be a key); see `{name} --help`\n"
        );
    }
    let flags: Vec<_> = command
        .get_arguments()
        .filter_map(|known| known.get_long())
        .collect();
    match nearest(unknown.trim_start_matches('-'), flags) {
        Some(flag) if error.get(ContextKind::SuggestedArg).is_none() => {
            format!("{text}\nThe nearest known one is '--{flag}'.\n")
        }
        _ => text,
    }
}

/// The innermost command that the arguments name.
fn asked_for<'c>(root: &'c Command, arguments: &[OsString]) -> &'c Command {
    arguments
        .iter()
        .skip(1)
        .map_while(|argument| argument.to_str())
        .try_fold(root, |command, name| {
            command.find_subcommand(name).ok_or(command)
        })
        .unwrap_or_else(|innermost| innermost)
}
