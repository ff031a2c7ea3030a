//! How many files the process may have open, against how many connections it is to take. Each connection is one; without a few to
//! spare, idle strangers could keep the spool from its next segment.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// For the spool, Kafka, keys, certificates, the ledger, the admin listener and whoever asks there.
const RESERVE: u64 = 384;
/// The connections that there are room for at least: with so few files nothing goes well, but it goes.
const FEWEST: usize = 16;

/// Raises the limit of open files as far as it goes, and says how many connections may be taken: those asked for, or fewer if there
/// are too few files for them, which is warned about.
pub(super) fn connections(wanted: usize) -> usize {
    let limit = raised();
    let room = room_for(wanted, limit);
    if room < wanted {
        tracing::warn!(
            "the process may open only {} files: {room} connections are taken at once instead of limits.connections = {wanted}; \
             raise the limit (ulimit -n, LimitNOFILE=) to {} or more",
            limit.unwrap_or_default(),
            wanted as u64 + RESERVE
        );
    }
    room
}

/// The soft limit after it was raised to the hard one; none: there is no limit.
fn raised() -> Option<u64> {
    let before = getrlimit(Resource::Nofile);
    let wish = Rlimit {
        current: before.maximum,
        maximum: before.maximum,
    };
    // Where that isn't allowed, what there is stays.
    let _ = setrlimit(Resource::Nofile, wish);
    getrlimit(Resource::Nofile).current
}

fn room_for(wanted: usize, limit: Option<u64>) -> usize {
    let Some(limit) = limit else {
        return wanted;
    };
    let room = usize::try_from(limit.saturating_sub(RESERVE)).unwrap_or(usize::MAX);
    wanted.min(room.max(FEWEST))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn connections_leave_files_for_the_rest() {
        assert_eq!(room_for(8192, None), 8192);
        assert_eq!(room_for(8192, Some(1 << 20)), 8192);
        assert_eq!(room_for(8192, Some(8192 + RESERVE)), 8192);
        assert_eq!(room_for(8192, Some(8191 + RESERVE)), 8191);
        assert_eq!(room_for(8192, Some(1024)), 640);
        assert_eq!(room_for(8192, Some(3)), FEWEST);
        assert_eq!(room_for(5, Some(3)), 5);
    }
}
