//! Whole trials over every transport: the same server, reached in other ways, must come to the same findings.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::path::{Path, PathBuf};
use std::time::Duration;

use comeback_engine::interrupt::Interrupt;
use comeback_engine::readiness::{NotReady, Ready, wait_until_ready};
use comeback_engine::record::JournalWriter;
use comeback_engine::{Ended, Site};
use comeback_faults::Faults;
use comeback_host::clock::Clock;
use comeback_host::machine;
use comeback_model::endpoint::Endpoint;
use comeback_model::ids::{Incarnation, Node, Seed, TrialId};
use comeback_model::journal::{self, Header};
use comeback_model::plan::fault::{Catalogue, Parameters, Said};
use comeback_model::plan::{
    Arm, Arrivals, Calibration, Load, Plan, Protocol, Readiness, ReadyProbe, SessionFlow, Target,
    Windows, Workload,
};
use comeback_model::schedule;
use comeback_model::units::Span;
use comeback_supervise::ownership::listeners;
use comeback_supervise::ports::free_port;
use comeback_supervise::process::{Addresses, Launch, Process, adopt_orphans, resolve_endpoint};
use comeback_supervise::tag::RunTag;
use serde_json::Value;
use tempfile::TempDir;

const PROGRAM: &str = env!("CARGO_BIN_EXE_comeback");
const SESSIONS: u32 = 10;
/// Longer than any start here takes.
const PATIENCE: Span = Span::from_secs(20);

/// A server of the zoo.
fn zoo(name: &str, protocol: Protocol) -> Target {
    let command = [
        PROGRAM, "serve", name, "--port", "{port}", "--data", "{data}",
    ];
    Target {
        protocol,
        ready: Readiness {
            probe: ReadyProbe::Http("/health".to_owned()),
            within: PATIENCE,
        },
        // Long enough that users are turned away meanwhile.
        restart_after: Span::from_ms(200),
        boot_header: Some("x-boot-id".to_owned()),
        ..Target::of(command)
    }
}

fn on_socket(target: Target, socket: &str) -> Target {
    Target {
        socket: Some(socket.to_owned()),
        ..target
    }
}

fn without_boot_header(target: Target) -> Target {
    Target {
        boot_header: None,
        ..target
    }
}

fn plan(target: Target) -> Plan {
    Plan {
        name: "transports".to_owned(),
        arms: vec![Arm::alone("server".to_owned(), String::new(), target)],
        trials: 1,
        extend_to: 1,
        replacements: 0,
        controls: 0,
        faults: vec![
            Faults
                .plan(
                    "kill",
                    &Parameters::new(),
                    Said {
                        jitter: Some(Span::from_ms(50)),
                        ..Said::default()
                    },
                )
                .unwrap(),
        ],
        chaos: None,
        surroundings: Vec::new(),
        load: Load {
            clients: SESSIONS,
            arrivals: Arrivals::Constant,
            looks: 2,
            ..Load::of(Workload::Sessions(Box::new(SessionFlow::reference())))
        },
        calibration: Calibration::Given,
        windows: Windows {
            warm_up: Span::from_ms(100),
            baseline: Span::from_ms(400),
            settle: Span::from_ms(400),
            horizon: PATIENCE,
            steady_for: Span::from_ms(200),
            ..Windows::default()
        },
        gates: Vec::new(),
        storm: None,
        marked: BTreeSet::new(),
    }
}

/// What a run left on record.
struct Recorded {
    events: Vec<Value>,
    operations: Vec<HashMap<String, String>>,
}

impl Recorded {
    fn event(&self, name: &str) -> Option<&Value> {
        let kinds = self.events.iter().map(|event| &event["kind"]);
        kinds.into_iter().find(|kind| kind["type"] == name)
    }

    fn at_us(&self, name: &str) -> u64 {
        let event = |event: &&Value| event["kind"]["type"] == name;
        self.events.iter().find(event).unwrap()["at_us"]
            .as_u64()
            .unwrap()
    }

