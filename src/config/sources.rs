//! `sources.<name>`: the senders and their keys, and the flags and variables that replace the keys of one of them.

use super::{
    Auth, Cidr, Fault, NamedKey, Secret, Source, SourceKind, Surroundings,
    keys::{self, MAX_KEYS},
    layers::{Layers, article, near, texts},
    reference::{self, KEY_FILES, KEYS, nearest},
    values,
};
use crate::callback::names::SourceName;
use std::{
    collections::BTreeSet,
    path::{Path, PathBuf},
};
use toml::{Table, Value};

const DEFAULT_NAME: &str = "tencent";
const KINDS: &[(&str, SourceKind)] = &[
    ("tencent-css", SourceKind::TencentCss),
    ("volcengine-live", SourceKind::VolcengineLive),
];
const RECORDING_FILE: i64 = 100;

/// A source as read, and whether what was refused of it may have been its key: then none is missing.
struct Draft {
    source: Source,
    in_doubt: bool,
}

/// All sources, checked, each with a key unless it asks for none.
pub(super) fn sources(layers: &mut Layers<'_>, surroundings: &Surroundings<'_>) -> Vec<Source> {
    let mut drafts = Vec::new();
    let mut tables = std::mem::take(&mut layers.sources);
    if tables.is_empty() {
        tables.insert(DEFAULT_NAME.into(), Value::Table(Table::new()));
    }
    for (name, value) in &tables {
        let path = format!("sources.{name}");
        match (SourceName::parse(name), value) {
            (Ok(name), Value::Table(table)) => drafts.push(source(layers, &path, name, table)),
            (Err(e), _) => layers.fault(layers.in_file(&path), e.to_string()),
            (_, other) => {
                let problem = format!("must be a table, not {}; write [{path}]", article(other));
                layers.fault(layers.in_file(&path), problem);
            }
        }
    }
    replace_keys(layers, &mut drafts);
    if layers.keys_needed {
        for draft in &drafts {
            check_keys(layers, surroundings, draft);
        }
    }
    drafts.into_iter().map(|draft| draft.source).collect()
}

fn source(layers: &mut Layers<'_>, path: &str, name: SourceName, table: &Table) -> Draft {
    let mut in_doubt = false;
    let mut source = Source {
        name,
        kind: SourceKind::TencentCss,
        auth: Auth::Required,
        path_token: None,
        allow: Vec::new(),
        unsigned_events: BTreeSet::new(),
        keys: Vec::new(),
        key_files: Vec::new(),
    };
    for (key, value) in table {
        let before = layers.faults.len();
        let setting = layers.in_file(&format!("{path}.{key}"));
        let taken = match key.as_str() {
            "kind" => word(value, KINDS).map(|kind| source.kind = kind),
            "auth" => word(value, &[("required", Auth::Required), ("off", Auth::Off)])
                .map(|auth| source.auth = auth),
            "path_token" => path_token(value).map(|token| source.path_token = Some(token)),
            "allow" => ranges(value).map(|ranges| source.allow = ranges),
            "unsigned_events" => event_types(value).map(|events| source.unsigned_events = events),
            "key_files" => texts(value)
                .map(|files| source.key_files = files.into_iter().map(PathBuf::from).collect())
                .ok_or_else(|| {
                    "must be a list of paths, such as [\"/run/secrets/callback-key\"]".into()
                }),
            "keys" => configured_keys(layers, &setting, value).map(|keys| source.keys = keys),
            _ => Err(format!(
                "there is no such setting; {}",
                nearest_in(path, key)
            )),
        };
        if let Err(problem) = taken {
            layers.fault(setting, problem);
        }
        let faulty = layers.faults.len() > before;
        in_doubt |= faulty && matches!(key.as_str(), "keys" | "key_files" | "auth");
    }
    if !source.unsigned_events.is_empty()
        && source.path_token.is_none()
        && !table.contains_key("path_token")
    {
        layers.fault(
            layers.in_file(&format!("{path}.unsigned_events")),
            format!("needs a secret URL, since anyone could send these events; set {path}.path_token too"),
        );
    }
    Draft { source, in_doubt }
}

