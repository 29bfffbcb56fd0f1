//! The load generator alone, in a closed loop against a server that is already there: as many verified
//! requests as one thread can make. `load.sh` pairs it with wrk and oha; it asserts nothing.
//!
//! `cargo bench --bench saturate -- PORT SECONDS CONNECTIONS [open RATE]` prints one line of JSON.

#![expect(clippy::print_stdout, reason = "a benchmark prints its figures")]

use std::sync::{Arc, Mutex};
use std::time::Duration;

use comeback_host::clock::Clock;
use comeback_load::{Generator, Setup, Users};
use comeback_model::endpoint::Endpoint;
use comeback_model::ids::{Seed, TrialId};
use comeback_model::operation::Operation;
use comeback_model::plan::{Arrivals, Load, Protocol, Request, Workload};

/// What a run is asked for.
struct Args {
    port: u16,
    seconds: u64,
    connections: u32,
    /// Open loop at this rate instead of a closed one.
    rate: Option<f64>,
}

#[derive(Default)]
struct Counts {
    verified: u64,
    failed: u64,
    lags_us: Vec<u64>,
}

fn main() {
    // `cargo bench` without arguments of ours (a whole-workspace run) has nothing to ask.
    let Some(args) = parse(
        std::env::args()
            .skip(1)
            .filter(|arg| arg != "--bench")
            .collect(),
    ) else {
        println!("usage: cargo bench --bench saturate -- PORT SECONDS CONNECTIONS [RATE]");
        return;
    };
    let clock = Clock::start();
    let setup = Setup {
        first_user: 0,
        users: Users {
            first: 0,
            clients: args.connections,
            probes: 0,
        },
        trial: TrialId(0),
        load: Load {
            clients: args.connections,
            rate: args.rate.unwrap_or(1.0),
            arrivals: Arrivals::Constant,
            ..Load::of(Workload::Stateless(Box::new(Request::new("GET", "/"))))
        },
        seed: Seed(1),
        endpoint: Endpoint::tcp(Protocol::Http, args.port),
        closed: false,
        newcomers: false,
        boot_header: None,
        behind_cache: None,
        retry: None,
        balanced: false,
        clock,
    };
    let counts = Arc::new(Mutex::new(Counts::default()));
    let sink = Arc::clone(&counts);
    let measures_lag = args.rate.is_some();
    let begun = clock.now();
    let run = async {
        let mut load = Generator::start(&setup, move |done| count(&sink, &done, measures_lag))?;
        match args.rate {
            Some(_) => load.run(clock.now()),
            None => load.saturate(args.connections),
        }
        tokio::time::sleep(Duration::from_secs(args.seconds)).await;
        load.stop().await?;
        load.finish()
    };
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build();
    let ended = runtime.expect("a runtime starts").block_on(run);
    ended.expect("the load runs to its end");
    let seconds = clock.now().since(begun).as_secs();
    let mut counts = counts.lock().expect("no holder panicked");
    counts.lags_us.sort_unstable();
    let lag = |share: f64| {
        let last = counts.lags_us.len().checked_sub(1)?;
        Some(counts.lags_us[(last as f64 * share) as usize])
    };
    println!(
        "{}",
        serde_json::json!({
            "verified": counts.verified,
            "failed": counts.failed,
            "per_second": (counts.verified as f64 / seconds).round(),
            "send_lag_us": { "p50": lag(0.5), "p99": lag(0.99) },
        })
    );
}

fn parse(args: Vec<String>) -> Option<Args> {
    Some(Args {
        port: args.first()?.parse().ok()?,
        seconds: args.get(1)?.parse().ok()?,
        connections: args.get(2)?.parse().ok()?,
        rate: args.get(3).and_then(|rate| rate.parse().ok()),
    })
}

fn count(counts: &Mutex<Counts>, done: &[Operation], measures_lag: bool) {
    let mut counts = counts.lock().expect("no holder panicked");
    for operation in done {
        match operation.error {
            None => counts.verified += 1,
            Some(_) => counts.failed += 1,
        }
        if let (true, Some(sent)) = (measures_lag, operation.sent) {
            counts.lags_us.push(sent.since(operation.intended).as_us());
        }
    }
}