    /// How often each error (or `none`) was seen by operations that pass.
    fn errors(&self, pass: impl Fn(&HashMap<String, String>) -> bool) -> BTreeMap<&str, usize> {
        let mut errors = BTreeMap::new();
        for operation in self.operations.iter().filter(|operation| pass(operation)) {
            let error = match operation["error"].as_str() {
                "" => "none",
                error => error,
            };
            *errors.entry(error).or_default() += 1;
        }
        errors
    }
}

fn number(operation: &HashMap<String, String>, column: &str) -> u64 {
    operation[column].parse().unwrap()
}

/// Runs a plan and reads what it recorded. The operations' columns are found by their names.
async fn run(plan: Plan, folder: &Path) -> Recorded {
    adopt_orphans().unwrap();
    let clock = Clock::start();
    let seed = Seed(7);
    let schedule = schedule::expand(&plan, seed);
    let header = Header {
        comeback_journal: journal::VERSION,
        written_by: "a test".to_owned(),
        started: "2026-01-01T00:00:00Z".to_owned(),
        seed,
        machine: machine::describe(folder),
        plan,
        schedule,
        shards: None,
        label: None,
        revision: None,
    };
    let (scratch, logs) = (folder.join("data"), folder.join("logs"));
    std::fs::create_dir(&scratch).unwrap();
    std::fs::create_dir(&logs).unwrap();
    let tag = RunTag::new().unwrap();
    let mut interrupt = Interrupt::listen(tag.clone(), || {}).unwrap();
    let journal = JournalWriter::create(
        folder,
        &header,
        clock,
        |_: &comeback_model::event::Event| {},
    )
    .unwrap();
    let site = Site {
        tag,
        clock,
        recorder: journal.recorder().clone(),
        scratch,
        logs,
        records_disks: false,
    };
    let ended = comeback_engine::run(&header.plan, &header.schedule, &site, &mut interrupt).await;
    assert_eq!(ended.unwrap(), Ended::Complete);
    drop(site);
    // Its last handles are in tasks that read a target's output to the end.
    tokio::task::spawn_blocking(move || journal.finish().unwrap())
        .await
        .unwrap();
    let events = std::fs::read_to_string(folder.join("journal.jsonl")).unwrap();
    let operations = std::fs::read_to_string(folder.join("operations.csv")).unwrap();
    let mut lines = operations
        .lines()
        .map(|line| line.split(',').map(str::to_owned));
    // Without an operation there are no columns either.
    let columns: Vec<String> = lines.next().map(Iterator::collect).unwrap_or_default();
    Recorded {
        events: events
            .lines()
            .skip(1)
            .map(|line| serde_json::from_str(line).unwrap())
            .collect(),
        operations: lines
            .map(|cells| columns.iter().cloned().zip(cells).collect())
            .collect(),
    }
}

/// Whatever `memory` is reached over: nobody fails before the fault, users are turned away during it, the new
/// process is known for what it is, and every session is gone.
async fn check_memory_over(target: Target, evidence: &str) {
    let folder = tempfile::tempdir().unwrap();
    let seen = run(plan(target), folder.path()).await;
    let told = format!("{:#?}", seen.events);
    let correct = seen.event("first_correct").expect(&told);
    assert!(!correct["evidence"][evidence].is_null(), "{correct}");
    assert!(seen.event("first_accept").is_some(), "{told}");

    let (fault, back) = (seen.at_us("fault_requested"), seen.at_us("first_correct"));
    let before = seen.errors(|operation| number(operation, "finished_us") < fault);
    assert_eq!(before.keys().collect::<Vec<_>>(), [&"none"], "{before:?}");
    let during =
        seen.errors(|operation| (fault + 20_000..back).contains(&number(operation, "intended_us")));
    // One that waits out a pause of its own is answered by the new process.
    let turned_away = during.get("refused").copied().unwrap_or_default();
    assert!(turned_away > 0, "{during:?}");
    let unexpected = during
        .keys()
        .find(|error| !["refused", "reset", "none", "session_rejected"].contains(error));
    assert_eq!(unexpected, None, "{during:?}");

    let read_back = seen.errors(|operation| operation["step"] == "read_back");
    assert!(
        read_back["session_rejected"] >= SESSIONS as usize,
        "{read_back:?}"
    );
    assert!(
        seen.errors(
            |operation| operation["step"] == "login" && number(operation, "intended_us") > back
        )["none"]
            > 0,
        "nobody logged in again"
    );
}

