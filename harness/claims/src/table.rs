//! The claims and their experiments: one table. A claim has an experiment: comparisons, whose summaries are reduced to
//! [`Evidence`], or a procedure of its own, which leaves [`Findings`]. It is judged by a pure function over either. Each can
//! come out in every way: it holds, it holds in part, it is refuted, or this run cannot tell.

use comeback_analysis::summary::Summary;
use comeback_architectures::{Comparison, Size};
use comeback_model::claims::ClaimRow;

use crate::procedures::{
    Procedure, grow, idle, interrupt, race, reorder, replay, replica_replacement,
};
use crate::rulings::{
    Amount, Evidence, Findings, Ruled, RulingResult, any_server, bound, cacheable, carries,
    comparisons, complete, internet, order, protocols, quicker, restart, scale_out, simple,
    storage, swap,
};

/// A claim of the table.
#[derive(Clone, Copy, Debug)]
pub struct Claim {
    /// Its number in the table.
    pub number: u32,
    /// In its own words.
    pub words: &'static str,
    /// How it is found out.
    pub experiment: Experiment,
}

/// How a claim is found out.
#[derive(Clone, Copy, Debug)]
pub enum Experiment {
    /// By what `comeback compare` measures.
    Compare(Comparisons),
    /// By what no comparison asks.
    Own(Inquiry),
}

/// Comparisons.
#[derive(Clone, Copy, Debug)]
pub struct Comparisons {
    /// What is compared, each time.
    runs: fn() -> Vec<Comparison>,
    /// How many trials of each arm, each time.
    trials: u32,
    rule: fn(&[Evidence]) -> RulingResult,
}

/// A procedure of a claim's own.
#[derive(Clone, Copy, Debug)]
pub struct Inquiry {
    /// What is done.
    pub procedure: Procedure,
    /// Whether a proxy stands before each server, which closes idle connections.
    pub behind_proxy: bool,
    /// With which servers, by their names.
    pub arms: &'static [&'static str],
    /// How much of it.
    pub full: Amount,
    /// How much for a first look.
    pub quick: Amount,
    rule: fn(&Findings) -> RulingResult,
}

/// The claims that are measured.
pub const CLAIMS: [Claim; 14] = [
    Claim {
        number: 1,
        words: "A stateless request is complete in itself: a fresh server can answer it, and a stateful one it cannot",
        experiment: Experiment::Own(Inquiry {
            procedure: Procedure::of_each(|context, arm| Box::pin(replay::run(context, arm))),
            behind_proxy: false,
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
            procedure: Procedure::of_each(|context, arm| Box::pin(grow::run(context, arm))),
            behind_proxy: false,
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
            procedure: Procedure::of_each(|context, arm| Box::pin(interrupt::run(context, arm))),
            behind_proxy: false,
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
            procedure: Procedure::of_each(|context, arm| Box::pin(reorder::run(context, arm))),
            behind_proxy: false,
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
            procedure: Procedure::of_each(|context, arm| Box::pin(grow::run(context, arm))),
            behind_proxy: false,
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
            procedure: Procedure::of_each(|context, arm| {
                Box::pin(replica_replacement::run(context, arm))
            }),
            behind_proxy: false,
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
            procedure: Procedure::of_all(|context, arms| Box::pin(race::run(context, arms))),
            behind_proxy: false,
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
            procedure: Procedure::of_each(|context, arm| Box::pin(idle::run(context, arm))),
            behind_proxy: true,
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

impl Claim {
    /// The claim of this number, where it is measured.
    pub fn find(number: u32) -> Option<&'static Self> {
        CLAIMS.iter().find(|claim| claim.number == number)
    }
}

impl Comparisons {
    /// What is compared, each time; a first look has as many trials, and shorter ones.
    pub fn runs(&self, quick: bool) -> Vec<Comparison> {
        let size = Size {
            quick,
            trials: Some(self.trials),
        };
        let sized = |run| Comparison { size, ..run };
        (self.runs)().into_iter().map(sized).collect()
    }

    /// What its runs show of the claim. `lines` knows how many lines of code a server has of its own.
    pub fn evidence(runs: &[Summary], lines: impl Fn(&str) -> Option<u32>) -> Vec<Evidence> {
        let mut evidence = Vec::new();
        for (number, run) in runs.iter().enumerate() {
            for arm in &run.arms {
                let arm = Evidence::of(number, arm);
                let lines = lines(&arm.name);
                evidence.push(Evidence { lines, ..arm });
            }
        }
        evidence
    }

    /// What that says of the claim.
    pub fn rule(&self, evidence: &[Evidence]) -> Ruled {
        (self.rule)(evidence).unwrap_or_else(Ruled::from)
    }
}

impl Inquiry {
    /// What its findings say of the claim.
    pub fn rule(&self, findings: &Findings) -> Ruled {
        (self.rule)(findings).unwrap_or_else(Ruled::from)
    }
}

/// Where a row comes from.
#[derive(Clone, Debug)]
pub struct Source {
    /// The command that repeats it.
    pub command: String,
    /// The folder of its run.
    pub run: String,
    /// Files with the details, seen from the document's folder.
    pub details: Vec<String>,
}

/// A claim with what was found of it.
pub fn row(claim: &Claim, found: Ruled, source: Source) -> ClaimRow {
    ClaimRow {
        number: claim.number,
        claim: claim.words.to_owned(),
        ruling: found.ruling,
        figure: found.figure,
        chart: found.chart,
        because: found.because,
        otherwise: found.otherwise,
        command: source.command,
        run: source.run,
        details: source.details,
    }
}
