//! `schemas/` is what `livebridge schema` prints: whoever reads the topics can rely on the files without the program.

use std::{
    collections::BTreeSet,
    env, fs,
    path::{Path, PathBuf},
    process::Command,
};

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("schemas")
}

fn printed(arguments: &[&str]) -> String {
    let mut schema = Command::new(env!("CARGO_BIN_EXE_livebridge"));
    let output = schema.arg("schema").args(arguments).output();
    let output = output.expect("the binary runs");
    assert!(output.status.success(), "{arguments:?}");
    String::from_utf8(output.stdout).expect("UTF-8")
}

/// The file's name and what has to be in it.
fn documents() -> Vec<(String, String)> {
    let all = printed(&[]);
    let parsed: serde_json::Value = serde_json::from_str(&all).expect("JSON");
    let events = parsed.get("$defs").and_then(serde_json::Value::as_object);
    let events = events.expect("a schema for each event");
    assert_eq!(events.len(), 19);
    let one = |event: &String| (format!("{event}.schema.json"), printed(&[event]));
    let mut documents: Vec<_> = events.keys().map(one).collect();
    documents.push(("asyncapi.json".into(), printed(&["--asyncapi"])));
    documents
}

#[test]
fn the_schemas_checked_in_are_those_of_the_code() {
    let documents = documents();
    if env::var_os("UPDATE_GOLDEN").is_some() {
        for (name, text) in &documents {
            fs::write(folder().join(name), text).expect("a file");
        }
    }
    for (name, text) in &documents {
        let found = fs::read_to_string(folder().join(name)).unwrap_or_default();
        assert!(
            found == *text,
            "schemas/{name} is not what `livebridge schema` prints; if the change is meant, \
             UPDATE_GOLDEN=1 cargo test --locked --test schemas, and tell consumers"
        );
    }
    let expected: BTreeSet<_> = documents.into_iter().map(|(name, _)| name).collect();
    let entries = fs::read_dir(folder()).expect("schemas/");
    let found: BTreeSet<_> = entries
        .map(|entry| {
            entry
                .expect("an entry")
                .file_name()
                .into_string()
                .expect("UTF-8")
        })
        .collect();
    assert_eq!(found, expected);
}

/// What an AsyncAPI reader looks up must be there: every reference, and in every channel a message for each of its events.
#[test]
fn every_reference_of_the_asyncapi_document_leads_somewhere() {
    let document: serde_json::Value =
        serde_json::from_str(&printed(&["--asyncapi"])).expect("JSON");
    let mut references = Vec::new();
    collect(&document, &mut references);
    assert!(references.len() > 40, "{}", references.len());
    for reference in references {
        let pointer = reference.strip_prefix('#').expect("a local reference");
        assert!(document.pointer(pointer).is_some(), "{reference}");
    }
    assert_eq!(document["asyncapi"], "3.0.0");
}

fn collect<'a>(value: &'a serde_json::Value, found: &mut Vec<&'a str>) {
    match value {
        serde_json::Value::Object(members) => {
            for (name, member) in members {
                match member.as_str() {
                    Some(reference) if name == "$ref" => found.push(reference),
                    _ => collect(member, found),
                }
            }
        }
        serde_json::Value::Array(elements) => {
            elements.iter().for_each(|element| collect(element, found));
        }
        _ => {}
    }
}
