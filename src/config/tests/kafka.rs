//! Properties whose values lie in files.

use super::*;

#[test]
fn a_property_may_lie_in_a_file_and_is_never_shown() {
    let toml = "[kafka.properties]\nsecurity.protocol = \"SASL_SSL\"\nsasl.mechanism = \"PLAIN\"\nsasl.username = \"relay\"\n\
                [kafka.property_files]\n\"sasl.password\" = \"/run/password\"\n";
    let world = World::with_key()
        .toml(toml)
        .file("/run/password", &format!("{SECRET}\n"));
    let kafka = world.config().kafka;
    assert_eq!(kafka.properties["sasl.password"].expose(), SECRET);
    let path = PathBuf::from("/run/password");
    assert_eq!(kafka.property_files["sasl.password"], path);
    assert_eq!(kafka_files::files(&kafka), [path]);
}

#[test]
fn a_file_that_gives_no_value_is_a_fault_that_names_it() {
    let with = |line: &str| {
        World::with_key()
            .toml(&format!("[kafka.property_files]\n{line}\n"))
            .file("/run/password", SECRET)
            .file("/run/empty", "\n")
            .fault()
    };
    for (line, said) in [
        (
            "\"sasl.password\" = \"/run/gone\"",
            "/run/gone can't be read",
        ),
        ("\"sasl.password\" = \"/run/empty\"", "/run/empty is empty"),
        (
            "\"sasl.password\" = 5",
            "must be the path of a file, not a number",
        ),
        (
            "\"sasl.passwort\" = \"/run/password\"",
            "the nearest is sasl.password",
        ),
        (
            "\"linger.ms\" = \"/run/password\"",
            "librdkafka refuses the value",
        ),
        (
            "acks = \"/run/password\"",
            "can't be set: a record is settled only when",
        ),
        (
            "\"sasl.mechanism\" = \"/run/password\"\n[kafka.properties]\n\"sasl.mechanisms\" = \"PLAIN\"",
            "by its other name",
        ),
    ] {
        let fault = with(line);
        assert!(
            fault.starts_with("kafka.property_files.") && fault.contains(said),
            "{fault}"
        );
    }
}

#[test]
fn who_looks_into_a_spool_needs_no_password() {
    let mut world =
        World::default().toml("[kafka.property_files]\n\"sasl.password\" = \"/run/gone\"\n");
    world.flags.spool_dir = Some("spool".into());
    let read = |path: &Path| match world.files.get(path) {
        Some(text) => Ok(text.clone().into_bytes()),
        None => Err(io::ErrorKind::NotFound.into()),
    };
    let surroundings = Surroundings {
        environment: Environment::default(),
        read: &read,
        terminal: false,
    };
    let loaded = load_without_keys(&world.flags, &surroundings).expect("no fault");
    assert!(loaded.config.kafka.properties.is_empty());
    assert_eq!(loaded.config.kafka.property_files.len(), 1);
}
