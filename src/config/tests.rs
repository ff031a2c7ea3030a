//! The parser as a whole: every setting by every way, precedence, all faults at once, no secret shown.

mod door;
mod faults;
mod kafka;
mod single;
mod sources;

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

#[test]
fn the_list_of_settings_and_the_parser_agree() {
    let listed: BTreeSet<_> = reference::SINGLE.iter().map(|s| s.toml).collect();
    let tested: BTreeSet<_> = single::SINGLE.iter().map(|(path, ..)| *path).collect();
    // Those that need others, and have tests of their own.
    let together = [
        "http.proxy_protocol",
        "http.tls.cert_file",
        "http.tls.key_file",
        "http.tls.client_ca_file",
    ];
    assert_eq!(listed, tested.into_iter().chain(together).collect());
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
fn the_checkpoint_topic_cant_be_off() {
    let fault = World::with_key()
        .toml("[topics]\ncheckpoint = \"off\"\n")
        .fault();
    assert!(
        fault.starts_with("topics.checkpoint in settings.toml: can't be off"),
        "{fault}"
    );
}

#[test]
fn a_request_head_larger_than_hyper_takes_cant_be_allowed() {
    let fault = World::with_key()
        .toml("[limits]\nheader_bytes = \"385KiB\"\n")
        .fault();
    assert!(fault.starts_with("limits.header_bytes"), "{fault}");
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
fn properties_that_librdkafka_cannot_use_together_are_a_fault_without_their_values() {
    let missing = format!("/nowhere/{SECRET}.pem");
    for (text, named, meant) in [
        (
            format!("security.protocol = \"ssl\"\nssl.ca.location = \"{missing}\"\n"),
            "ssl.ca.location",
            "file",
        ),
        (
            "security.protocol = \"sasl_ssl\"\nsasl.mechanism = \"PLAIN\"\n".into(),
            "sasl.password, sasl.username",
            "must be set",
        ),
        (
            format!("security.protocol = \"ssl\"\nssl.key.pem = \"{SECRET}\"\n"),
            "ssl.key.pem",
            "PEM",
        ),
    ] {
        let world = World::with_key().toml(&format!("[kafka.properties]\n{text}"));
        let fault = world.fault();
        assert!(
            fault.starts_with("kafka.properties in settings.toml: ")
                && fault.contains(named)
                && fault.contains(meant),
            "{fault}"
        );
    }
    let fine =
        "security.protocol = \"sasl_ssl\"\nsasl.mechanism = \"PLAIN\"\nsasl.username = \"me\"\n";
    World::with_key()
        .toml(&format!(
            "[kafka.properties]\n{fine}sasl.password = \"{SECRET}\"\n"
        ))
        .config();
}

#[test]
fn one_property_by_two_names_is_a_fault() {
    let fault = World::with_key()
        .toml("[kafka.properties]\nlinger.ms = 5\nqueue.buffering.max.ms = 50\n")
        .fault();
    assert!(fault.contains("is another name"), "{fault}");
}
