//! Revisions that cannot be measured: exit code 2, what is wrong, nothing started, and no working tree left.

use std::fs;

use super::messages;
use super::repository::Repository;
use crate::support::{command, has, processes_of};

/// Which folder below the one of the case the program is started in, the words after `run`, and what must be told.
struct Case {
    from: &'static str,
    words: &'static [&'static str],
    told: &'static [&'static str],
}

/// Beside it lies the repository, in which `new.py`, `built` and `fresh/` are in the working tree alone.
const CASES: &[Case] = &[
    Case {
        from: "temporary",
        words: &["--against", "HEAD", "--", "python3", "x", "{port}"],
        told: &[
            "is in no git repository",
            "not a git repository",
            "leave out --against",
        ],
    },
    Case {
        from: "repository",
        words: &["crash.toml", "--against", "origin/main"],
        told: &[
            "no revision 'origin/main'",
            "git fetch origin main",
            "fetch-depth: 0",
        ],
    },
    Case {
        from: "repository",
        words: &["crash.toml", "--against=--help"],
        told: &["no revision '--help'"],
    },
    Case {
        from: "repository",
        words: &[
            "crash.toml",
            "--against",
            "HEAD",
            "--build",
            "echo no rule; exit 3",
        ],
        told: &[
            "`echo no rule; exit 3` failed in HEAD (",
            "exit status: 3",
            "\n  | no rule",
        ],
    },
    Case {
        from: "repository",
        words: &["build.toml", "--against", "HEAD"],
        told: &["`./built` failed in HEAD (", "could not be started"],
    },
    Case {
        from: "repository",
        // In the revision it works.
        words: &[
            "crash.toml",
            "--against",
            "HEAD",
            "--build",
            "[ ! -e new.py ]",
        ],
        told: &["`[ ! -e new.py ]` failed in the working tree: exit status: 1"],
    },
    Case {
        from: "repository",
        words: &["--against", "HEAD", "--", "python3", "new.py", "{port}"],
        told: &["new.py does not exist in HEAD (", "--build COMMAND"],
    },
    Case {
        from: "repository",
        words: &["--against", "HEAD", "--", "./built", "{port}"],
        told: &["built does not exist in HEAD ("],
    },
    Case {
        from: "repository",
        // Through a link, which is not the revision's.
        words: &["linked.toml", "--against", "HEAD"],
        told: &["new.py does not exist in HEAD ("],
    },
    Case {
        from: "repository",
        words: &["shared.toml", "--against", "HEAD"],
        told: &[
            "shared.py lies outside the repository, and both builds write it",
            "CARGO_TARGET_DIR",
        ],
    },
    Case {
        from: "repository/fresh",
        words: &["../crash.toml", "--against", "HEAD"],
        told: &["the folder fresh does not exist in HEAD ("],
    },
    Case {
        from: "temporary",
        words: &[
            "../repository/crash.toml",
            "--against",
            "HEAD",
            "--",
            "python3",
            "x",
            "{port}",
        ],
        told: &["nothing of its command lies in the repository", "{here}"],
    },
    Case {
        from: "repository",
        words: &["paired.toml", "--against", "HEAD"],
        told: &["already has another arm as its baseline"],
    },
    Case {
        from: "repository",
        words: &["crash.toml", "--against", "HEAD", "--baseline", "."],
        told: &["'--against <REV>' cannot be used with '--baseline <RUN>'"],
    },
    Case {
        from: "repository",
        words: &["external.toml", "--against", "HEAD"],
        told: &[
            "[target] external names a server that others start",
            "no revision",
        ],
    },
    Case {
        from: "repository",
        words: &["crash.toml", "--build", "make"],
        told: &["--against <REV>"],
    },
];

const SERVER: &str = "[target]\ncommand = [\"python3\", \"server.py\", \"{port}\"]\n";

fn repository() -> Repository {
    let repository = Repository::new();
    repository.write("server.py", "import time\ntime.sleep(600)\n");
    repository.write("crash.toml", SERVER);
    repository.write("build.toml", &format!("{SERVER}build = [\"./built\"]\n"));
    repository.write("external.toml", "[target]\nexternal = { port = 8080 }\n");
    let arms = "[[arm]]\nname = \"a\"\nbaseline = \"b\"\n[[arm]]\nname = \"b\"\n";
    repository.write("paired.toml", &format!("{SERVER}{arms}"));
    repository.commit();
    repository.write("new.py", "");
    repository.write("built", "#!/bin/sh\n");
    fs::create_dir(repository.path().join("fresh")).unwrap();
    let around = repository.around();
    std::os::unix::fs::symlink(repository.path(), around.join("link")).unwrap();
    let starts = |path: &str| {
        let path = around.join(path);
        format!("[target]\ncommand = [\"python3\", {path:?}, \"{{port}}\"]\n")
    };
    repository.write("linked.toml", &starts("link/new.py"));
    let shared = around.join("shared.py");
    let builds = format!("build = [\"touch\", {shared:?}]\n");
    repository.write("shared.toml", &(starts("shared.py") + &builds));
    repository
}

#[test]
fn a_revision_that_cannot_be_measured_is_refused_before_anything_is_started() {
    if !has("git", &["git", "--version"]) {
        return;
    }
    let repository = repository();
    let mut said = Vec::new();
    for case in CASES {
        let folder = repository.around().join(case.from);
        let words: Vec<&str> = ["run"].iter().chain(case.words).copied().collect();
        let mut command = command(&folder, &words);
        let output = command
            .env("TMPDIR", repository.temporary())
            .output()
            .unwrap();
        let message = crate::support::said(&output);
        assert_eq!(output.status.code(), Some(2), "{words:?}: {message}");
        for text in case.told {
            assert!(message.contains(text), "{words:?}: {text:?}: {message}");
        }
        assert!(repository.is_clean(), "{words:?}: something is left");
        assert!(!folder.join("comeback-runs").exists(), "{words:?}");
        said.push(message);
    }
    assert_eq!(processes_of(repository.around()), [""; 0]);
    messages::are_the_stored_ones("against", &said);
}

#[test]
fn a_revision_that_is_the_working_tree_is_a_warning() {
    if !has("git", &["git", "--version"]) {
        return;
    }
    let repository = Repository::new();
    repository.write("crash.toml", SERVER);
    repository.commit();
    let warned = || {
        let words = ["run", "crash.toml", "--against", "HEAD", "--build", "false"];
        let mut command = command(&repository.path(), &words);
        let output = command
            .env("TMPDIR", repository.temporary())
            .output()
            .unwrap();
        let message = crate::support::said(&output);
        assert!(message.contains("`false` failed"), "{message}");
        message.contains("compares a server with itself")
    };
    assert!(warned());
    repository.write("new.py", "");
    assert!(!warned());
}
