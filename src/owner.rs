//! Whose files are. A relay's directory often belongs to a user that exists for it alone, and its operator is root.

use std::{
    fs::{self, File},
    io,
    os::unix::fs::{MetadataExt, fchown},
    path::Path,
};

/// What root makes in the directory of somebody else is theirs: a `drain` or `replay` by hand must leave nothing behind that the relay
/// can't open afterwards. Best effort: a root without the right to give files away keeps them.
pub(crate) fn give(made: &File, directory: &Path) {
    let given = || -> io::Result<()> {
        let (made_by, of) = (made.metadata()?, fs::metadata(directory)?);
        if is_theirs(made_by.uid(), of.uid()) {
            fchown(made, Some(of.uid()), Some(of.gid()))?;
        }
        Ok(())
    };
    if let Err(error) = given() {
        tracing::debug!(%error, "what root made can't be given to the directory's owner");
    }
}

/// The same for a directory.
pub(crate) fn give_directory(made: &Path) {
    if let (Ok(file), Some(above)) = (File::open(made), made.parent()) {
        give(&file, above);
    }
}

const fn is_theirs(made_by: u32, directory_of: u32) -> bool {
    made_by == 0 && directory_of != 0
}

/// For the end of an error's text: who is who, if that may be why.
pub(crate) fn whose(error: &io::Error, directory: &Path) -> String {
    let denied = error.kind() == io::ErrorKind::PermissionDenied;
    match fs::metadata(directory) {
        Ok(of) if denied => format!(
            " (it belongs to uid {}, and this process is uid {}: run it as that user)",
            of.uid(),
            rustix::process::geteuid().as_raw()
        ),
        _ => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_root_gives_and_only_to_others() {
        assert!(is_theirs(0, 61_184));
        // A volume that belongs to root, with a group that may write (fsGroup).
        assert!(!is_theirs(65_532, 0));
        assert!(!is_theirs(65_532, 61_184) && !is_theirs(0, 0));
    }

    /// As root it is the real thing; anybody else can't give anything away.
    #[test]
    fn what_is_made_belongs_to_the_directorys_owner_if_root_made_it() {
        let dir = tempfile::tempdir().unwrap();
        let is_root = rustix::process::geteuid().is_root();
        let owner = if is_root {
            let open = File::open(dir.path()).unwrap();
            fchown(&open, Some(61_184), Some(61_184)).unwrap();
            61_184
        } else {
            rustix::process::geteuid().as_raw()
        };
        let below = dir.path().join("below");
        fs::create_dir(&below).unwrap();
        give_directory(&below);
        let file = File::create(below.join("file")).unwrap();
        give(&file, &below);
        let of = |path: &Path| fs::metadata(path).unwrap().uid();
        assert_eq!((of(&below), of(&below.join("file"))), (owner, owner));
    }

    #[test]
    fn an_error_says_who_is_who_only_where_that_may_be_why() {
        let dir = tempfile::tempdir().unwrap();
        let denied = io::Error::from(io::ErrorKind::PermissionDenied);
        assert!(whose(&denied, dir.path()).contains("belongs to uid"));
        assert_eq!(whose(&io::ErrorKind::NotFound.into(), dir.path()), "");
    }
}
