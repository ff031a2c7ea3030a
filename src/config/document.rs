//! The reference of the settings as a document, `docs/settings.md`: made from the list of settings, so that it can't
//! say anything else than the parser does.

use super::reference::{SINGLE, STRUCTURED, Setting, TOPICS};
use std::fmt::Write;

const ABOUT: &str = "\
# Settings

<!-- Made from src/config/reference.rs. To renew: UPDATE_GOLDEN=1 cargo test --locked --lib config::document -->

A flag goes over the environment variable, that over the TOML file, and that over the default. Unknown flags and names in
the file are errors; unknown variables called `LIVEBRIDGE_*` are only warned about; an empty variable is an error. All faults
are reported at once, with exit code 64 and before anything is bound or written.

Durations are written like `30s`, `5m` or `24h`, sizes like `10GiB` or as a number of bytes.

`livebridge check` says whether settings are right; secrets are never printed or logged.
";

/// The whole document, Markdown.
#[must_use]
pub fn markdown() -> String {
    let mut text = ABOUT.to_owned();
    section(&mut text, "Keys, sources and tables", STRUCTURED.iter());
    section(&mut text, "Single values", SINGLE.iter());
    section(
        &mut text,
        "Topics of the families",
        TOPICS.iter().map(|(_, setting)| setting),
    );
    text
}

fn section<'s>(text: &mut String, title: &str, settings: impl Iterator<Item = &'s Setting>) {
    // Writing to a text can't fail.
    let _ = write!(
        text,
        "\n## {title}\n\n| TOML path | flag | variable | default | meaning |\n| --- | --- | --- | --- | --- |\n"
    );
    for setting in settings {
        let cells = [
            code(setting.toml),
            code(setting.flag.unwrap_or_default()),
            code(setting.env.unwrap_or_default()),
            code(setting.default),
            setting.meaning.replace('|', "\\|").replace('<', "&lt;"),
        ];
        let _ = writeln!(text, "| {} |", cells.join(" | "));
    }
}

fn code(text: &str) -> String {
    if text.is_empty() {
        "–".into()
    } else {
        format!("`{}`", text.replace('|', "\\|"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::{env, fs, path::Path};

    #[test]
    fn the_checked_in_reference_is_what_the_list_of_settings_says() {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/settings.md");
        let made = markdown();
        if env::var_os("UPDATE_GOLDEN").is_some() {
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(&path, &made).unwrap();
        }
        let checked_in = fs::read_to_string(&path).unwrap_or_default();
        assert!(
            made == checked_in,
            "docs/settings.md is not what the code makes; renew it with UPDATE_GOLDEN=1"
        );
    }

    #[test]
    fn every_setting_is_in_it_with_all_its_names() {
        let text = markdown();
        for setting in super::super::reference::all() {
            let names = [
                Some(setting.toml).filter(|path| !path.is_empty()),
                setting.flag,
                setting.env,
            ];
            for name in names.into_iter().flatten() {
                assert!(text.contains(&format!("`{name}`")), "{name}");
            }
            assert!(setting.default.is_empty() || text.contains(&format!("`{}`", setting.default)));
        }
    }
}
