//! `prove`: the rehearsal on a volume.

use crate::rig::BINARY;
use std::{fs, process::Command};
use support::small_disk::{self, SmallDisk};

#[test]
fn a_rehearsal_passes_on_a_sound_volume_and_leaves_nothing_behind() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().to_str().unwrap();
    let output = Command::new(BINARY)
        .args(["prove", "--dir", path, "--seconds", "3"])
        .env_clear()
        .output()
        .unwrap();
    let out = String::from_utf8(output.stdout).unwrap();
    let err = String::from_utf8(output.stderr).unwrap();
    assert!(output.status.success(), "{out}{err}");
    for said in [
        "write + fdatasync of 1 KiB: p50",
        "spool, 1 waiting:",
        "spool, 128 waiting:",
        "kill -9: ",
        "full spool: said so after",
        "verdict: this volume keeps the promise",
    ] {
        assert!(out.contains(said), "{said}\nnot in\n{out}");
    }
    assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 0);
}

#[test]
fn a_rehearsal_passes_on_a_volume_of_64_mib() {
    if !small_disk::is_apart("prove::a_rehearsal_passes_on_a_volume_of_64_mib") {
        return;
    }
    let disk = SmallDisk::mount(64 << 20);
    let output = Command::new(BINARY)
        .args(["prove", "--seconds", "3", "--dir"])
        .arg(disk.path())
        .env_clear()
        .output()
        .unwrap();
    let out = String::from_utf8(output.stdout).unwrap();
    let err = String::from_utf8(output.stderr).unwrap();
    assert!(output.status.success(), "{out}{err}");
    assert!(
        out.contains("verdict: this volume keeps the promise"),
        "{out}"
    );
    assert_eq!(fs::read_dir(disk.path()).unwrap().count(), 0);
}
