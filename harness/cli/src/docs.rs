//! The README and the guides in `harness/docs` against the program: links, commands, kinds of faults, metrics, messages.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

use std::fs;
use std::path::{Path, PathBuf};

use clap::CommandFactory;
use comeback_faults::Faults;
use comeback_model::gate::METRICS;
use comeback_model::plan::fault::Catalogue;

use super::Cli;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

fn read(page: &Path) -> String {
    fs::read_to_string(page).unwrap_or_else(|error| panic!("{}: {error}", page.display()))
}

/// The guides, without their table of contents.
fn guides() -> Vec<PathBuf> {
    let entries = fs::read_dir(root().join("harness/docs")).unwrap();
    let mut pages: Vec<PathBuf> = entries
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|ending| ending == "md"))
        .filter(|path| !path.ends_with("SUMMARY.md"))
        .collect();
    pages.sort();
    pages
}

/// Every page that links to others.
fn pages() -> Vec<PathBuf> {
    let others = [
        "README.md",
        "harness/ARCHITECTURE.md",
        "harness/CHANGELOG.md",
        "harness/TRACK_RECORD.md",
        "harness/docs/SUMMARY.md",
        "harness/experiments/README.md",
        "harness/fuzz/README.md",
    ];
    let mut pages = guides();
    pages.extend(others.iter().map(|page| root().join(page)));
    pages
}

/// The fenced blocks of a page, each with its mark, such as `sh`, and the text around them.
fn blocks(text: &str) -> (Vec<(&str, &str)>, String) {
    let (mut inside, mut around) = (Vec::new(), String::new());
    for (place, part) in text.split("```").enumerate() {
        match place % 2 {
            0 => around.push_str(part),
            _ => inside.push(part.split_once('\n').unwrap_or((part, ""))),
        }
    }
    (inside, around)
}

/// Where the links of a page lead.
fn links(text: &str) -> Vec<String> {
    let (_, around) = blocks(text);
    let links = around.split("](").skip(1);
    links
        .filter_map(|rest| rest.split(')').next())
        .map(str::to_owned)
        .collect()
}