fn nearest_in(path: &str, key: &str) -> String {
    let known = reference::all().filter_map(|s| s.toml.strip_prefix("sources.<name>."));
    let name = nearest(key, known).map(|name| format!("{path}.{name}"));
    near(name.as_deref())
}

fn word<T: Copy>(value: &Value, words: &'static [(&'static str, T)]) -> Result<T, String> {
    let text = value
        .as_str()
        .ok_or_else(|| format!("must be a text, not {}", article(value)))?;
    values::word(words)(text)
}

fn path_token(value: &Value) -> Result<Secret, String> {
    value
        .as_str()
        .filter(|token| {
            (8..=128).contains(&token.len())
                && token
                    .bytes()
                    .all(|b| b.is_ascii_alphanumeric() || b"-_".contains(&b))
        })
        .map(Secret::new)
        .ok_or_else(|| {
            "is not a path token; write 8 to 128 of A-Z, a-z, 0-9, - and _, at random".into()
        })
}

fn ranges(value: &Value) -> Result<Vec<Cidr>, String> {
    let list =
        texts(value).ok_or("must be a list of addresses or ranges, such as [\"192.0.2.0/24\"]")?;
    let range = |text: &String| text.parse().map_err(|why| format!("{text:?} {why}"));
    list.iter().map(range).collect()
}

fn event_types(value: &Value) -> Result<BTreeSet<i64>, String> {
    let events: Option<BTreeSet<_>> = value
        .as_array()
        .and_then(|list| list.iter().map(Value::as_integer).collect());
    let events = events.ok_or("must be a list of event_type numbers, such as [314, 328]")?;
    if events.contains(&RECORDING_FILE) {
        return Err("can't hold 100: recordings are always signed once a key is set, so an unsigned one is a forgery".into());
    }
    Ok(events)
}

/// Faults of single keys are noted under their place in the list, without quoting them.
fn configured_keys(
    layers: &mut Layers<'_>,
    setting: &str,
    value: &Value,
) -> Result<Vec<NamedKey>, String> {
    let form = "must be a list of keys, such as [\"K1\", {name = \"2026-11\", key = \"K2\"}]";
    let list = value.as_array().ok_or(form)?;
    if list.len() > MAX_KEYS {
        return Err(format!("has more than {MAX_KEYS} keys"));
    }
    let mut named = Vec::new();
    let mut names = BTreeSet::new();
    for (place, entry) in (1..).zip(list) {
        match configured_key(entry) {
            Ok((name, _))
                if name
                    .as_ref()
                    .is_some_and(|name| !names.insert(name.clone())) =>
            {
                layers.fault(
                    setting,
                    format!("key {place} has the name of an earlier one; give it another"),
                );
            }
            Ok(key) => named.push(key),
            Err(problem) => layers.fault(setting, format!("key {place} {problem}")),
        }
    }
    Ok(keys::name_in_order(named))
}

fn configured_key(entry: &Value) -> Result<(Option<String>, Secret), String> {
    let form = "must be a text, or {name = \"…\", key = \"…\"}";
    if let Some(text) = entry.as_str() {
        return Ok((None, keys::parse_key(text)?));
    }
    let table = entry.as_table().ok_or(form)?;
    if table
        .keys()
        .any(|key| !matches!(key.as_str(), "name" | "key"))
    {
        return Err(form.into());
    }
    let key = keys::parse_key(table.get("key").and_then(Value::as_str).ok_or(form)?)?;
    match table.get("name") {
        None => Ok((None, key)),
        Some(name) => {
            let legal = |name: &&str| {
                (1..=64).contains(&name.len())
                    && name
                        .bytes()
                        .all(|b| b.is_ascii_alphanumeric() || b"._-".contains(&b))
            };
            let name = name.as_str().filter(legal);
            let name =
                name.ok_or("has a name that isn't 1 to 64 of A-Z, a-z, 0-9, '.', '_' and '-'")?;
            Ok((Some(name.into()), key))
        }
    }
}

