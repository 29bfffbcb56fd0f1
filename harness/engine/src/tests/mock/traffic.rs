//! A load that sends nothing, and a probe that asks nobody.

use std::cell::RefCell;
use std::io;
use std::rc::Rc;
use std::sync::{Arc, OnceLock};

use comeback_model::event::Evidence;
use comeback_model::ids::{BootId, ClientId, Node, Seed, TrialId};
use comeback_model::plan::Readiness;
use comeback_model::units::{Elapsed, Span};

use super::process::Latest;
use super::{Deeds, Mock};
use crate::EngineError;
use crate::clock::Clock;
use crate::endpoint::Endpoint;
use crate::load::probe::{self, ProbeError, ProbeSetup, Recovered, Rehearsed, Seen, Work};
use crate::load::{LoadError, Looked, OneWrite, Opened, PageOf, Passed, Setup, Tally, Trigger};
use crate::record::Recorder;
use futures_util::FutureExt;

use crate::seams::{Book, Checkup, Load, Probe, Traffic};

/// The one page that is asked for.
const PAGE: PageOf = PageOf {
    request: 0,
    has_changed: false,
};

impl Traffic for Mock {
    type Load = MockLoad;
    type Probe<'a> = MockProbe<'a>;
    type Watch = ();

    fn start_load(&self, setup: &Setup, _recorder: Recorder) -> Result<MockLoad, LoadError> {
        Ok(MockLoad {
            deeds: Rc::clone(&self.deeds),
            clock: self.clock,
            trigger: Trigger::default(),
            users: setup.load.clients,
            rounds: self.opens_after,
            writes_every: self.writes_every,
            writer: RefCell::default(),
            came: Arc::default(),
        })
    }

    fn probe<'a>(&'a self, setup: ProbeSetup<'a>) -> io::Result<MockProbe<'a>> {
        Ok(MockProbe {
            mock: self,
            setup,
            seen: RefCell::default(),
        })
    }

    fn watch(&self, checkups: Vec<Checkup>, _book: Book) -> Result<(), EngineError> {
        for Checkup { node, .. } in checkups {
            self.note(format!("watch the health of {node}"));
        }
        Ok(())
    }

    async fn boot_of(
        &self,
        _readiness: &Readiness,
        endpoint: &Endpoint,
        _boot_header: Option<&str>,
    ) -> io::Result<Option<BootId>> {
        let node = self.node_at(endpoint);
        let latest = node.and_then(|node| self.latest(node));
        let name = |latest: Latest| format!("{} {}", latest.place.1, latest.place.2.0);
        Ok(latest.map(|latest| BootId::from_header(name(latest).as_bytes())))
    }
}

impl Mock {
    /// Whether a probe of a node is answered correctly: by itself, and by what a balancer sends it on to, the first that is there.
    fn answers(&self, node: Node, now: Elapsed) -> bool {
        let replicas = (0..).map(Node::Replica);
        let replicas = replicas.take_while(|replica| self.latest(*replica).is_some());
        let mut replicas = replicas.filter(|_| node == Node::Balancer).peekable();
        let is_alone = replicas.peek().is_none();
        self.serves(node, now) && (is_alone || replicas.any(|replica| self.serves(replica, now)))
    }

    fn serves(&self, node: Node, now: Elapsed) -> bool {
        let is_there = self.latest(node).unwrap().is_there(now);
        is_there && self.serves_since(node).is_some_and(|at| at <= now)
    }

    fn serves_since(&self, node: Node) -> Option<Elapsed> {
        let latest = self.latest(node).unwrap();
        let behaviour = self.behaviour(node);
        match latest.place.2.0 {
            0 => Some(Elapsed::default()),
            hung if behaviour.hangs.contains(&hung) => None,
            _ => behaviour.serves_after.map(|after| latest.executed + after),
        }
    }

    /// Whether the pages of a node that serves are empty.
    fn is_empty(&self, node: Node, now: Elapsed) -> bool {
        let empty_for = self.behaviour(node).empty_for;
        self.serves_since(node)
            .is_some_and(|at| now < at + empty_for)
    }
}

/// A load that sends nothing.
#[derive(Debug)]
pub(in crate::tests) struct MockLoad {
    deeds: Deeds,
    clock: Clock,
    trigger: Trigger,
    users: u32,
    rounds: u32,
    writes_every: Span,
    writer: RefCell<Option<tokio::task::AbortHandle>>,
    /// When newcomers no longer come, as the fault has come.
    came: Arc<OnceLock<Elapsed>>,
}

impl MockLoad {
    fn note(&self, deed: &str) {
        let deed = (self.clock.now(), deed.to_owned());
        self.deeds.borrow_mut().push(deed);
    }
}

impl Load for MockLoad {
    fn trigger(&self) -> &Trigger {
        &self.trigger
    }

    async fn open(&mut self) -> Result<Opened, LoadError> {
        self.rounds = self.rounds.saturating_sub(1);
        Ok(Opened {
            open: if self.rounds == 0 { self.users } else { 0 },
            wanted: self.users,
            refusal: None,
        })
    }

