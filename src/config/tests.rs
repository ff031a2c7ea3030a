//! The parser as a whole: every setting by every way, precedence, all faults at once, no secret shown.

use super::*;
use std::{io, path::Path};

const SECRET: &str = "hunter2secret";

/// A made-up world: variables, and files by path.
#[derive(Default, Clone)]
struct World {
    flags: Flags,
    variables: Vec<(&'static str, String)>,
    files: BTreeMap<PathBuf, String>,
}

impl World {
    /// With a key, so that nothing else is missing.
    fn with_key() -> Self {
        let mut world = Self::default();
        world.flags.key = vec![SECRET.into()];
        world
    }

    fn toml(mut self, text: &str) -> Self {
        self.flags.config = Some("settings.toml".into());
        self.file("settings.toml", text)
    }

    fn file(mut self, path: &str, text: &str) -> Self {
        self.files.insert(path.into(), text.into());
        self
    }

    fn var(mut self, name: &'static str, value: &str) -> Self {
        self.variables.push((name, value.into()));
        self
    }

    fn load(&self) -> Result<Loaded, Faults> {
        let read = |path: &Path| match self.files.get(path) {
            Some(text) => Ok(text.clone().into_bytes()),
            None => Err(io::ErrorKind::NotFound.into()),
        };
        let surroundings = Surroundings {
            environment: Environment::of(self.variables.clone()),
            read: &read,
            terminal: false,
        };
        let result = load(&self.flags, &surroundings);
        let shown = match &result {
            Ok(loaded) => format!("{loaded:?}"),
            Err(faults) => format!("{faults}{faults:?}"),
        };
        assert!(!shown.contains(SECRET), "a secret is shown: {shown}");
        let given = format!("{:?}{:?}", self.flags, surroundings);
        assert!(!given.contains(SECRET), "a secret is shown: {given}");
        result
    }

    #[track_caller]
    fn config(&self) -> Config {
        self.load().expect("the settings are right").config
    }

    #[track_caller]
    fn faults(&self) -> Vec<String> {
        let faults = self.load().expect_err("a fault was expected");
        faults.0.iter().map(ToString::to_string).collect()
    }

