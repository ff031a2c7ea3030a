//! The files that a Kafka client is made from: those of `kafka.property_files`, and those that properties name.
//!
//! Whoever polls them uses [`files`] and [`read_again`], so that what passed at start is judged alike later. Contents are
//! compared, not times or inodes, so that Kubernetes' symlink swaps work.

use super::{
    Kafka, Secret, Surroundings,
    kafka::{check_name, check_value},
    layers::{Layers, article},
};
use crate::publish::is_set;
use sha2::{Digest as _, Sha256};
use std::{
    collections::BTreeMap,
    io,
    path::{Path, PathBuf},
};

const MAX_BYTES: usize = 64 << 10;

/// Properties that name a file, which librdkafka reads when a client is made.
const NAME_A_FILE: &[&str] = &[
    "ssl.ca.location",
    "ssl.certificate.location",
    "ssl.key.location",
    "ssl.keystore.location",
    "ssl.crl.location",
    "https.ca.location",
    "sasl.oauthbearer.assertion.file",
    "sasl.oauthbearer.assertion.private.key.file",
    "sasl.oauthbearer.assertion.jwt.template.file",
];

/// Why a file gave no value. Never quotes what it holds.
#[derive(Debug, thiserror::Error)]
pub enum ValueError {
    /// It can't be read.
    #[error("can't be read: {0}")]
    Unreadable(#[from] io::Error),
    /// Nothing but line ends.
    #[error("is empty")]
    Empty,
    /// More than any property has need for.
    #[error("is larger than 64 KiB")]
    TooLarge,
    /// Not a text.
    #[error("is not UTF-8, or has a NUL in it")]
    NotText,
}

/// The value in a file: all of it but for the line ends at its end.
///
/// # Errors
/// See [`ValueError`].
pub fn value(content: &[u8]) -> Result<Secret, ValueError> {
    if content.len() > MAX_BYTES {
        return Err(ValueError::TooLarge);
    }
    let text = std::str::from_utf8(content).map_err(|_| ValueError::NotText)?;
    let text = text.trim_end_matches(['\r', '\n']);
    if text.contains('\0') {
        return Err(ValueError::NotText);
    }
    if text.trim().is_empty() {
        return Err(ValueError::Empty);
    }
    Ok(Secret::new(text))
}

/// Reads `kafka.property_files` for the first time, into the properties.
pub(super) fn take(layers: &mut Layers<'_>, surroundings: &Surroundings<'_>, kafka: &mut Kafka) {
    for (name, value) in std::mem::take(&mut layers.property_files) {
        let setting = layers.in_file(&format!("kafka.property_files.{name}"));
        let Some(path) = value.as_str().filter(|path| !path.is_empty()) else {
            let problem = format!("must be the path of a file, not {}", article(&value));
            layers.fault(setting, problem);
            continue;
        };
        if is_set(kafka, &name) {
            let problem = "is set in kafka.properties, or by its other name, too; keep one of them";
            layers.fault(setting, problem);
            continue;
        }
        let path = PathBuf::from(path);
        let read = || value_in(surroundings, &path);
        let taken = check_name(&name).and_then(|()| match read() {
            Ok(value) => check_value(&name, value.expose().to_owned()).map(Some),
            // Who looks into a spool needs no brokers.
            Err(_) if !layers.keys_needed => Ok(None),
            Err(why) => Err(format!("{} {why}", path.display())),
        });
        match taken {
            Ok(value) => {
                kafka.property_files.insert(name.clone(), path);
                kafka.properties.extend(value.map(|value| (name, value)));
            }
            Err(problem) => layers.fault(setting, problem),
        }
    }
}

fn value_in(surroundings: &Surroundings<'_>, path: &Path) -> Result<Secret, ValueError> {
    value(&(surroundings.read)(path)?)
}

/// What a file held: enough to see a change.
pub type Digests = BTreeMap<PathBuf, [u8; 32]>;

/// A file that can't be used, and why.
#[derive(Debug)]
pub struct Unusable {
    /// Which.
    pub path: PathBuf,
    /// Why.
    pub why: ValueError,
}

/// Every file that a client is made from.
#[must_use]
pub fn files(kafka: &Kafka) -> Vec<PathBuf> {
    let named = kafka
        .properties
        .iter()
        .filter(|(name, _)| NAME_A_FILE.contains(&name.as_str()));
    let named = named
        .map(|(_, path)| path.expose())
        // librdkafka looks for the system's.
        .filter(|path| *path != "probe")
        .map(PathBuf::from);
    kafka
        .property_files
        .values()
        .cloned()
        .chain(named)
        .collect()
}

/// The settings with what the files hold now, and what they hold. A file that can't be used keeps its old value.
#[must_use]
pub fn read_again(
    kafka: &Kafka,
    before: &Digests,
    read: &dyn Fn(&Path) -> io::Result<Vec<u8>>,
) -> (Kafka, Digests, Vec<Unusable>) {
    let (mut now, mut digests, mut unusable) = (kafka.clone(), before.clone(), Vec::new());
    for path in files(kafka) {
        let names = kafka
            .property_files
            .iter()
            .filter(|(_, file)| **file == path);
        let names: Vec<_> = names.map(|(name, _)| name).collect();
        match content(read, &path, !names.is_empty()) {
            Ok((digest, value)) => {
                for name in names {
                    now.properties.insert(name.clone(), value.clone());
                }
                digests.insert(path, digest);
            }
            // A directory of CAs: OpenSSL looks into it at each connection.
            Err(ValueError::Unreadable(e)) if e.kind() == io::ErrorKind::IsADirectory => {}
            Err(why) => unusable.push(Unusable { path, why }),
        }
    }
    (now, digests, unusable)
}

fn content(
    read: &dyn Fn(&Path) -> io::Result<Vec<u8>>,
    path: &Path,
    is_value: bool,
) -> Result<([u8; 32], Secret), ValueError> {
    let content = read(path)?;
    let digest = Sha256::digest(&content).into();
    if content.is_empty() {
        return Err(ValueError::Empty);
    }
    let value = if is_value {
        value(&content)?
    } else {
        Secret::new("")
    };
    Ok((digest, value))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::cell::RefCell;

    #[test]
    fn a_value_is_the_file_without_the_line_ends_at_its_end() {
        assert_eq!(value(b"s3cret\r\n\n").unwrap(), Secret::new("s3cret"));
        assert_eq!(value(b" two words ").unwrap(), Secret::new(" two words "));
        assert_eq!(value(b"-----B\nx\n").unwrap(), Secret::new("-----B\nx"));
        assert!(matches!(value(b" \n"), Err(ValueError::Empty)));
        assert!(matches!(value(b""), Err(ValueError::Empty)));
        assert!(matches!(value(b"\xff"), Err(ValueError::NotText)));
        assert!(matches!(value(b"a\0b"), Err(ValueError::NotText)));
        assert!(matches!(
            value(&[b'a'; 65 << 10]),
            Err(ValueError::TooLarge)
        ));
    }

    #[test]
    fn what_changes_is_seen_and_what_cant_be_used_keeps_the_old_value() {
        let kafka = Kafka {
            bootstrap_servers: String::new(),
            properties: [
                ("sasl.password".to_owned(), Secret::new("old")),
                ("ssl.ca.location".to_owned(), Secret::new("/ca.pem")),
                ("linger.ms".to_owned(), Secret::new("7")),
            ]
            .into(),
            property_files: [("sasl.password".to_owned(), PathBuf::from("/password"))].into(),
        };
        let disk = RefCell::new(BTreeMap::from([
            (PathBuf::from("/password"), b"old\n".to_vec()),
            (PathBuf::from("/ca.pem"), b"a".to_vec()),
        ]));
        let read = |path: &Path| {
            let found = disk.borrow().get(path).cloned();
            found.ok_or_else(|| io::ErrorKind::NotFound.into())
        };
        let password = |kafka: &Kafka| kafka.properties["sasl.password"].expose().to_owned();
        let (now, first, unusable) = read_again(&kafka, &Digests::new(), &read);
        assert!(unusable.is_empty() && password(&now) == "old");
        assert_eq!(first.len(), 2);

        disk.borrow_mut()
            .insert("/password".into(), b"new".to_vec());
        let (now, second, _) = read_again(&kafka, &first, &read);
        assert_ne!(first, second);
        assert_eq!(password(&now), "new");

        disk.borrow_mut().insert("/password".into(), b"\n".to_vec());
        disk.borrow_mut().remove(Path::new("/ca.pem"));
        let (now, third, unusable) = read_again(&now, &second, &read);
        assert_eq!((password(&now).as_str(), unusable.len()), ("new", 2));
        assert_eq!(second, third);
    }
}
