//! Flags, environment and TOML file, one above the other: which text counts for a setting, and where it came from.

use super::{
    environment::{Environment, Surroundings},
    fault::Fault,
    flags::Flags,
    reference::{self, Setting},
    values::Parsed,
};
use std::{
    collections::BTreeMap,
    io,
    path::{Path, PathBuf},
};
use toml::{Table, Value};

/// The three layers, and what was found wrong so far.
pub(super) struct Layers<'a> {
    flags: &'a Flags,
    environment: BTreeMap<String, String>,
    file: String,
    /// Paths of single settings to their values.
    single: BTreeMap<String, Value>,
    /// `sources`.
    pub(super) sources: Table,
    /// `kafka.properties`, nested tables flattened: TOML reads `security.protocol = …` as a table.
    pub(super) properties: BTreeMap<String, Value>,
    /// `kafka.property_files`, the same.
    pub(super) property_files: BTreeMap<String, Value>,
    pub(super) faults: Vec<Fault>,
    pub(super) warnings: Vec<String>,
    /// Whether there is a settings file that could not be read: then nobody knows what it would have set.
    pub(super) file_failed: bool,
    /// Whether a source without a key is a fault.
    pub(super) keys_needed: bool,
}

impl<'a> Layers<'a> {
    pub(super) fn new(flags: &'a Flags, surroundings: &Surroundings<'_>) -> Self {
        let mut layers = Self {
            flags,
            environment: BTreeMap::new(),
            file: String::new(),
            single: BTreeMap::new(),
            sources: Table::new(),
            properties: BTreeMap::new(),
            property_files: BTreeMap::new(),
            faults: Vec::new(),
            warnings: Vec::new(),
            file_failed: false,
            keys_needed: true,
        };
        layers.take_environment(&surroundings.environment);
        match layers.read_file(surroundings.read) {
            Some(table) => layers.take_table(&table, ""),
            None => {
                layers.file_failed = flags.config.is_some()
                    || surroundings.environment.0.contains_key("LIVEBRIDGE_CONFIG");
            }
        }
        layers
    }

    fn take_environment(&mut self, environment: &Environment) {
        let known: Vec<_> = reference::all().filter_map(|s| s.env).collect();
        for (name, value) in &environment.0 {
            if !known.contains(&name.as_str()) {
                let near = near(reference::nearest(name, known.iter().copied()));
                self.warnings.push(format!(
                    "{name} in the environment is not a setting and is ignored ({near})"
                ));
                continue;
            }
            match value.to_str() {
                Some("") => self.fault(name, "is empty; give it a value or unset it"),
                Some(value) => {
                    self.environment.insert(name.clone(), value.into());
                }
                None => self.fault(name, "is not UTF-8"),
            }
        }
    }

    fn read_file(&mut self, read: &dyn Fn(&Path) -> io::Result<Vec<u8>>) -> Option<Table> {
        let (origin, path) = match (
            &self.flags.config,
            self.environment.get("LIVEBRIDGE_CONFIG"),
        ) {
            (Some(path), _) => ("--config", path.clone()),
            (None, Some(path)) => ("LIVEBRIDGE_CONFIG", PathBuf::from(path)),
            (None, None) => return None,
        };
        self.file = path.display().to_string();
        let text = read(&path)
            .map_err(|e| format!("{}: {e}", self.file))
            .and_then(|bytes| {
                String::from_utf8(bytes).map_err(|_| format!("{} is not UTF-8", self.file))
            });
        match text {
            Err(problem) => {
                self.fault(origin, problem);
                None
            }
            Ok(text) => match text.parse() {
                Ok(table) => Some(table),
                Err(e) => {
                    // Display would show the line, and with it perhaps a key.
                    let (at, problem) = (position(&text, &e), e.message());
                    self.fault(
                        format!("{}{at}", self.file),
                        format!("is not TOML: {problem}"),
                    );
                    None
                }
            },
        }
    }

    fn take_table(&mut self, table: &Table, prefix: &str) {
        for (key, value) in table {
            let quoted = if key.contains('.') {
                format!("{key:?}")
            } else {
                key.clone()
            };
            let path = format!("{prefix}{quoted}");
            let inner = format!("{path}.");
            match value {
                Value::Table(sources) if path == "sources" => self.sources.clone_from(sources),
                Value::Table(properties) if path == "kafka.properties" => {
                    flatten(properties, "", &mut self.properties);
                }
                Value::Table(files) if path == "kafka.property_files" => {
                    flatten(files, "", &mut self.property_files);
                }
                value if reference::all().any(|s| s.toml == path) => {
                    self.single.insert(path, value.clone());
                }
                Value::Table(table) if reference::all().any(|s| s.toml.starts_with(&inner)) => {
                    self.take_table(table, &inner);
                }
                _ if reference::all().any(|s| s.toml.starts_with(&inner)) => {
                    self.fault(
                        self.in_file(&path),
                        format!("is a table; write [{path}] above its settings"),
                    );
                }
                _ => self.unknown(&path),
            }
        }
    }

    fn unknown(&mut self, path: &str) {
        let tables =
            reference::all().filter_map(|s| s.toml.rsplit_once('.').map(|(table, _)| table));
        let known = reference::all()
            .map(|s| s.toml)
            .chain(tables)
            .filter(|known| !known.is_empty());
        let near = near(reference::nearest(path, known));
        self.fault(
            self.in_file(path),
            format!("there is no such setting; {near}"),
        );
    }

