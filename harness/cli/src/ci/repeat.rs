//! The command that does a run again, kept in the run's folder for `comeback report`.

use std::io;
use std::path::Path;

use comeback_model::ids::Seed;
use comeback_model::plan::secret;
use comeback_model::shard::Shard;

use comeback_host::inside;

/// The file, in the run's folder.
const COMMAND: &str = "command.txt";
/// Options whose value belongs to one run only.
const OF_ONE_RUN: [&str; 2] = ["--out", "--junit"];

/// Writes down how this process was started, such that it does the same again.
pub(crate) fn note_command(folder: &Path, seed: Seed, shard: Option<Shard>) -> io::Result<()> {
    let words = std::env::args_os()
        .skip(1)
        .map(|word| word.to_string_lossy().into_owned());
    let line = command(words, seed);
    // What a scheduler said to this process, it says to no other.
    let line = match shard {
        Some(shard) => with_shard(&line, Some(&shard.to_string())).unwrap_or(line),
        None => line,
    };
    note_command_line(folder, &line)
}

/// Writes down this command.
pub(crate) fn note_command_line(folder: &Path, line: &str) -> io::Result<()> {
    inside::write_in(folder, COMMAND, format!("{line}\n").as_bytes())
}

/// A kept command, for another shard or for the whole run; none of a replay, which takes its shard from its run.
pub(crate) fn with_shard(line: &str, shard: Option<&str>) -> Option<String> {
    const FLAG: &str = " --shard";
    let (ours, servers_own) = match line.find(" -- ") {
        Some(place) => line.split_at(place),
        None => (line, ""),
    };
    let place = ours.find(FLAG)?;
    let value = &ours[place + FLAG.len() + 1..];
    let rest = value.find(' ').map_or("", |end| &value[end..]);
    let flag = shard.map_or_else(String::new, |shard| format!("{FLAG} {shard}"));
    Some(format!("{}{flag}{rest}{servers_own}", &ours[..place]))
}

/// Writes down that this file does the run again.
pub(crate) fn note_file(folder: &Path, file: &Path) -> io::Result<()> {
    let line = format!("comeback run {}\n", quote(&file.to_string_lossy()));
    inside::write_in(folder, COMMAND, line.as_bytes())
}

/// The command of a run, when its folder has it.
pub(crate) fn read_command(folder: &Path) -> Option<String> {
    let text = inside::read_in(folder, COMMAND).ok()?;
    Some(text.trim_end().to_owned()).filter(|text| !text.is_empty())
}

/// A line for a shell: these words, with the seed, without where results go, and without the values of
/// `--env` and `--secret`.
fn command(words: impl Iterator<Item = String>, seed: Seed) -> String {
    let mut words = secret::mask_words(words);
    let servers_own = words.iter().position(|word| word == "--");
    let servers_own = words.split_off(servers_own.unwrap_or(words.len()));
    let mut line = vec!["comeback".to_owned()];
    // Which takes its seed from the run it does again.
    let mut has_seed = words
        .first()
        .is_some_and(|word| ["replay", "shrink"].contains(&word.as_str()));
    let mut words = words.into_iter();
    while let Some(word) = words.next() {
        let (name, has_value) = match word.split_once('=') {
            Some((name, _)) => (name, true),
            None => (word.as_str(), false),
        };
        if OF_ONE_RUN.contains(&name) {
            if !has_value {
                words.next();
            }
        } else {
            has_seed |= name == "--seed";
            line.push(word);
        }
    }
    if !has_seed {
        line.extend(["--seed".to_owned(), seed.to_string()]);
    }
    line.extend(servers_own);
    let quoted: Vec<String> = line.iter().map(|word| quote(word)).collect();
    quoted.join(" ")
}

/// A word as a shell reads it back.
pub(crate) fn quote(word: &str) -> String {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "-_./:=,@%+•".contains(c);
    if !word.is_empty() && word.chars().all(is_plain) {
        return word.to_owned();
    }
    format!("'{}'", word.replace('\'', r"'\''"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(words: &[&str], expected: &str) {
        let words = words.iter().map(|&word| word.to_owned());
        assert_eq!(command(words, Seed(7)), expected);
    }

    #[test]
    fn a_command_is_kept_with_its_seed_and_without_its_folders() {
        check(
            &["compare", "token", "--out", "here", "--quick"],
            "comeback compare token --quick --seed 7",
        );
        check(
            &["compare", "--junit=a.xml", "--seed=9", "--out=x"],
            "comeback compare --seed=9",
        );
        check(&["compare", "--seed", "9"], "comeback compare --seed 9");
    }

    #[test]
    fn the_shard_of_a_command_is_another_one_or_none() {
        let kept = "comeback run shop.toml --shard auto/64 --seed 7 -- ./shop --shard 1";
        assert_eq!(
            with_shard(kept, Some("3/64")).as_deref(),
            Some("comeback run shop.toml --shard 3/64 --seed 7 -- ./shop --shard 1")
        );
        assert_eq!(
            with_shard("comeback compare --seed 7 --shard=3/64", None).as_deref(),
            Some("comeback compare --seed 7")
        );
        let replay = "comeback replay shard-3";
        assert_eq!(with_shard(replay, Some("3/64")), None);
    }

    #[test]
    fn a_replay_keeps_the_seed_of_its_run() {
        check(&["replay", "a", "--out", "b"], "comeback replay a");
    }

    #[test]
    fn the_servers_own_words_are_left_alone_and_quoted() {
        check(
            &["run", "--gate", "a < 2s", "--", "./it's", "--out", "{port}"],
            r"comeback run --gate 'a < 2s' --seed 7 -- './it'\''s' --out '{port}'",
        );
    }

    #[test]
    fn values_of_the_environment_stay_out() {
        check(
            &["run", "--env", "KEY=secret", "--env=B=other", "--", "x"],
            "comeback run --env KEY=••• --env=B=••• --seed 7 -- x",
        );
    }
}
