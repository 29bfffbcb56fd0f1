//! Every message for bad files and flags, in one place to read: each says what is wrong, where, and what to do.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

/// Compares messages with the stored ones, `tests/data/messages/NAME.txt`. After an intended change,
/// `COMEBACK_STORE_MESSAGES=1 cargo test --workspace --test bad_input` stores them again.
pub(crate) fn are_the_stored_ones(name: &str, said: &[String]) {
    // One message often has several cases. The quoted lines of a file are in the cases themselves.
    let is_first = |line: &&str| line.starts_with("error: ") || line.starts_with("comeback: ");
    let lines = said.iter().flat_map(|message| message.lines());
    let messages: BTreeSet<String> = lines.filter(is_first).map(without_folder).collect();
    let now: String = messages
        .iter()
        .flat_map(|line| [line.as_str(), "\n"])
        .collect();
    let path =
        Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("tests/data/messages/{name}.txt"));
    if std::env::var_os("COMEBACK_STORE_MESSAGES").is_some() {
        fs::write(&path, &now).unwrap();
    }
    let stored = fs::read_to_string(&path).unwrap();
    let differing = now
        .lines()
        .zip(stored.lines())
        .find(|(now, stored)| now != stored);
    assert_eq!(differing, None, "{}", path.display());
    assert_eq!(now.len(), stored.len(), "{}", path.display());
}

/// The folder of a case has another name each time.
fn without_folder(line: &str) -> String {
    let start = std::env::temp_dir().join(".tmp").display().to_string();
    match line.split_once(&start) {
        Some((before, after)) => {
            let rest = after.trim_start_matches(|one: char| one.is_ascii_alphanumeric());
            format!("{before}FOLDER{}", without_folder(rest))
        }
        None => line.to_owned(),
    }
}