    /// The one fault that there is.
    #[track_caller]
    fn fault(&self) -> String {
        let faults = self.faults();
        assert_eq!(faults.len(), 1, "{faults:?}");
        faults.concat()
    }
}

fn debug(value: &impl std::fmt::Debug) -> String {
    format!("{value:?}")
}

/// How a setting's effect is seen in the result.
type Look = fn(&Config) -> String;

/// (path, another value as TOML, where it shows, how the default shows, how the other value shows)
const SINGLE: &[(&str, &str, Look, &str, &str)] = &[
    (
        "http.listen",
        "\"127.0.0.1:1\"",
        |c| debug(&c.http.listen),
        "0.0.0.0:8080",
        "127.0.0.1:1",
    ),
    (
        "admin.listen",
        "\"[::1]:2\"",
        |c| debug(&c.admin_listen),
        "0.0.0.0:9464",
        "[::1]:2",
    ),
    (
        "kafka.bootstrap_servers",
        "\"a:1,b:2\"",
        |c| c.kafka.bootstrap_servers.clone(),
        "127.0.0.1:9092",
        "a:1,b:2",
    ),
    (
        "spool.dir",
        "\"/x\"",
        |c| c.spool.dir.display().to_string(),
        "./livebridge-spool",
        "/x",
    ),
    ("ack", "\"spool\"", |c| debug(&c.ack), "Spool", "Spool"),
    (
        "delivery",
        "\"at-least-once\"",
        |c| debug(&c.delivery),
        "AtLeastOnce",
        "AtLeastOnce",
    ),
    (
        "log.format",
        "\"text\"",
        |c| debug(&c.log.format),
        "Json",
        "Text",
    ),
    (
        "log.level",
        "\"warn\"",
        |c| c.log.filter.clone(),
        "info",
        "warn",
    ),
    (
        "spool.max_bytes",
        "\"2GiB\"",
        |c| c.spool.max_bytes.to_string(),
        "10737418240",
        "2147483648",
    ),
    (
        "spool.segment_bytes",
        "2097152",
        |c| c.spool.segment_bytes.to_string(),
        "67108864",
        "2097152",
    ),
    (
        "spool.retain",
        "\"0s\"",
        |c| debug(&c.spool.retain),
        "86400s",
        "0ns",
    ),
    (
        "spool.quarantine_max_bytes",
        "\"1MiB\"",
        |c| c.spool.quarantine_max_bytes.to_string(),
        "1073741824",
        "1048576",
    ),
    (
        "dedup.window",
        "\"20m\"",
        |c| debug(&c.dedup.window),
        "1800s",
        "1200s",
    ),
    (
        "dedup.max_entries",
        "7",
        |c| c.dedup.max_entries.to_string(),
        "1000000",
        "7",
    ),
    (
        "expiry.leeway",
        "\"0s\"",
        |c| debug(&c.expiry_leeway),
        "1200s",
        "0ns",
    ),
    (
        "http.header_timeout",
        "\"1s\"",
        |c| debug(&c.http.header_timeout),
        "5s",
        "1s",
    ),
    (
        "http.body_timeout",
        "\"1s\"",
        |c| debug(&c.http.body_timeout),
        "10s",
        "1s",
    ),
    (
        "http.idle_timeout",
        "\"1s\"",
        |c| debug(&c.http.idle_timeout),
        "75s",
        "1s",
    ),
    (
        "http.answer_timeout",
        "\"1s\"",
        |c| debug(&c.http.answer_timeout),
        "4s",
        "1s",
    ),
    (
        "limits.body_bytes",
        "\"1MiB\"",
        |c| c.limits.body_bytes.to_string(),
        "983040",
        "1048576",
    ),
    (
        "limits.header_bytes",
        "8192",
        |c| c.limits.header_bytes.to_string(),
        "16384",
        "8192",
    ),
    (
        "limits.connections",
        "9",
        |c| c.limits.connections.to_string(),
        "8192",
        "9",
    ),
    (
        "limits.connections_per_address",
        "9",
        |c| debug(&c.limits.connections_per_address),
        "None",
        "Some(9)",
    ),
    (
        "limits.inflight_requests",
        "9",
        |c| c.limits.inflight_requests.to_string(),
        "4096",
        "9",
    ),
    (
        "limits.inflight_bytes",
        "\"1MiB\"",
        |c| c.limits.inflight_bytes.to_string(),
        "67108864",
        "1048576",
    ),
    (
        "drain.delay",
        "\"0s\"",
        |c| debug(&c.drain.delay),
        "5s",
        "0ns",
    ),
    (
        "drain.requests",
        "\"1s\"",
        |c| debug(&c.drain.requests),
        "5s",
        "1s",
    ),
    (
        "drain.publish",
        "\"1s\"",
        |c| debug(&c.drain.publish),
        "10s",
        "1s",
    ),
    ("payload", "\"raw\"", |c| debug(&c.payload), "Typed", "Raw"),
    (
        "redact",
        "[\"a\", \"b\"]",
        |c| debug(&c.redact),
        "[\"txSecret\"]",
        "[\"a\", \"b\"]",
    ),
    (
        "kafka.ack_timeout",
        "\"1s\"",
        |c| debug(&c.ack_timeout),
        "4s",
        "1s",
    ),
    (
        "topics.quarantine",
        "\"off\"",
        |c| debug(&c.topics.quarantine),
        "Some(\"live.quarantine\")",
        "None",
    ),
    (
        "topics.checkpoint",
        "\"cp\"",
        |c| c.topics.checkpoint.clone(),
        "live.checkpoint",
        "cp",
    ),
];

fn in_toml(path: &str, value: &str) -> String {
    match path.rsplit_once('.') {
        Some((table, key)) => format!("[{table}]\n{key} = {value}\n"),
        None => format!("{path} = {value}\n"),
    }
}

#[test]
fn every_setting_has_its_default_and_is_taken_from_the_file() {
    let defaults = World::with_key().config();
    for (path, value, look, default, set) in SINGLE {
        assert_eq!(look(&defaults), *default, "{path}");
        let config = World::with_key().toml(&in_toml(path, value)).config();
        assert_eq!(look(&config), *set, "{path}");
    }
}

#[test]
fn the_list_of_settings_and_the_parser_agree() {
    let listed: BTreeSet<_> = reference::SINGLE.iter().map(|s| s.toml).collect();
    let tested: BTreeSet<_> = SINGLE.iter().map(|(path, ..)| *path).collect();
    assert_eq!(listed, tested);
    let paths: Vec<_> = reference::all()
        .map(|s| s.toml)
        .filter(|path| !path.is_empty())
        .collect();
    assert_eq!(
        paths.iter().collect::<BTreeSet<_>>().len(),
        paths.len(),
        "a path twice"
    );
    for family in Family::ALL {
        let setting = reference::TOPICS
            .iter()
            .find(|(of, _)| of == family)
            .expect("every family")
            .1;
        assert_eq!(setting.toml, format!("topics.{}", family.key()));
        assert_eq!(setting.default, family.default_topic());
    }
    for setting in reference::all() {
        assert!(!setting.meaning.is_empty(), "{setting:?}");
    }
}

#[test]
fn every_flag_of_the_list_exists_and_the_other_way_round() {
    let command = <Flags as clap::Args>::augment_args(clap::Command::new("x"));
    let flags: BTreeSet<_> = command
        .get_arguments()
        .filter_map(|argument| argument.get_long().map(|long| format!("--{long}")))
        .collect();
    let listed: BTreeSet<_> = reference::all()
        .filter_map(|s| s.flag.map(str::to_owned))
        .collect();
    assert_eq!(flags, listed);
}

#[test]
fn flags_go_over_environment_over_file() {
    for (path, value, look, _, set) in SINGLE {
        let setting = reference::SINGLE
            .iter()
            .find(|s| s.toml == *path)
            .expect("listed");
        let (Some(flag), Some(env)) = (setting.flag, setting.env) else {
            continue;
        };
        let plain = value.trim_matches('"');
        let default = if *path == "log.format" {
            "json"
        } else {
            setting.default
        }
        .to_owned();
        let file = World::with_key().toml(&in_toml(path, &format!("{default:?}")));
        let variable = file.clone().var(env, plain);
        assert_eq!(look(&variable.config()), *set, "{env}");
        let mut flagged = file.var(env, &default);
        *flag_of(&mut flagged.flags, flag) = Some(plain.into());
        assert_eq!(look(&flagged.config()), *set, "{flag}");
    }
}

fn flag_of<'a>(flags: &'a mut Flags, name: &str) -> &'a mut Option<String> {
    match name {
        "--listen" => &mut flags.listen,
        "--admin-listen" => &mut flags.admin_listen,
        "--bootstrap-servers" => &mut flags.bootstrap_servers,
        "--spool-dir" => &mut flags.spool_dir,
        "--ack" => &mut flags.ack,
        "--delivery" => &mut flags.delivery,
        "--log-format" => &mut flags.log_format,
        "--log-level" => &mut flags.log_level,
        other => panic!("no flag {other}"),
    }
}

