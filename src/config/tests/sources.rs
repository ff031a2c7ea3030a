//! Sources and their keys.

use super::*;

fn key_names(source: &Source) -> Vec<&str> {
    source.keys.iter().map(|key| key.name.as_str()).collect()
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

#[test]
fn a_wrong_key_of_one_source_doesnt_hide_that_another_has_none() {
    let faults = World::default()
        .toml("[sources.a]\nkeys = [\"\"]\n[sources.b]\n[sources.c]\nauth = \"of\"\n")
        .faults();
    assert_eq!(faults.len(), 3, "{faults:?}");
    for start in [
        "sources.a.keys in settings.toml: key 1 is empty",
        "sources.b.keys: no key is set",
        "sources.c.auth in settings.toml: \"of\" is not known",
    ] {
        assert!(
            faults.iter().any(|fault| fault.starts_with(start)),
            "{start}: {faults:?}"
        );
    }
    let faults = World::default()
        .toml("[sources.b]\n[sources.tencent]\n")
        .var("LIVEBRIDGE_KEY", "")
        .faults();
    assert_eq!(faults.len(), 2, "{faults:?}");
    assert!(
        faults[1].starts_with("sources.b.keys: no key"),
        "{faults:?}"
    );
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