    fn run(&self, start: Elapsed) {
        self.note("load runs");
        let (trigger, clock, came) = (self.trigger.clone(), self.clock, Arc::clone(&self.came));
        tokio::spawn(async move {
            trigger.fault_has_come().await;
            came.get_or_init(|| clock.now());
        });
        for _page in 0..10 {
            self.trigger.known().note_page(PAGE, false);
        }
        if self.writes_every > Span::ZERO {
            let writing = write(self.trigger.clone(), self.clock, start, self.writes_every);
            *self.writer.borrow_mut() = Some(tokio::spawn(writing).abort_handle());
        }
    }

    async fn stop(&mut self) -> Result<Tally, LoadError> {
        self.note("load stops");
        let planned = self.trigger.planned_fault().now_or_never();
        let came = self.came.get().copied();
        for (at, deed) in [(planned, "before"), (came, "until")] {
            let deed = at.map(|at| (at, format!("newcomers have come {deed}")));
            self.deeds.borrow_mut().extend(deed);
        }
        tokio::time::sleep(std::time::Duration::from_millis(3)).await;
        Ok(Tally::default())
    }

    async fn resume(
        &mut self,
        _trial: (TrialId, Seed),
        _until: Elapsed,
    ) -> Result<Looked, LoadError> {
        self.note("load goes on");
        Ok(Looked::default())
    }

    async fn look_at_sessions(
        &mut self,
        _looks: u32,
        _until: Elapsed,
    ) -> Result<Looked, LoadError> {
        self.note("look at sessions");
        tokio::time::sleep(std::time::Duration::from_millis(5)).await;
        Ok(Looked::default())
    }

    fn finish(self) -> Result<(), LoadError> {
        self.note("load ends");
        Ok(())
    }
}

/// Writes one after the other, and has each acknowledged.
async fn write(trigger: Trigger, clock: Clock, start: Elapsed, every: Span) {
    for number in 1_u32.. {
        let sent = start + Span::from_us(every.as_us() * u64::from(number - 1));
        let write = OneWrite {
            client: ClientId(0),
            generation: 0,
            write: Some(number),
            sent,
        };
        tokio::time::sleep_until(clock.instant(sent)).await;
        if let Some((candidate, delay)) = trigger.note_sent() {
            tokio::time::sleep(delay.into()).await;
            trigger.note_unanswered(candidate, write, sent);
        }
        let answered = sent + Span::from_us(every.as_us() / 2);
        tokio::time::sleep_until(clock.instant(answered)).await;
        let (at, quiet) = (clock.now(), None);
        trigger.acknowledge(write, Passed { at, quiet });
    }
}

impl Drop for MockLoad {
    fn drop(&mut self) {
        if let Some(writer) = self.writer.take() {
            writer.abort();
        }
    }
}

/// A probe that is answered when the latest start of its node serves.
#[derive(Debug)]
pub(in crate::tests) struct MockProbe<'a> {
    mock: &'a Mock,
    setup: ProbeSetup<'a>,
    seen: RefCell<Seen>,
}

impl Probe for MockProbe<'_> {
    async fn rehearse(&self, _wanted: u32) -> Result<Result<Rehearsed, String>, ProbeError> {
        tokio::time::sleep(std::time::Duration::from_millis(1)).await;
        if let Some(problem) = &self.mock.rehearsal_fails {
            return Ok(Err(problem.clone()));
        }
        Ok(Ok(Rehearsed {
            work: Work::default(),
            usual: Span::ZERO,
            limit: None,
            anonymous_known: false,
        }))
    }

    async fn run(&self, mut owner: impl FnMut() -> probe::Owner) -> Result<Recovered, ProbeError> {
        let clock = self.setup.clock;
        loop {
            let now = clock.now();
            self.seen.borrow_mut().probes += 1;
            let node = self.mock.node_at(self.setup.endpoint).unwrap();
            if self.mock.serves(node, now) {
                let last_failed = self.seen.borrow().last_failed;
                let accepted = probe::Accepted {
                    at: now,
                    last_failed,
                };
                self.seen.borrow_mut().accepted.get_or_insert(accepted);
            }
            self.seen.borrow_mut().unseen = None;
            let is_empty = self.mock.is_empty(node, now);
            let is_wrong = self.setup.known.note_page(PAGE, is_empty);
            if self.mock.answers(node, now) && !is_wrong {
                let (at, unowned) = (now, None);
                match owner() {
                    probe::Owner::New(pid) => {
                        let evidence = Evidence::SocketOwner(pid);
                        return Ok(Recovered {
                            at,
                            evidence,
                            unowned,
                        });
                    }
                    probe::Owner::Unknown(why) if self.mock.behaviour(node).is_named => {
                        return Ok(Recovered {
                            at,
                            evidence: Evidence::BootId(BootId::from_header(b"new")),
                            unowned: Some(why),
                        });
                    }
                    probe::Owner::Unseen(problem) => {
                        self.seen.borrow_mut().unseen = Some(problem);
                    }
                    probe::Owner::Old(problem) | probe::Owner::Unknown(problem) => {
                        self.seen.borrow_mut().last_failure = Some(problem);
                    }
                }
            }
            self.seen.borrow_mut().last_failed = Some(now);
            tokio::time::sleep(std::time::Duration::from_millis(1)).await;
        }
    }

    fn seen(&self) -> Seen {
        self.seen.borrow().clone()
    }
}