#[test]
fn topics_are_renamed_shared_and_switched_off() {
    let config = World::with_key()
        .toml("[topics]\nrecording = \"a\"\nstream = \"a\"\nquality = \"off\"\n")
        .config();
    assert_eq!(config.topics.families.len(), Family::ALL.len() - 1);
    assert_eq!(
        config
            .topics
            .families
            .get(&Family::Stream)
            .map(String::as_str),
        Some("a")
    );
    assert!(!config.topics.families.contains_key(&Family::Quality));
    let fault = World::with_key()
        .toml("[topics]\nstream = \"live.quarantine\"\n")
        .fault();
    assert!(
        fault.contains("topics.stream in settings.toml") && fault.contains("topics.quarantine"),
        "{fault}"
    );
    let faults = World::with_key()
        .toml("[topics]\nstream = \"c\"\nquarantine = \"c\"\ncheckpoint = \"c\"\nunknown = \"\"\n")
        .faults();
    assert_eq!(faults.len(), 4, "{faults:?}");
}

#[test]
fn all_faults_come_at_once_and_none_shows_a_secret() {
    let mut world = World::default()
        .toml(&format!(
            "ack = \"kafka\"\n[http]\nlissen = \"x\"\nlisten = \"x\"\n[limits]\nbody_bytes = true\n[spool]\nmax_bytes = \"1KiB\"\n\
             [dedup]\nwindow = \"19m\"\n[sources.tencent]\nkeys = [\"{SECRET} x\", 5]\npath_token = \"{SECRET}/\"\n\
             [kafka.properties]\nacks = \"1\"\n\"sasl.password\" = [\"{SECRET}\"]\nlinger_ms = \"{SECRET}\"\n"
        ))
        .var("LIVEBRIDGE_ADMIN_LISTEN", "")
        .var("RUST_LOG", "lots");
    world.flags.delivery = Some("exactly-once".into());
    let faults = world.faults();
    let named = [
        "LIVEBRIDGE_ADMIN_LISTEN: is empty",
        "http.lissen in settings.toml: there is no such setting; the nearest is http.listen",
        "http.listen in settings.toml: \"x\" is not an address",
        "limits.body_bytes in settings.toml: must be a text or a number, not true or false",
        "spool.max_bytes in settings.toml: \"1KiB\" is out of range",
        "dedup.window in settings.toml: \"19m\" is out of range; it must be from 20m",
        "sources.tencent.keys in settings.toml: key 1 has white space",
        "sources.tencent.keys in settings.toml: key 2 must be",
        "sources.tencent.path_token in settings.toml: is not a path token",
        "kafka.properties.acks in settings.toml: can't be set",
        "kafka.properties.sasl.password in settings.toml: must be a text",
        "kafka.properties.linger_ms in settings.toml: librdkafka has no such property",
        "RUST_LOG: \"lots\" is not a log level",
        "ack in settings.toml: \"kafka\" is not there yet",
        "--delivery: \"exactly-once\" is not there yet",
        "--delivery: \"exactly-once\" needs the spool",
    ];
    for start in named {
        assert!(
            faults.iter().any(|fault| fault.starts_with(start)),
            "{start}\nnot in\n{}",
            faults.join("\n")
        );
    }
    assert_eq!(faults.len(), named.len(), "{}", faults.join("\n"));
}

