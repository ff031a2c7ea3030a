//! Callback keys: their form, their names, and the files that hold them, one key a line.
//!
//! Whoever polls the files uses [`read_file`] and [`all`] again, so that names stay what they were at start.

use super::{NamedKey, Secret};
use std::{
    collections::BTreeSet,
    fs::File,
    io::{self, Read},
    path::{Path, PathBuf},
};

/// The most keys that one source may have, files included.
pub const MAX_KEYS: usize = 64;
const MAX_FILE_BYTES: u64 = 64 << 10;
const MAX_KEY_BYTES: usize = 256;

/// Why a key file gave no keys. Never quotes what the file holds.
#[derive(Debug, thiserror::Error)]
pub enum KeyFileError {
    /// It can't be read.
    #[error("can't be read: {0}")]
    Unreadable(#[from] io::Error),
    /// No line has anything on it.
    #[error("holds no key; write one key a line")]
    Empty,
    /// More than a key file has any need for.
    #[error("is larger than 64 KiB or has more than {MAX_KEYS} keys")]
    TooLarge,
    /// A line that can't be a key.
    #[error("line {line} {problem}")]
    Line {
        /// From 1.
        line: usize,
        /// What is wrong with it.
        problem: &'static str,
    },
}

/// Takes a text for a key. Tencent allows 32 letters and digits, and once allowed more: so only what can't be meant
/// is refused.
///
/// # Errors
/// If it is empty, longer than 256 bytes, or has white space or control characters in it. The text isn't quoted.
pub fn parse_key(text: &str) -> Result<Secret, &'static str> {
    if text.is_empty() {
        Err("is empty")
    } else if text.len() > MAX_KEY_BYTES {
        Err("is longer than 256 bytes")
    } else if text.contains(|c: char| c.is_whitespace() || c.is_control()) {
        Err("has white space in it")
    } else {
        Ok(Secret::new(text))
    }
}

/// The keys in the content of a key file; blank lines and white space at the ends of lines don't count.
///
/// # Errors
/// See [`KeyFileError`].
pub fn parse_file(content: &[u8]) -> Result<Vec<Secret>, KeyFileError> {
    if content.len() as u64 > MAX_FILE_BYTES {
        return Err(KeyFileError::TooLarge);
    }
    let mut keys = Vec::new();
    for (line, bytes) in (1..).zip(content.split(|&b| b == b'\n')) {
        let problem = |problem| KeyFileError::Line { line, problem };
        let text = std::str::from_utf8(bytes)
            .map_err(|_| problem("is not UTF-8"))?
            .trim();
        if !text.is_empty() {
            keys.push(parse_key(text).map_err(problem)?);
        }
    }
    match keys.len() {
        0 => Err(KeyFileError::Empty),
        1..=MAX_KEYS => Ok(keys),
        _ => Err(KeyFileError::TooLarge),
    }
}

/// Reads a key file.
///
/// # Errors
/// See [`KeyFileError`].
pub fn read_file(path: &Path) -> Result<Vec<Secret>, KeyFileError> {
    parse_file(&read_limited(path, MAX_FILE_BYTES + 1)?)
}

/// At most `limit` bytes of a file.
pub(crate) fn read_limited(path: &Path, limit: u64) -> io::Result<Vec<u8>> {
    let mut content = Vec::new();
    File::open(path)?.take(limit).read_to_end(&mut content)?;
    Ok(content)
}

/// The keys of a source in order: the configured ones, then those of each file, named after it (`current`,
/// `current-2`, …). No two have the same name.
#[must_use]
pub fn all(configured: &[NamedKey], files: &[(PathBuf, Vec<Secret>)]) -> Vec<NamedKey> {
    let mut keys = configured.to_vec();
    let mut taken: BTreeSet<_> = keys.iter().map(|key| key.name.clone()).collect();
    for (path, secrets) in files {
        let stem = path
            .file_name()
            .unwrap_or(path.as_os_str())
            .to_string_lossy();
        for key in secrets {
            let mut names = (2..).map(|n| format!("{stem}-{n}"));
            let mut name = stem.to_string();
            while !taken.insert(name.clone()) {
                name = names.next().unwrap_or_default();
            }
            keys.push(NamedKey {
                name,
                key: key.clone(),
            });
        }
    }
    keys
}

/// Names for keys without one: `key-1`, `key-2`, … in order, passing over what was configured.
pub(super) fn name_in_order(keys: Vec<(Option<String>, Secret)>) -> Vec<NamedKey> {
    let taken: BTreeSet<_> = keys.iter().filter_map(|(name, _)| name.clone()).collect();
    let mut free = (1..)
        .map(|n| format!("key-{n}"))
        .filter(|name| !taken.contains(name));
    keys.into_iter()
        .map(|(name, key)| NamedKey {
            name: name.or_else(|| free.next()).unwrap_or_default(),
            key,
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(keys: &[NamedKey]) -> Vec<&str> {
        keys.iter().map(|key| key.name.as_str()).collect()
    }

    #[test]
    fn a_key_file_has_one_key_a_line() {
        let keys = parse_file(b"first\r\n\n second \n").unwrap();
        assert_eq!(keys, [Secret::new("first"), Secret::new("second")]);
        assert!(matches!(parse_file(b" \n\n"), Err(KeyFileError::Empty)));
        assert!(matches!(
            parse_file(b"a b\n"),
            Err(KeyFileError::Line { line: 1, .. })
        ));
        assert!(matches!(
            parse_file(b"a\n\xff\n"),
            Err(KeyFileError::Line { line: 2, .. })
        ));
        assert!(matches!(
            parse_file(&[b'\n'; 1 << 17]),
            Err(KeyFileError::TooLarge)
        ));
        assert!(matches!(
            parse_file(&b"k\n".repeat(65)),
            Err(KeyFileError::TooLarge)
        ));
    }

    #[test]
    fn unnamed_keys_are_numbered_past_the_named_ones() {
        let key = || Secret::new("k");
        let keys = name_in_order(vec![
            (None, key()),
            (Some("key-2".into()), key()),
            (None, key()),
        ]);
        assert_eq!(names(&keys), ["key-1", "key-2", "key-3"]);
    }

    #[test]
    fn keys_of_files_are_named_after_the_file_and_stay_apart() {
        let key = || Secret::new("k");
        let configured = name_in_order(vec![(None, key())]);
        let files = [
            ("a/tencent".into(), vec![key(), key()]),
            ("b/tencent".into(), vec![key()]),
        ];
        assert_eq!(
            names(&all(&configured, &files)),
            ["key-1", "tencent", "tencent-2", "tencent-3"]
        );
    }
}