/// Where a heading is linked to: in lower case, with dashes for spaces and without punctuation.
fn anchor_of(heading: &str) -> String {
    let text = heading.trim_start_matches('#').trim();
    text.chars()
        .filter(|c| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_'))
        .map(|c| match c {
            ' ' => '-',
            c => c.to_ascii_lowercase(),
        })
        .collect()
}

#[test]
fn every_link_leads_somewhere() {
    for page in pages() {
        for link in links(&read(&page)) {
            if link.starts_with("http") {
                continue;
            }
            let (path, anchor) = link.split_once('#').unwrap_or((&link, ""));
            let linked = match path {
                "" => page.clone(),
                path => page.with_file_name(path),
            };
            let shown = page.display();
            assert!(linked.exists(), "{shown}: {link} is not there");
            if !anchor.is_empty() {
                let text = read(&linked);
                let mut anchors = text.lines().filter(|line| line.starts_with('#'));
                assert!(
                    anchors.any(|heading| anchor_of(heading) == anchor),
                    "{shown}: {link} leads to no heading"
                );
            }
        }
    }
}

/// The book has the pages of its folder and no other file of the repository: a link out of it would work on GitHub alone.
#[test]
fn every_link_of_a_guide_stays_in_the_book_or_names_a_whole_address() {
    let folder = root().join("harness/docs");
    let mut checked = 0;
    for page in guides().into_iter().chain([folder.join("SUMMARY.md")]) {
        for link in links(&read(&page)) {
            let leaves = link.starts_with('/') || link.split('/').any(|part| part == "..");
            assert!(!leaves, "{}: {link} leads out of the book", page.display());
            checked += 1;
        }
    }
    assert!(checked > 50, "{checked} links");
}

/// A ready-made file that no page names is one that nobody finds; one that is named and is not there, a dead end.
#[test]
fn the_recipes_name_ready_made_files_that_are_there() {
    let page = read(&root().join("harness/docs/recipes.md"));
    let named: Vec<&str> = page
        .split("comeback run harness/experiments/")
        .skip(1)
        .filter_map(|rest| rest.split('`').next())
        .collect();
    let folder = root().join("harness/experiments");
    for name in &named {
        assert!(folder.join(name).is_file(), "{name} is not there");
    }
    // A server's own file has its application, or the server's configuration.
    for name in [
        "express", "fastify", "fastapi", "flask", "django", "cherrypy", "sinatra", "php", "go",
        "java", "tomcat", "axum",
    ] {
        let file = format!("{name}.toml");
        assert!(named.contains(&&*file), "{file} has no recipe");
    }
}

#[test]
fn the_table_of_contents_has_every_guide_once() {
    let mut listed = links(&read(&root().join("harness/docs/SUMMARY.md")));
    listed.sort();
    let there: Vec<String> = guides()
        .iter()
        .map(|page| page.file_name().unwrap().to_str().unwrap().to_owned())
        .collect();
    assert_eq!(listed, there);
}

/// The words of a command as a shell reads them, up to a pipe, a redirection or a comment.
fn words(line: &str) -> Vec<String> {
    let (mut words, mut word, mut quote) = (Vec::new(), None::<String>, None);
    for c in line.chars() {
        match (quote, c) {
            (Some(open), c) if c == open => quote = None,
            (None, '\'' | '"') => {
                quote = Some(c);
                word.get_or_insert_default();
            }
            (None, ' ') => words.extend(word.take()),
            (None, '|' | '>' | '#' | '&') if word.is_none() => break,
            (_, c) => word.get_or_insert_default().push(c),
        }
    }
    words.extend(word);
    words
}

/// A flag that is renamed, and a file that is named in a wrong place, would show only when a reader types them.
#[test]
fn every_command_in_a_block_is_one_that_the_program_takes() {
    let mut found = 0;
    for page in pages() {
        let text = read(&page);
        // One that is wrong on purpose is run by a test of its own.
        let all = blocks(&text).0.into_iter();
        for (_, block) in all.filter(|(mark, _)| !mark.ends_with("exit=2")) {
            let block = block.replace("\\\n", " ");
            for line in block.lines() {
                let line = line
                    .trim_start()
                    .trim_start_matches(['$', '-'])
                    .trim_start();
                let line = line.replace("cargo run --release -- ", "comeback ");
                if !line.starts_with("comeback ") {
                    continue;
                }
                found += 1;
                if let Err(error) = Cli::command().try_get_matches_from(words(&line)) {
                    panic!("{}: {line}\n{error}", page.display());
                }
            }
        }
    }
    assert!(found >= 20, "only {found} commands were found");
}

#[test]
fn the_guide_to_faults_has_every_kind() {
    let page = read(&root().join("harness/docs/faults.md"));
    for kind in Faults.kinds() {
        let row = format!("| `{}` |", kind.name);
        assert!(page.contains(&row), "there is no row of {}", kind.name);
    }
}

#[test]
fn the_guide_to_gates_has_every_metric_and_no_other() {
    let page = read(&root().join("harness/docs/gates.md"));
    let (_, rest) = page.split_once("\n## Metrics").unwrap();
    let table = rest.split("\n## ").next().unwrap();
    let rows: Vec<&str> = table
        .lines()
        .filter_map(|line| line.strip_prefix("| `")?.split('`').next())
        .collect();
    let is_of = |name: &str, row: &str| {
        let rest = name.strip_prefix(row);
        rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
    };
    for (name, _) in METRICS {
        let times = rows.iter().filter(|row| is_of(name, row)).count();
        assert_eq!(times, 1, "rows of {name}");
    }
    for row in rows {
        let mut names = METRICS.iter().map(|(name, _)| name);
        assert!(names.any(|name| is_of(name, row)), "{row} is no metric");
    }
}

/// The text of every source file below a folder, with strings of several lines put together.
fn sources(folder: &Path, text: &mut String) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        match path.is_dir() {
            true if path.ends_with("target") || path.ends_with("docs") => {}
            true => sources(&path, text),
            false if path.extension().is_some_and(|ending| ending == "rs") => {
                for line in read(&path).lines() {
                    let line = line.trim_start();
                    match line.strip_suffix('\\') {
                        Some(begun) => text.push_str(begun),
                        None => text.extend([line, "\n"]),
                    }
                }
            }
            false => {}
        }
    }
}

