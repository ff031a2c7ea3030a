//! Ports that stay ours while a process behind them is down.
//!
//! They lie below the range from which the system takes the ports of outgoing connections; otherwise a load
//! generator could sit on a killed broker's port when it starts again.

use std::{
    fs::{File, OpenOptions, TryLockError},
    net::TcpListener,
    path::PathBuf,
};

/// A port on localhost that no other test takes while this is held.
#[derive(Debug)]
pub struct Port {
    number: u16,
    _claim: File,
}

impl Port {
    /// Claims a free port.
    pub fn claim() -> Self {
        let claims = std::env::temp_dir().join("livebridge-test-ports");
        std::fs::create_dir_all(&claims).expect("a directory for claims of ports");
        let mut dice = crate::dice::Dice::new(u64::from(std::process::id()));
        for _ in 0..2_000 {
            let number = 15_000 + u16::try_from(dice.below(16_000)).expect("below 16,000");
            if let Some(claim) = lock(claims.join(number.to_string()))
                && TcpListener::bind(("127.0.0.1", number)).is_ok()
            {
                return Self {
                    number,
                    _claim: claim,
                };
            }
        }
        panic!("no free port between 15000 and 31000");
    }

    /// The number.
    pub const fn number(&self) -> u16 {
        self.number
    }

    /// `127.0.0.1:number`.
    pub fn address(&self) -> String {
        format!("127.0.0.1:{}", self.number)
    }
}

fn lock(path: PathBuf) -> Option<File> {
    let file = OpenOptions::new()
        .create(true)
        .append(true)
        .open(path)
        .expect("a file to claim a port with");
    match file.try_lock() {
        Ok(()) => Some(file),
        Err(TryLockError::WouldBlock) => None,
        Err(TryLockError::Error(e)) => panic!("can't lock the claim of a port: {e}"),
    }
}
