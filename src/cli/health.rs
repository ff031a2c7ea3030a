//! `health`: asks a running relay how it is, as a probe would. For places without curl, such as the image.

use super::{
    Failure, Outcome,
    settings::{load_without_keys, print},
};
use crate::config::Flags;
use std::{
    io::{self, Read, Write},
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpStream},
    path::PathBuf,
    time::Duration,
};

/// To connect, and again for each piece of the answer.
const PATIENCE: Duration = Duration::from_secs(3);
/// Longer answers are cut off.
const ANSWER_BYTES: u64 = 16 << 10;

/// Asks the relay on this machine whether it is ready: whether it can make a callback durable. Exit 0 if it is, 1 if it isn't or
/// doesn't answer.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  \
                        livebridge health                      can it take callbacks?\n  \
                        livebridge health --live               does it answer at all? (of the image's HEALTHCHECK)\n  \
                        livebridge health --config /etc/livebridge/livebridge.toml")]
pub(super) struct Args {
    /// Only whether the process answers. A full spool is no reason to restart a relay; this is.
    #[arg(long)]
    live: bool,
    /// Where its admin listener is [default: admin.listen of the settings].
    #[arg(long, value_name = "IP:PORT")]
    admin_listen: Option<String>,
    /// The settings file, TOML.
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
}

pub(super) fn run(args: &Args) -> Outcome {
    let flags = Flags {
        config: args.config.clone(),
        admin_listen: args.admin_listen.clone(),
        ..Flags::default()
    };
    let address = reachable(load_without_keys(&flags)?.config.admin_listen);
    let path = if args.live { "/livez" } else { "/readyz" };
    let answer = ask(address, path)
        .map_err(|e| Failure::Failed(format!("no answer from http://{address}{path}: {e}")))?;
    let (status, said) = read(&answer)
        .ok_or_else(|| Failure::Failed(format!("what is at {address} doesn't speak HTTP")))?;
    if status == 200 {
        print(&format!("{said}\n"))
    } else {
        Err(Failure::Failed(format!("{said} (HTTP {status})")))
    }
}

/// A listener of every address is reached on this machine's own.
fn reachable(listen: SocketAddr) -> SocketAddr {
    let ip = match listen.ip() {
        ip if !ip.is_unspecified() => ip,
        IpAddr::V4(_) => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(_) => Ipv6Addr::LOCALHOST.into(),
    };
    SocketAddr::new(ip, listen.port())
}

fn ask(address: SocketAddr, path: &str) -> io::Result<Vec<u8>> {
    let mut socket = TcpStream::connect_timeout(&address, PATIENCE)?;
    socket.set_read_timeout(Some(PATIENCE))?;
    socket.set_write_timeout(Some(PATIENCE))?;
    // In HTTP/1.0 the answer ends with the connection.
    socket.write_all(format!("GET {path} HTTP/1.0\r\nhost: {address}\r\n\r\n").as_bytes())?;
    let mut answer = Vec::new();
    socket.take(ANSWER_BYTES).read_to_end(&mut answer)?;
    Ok(answer)
}

/// The status and the first line of the body.
fn read(answer: &[u8]) -> Option<(u16, &str)> {
    let (head, body) = std::str::from_utf8(answer).ok()?.split_once("\r\n\r\n")?;
    let status = head.strip_prefix("HTTP/1.")?.split(' ').nth(1)?;
    Some((
        status.parse().ok()?,
        body.lines().next().unwrap_or_default(),
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_listener_of_every_address_is_asked_here() {
        let of = |text: &str| reachable(text.parse().unwrap()).to_string();
        assert_eq!(of("0.0.0.0:9464"), "127.0.0.1:9464");
        assert_eq!(of("[::]:9464"), "[::1]:9464");
        assert_eq!(of("192.0.2.1:1"), "192.0.2.1:1");
    }

    #[test]
    fn the_answer_is_its_status_and_its_first_line() {
        let answer = b"HTTP/1.1 503 Service Unavailable\r\na: b\r\n\r\nnot ready: full\n";
        assert_eq!(read(answer), Some((503, "not ready: full")));
        assert_eq!(read(b"HTTP/1.0 200 OK\r\n\r\n"), Some((200, "")));
        assert_eq!(read(b"SSH-2.0-x\r\n"), None);
    }
}