#[tokio::test]
async fn memory_loses_its_sessions_over_a_unix_socket() {
    let target = on_socket(zoo("unix", Protocol::Http), "{data}/server.sock");
    check_memory_over(target, "boot_id").await;
}

#[tokio::test]
async fn the_owner_of_a_unix_socket_tells_the_new_process_from_the_old() {
    let target = on_socket(zoo("unix", Protocol::Http), "{data}/server.sock");
    check_memory_over(without_boot_header(target), "socket_owner").await;
}

#[tokio::test]
async fn memory_loses_its_sessions_over_https() {
    check_memory_over(zoo("tls", Protocol::Https), "boot_id").await;
}

#[tokio::test]
async fn memory_loses_its_sessions_over_http2() {
    check_memory_over(zoo("tls", Protocol::Http2), "boot_id").await;
}

#[tokio::test]
async fn memory_loses_its_sessions_over_http2_without_tls() {
    check_memory_over(zoo("h2c", Protocol::H2c), "boot_id").await;
    check_memory_over(
        without_boot_header(zoo("h2c", Protocol::H2c)),
        "socket_owner",
    )
    .await;
}

#[tokio::test]
async fn a_server_that_does_not_remove_its_socket_is_not_back_and_that_is_its_own_finding() {
    let script = "import http.server, socketserver, sys\n\
        class Handler(http.server.BaseHTTPRequestHandler):\n    \
            def do_GET(self):\n        \
                self.send_response(200)\n        \
                self.send_header('content-length', '2')\n        \
                self.end_headers()\n        \
                self.wfile.write(b'{}')\n\
        class Server(socketserver.ThreadingMixIn, socketserver.UnixStreamServer):\n    \
            def get_request(self):\n        \
                return super().get_request()[0], ('local', 0)\n\
        Server(sys.argv[1], Handler).serve_forever()";
    let command = ["python3", "-c", script, "{data}/it.sock"];
    let target = Target {
        external: None,
        command: command.map(str::to_owned).to_vec(),
        ready: Readiness {
            probe: ReadyProbe::Http("/".to_owned()),
            within: PATIENCE,
        },
        ..without_boot_header(on_socket(zoo("unix", Protocol::Http), "{data}/it.sock"))
    };
    let mut plan = plan(target);
    plan.load.workload =
        Workload::Stateless(Box::new(comeback_model::plan::Request::new("GET", "/")));
    plan.windows.horizon = Span::from_secs(5);
    let folder = tempfile::tempdir().unwrap();
    let seen = run(plan, folder.path()).await;
    let told = format!("{:#?}", seen.events);
    assert!(seen.event("target_ready").is_some(), "{told}");
    assert!(seen.event("not_recovered").is_some(), "{told}");
    assert!(told.contains("Address already in use"), "{told}");
}

#[tokio::test]
async fn a_socket_path_that_the_kernel_does_not_take_ends_the_trial_with_the_reason() {
    let long = format!("{{data}}/{}.sock", "x".repeat(100));
    let folder = tempfile::tempdir().unwrap();
    let seen = run(
        plan(on_socket(zoo("unix", Protocol::Http), &long)),
        folder.path(),
    )
    .await;
    let failed = seen.event("target_start_failed").unwrap();
    let problem = failed["problem"].as_str().unwrap();
    assert!(problem.contains("the kernel takes 107"), "{problem}");
    assert!(seen.event("trial_ended").is_some());
}

/// A real Redis, started by the harness.
struct Redis {
    folder: TempDir,
    tag: RunTag,
    clock: Clock,
    port: u16,
    target: Target,
}