#[test]
fn unknown_names_in_the_file_are_faults_with_the_nearest_one() {
    for (text, near) in [
        ("[htpp]\nlisten = \"\"\n", "nearest is http"),
        (
            "[topics]\nrecordings = \"x\"\n",
            "nearest is topics.recording",
        ),
        (
            "\"http.listen\" = \"127.0.0.1:1\"\n",
            "nearest is http.listen",
        ),
        (
            "[sources.tencent]\nkey = [\"a\"]\n",
            "nearest is sources.tencent.keys",
        ),
        ("http = 5\n", "write [http]"),
        ("sources = 5\n", "write [sources]"),
        ("[sources]\ntencent = 5\n", "write [sources.tencent]"),
    ] {
        let fault = World::with_key().toml(text).fault();
        assert!(
            fault.contains(near) && fault.contains("settings.toml"),
            "{text}: {fault}"
        );
    }
}

#[test]
fn a_file_that_is_no_toml_is_a_fault_with_its_place_and_without_its_line() {
    let fault = World::with_key()
        .toml(&format!("ack = \"spool\"\nkeys = {SECRET}\n"))
        .fault();
    assert!(fault.starts_with("settings.toml:2:"), "{fault}");
    let mut missing = World::with_key();
    missing.flags.config = Some("gone.toml".into());
    assert!(missing.fault().starts_with("--config: gone.toml"));
}

#[test]
fn foreign_variables_only_warn() {
    let world = World::with_key()
        .var("LIVEBRIDGE_SERVICE_HOST", "10.0.0.1")
        .var("LIVEBRIDGE_PORT", "")
        .var("LIVEBRIDGE_LISTN", SECRET)
        .var("HOME", "");
    let warnings = world.load().unwrap().warnings;
    assert_eq!(warnings.len(), 3, "{warnings:?}");
    assert!(
        warnings
            .iter()
            .any(|w| w.contains("LIVEBRIDGE_LISTN") && w.contains("LIVEBRIDGE_LISTEN"))
    );
}

#[test]
fn without_a_key_it_says_how_to_set_one() {
    for world in [World::default(), World::default().toml("[sources.a]\n")] {
        let fault = world.fault();
        for way in [
            "no key is set",
            "--key",
            "LIVEBRIDGE_KEY",
            "--key-file",
            "[sources.",
        ] {
            assert!(fault.contains(way), "{fault}");
        }
    }
    let open = World::default()
        .toml("[sources.tencent]\nauth = \"off\"\n")
        .load()
        .unwrap();
    assert!(open.warnings.concat().contains("auth is off"));
}

fn key_names(source: &Source) -> Vec<&str> {
    source.keys.iter().map(|key| key.name.as_str()).collect()
}

#[test]
fn keys_are_named_in_order_and_replaced_from_above() {
    let file = World::default()
        .toml("[sources.tencent]\nkeys = [\"K1\", {name = \"2026-11\", key = \"K2\"}, \"K3\"]\n");
    let config = file.config();
    assert_eq!(key_names(&config.sources[0]), ["key-1", "2026-11", "key-2"]);
    let config = file.clone().var("LIVEBRIDGE_KEY", "A, B").config();
    assert_eq!(key_names(&config.sources[0]), ["key-1", "key-2"]);
    assert_eq!(config.sources[0].keys[1].key.expose(), "B");
    let mut flagged = file.var("LIVEBRIDGE_KEY", "A,B");
    flagged.flags.key = vec!["C".into()];
    assert_eq!(flagged.config().sources[0].keys[0].key.expose(), "C");
    let fault = World::default()
        .var("LIVEBRIDGE_KEY", &format!("{SECRET},,x"))
        .fault();
    assert!(
        fault.starts_with("LIVEBRIDGE_KEY: a key is empty"),
        "{fault}"
    );
}