/// `--key`, `--key-file` and their variables replace the keys of the source `tencent`, or of the only one.
fn replace_keys(layers: &mut Layers<'_>, drafts: &mut [Draft]) {
    let (none, only) = (drafts.is_empty(), drafts.len() == 1);
    let target = drafts
        .iter()
        .position(|draft| only || draft.source.name.as_str() == DEFAULT_NAME);
    give_keys(layers, none, target.and_then(|at| drafts.get_mut(at)));
    if layers.faults.iter().any(is_about_given_keys) {
        for (at, draft) in drafts.iter_mut().enumerate() {
            draft.in_doubt |= target.is_none_or(|target| target == at);
        }
    }
}

/// Gives what flags and variables say to `target`; `none` if there is no source at all.
fn give_keys(layers: &mut Layers<'_>, none: bool, target: Option<&mut Draft>) {
    let (given, files) = (layers.above_file(&KEYS), layers.above_file(&KEY_FILES));
    let Some((origin, _)) = given.first().or(files.first()).cloned() else {
        return;
    };
    let mut named = Vec::new();
    for (origin, text) in given {
        match keys::parse_key(&text) {
            Ok(key) => named.push((None, key)),
            Err(problem) => layers.fault(origin, format!("a key {problem}")),
        }
    }
    if named.len() > MAX_KEYS {
        layers.fault(
            origin.clone(),
            format!("there are more than {MAX_KEYS} keys"),
        );
    }
    let (empty, files): (Vec<_>, Vec<_>) = files.into_iter().partition(|(_, path)| path.is_empty());
    for (origin, _) in empty {
        layers.fault(origin, "a path is empty");
    }
    match target {
        Some(Draft { source, .. }) => {
            source.keys = keys::name_in_order(named);
            source.key_files = files.into_iter().map(|(_, path)| path.into()).collect();
        }
        // Each was refused; that is said already.
        None if none => {}
        None => layers.fault(
            origin,
            "it isn't clear which source's keys it replaces: there are several and none is called tencent; \
             set sources.<name>.keys or sources.<name>.key_files in the file",
        ),
    }
}

fn check_keys(layers: &mut Layers<'_>, surroundings: &Surroundings<'_>, draft: &Draft) {
    let source = &draft.source;
    let name = &source.name;
    let mut usable = source.keys.len();
    let mut unusable = Vec::new();
    for path in &source.key_files {
        match file_keys(surroundings, path) {
            Ok(count) => usable += count,
            Err(problem) => unusable.push(format!("key file {} {problem}", path.display())),
        }
    }
    if source.auth == Auth::Off {
        layers.warnings.push(format!(
            "source {name}: auth is off: callbacks are taken from anyone who can reach the door"
        ));
    } else if usable == 0 && !draft.in_doubt && !layers.file_failed {
        let setting = if unusable.is_empty() {
            format!("sources.{name}.keys")
        } else {
            format!("sources.{name}.key_files")
        };
        let why = if unusable.is_empty() {
            "no key is set".into()
        } else {
            unusable.join("; ")
        };
        layers.fault(
            setting,
            format!(
                "{why}; set the callback key of the sender's template with --key, LIVEBRIDGE_KEY, --key-file, \
                 LIVEBRIDGE_KEY_FILE, or keys under [sources.{name}] in the file \
                 (or auth = \"off\" there, to take callbacks from anyone)"
            ),
        );
        return;
    }
    layers.warnings.extend(
        unusable
            .into_iter()
            .map(|problem| format!("source {name}: {problem}")),
    );
    if usable > MAX_KEYS {
        layers.fault(
            format!("sources.{name}.key_files"),
            format!("with keys, there are more than {MAX_KEYS} keys"),
        );
    }
}

/// Whether it is about a flag or variable that gives keys.
fn is_about_given_keys(fault: &Fault) -> bool {
    [&KEYS, &KEY_FILES]
        .iter()
        .flat_map(|setting| [setting.flag, setting.env])
        .any(|name| name == Some(&*fault.setting))
}

fn file_keys(surroundings: &Surroundings<'_>, path: &Path) -> Result<usize, keys::KeyFileError> {
    Ok(keys::parse_file(&(surroundings.read)(path)?)?.len())
}
