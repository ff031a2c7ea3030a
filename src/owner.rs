//! Whose files are. A relay's directory often belongs to a user that exists for it alone, and its operator is root.

use rustix::fs::OFlags;
use std::{
    fs::{self, DirBuilder, File, OpenOptions},
    io,
    os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt, fchown},
    path::Path,
};

/// What root makes in the directory of somebody else is theirs: a `drain` or `replay` by hand must leave nothing behind that the relay
/// can't open afterwards. Only for what was just made: who owns the directory could have put a link to anything there before. Best
/// effort: a root without the right to give files away keeps them.
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

/// Makes a directory if it isn't there, for its owner alone (0700), and gives it as [`give`] does.
pub(crate) fn make_directory(path: &Path) -> io::Result<()> {
    match DirBuilder::new().mode(0o700).create(path) {
        Ok(()) => {
            let made = OpenOptions::new()
                .read(true)
                .custom_flags((OFlags::NOFOLLOW | OFlags::DIRECTORY).bits().cast_signed())
                .open(path);
            if let (Ok(made), Some(above)) = (made, path.parent()) {
                give(&made, above);
            }
            Ok(())
        }
        Err(e) if e.kind() == io::ErrorKind::AlreadyExists && is_directory(path) => Ok(()),
        Err(e) if e.kind() == io::ErrorKind::AlreadyExists => Err(io::Error::new(
            io::ErrorKind::NotADirectory,
            format!(
                "{} is no directory, or a link that its owner may have put there",
                path.display()
            ),
        )),
        Err(e) => Err(e),
    }
}

/// For root in the directory of somebody else a link is none: that one may lead it anywhere.
fn is_directory(path: &Path) -> bool {
    let above = path.parent().and_then(|above| fs::metadata(above).ok());
    let theirs =
        above.is_some_and(|above| is_theirs(rustix::process::geteuid().as_raw(), above.uid()));
    if theirs {
        fs::symlink_metadata(path).is_ok_and(|found| found.is_dir())
    } else {
        path.is_dir()
    }
}

/// Makes a file to read and write, for its owner alone (0600), and gives it. An error if there is anything of that name.
pub(crate) fn make(path: &Path) -> io::Result<File> {
    let made = through_no_link().create_new(true).mode(0o600).open(path)?;
    if let Some(directory) = path.parent() {
        give(&made, directory);
    }
    Ok(made)
}

/// Opens a file to read and write, or makes it.
pub(crate) fn open_or_make(path: &Path) -> io::Result<File> {
    match make(path) {
        Err(e) if e.kind() == io::ErrorKind::AlreadyExists => through_no_link().open(path),
        other => other,
    }
}

/// How files are opened to read and write: never through a link, since root would write where it leads.
pub(crate) fn through_no_link() -> OpenOptions {
    let mut how = OpenOptions::new();
    how.read(true)
        .write(true)
        .custom_flags(OFlags::NOFOLLOW.bits().cast_signed());
    how
}

const fn is_theirs(made_by: u32, directory_of: u32) -> bool {
    made_by == 0 && directory_of != 0
}

/// For the end of an error's text: who is who, if that may be why.
pub(crate) fn whose(error: &io::Error, directory: &Path) -> String {
    let denied = error.kind() == io::ErrorKind::PermissionDenied;
    match fs::metadata(directory) {
        Ok(of) if denied => of_two(of.uid(), rustix::process::geteuid().as_raw()),
        _ => String::new(),
    }
}

fn of_two(directory_of: u32, process_of: u32) -> String {
    if directory_of == process_of {
        format!(
            " (the directory belongs to uid {process_of}, as this process does, but not all that is in it: give it to that user, with chown -R)"
        )
    } else {
        format!(
            " (it belongs to uid {directory_of}, and this process is uid {process_of}: run it as that user)"
        )
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
        make_directory(&below).unwrap();
        make_directory(&below).unwrap();
        let file = below.join("file");
        open_or_make(&file).unwrap();
        open_or_make(&file).unwrap();
        assert_eq!((of(&below), of(&file)), (owner, owner));
    }

    fn of(path: &Path) -> u32 {
        fs::metadata(path).unwrap().uid()
    }

    /// Whoever owns the directory may put links there, and wait for root.
    #[test]
    fn what_a_link_leads_to_is_neither_opened_nor_given_away() {
        let dir = tempfile::tempdir().unwrap();
        let (elsewhere, spool) = (dir.path().join("elsewhere"), dir.path().join("spool"));
        fs::create_dir(&elsewhere).unwrap();
        fs::write(elsewhere.join("shadow"), "secret").unwrap();
        let before = of(&elsewhere);
        fs::create_dir(&spool).unwrap();
        let is_root = rustix::process::geteuid().is_root();
        if is_root {
            fchown(File::open(&spool).unwrap(), Some(61_184), None).unwrap();
        }
        let link = |name: &str, to: &str| {
            std::os::unix::fs::symlink(elsewhere.join(to), spool.join(name)).unwrap();
            spool.join(name)
        };
        assert!(open_or_make(&link("lock", "shadow")).is_err());
        assert!(open_or_make(&link("new", "not-there")).is_err());
        assert_eq!(make_directory(&link("corrupt", "")).is_err(), is_root);
        assert!(!elsewhere.join("not-there").exists());
        assert_eq!(
            (of(&elsewhere), of(&elsewhere.join("shadow"))),
            (before, before)
        );
    }

    #[test]
    fn an_error_says_who_is_who_only_where_that_may_be_why() {
        let dir = tempfile::tempdir().unwrap();
        let denied = io::Error::from(io::ErrorKind::PermissionDenied);
        assert!(whose(&denied, dir.path()).contains("belongs to uid"));
        assert!(of_two(1, 2).contains("run it as that user") && of_two(2, 2).contains("chown -R"));
        assert_eq!(whose(&io::ErrorKind::NotFound.into(), dir.path()), "");
    }
}