/// Readers search the page for the words that they see.
#[test]
fn every_message_in_the_troubleshooting_is_one_of_the_programs() {
    let mut text = String::new();
    sources(&root().join("harness"), &mut text);
    let text = text.replace("{{", "{").replace("}}", "}");
    let page = read(&root().join("harness/docs/troubleshooting.md"));
    let headings = page.lines().filter_map(|line| line.strip_prefix("### `"));
    let messages: Vec<&str> = headings.filter_map(|rest| rest.strip_suffix('`')).collect();
    assert!(messages.len() >= 20, "only {} messages", messages.len());
    for message in messages {
        assert!(text.contains(message), "nothing says '{message}'");
    }
}

/// A command with all that stand below it, each with the words that lead to it.
fn all_commands(command: &clap::Command, before: &str, found: &mut Vec<(String, clap::Command)>) {
    let name = format!("{before}{}", command.get_name());
    for below in command.get_subcommands() {
        all_commands(below, &format!("{name} "), found);
    }
    found.push((name, command.clone()));
}

/// Lines of a screen. Terminals show 24 to 60.
const SCREEN: usize = 50;

#[test]
fn the_help_of_each_command_fits_a_screen_and_80_columns() {
    let mut program = Cli::command();
    program.build();
    let mut commands = Vec::new();
    all_commands(&program, "", &mut commands);
    assert!(commands.len() > 20);
    for (name, mut command) in commands {
        let (short, long) = (command.render_help(), command.render_long_help());
        let lines = short.to_string().lines().count();
        assert!(lines <= SCREEN, "{name} --help has {lines} lines");
        for line in [short, long].iter().flat_map(|text| {
            text.to_string()
                .lines()
                .map(str::to_owned)
                .collect::<Vec<_>>()
        }) {
            let columns = line.chars().count();
            assert!(columns <= 80, "{name}: {columns} columns: {line}");
        }
    }
}

#[test]
fn every_option_of_a_long_help_stands_below_a_heading() {
    let mut program = Cli::command();
    program.build();
    for name in ["compare", "run", "try", "explain"] {
        let command = program.find_subcommand(name).unwrap();
        let loose = command.get_opts().filter(|option| {
            option.get_help_heading().is_none() && !option.is_hide_short_help_set()
        });
        let loose: Vec<_> = loose.map(|option| option.get_id().as_str()).collect();
        let of_the_command = ["help", "help_all", "version", "quick"];
        assert!(
            loose.iter().all(|id| of_the_command.contains(id)),
            "{name}: {loose:?}"
        );
    }
}

#[test]
fn the_help_of_every_command_has_examples() {
    let mut program = Cli::command();
    program.build();
    let mut commands = Vec::new();
    all_commands(&program, "", &mut commands);
    let is_for_users = |(name, command): &(String, clap::Command)| {
        // A part of a command has its examples in the command's own help.
        !command.is_hide_set() && name.split(' ').count() <= 2 && !name.ends_with(" help")
    };
    let commands: Vec<_> = commands.into_iter().filter(is_for_users).collect();
    assert!(commands.len() > 25, "{}", commands.len());
    for (name, mut command) in commands {
        let shown = command.render_help().to_string();
        let (_, examples) = shown
            .split_once("\nExamples:\n")
            .unwrap_or_else(|| panic!("{name} --help has no examples"));
        let own = match name.as_str() {
            "comeback" => "  comeback ".to_owned(),
            name => format!("  {name}"),
        };
        assert!(
            examples.lines().any(|line| line.starts_with(&own)),
            "no example of {name} --help is one of it"
        );
    }
}

#[test]
fn every_example_of_a_help_is_one_that_the_program_takes() {
    let mut program = Cli::command();
    program.build();
    let mut commands = Vec::new();
    all_commands(&program, "", &mut commands);
    let mut found = 0;
    for (name, command) in commands {
        let short = command.get_after_help().map(ToString::to_string);
        let long = command.get_after_long_help().map(ToString::to_string);
        for examples in [short, long].into_iter().flatten() {
            let examples = examples.replace("\\\n", " ");
            let lines = examples.lines().map(str::trim_start);
            for line in lines.filter(|line| line.starts_with("comeback ")) {
                found += 1;
                if let Err(error) = Cli::command().try_get_matches_from(words(line)) {
                    panic!("{name}: {line}\n{error}");
                }
            }
        }
    }
    assert!(found >= 60, "only {found} examples were found");
}
