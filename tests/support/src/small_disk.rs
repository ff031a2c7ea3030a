//! A real filesystem that is really small: a tmpfs with a size, mounted where nobody else sees it.
//!
//! Mounting takes a mount namespace of its own, and that a process of its own: so the test runs again, in it. root may do that
//! almost everywhere; anybody else where unprivileged user namespaces are allowed. Where neither goes, the test fails and says so.

use crate::process::{self, Process};
use std::{
    fs::{self, File},
    io::{self, Write},
    path::{Path, PathBuf},
    process::Command,
    time::Duration,
};
use tempfile::TempDir;

const INSIDE: &str = "LIVEBRIDGE_TEST_NAMESPACE";
const DEADLINE: Duration = Duration::from_secs(600);

/// Whether this process has a mount namespace of its own. If not, the test of this name is run in one by another process, and
/// this one has nothing to do any more. Panics if it failed there, or if there can be no namespace.
#[track_caller]
pub fn is_apart(test: &str) -> bool {
    if std::env::var_os(INSIDE).is_some() {
        return true;
    }
    let dir = tempfile::tempdir().expect("a temporary directory");
    let mut again = unshare();
    again
        .arg(std::env::current_exe().expect("the path of this test"))
        .args(["--exact", test, "--nocapture", "--test-threads=1"])
        .env(INSIDE, "1");
    let log = dir.path().join("log");
    let mut inside = Process::spawn(test, again, &log, dir.path());
    let status = inside.wait(DEADLINE);
    assert!(status.success(), "{status}\n{}", inside.log_tail());
    eprintln!("{}", inside.log_tail());
    false
}

/// The command with which a process gets a mount namespace, and root in it.
fn unshare() -> Command {
    let ways: [&[&str]; 2] = [
        &["--mount", "--propagation", "private"],
        &["--mount", "--propagation", "private", "--map-root-user"],
    ];
    let mut why = Vec::new();
    for way in ways {
        let mut command = Command::new("unshare");
        command.args(way);
        match command
            .args(["mount", "-t", "tmpfs", "tmpfs", "/mnt"])
            .output()
        {
            Ok(output) if output.status.success() => {
                let mut unshare = Command::new("unshare");
                unshare.args(way);
                return unshare;
            }
            Ok(output) => why.push(String::from_utf8_lossy(&output.stderr).trim().to_owned()),
            Err(e) => why.push(format!("unshare: {e}")),
        }
    }
    panic!(
        "no small filesystem can be mounted here: neither as root (CAP_SYS_ADMIN) nor in a user namespace \
         (kernel.unprivileged_userns_clone, kernel.apparmor_restrict_unprivileged_userns): {}",
        why.join("; ")
    );
}

/// The filesystem; gone when it is dropped. Only for a process that [`is_apart`].
#[derive(Debug)]
pub struct SmallDisk {
    dir: TempDir,
}

impl SmallDisk {
    /// One of so many bytes.
    #[track_caller]
    pub fn mount(bytes: u64) -> Self {
        assert!(
            std::env::var_os(INSIDE).is_some(),
            "others would see the mount"
        );
        let dir = tempfile::tempdir().expect("a temporary directory");
        let mut mount = Command::new("mount");
        mount.args(["-t", "tmpfs", "-o", &format!("size={bytes}"), "tmpfs"]);
        process::run("mount a small tmpfs", mount.arg(dir.path()));
        Self { dir }
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        self.dir.path()
    }

    fn neighbour(&self) -> PathBuf {
        self.path().join("neighbour")
    }

    /// Somebody else takes all that is left, to the last byte.
    #[track_caller]
    pub fn fill(&self) {
        let mut file = File::create(self.neighbour()).expect("a file on the small disk");
        let mut piece = &[0; 4096][..];
        while !piece.is_empty() {
            match file.write(piece) {
                Ok(_) => {}
                Err(e) if e.kind() == io::ErrorKind::StorageFull => {
                    piece = &piece[..piece.len() / 2];
                }
                Err(e) => panic!("filling the small disk: {e}"),
            }
        }
    }

    /// And gives it back.
    #[track_caller]
    pub fn give_back(&self) {
        fs::remove_file(self.neighbour()).expect("the neighbour's file");
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        // It goes with the namespace in any case; until then the directory can't be removed.
        let _ = Command::new("umount")
            .arg("--lazy")
            .arg(self.path())
            .status();
    }
}
