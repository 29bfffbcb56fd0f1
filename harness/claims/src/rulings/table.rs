//! The claims and their experiments.

use super::{
    Amount, Claim, Comparisons, Experiment, Inquiry, Procedure, any_server, bound, cacheable,
    carries, comparisons, complete, internet, order, protocols, quicker, restart, scale_out,
    simple, storage, swap,
};

/// The claims that are measured.
pub const CLAIMS: [Claim; 14] = [
    Claim {
        number: 1,
        words: "A stateless request is complete in itself: a fresh server can answer it, and a stateful one it cannot",
        experiment: Experiment::Own(Inquiry {
            procedure: Procedure::Replay,
            arms: &["token", "token-newkey", "memory", "redis"],
            full: Amount {
                rounds: 6,
                each: 100,
            },
            quick: Amount {
                rounds: 2,
                each: 50,
            },
            rule: complete::rule,
        }),
    },
    Claim {
        number: 2,
        words: "A stateful server needs storage that grows with its clients; a stateless one needs none",
        experiment: Experiment::Own(Inquiry {
            procedure: Procedure::Grow,
            arms: &["token", "token-revocable", "memory", "journal", "redis"],
            full: Amount {
                rounds: 4,
                each: 25_000,
            },
            quick: Amount {
                rounds: 4,
                each: 5_000,
            },
            rule: storage::rule,
        }),
    },
    Claim {
        number: 3,
        words: "HTTP, UDP and DNS are stateless protocols; FTP and Telnet are stateful",
        experiment: Experiment::Own(Inquiry {
            procedure: Procedure::Interrupt,
            arms: &[
                "token", "memory", "udp-echo", "dns", "ftp", "telnet", "unbound", "vsftpd",
                "telnetd",
            ],
            full: Amount {
                rounds: 8,
                each: 20,
            },
            quick: Amount {
                rounds: 2,
                each: 20,
            },
            rule: protocols::rule,
        }),
    },
    Claim {
        number: 4,
        words: "A stateless server answers from the request alone: neither the order of requests nor their repetition \
                matters",
        experiment: Experiment::Own(Inquiry {
            procedure: Procedure::Reorder,
            arms: &["token", "token-counter", "memory", "redis"],
            full: Amount {
                rounds: 6,
                each: 100,
            },
            quick: Amount {
                rounds: 2,
                each: 50,
            },
            rule: order::rule,
        }),
    },
    Claim {
        number: 5,
        words: "Any server can process any request of a stateless service; of a stateful one only the server that knows \
                the session can",
        experiment: Experiment::Compare(Comparisons {
            runs: || vec![comparisons::scaled_out()],
            trials: 6,
            rule: any_server::rule,
        }),
    },
    Claim {
        number: 6,
        words: "Behind a balancer a login on server 1 is unknown on server 2, so a stateful service cannot scale out",
        experiment: Experiment::Compare(Comparisons {
            runs: || vec![comparisons::scaled_out(), comparisons::store_killed()],
            trials: 6,
            rule: scale_out::rule,
        }),
    },
    Claim {
        number: 7,
        words: "What a stateless service answers is easy to cache",
        experiment: Experiment::Compare(Comparisons {
            runs: || vec![comparisons::cached_replicas_killed()],
            trials: 6,
            rule: cacheable::rule,
        }),
    },
    Claim {
        number: 8,
        words: "The client of a stateless service carries everything; a stateful server keeps track of each client",
        experiment: Experiment::Own(Inquiry {
            procedure: Procedure::Grow,
            arms: &["token", "memory"],
            full: Amount {
                rounds: 4,
                each: 12_500,
            },
            quick: Amount {
                rounds: 4,
                each: 5_000,
            },
            rule: carries::rule,
        }),
    },
    Claim {
        number: 9,
        words: "A stateful server is bound to its sessions; a stateless one can be added or removed at any time",
        experiment: Experiment::Own(Inquiry {
            procedure: Procedure::ReplicaReplacement,
            arms: &["token", "token-newkey", "memory", "redis"],
            full: Amount {
                rounds: 10,
                each: 50,
            },
            quick: Amount {
                rounds: 6,
                each: 50,
            },
            rule: bound::rule,
        }),
    },
    Claim {
        number: 10,
        words: "Client and server are loosely coupled when the server is stateless: it can be exchanged while they talk",
        experiment: Experiment::Compare(Comparisons {
            runs: || vec![comparisons::restarted(), comparisons::deployed()],
            trials: 6,
            rule: swap::rule,
        }),
    },
    Claim {
        number: 11,
        words: "A stateless design is simple, a stateful one complex",
        experiment: Experiment::Compare(Comparisons {
            runs: || {
                vec![
                    comparisons::replica_killed(),
                    comparisons::replicas_killed(),
                    comparisons::paused(),
                    comparisons::restarted(),
                ]
            },
            trials: 6,
            rule: simple::rule,
        }),
    },
    Claim {
        number: 12,
        words: "A stateless server that failed is easily restarted; a stateful one has lost its sessions",
        experiment: Experiment::Compare(Comparisons {
            runs: || {
                vec![
                    comparisons::each_alone(),
                    comparisons::replica_killed(),
                    comparisons::store_killed(),
                ]
            },
            trials: 6,
            rule: restart::rule,
        }),
    },
    Claim {
        number: 13,
        words: "Stateless is quicker",
        experiment: Experiment::Own(Inquiry {
            procedure: Procedure::Race,
            arms: &["token", "memory", "buffered", "journal", "redis", "trivial"],
            full: Amount {
                rounds: 20,
                each: 200,
            },
            quick: Amount {
                rounds: 12,
                each: 200,
            },
            rule: quicker::rule,
        }),
    },
    Claim {
        number: 14,
        words: "Stateless is easy on the internet: light to idle clients, light on the wire, and not bound to a connection",
        experiment: Experiment::Own(Inquiry {
            procedure: Procedure::Idle,
            arms: &["token", "memory", "redis"],
            full: Amount {
                rounds: 4,
                each: 200,
            },
            quick: Amount {
                rounds: 4,
                each: 200,
            },
            rule: internet::rule,
        }),
    },
];
