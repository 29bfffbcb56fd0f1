//! Every kind of run, as small as it can be.

use std::path::Path;
use std::time::Duration;

/// A kind of run.
pub(super) struct Kind {
    pub(super) name: &'static str,
    words: &'static [&'static str],
    /// About how long it takes where nobody kills it: kills fall anywhere within it.
    pub(super) lasts: Duration,
}

const SMALL: [&str; 8] = [
    "--trials",
    "1",
    "--sessions",
    "10",
    "--rate",
    "100",
    "--out",
    "out",
];

/// A server whose daemon leaves its group and its session, takes no environment along, and stays in the data folder.
const DAEMON: &str = include_str!("../../../cli/tests/data/daemon.py");

const EXPERIMENTS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../experiments/");

pub(super) const KINDS: [Kind; 15] = [
    Kind {
        name: "flags",
        words: &[
            "run",
            "--get",
            "/health",
            "--ready",
            "http:/health",
            "SMALL",
            "--",
            "PROGRAM",
            "serve",
            "memory",
            "--port",
            "{port}",
            "--data",
            "{data}",
        ],
        lasts: Duration::from_secs(7),
    },
    Kind {
        name: "file",
        words: &["run", "reference.toml", "SMALL"],
        lasts: Duration::from_secs(8),
    },
    Kind {
        name: "compare",
        words: &[
            "compare",
            "journal",
            "orphan-keeps-port",
            "--quick",
            "SMALL",
        ],
        lasts: Duration::from_secs(7),
    },
    Kind {
        name: "balancer",
        words: &["compare", "--topology", "token", "--quick", "SMALL"],
        lasts: Duration::from_secs(5),
    },
    Kind {
        name: "cache",
        words: &["run", "cache-users.toml", "SMALL"],
        lasts: Duration::from_secs(12),
    },
    Kind {
        name: "rolling",
        words: &[
            "compare",
            "--topology",
            "token",
            "--fault",
            "rolling-restart",
            "--balancer",
            "haproxy",
            "--quick",
            "SMALL",
        ],
        lasts: Duration::from_secs(6),
    },
    Kind {
        name: "deploy",
        words: &["run", "deploy.toml", "SMALL"],
        lasts: Duration::from_secs(8),
    },
    Kind {
        name: "postgres",
        words: &["run", "postgres-store.toml", "SMALL"],
        lasts: Duration::from_secs(10),
    },
    Kind {
        name: "redis",
        words: &["run", "redis-store.toml", "SMALL"],
        lasts: Duration::from_secs(12),
    },
    // Conditions that are worse for most of the trial.
    Kind {
        name: "limit",
        words: &[
            "compare",
            "journal",
            "--fault",
            "cpu_quota:percent=5,lasts=2s",
            "SMALL",
        ],
        lasts: Duration::from_secs(6),
    },
    Kind {
        name: "network",
        words: &["compare", "journal", "--fault", "network:lasts=2s", "SMALL"],
        lasts: Duration::from_secs(6),
    },
    // A proxy beside the server.
    Kind {
        name: "connections",
        words: &[
            "compare",
            "journal",
            "--fault",
            "connections:delay=20ms,lasts=2s",
            "SMALL",
        ],
        lasts: Duration::from_secs(6),
    },
    Kind {
        name: "daemon",
        words: &[
            "run",
            "--get",
            "/",
            "--env",
            "DATA={data}",
            "--env",
            "PORT={port}",
            "SMALL",
            "--",
            "python3",
            "-c",
            DAEMON,
        ],
        lasts: Duration::from_secs(7),
    },
    Kind {
        name: "claim",
        words: &["claims", "10", "--quick", "--out", "out"],
        lasts: Duration::from_secs(12),
    },
    // Nobody loads these: servers that are replayed, interrupted and weighed.
    Kind {
        name: "procedure",
        words: &["claims", "3", "--quick", "--out", "out"],
        lasts: Duration::from_secs(5),
    },
];

impl Kind {
    /// Its command line; `PROGRAM` is the program itself.
    pub(super) fn words(&self, program: &Path) -> Vec<String> {
        let mut words = Vec::new();
        for word in self.words {
            match *word {
                "SMALL" => words.extend(SMALL.map(str::to_owned)),
                "PROGRAM" => words.push(program.display().to_string()),
                file if file.ends_with(".toml") => words.push(format!("{EXPERIMENTS}{file}")),
                word => words.push(word.to_owned()),
            }
        }
        words
    }
}