#[test]
fn keys_from_above_go_to_tencent_or_to_the_only_source() {
    let only = World::with_key()
        .toml("[sources.other]\nkeys = [\"K\"]\n")
        .config();
    assert_eq!(
        (only.sources.len(), only.sources[0].keys[0].key.expose()),
        (1, SECRET)
    );
    let named = World::with_key()
        .toml("[sources.a]\nkeys = [\"K\"]\n[sources.tencent]\n")
        .config();
    assert_eq!(named.sources[0].keys[0].key.expose(), "K");
    assert_eq!(named.sources[1].keys[0].key.expose(), SECRET);
    let fault = World::with_key()
        .toml("[sources.a]\nkeys = [\"K\"]\n[sources.b]\nkeys = [\"K\"]\n")
        .fault();
    assert!(fault.starts_with("--key: it isn't clear"), "{fault}");
}

#[test]
fn a_key_file_must_give_a_key_unless_there_is_another() {
    let file = World::default().var("LIVEBRIDGE_KEY_FILE", "keys");
    assert!(file.fault().contains("key file keys can't be read"));
    assert!(
        file.clone()
            .file("keys", "\n")
            .fault()
            .contains("holds no key")
    );
    let config = file.clone().file("keys", &format!("{SECRET}\n")).config();
    assert_eq!(
        (
            config.sources[0].keys.len(),
            config.sources[0].key_files.len()
        ),
        (0, 1)
    );
    let warnings = file.var("LIVEBRIDGE_KEY", "K").load().unwrap().warnings;
    assert!(warnings.concat().contains("key file keys"), "{warnings:?}");
}

#[test]
fn unsigned_events_need_a_path_token_and_never_include_recordings() {
    let source = |text: &str| World::with_key().toml(&format!("[sources.tencent]\n{text}"));
    let fault = source("unsigned_events = [314]\n").fault();
    assert!(
        fault.contains("unsigned_events") && fault.contains("path_token"),
        "{fault}"
    );
    let fault = source("path_token = \"0123456789\"\nunsigned_events = [100, 314]\n").fault();
    assert!(fault.contains("can't hold 100"), "{fault}");
    let config = source("path_token = \"0123456789\"\nunsigned_events = [314, 328]\n").config();
    assert_eq!(
        config.sources[0].unsigned_events,
        BTreeSet::from([314, 328])
    );
    assert!(source("kind = \"zoom\"\n").fault().contains("tencent-css"));
    assert!(
        World::with_key()
            .toml("[sources.Tencent]\n")
            .fault()
            .contains("not a source name")
    );
}

#[test]
fn librdkafka_properties_are_taken_with_dots_or_quotes() {
    let text = format!(
        "[kafka.properties]\nsecurity.protocol = \"ssl\"\n\"sasl.password\" = \"{SECRET}\"\nlinger.ms = 5\n"
    );
    let config = World::with_key().toml(&text).config();
    let names: Vec<_> = config.kafka.properties.keys().map(String::as_str).collect();
    assert_eq!(names, ["linger.ms", "sasl.password", "security.protocol"]);
}

#[test]
fn settings_must_fit_each_other() {
    for (text, named) in [
        ("[admin]\nlisten = \"127.0.0.1:8080\"\n", "admin.listen"),
        (
            "[limits]\ninflight_bytes = \"900KiB\"\n",
            "limits.inflight_bytes",
        ),
        (
            "[limits]\nbody_bytes = \"2MiB\"\n[spool]\nmax_bytes = \"1MiB\"\n",
            "spool.max_bytes",
        ),
        (
            "[spool]\nsegment_bytes = \"512KiB\"\n",
            "spool.segment_bytes",
        ),
        (
            "[spool]\nmax_bytes = \"1MiB\"\nsegment_bytes = \"2MiB\"\n",
            "spool.segment_bytes",
        ),
    ] {
        let fault = World::with_key().toml(text).fault();
        assert!(fault.starts_with(named), "{text}: {fault}");
    }
    let small = World::with_key()
        .toml("[spool]\nmax_bytes = \"1MiB\"\n")
        .config();
    assert_eq!(small.spool.segment_bytes, 1 << 20);
    let slow = World::with_key()
        .toml("[http]\nanswer_timeout = \"6s\"\n")
        .load()
        .unwrap();
    assert!(slow.warnings.concat().contains("http.answer_timeout"));
}
