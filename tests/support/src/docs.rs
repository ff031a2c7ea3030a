//! What the docs show, to be typed as shown.

use std::path::Path;

/// A file of the project.
#[track_caller]
pub fn page(path: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../..")
        .join(path);
    std::fs::read_to_string(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()))
}

/// The commands of fenced blocks, joined where a line ends in a backslash, without prompts and comments.
pub fn commands(page: &str) -> Vec<String> {
    let blocks = page.split("```").skip(1).step_by(2);
    let mut commands = Vec::new();
    for block in blocks.filter_map(|b| b.strip_prefix("console\n").or(b.strip_prefix("sh\n"))) {
        let joined = block.replace("\\\n", " ");
        for line in joined.lines() {
            let line = line.trim().trim_start_matches("$ ");
            let line = line.split("  #").next().unwrap_or(line);
            commands.push(line.trim().to_owned());
        }
    }
    commands
}

/// The commands of each block under `<!-- test: mark -->`.
pub fn marked(page: &str, mark: &str) -> Vec<Vec<String>> {
    let mark = format!("<!-- test: {mark} -->\n");
    let blocks = page.split(&mark).skip(1);
    blocks
        .map(|rest| commands(&rest.split_inclusive("```").take(2).collect::<String>()))
        .collect()
}