impl Redis {
    fn new(probe: ReadyProbe, socket: Option<&str>, more: &[&str]) -> Self {
        adopt_orphans().unwrap();
        let mut command = vec!["redis-server", "--save", "", "--dir", "{data}"];
        match socket {
            None => command.extend(["--port", "{port}", "--bind", "127.0.0.1"]),
            Some(socket) => command.extend(["--port", "0", "--unixsocket", socket]),
        }
        command.extend(more);
        let mut target = zoo("", Protocol::Redis);
        target.command = command.into_iter().map(str::to_owned).collect();
        target.socket = socket.map(str::to_owned);
        target.ready.probe = probe;
        Self {
            folder: tempfile::tempdir().unwrap(),
            tag: RunTag::new().unwrap(),
            clock: Clock::start(),
            port: free_port().unwrap(),
            target,
        }
    }

    fn endpoint(&self) -> Endpoint {
        resolve_endpoint(&self.target, self.port, self.folder.path(), Node::default()).unwrap()
    }

    async fn start(&self) -> (Process, Result<Ready, NotReady>) {
        let log: PathBuf = self.folder.path().join("redis.log");
        let mut process = Process::spawn(Launch {
            target: &self.target,
            port: self.port,
            data: self.folder.path(),
            node: Node::default(),
            addresses: &Addresses::default(),
            trial: TrialId(0),
            incarnation: Incarnation(0),
            tag: &self.tag,
            log,
            clock: self.clock,
            listener: None,
        })
        .expect("redis-server is there (`cargo xtask install` installs it)");
        let ready = &self.target.ready;
        let ready = wait_until_ready(&mut process, ready, &self.endpoint(), None, self.clock).await;
        (process, ready)
    }
}

#[tokio::test]
async fn redis_is_ready_when_it_answers_a_ping_takes_a_connection_or_says_so() {
    let http = || ReadyProbe::Http("/".to_owned());
    let log = ReadyProbe::Log("Ready to accept connections".to_owned());
    for redis in [
        Redis::new(http(), None, &[]),
        Redis::new(ReadyProbe::Tcp, None, &[]),
        Redis::new(log, None, &[]),
        Redis::new(http(), Some("{data}/redis.sock"), &[]),
        Redis::new(ReadyProbe::Tcp, Some("{data}/redis.sock"), &[]),
    ] {
        let (process, ready) = redis.start().await;
        let told = process.tail();
        assert_eq!(
            ready
                .unwrap_or_else(|error| panic!("{error} {told:?}"))
                .boot,
            None
        );
        let owners = listeners(&redis.endpoint(), &redis.tag).unwrap();
        let pids: Vec<_> = owners.iter().map(|owner| owner.pid).collect();
        assert_eq!(pids, [process.pid()]);
    }
}

#[tokio::test]
async fn a_redis_that_wants_a_password_is_not_ready_and_says_why() {
    let probe = ReadyProbe::Http("/".to_owned());
    let mut redis = Redis::new(probe, None, &["--requirepass", "secret"]);
    redis.target.ready.within = Span::from_secs(5);
    let (_process, ready) = redis.start().await;
    let told = ready.unwrap_err().to_string();
    assert!(told.contains("PING on port"), "{told}");
    assert!(told.contains("NOAUTH"), "{told}");
}

#[tokio::test]
async fn a_socket_nobody_listens_on_is_told_with_what_was_found_there() {
    let redis = |socket: &str| {
        let mut redis = Redis::new(ReadyProbe::Tcp, Some(socket), &[]);
        redis.target.ready.within = Span::from_ms(600);
        redis.target.command = vec!["sleep".to_owned(), "60".to_owned()];
        redis
    };
    let absent = redis("{data}/other.sock");
    let told = absent.start().await.1.unwrap_err().to_string();
    assert!(
        told.contains("does the command name the same path"),
        "{told}"
    );

    let stale = redis("{data}/stale.sock");
    let path = stale.folder.path().join("stale.sock");
    drop(std::os::unix::net::UnixListener::bind(path).unwrap());
    let told = tokio::time::timeout(Duration::from_secs(20), stale.start())
        .await
        .unwrap()
        .1
        .unwrap_err()
        .to_string();
    assert!(told.contains("must remove it"), "{told}");
}
