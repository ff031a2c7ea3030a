//! Python with the packages of `examples/requirements.txt`, in an environment of its own under `target/`.

use crate::{kafka, process};
use std::{path::PathBuf, process::Command};

/// The interpreter.
pub fn interpreter() -> PathBuf {
    let requirements = include_str!("../../../examples/requirements.txt");
    let dir = kafka::once("python", requirements, |dir| {
        let venv = dir.join("venv");
        let mut make = Command::new("python3");
        make.args(["-m", "venv"]).arg(&venv);
        process::run("make a Python environment (python3-venv)", &mut make);
        let list = dir.join("requirements.txt");
        std::fs::write(&list, requirements).expect("the list of packages");
        let mut pip = Command::new(venv.join("bin/python"));
        pip.args(["-m", "pip", "install", "--quiet", "--requirement"])
            .arg(list);
        process::run("install the packages of the Python example", &mut pip);
    });
    dir.join("venv/bin/python")
}
