//! What the README shows is what there is.

use std::path::Path;

use crate::{contains, succeeds, text};

/// The blocks of a language in a text.
fn blocks<'a>(markdown: &'a str, language: &str) -> Vec<&'a str> {
    let fence = format!("```{language}\n");
    let begun = markdown.split(fence.as_str()).skip(1);
    let blocks: Vec<&str> = begun.filter_map(|rest| Some(rest.split_once("```")?.0)).collect();
    assert!(!blocks.is_empty(), "no block of {language}");
    blocks
}

fn read(path: &str) -> String {
    std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").join(path)).unwrap()
}

#[test]
fn the_configuration_of_a_robot_of_ones_own_has_no_faults() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("mine.toml");
    // Its videos and its robot, in one file.
    std::fs::write(&file, blocks(&read("README.md"), "toml").concat()).unwrap();
    assert_eq!(succeeds(&["config", "check", "--config", text(&file)]), "no faults\n");
    let shown = succeeds(&["config", "show", "--config", text(&file)]);
    contains(&shown, &["my-videos", "their-dataset", "my-demonstrations", "dimension = \"gripper\""]);
}

/// Whoever changes one changes the other: the second is compiled.
#[test]
fn the_example_of_the_library_is_that_of_its_documentation() {
    let library = read("crates/vipra-data/src/lib.rs");
    let documentation: Vec<&str> = library.lines().map_while(|line| line.strip_prefix("//!")).collect();
    let plain: Vec<&str> = documentation.iter().map(|line| line.strip_prefix(' ').unwrap_or(line)).collect();
    assert_eq!(blocks(&(plain.join("\n") + "\n"), "no_run"), blocks(&read("README.md"), "rust"));
}
