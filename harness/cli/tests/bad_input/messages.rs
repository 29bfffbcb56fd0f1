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
    let messages: BTreeSet<&str> = lines.filter(is_first).collect();
    let now: String = messages.into_iter().flat_map(|line| [line, "\n"]).collect();
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