    /// Notes a fault.
    pub(super) fn fault(&mut self, setting: impl Into<String>, problem: impl Into<String>) {
        self.faults.push(Fault::new(setting, problem));
    }

    /// A TOML path with its file's name.
    pub(super) fn in_file(&self, path: &str) -> String {
        format!("{path} in {}", self.file)
    }

    /// The setting as the user wrote it; its TOML path (or flag) if nobody did.
    pub(super) fn origin(&self, setting: &Setting) -> String {
        match (setting.flag, setting.env) {
            (Some(flag), _) if !self.flags.get(flag).is_empty() => flag.into(),
            (_, Some(env)) if self.environment.contains_key(env) => env.into(),
            _ if self.single.contains_key(setting.toml) => self.in_file(setting.toml),
            _ => setting.toml.into(),
        }
    }

    /// Whether somebody set it.
    pub(super) fn is_given(&self, setting: &Setting) -> bool {
        setting
            .flag
            .is_some_and(|flag| !self.flags.get(flag).is_empty())
            || setting
                .env
                .is_some_and(|env| self.environment.contains_key(env))
            || self.single.contains_key(setting.toml)
    }

    /// The value of a setting with one text: the highest layer's, else (also after a fault) the default.
    pub(super) fn value<T>(&mut self, setting: &Setting, parse: impl Fn(&str) -> Parsed<T>) -> T {
        self.given(setting, &parse).unwrap_or_else(|| {
            parse(setting.default).unwrap_or_else(|problem| {
                panic!(
                    "the default of {} in the list of settings: {problem}",
                    setting.toml
                )
            })
        })
    }

    /// The value that somebody gave, if it is right; a wrong one is noted.
    pub(super) fn given<T>(
        &mut self,
        setting: &Setting,
        parse: impl Fn(&str) -> Parsed<T>,
    ) -> Option<T> {
        let text = self.text(setting)?;
        let origin = self.origin(setting);
        parse(&text)
            .map_err(|problem| self.fault(origin, problem))
            .ok()
    }

    fn text(&mut self, setting: &Setting) -> Option<String> {
        if let Some(text) = self.above_file(setting).pop() {
            return Some(text.1);
        }
        match self.single.get(setting.toml)? {
            Value::String(text) => Some(text.clone()),
            Value::Integer(number) => Some(number.to_string()),
            Value::Float(number) => Some(number.to_string()),
            other => {
                let problem = format!("must be a text or a number, not {}", article(other));
                self.fault(self.in_file(setting.toml), problem);
                None
            }
        }
    }

    /// What flags, else the environment, say: origin and text, a variable taken apart at its commas if the flag is a
    /// repeatable one.
    pub(super) fn above_file(&self, setting: &Setting) -> Vec<(String, String)> {
        let flags = setting
            .flag
            .map(|flag| (flag, self.flags.get(flag)))
            .unwrap_or_default();
        if !flags.1.is_empty() {
            return flags
                .1
                .iter()
                .map(|text| (flags.0.into(), (*text).into()))
                .collect();
        }
        let Some((name, text)) = setting
            .env
            .and_then(|env| self.environment.get_key_value(env))
        else {
            return Vec::new();
        };
        let repeatable = matches!(name.as_str(), "LIVEBRIDGE_KEY" | "LIVEBRIDGE_KEY_FILE");
        if repeatable {
            text.split(',')
                .map(|part| (name.clone(), part.trim().into()))
                .collect()
        } else {
            vec![(name.clone(), text.clone())]
        }
    }

    /// A list of texts that only the file can hold; none if it isn't given or is wrong, which is noted.
    pub(super) fn list(&mut self, setting: &Setting) -> Option<Vec<String>> {
        let value = self.single.get(setting.toml)?;
        let texts = texts(value);
        if texts.is_none() {
            let problem = format!(
                "must be a list of texts, none of them empty, such as {}",
                setting.default
            );
            self.fault(self.in_file(setting.toml), problem);
        }
        texts
    }
}

/// For a sentence about an unknown name.
pub(super) fn near(name: Option<&str>) -> String {
    name.map_or_else(
        || "none is near it".into(),
        |name| format!("the nearest is {name}"),
    )
}

/// The texts of a list; none if it is anything else, or holds an empty text.
pub(super) fn texts(value: &Value) -> Option<Vec<String>> {
    let one = |value: &Value| {
        value
            .as_str()
            .filter(|text| !text.is_empty())
            .map(str::to_owned)
    };
    value.as_array()?.iter().map(one).collect()
}

/// What kind of value it is, for a sentence.
pub(super) fn article(value: &Value) -> &'static str {
    match value {
        Value::String(_) => "a text",
        Value::Integer(_) | Value::Float(_) => "a number",
        Value::Boolean(_) => "true or false",
        Value::Datetime(_) => "a date",
        Value::Array(_) => "a list",
        Value::Table(_) => "a table",
    }
}

fn flatten(table: &Table, prefix: &str, into: &mut BTreeMap<String, Value>) {
    for (key, value) in table {
        let name = format!("{prefix}{key}");
        match value {
            Value::Table(inner) => flatten(inner, &format!("{name}."), into),
            value => {
                into.insert(name, value.clone());
            }
        }
    }
}

fn position(text: &str, error: &toml::de::Error) -> String {
    let before = error.span().and_then(|span| text.get(..span.start));
    before.map_or_else(String::new, |before| {
        let line = before.matches('\n').count() + 1;
        let column = before
            .rsplit('\n')
            .next()
            .unwrap_or_default()
            .chars()
            .count()
            + 1;
        format!(":{line}:{column}")
    })
}
