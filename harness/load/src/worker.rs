//! A worker: a thread with a runtime of its own that drives its share of the clients.

use std::cell::{Cell, RefCell};
use std::io;
use std::rc::Rc;
use std::time::Duration;

use comeback_model::ids::{ClientId, Seed, TrialId};
use comeback_model::operation::Operation;
use comeback_model::plan::{Load, Retry};
use comeback_model::schedule::{ArrivalStream, clients_of};
use comeback_model::units::Elapsed;
use tokio::sync::{Notify, mpsc, oneshot};
use tokio::task::LocalSet;

use super::client::{Client, Looked, Refusal, Shared, Tally, order_of};
use super::connection::{Dialer, Scratch};
use super::newcomers;
use super::pacer::Pacer;
use super::seen::{AGE, CACHE_STATUS};
use super::trigger::Trigger;
use super::waits::{Job, Waits};
use comeback_host::clock::Clock;
use comeback_model::endpoint::Endpoint;
use comeback_session::flow::{Flow, Users};
use comeback_session::wire::Wanted;

/// How often deadlines are looked at and finished operations handed on. A deadline is kept to this.
const SWEEP: Duration = Duration::from_millis(10);
/// Logins and read-backs in flight at once, at the most, so that a backlog of connections is not overrun. A slow server gets no more than it
/// can answer within a time-out: as many as its load brings in that time. Otherwise the last ones are given up while it works on them.
const BURST: u64 = 128;
/// As many for few users, all workers together. Python's `http.server` keeps five connections waiting; those beyond are not answered, and
/// their clients try again only after a second.
const STOCK_QUEUE: u64 = 5;
/// Who has more than so many times as many users expects a server that is made for them.
const USERS_EACH: u64 = 10;
/// How soon it is looked again whether there is room.
const BURST_PAUSE: Duration = Duration::from_millis(1);

/// The setup of a worker.
#[derive(Clone, Debug)]
pub struct Setup {
    /// The number of the first client's user; the others count up from it.
    pub first_user: u32,
    /// The users of the run's trials so far, whose content the server may still have.
    pub users: Users,
    /// The trial.
    pub trial: TrialId,
    /// The traffic.
    pub load: Load,
    /// Whether and how clients try again what failed.
    pub retry: Option<Retry>,
    /// The seed.
    pub seed: Seed,
    /// Whether a client who is busy is passed over: nothing piles up while the server is away or slow.
    pub closed: bool,
    /// Where the target is reached.
    pub endpoint: Endpoint,
    /// The header that names the answering process.
    pub boot_header: Option<String>,
    /// What stands behind the cache, where the target is reached through one, which says how it came to each reply.
    pub behind_cache: Option<Endpoint>,
    /// Whether replies come through a balancer, which may say what replica they are about.
    pub balanced: bool,
    /// Users log in for the fault where hardly anybody else does: some of the clients right before its planned moment only, unless they
    /// log in anew in turns (`closed`); and further ones until it comes.
    pub newcomers: bool,
    /// The run's clock.
    pub clock: Clock,
}

impl Setup {
    /// Whether users log in for the fault.
    fn lets_newcomers_in(&self) -> bool {
        self.newcomers && newcomers::are_needed(&self.load)
    }

    /// To the target, and around the cache that it is reached through.
    fn dialers(&self, flow: &Flow) -> io::Result<(Dialer, Option<Dialer>)> {
        let mut headers = flow.headers();
        if self.behind_cache.is_some() {
            headers.extend([CACHE_STATUS, AGE].map(str::to_owned));
            headers.sort();
            headers.dedup();
        }
        let wanted = Wanted {
            boot: self.boot_header.clone(),
            headers,
            relayed: self.balanced,
        };
        let behind = self.behind_cache.clone();
        let around = behind.map(|endpoint| Dialer::new(endpoint, wanted.clone()));
        let dialer = Dialer::new(self.endpoint.clone(), wanted)?;
        Ok((dialer, around.transpose()?))
    }
}

/// The engine's commands to a worker. Each answer is sent when the command is done.
#[derive(Debug)]
pub(super) enum Command {
    /// Every client without a session logs in.
    Open(oneshot::Sender<Opened>),
    /// A new trial begins on the same data: every client goes on with its session. No look begins after `until`.
    Resume {
        trial: TrialId,
        seed: Seed,
        until: Elapsed,
        answer: oneshot::Sender<Looked>,
    },
    /// The schedule begins at this moment, with so many operations per second, and goes on until it is stopped.
    Run { start: Elapsed, rate: f64 },
    /// The schedule ends; answered when no operation is in flight.
    Stop(oneshot::Sender<Tally>),
    /// A round of looks at every session. No look begins after this time.
    Look {
        round: u32,
        until: Elapsed,
        answer: oneshot::Sender<Looked>,
    },
    /// A user who is nobody else logs in: a session of now bears witness that the server answers. A login of one of the clients may
    /// end the session that it has, which is looked at, too.
    Witness(oneshot::Sender<()>),
    /// A closed loop begins: so many of the clients ask again as soon as they are answered.
    Saturate { at_once: u32 },
}

/// How many clients have a session.
#[derive(Clone, Copy, Debug, Default)]
pub struct Opened {
    /// So many have.
    pub open: u32,
    /// So many should.
    pub wanted: u32,
    /// The error of the last failed login, and the status of its reply.
    pub refusal: Option<Refusal>,
}

/// Takes finished operations.
pub(super) type Sink = Box<dyn Fn(Vec<Operation>) + Send>;

/// The body of a worker's thread; ends when the engine drops its side.
pub(super) fn run_worker(
    setup: Setup,
    index: u32,
    commands: mpsc::UnboundedReceiver<Command>,
    tells: (Sink, Trigger),
) -> io::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    runtime.block_on(LocalSet::new().run_until(async {
        let worker = Worker::new(setup, index, tells)?;
        worker.serve(commands).await
    }))
}

struct Worker {
    setup: Setup,
    /// What the traffic of the trial is drawn from.
    seed: Cell<Seed>,
    index: u32,
    shared: Rc<Shared>,
    clients: Rc<[Rc<Waits>]>,
    /// Users beside the clients, in this trial: newcomers, and who logged in while the sessions were looked at.
    further: Further,
    /// Those of earlier trials, who have left.
    spare: Further,
    /// How many there were in all.
    added: Cell<u32>,
    /// Some of them, the last ones, are newcomers: so many ms before the fault each logs in.
    newcomers: Vec<u64>,
    /// How many of those have come.
    come: Cell<usize>,
    pacer: Pacer,
    sink: Rc<Sink>,
}

impl Worker {
    fn new(setup: Setup, index: u32, (sink, trigger): (Sink, Trigger)) -> io::Result<Self> {
        let flow = Flow::new(&setup.load.workload, setup.endpoint.port)
            .map_err(io::Error::other)?
            .sent_to(setup.endpoint.tcp_address());
        let keyed = setup.retry.is_some_and(|retry| retry.idempotency_key);
        let flow = flow.with_idempotency_keys(keyed).among(setup.users);
        let flow = flow.knowing(trigger.known().clone());
        let (dialer, around_cache) = setup.dialers(&flow)?;
        let shared = Rc::new(Shared {
            trial: Cell::new(setup.trial),
            clock: setup.clock,
            trigger,
            dialer,
            around_cache,
            flow,
            load: setup.load.clone(),
            retry: setup.retry,
            scratch: Scratch::new(),
            done: RefCell::default(),
            tally: Cell::default(),
            logins: Cell::default(),
            refusal: Cell::default(),
            first_user: setup.first_user,
            seed: setup.seed.0,
            outstanding: Cell::new(0),
            looked: Cell::default(),
            idle: Notify::new(),
            panicked: Cell::new(false),
            saturated: RefCell::default(),
        });
        let clients: Rc<[Rc<Waits>]> = (0..clients_of(&setup.load, index))
            .map(|place| start_client(ClientId(place * setup.load.workers + index), &shared))
            .collect();
        Ok(Self {
            index,
            shared,
            clients,
            further: Rc::default(),
            spare: Rc::default(),
            added: Cell::new(0),
            newcomers: match setup.lets_newcomers_in() && !setup.closed {
                true => newcomers::of_worker(&setup.load, index),
                false => Vec::new(),
            },
            come: Cell::new(0),
            pacer: Pacer::new()?,
            sink: Rc::new(sink),
            seed: Cell::new(setup.seed),
            setup,
        })
    }

    async fn serve(&self, mut commands: mpsc::UnboundedReceiver<Command>) -> io::Result<()> {
        let sweeper = tokio::task::spawn_local(sweep(
            Rc::clone(&self.shared),
            (Rc::clone(&self.clients), Rc::clone(&self.further)),
            Rc::clone(&self.sink),
        ));
        while let Some(command) = commands.recv().await {
            match command {
                Command::Open(answer) => unless_given_up(answer, self.open()).await,
                Command::Resume {
                    trial,
                    seed,
                    until,
                    answer,
                } => {
                    self.shared.trial.set(trial);
                    self.seed.set(seed);
                    unless_given_up(answer, self.resume(until)).await;
                }
                Command::Run { start, rate } => {
                    self.run_arrivals((start, rate), &mut commands).await?;
                }
                Command::Stop(answer) => unless_given_up(answer, self.stop()).await,
                Command::Look {
                    round,
                    until,
                    answer,
                } => unless_given_up(answer, self.look(round, until)).await,
                Command::Witness(answer) => {
                    let witness = self.add_user();
                    let one = [witness.as_ref()];
                    unless_given_up(answer, self.burst(one, || Job::LogIn)).await;
                }
                Command::Saturate { at_once } => self.saturate(at_once),
            }
        }
        sweeper.abort();
        self.hand_on();
        Ok(())
    }

    async fn open(&self) -> Opened {
        if !self.shared.flow.has_sessions() {
            return Opened::default();
        }
        let (own, _) = self.split_newcomers();
        self.burst(own.iter().map(Rc::as_ref), || Job::LogIn).await;
        Opened {
            open: self.shared.logins.get(),
            wanted: own.len() as u32,
            refusal: self.shared.refusal.get(),
        }
    }

    /// Those who are there from the beginning, and the newcomers.
    fn split_newcomers(&self) -> (&[Rc<Waits>], &[Rc<Waits>]) {
        let there = self.clients.len() - self.newcomers.len();
        self.clients.split_at(there)
    }

    /// Has each newcomer log in at its moment before the planned fault, and further ones while that is waited for.
    async fn let_newcomers_in(&self) {
        let (_, newcomers) = self.split_newcomers();
        let trigger = &self.shared.trigger;
        let fault = trigger.planned_fault().await;
        for (waits, ahead_ms) in newcomers.iter().zip(&self.newcomers) {
            let at = newcomers::before(fault, *ahead_ms);
            tokio::time::sleep_until(self.setup.clock.instant(at)).await;
            self.let_in(waits);
            self.come.set(self.come.get() + 1);
        }
        // One worker is enough, and can tell that one login at a time is under way.
        if self.index == 0 && self.setup.lets_newcomers_in() {
            tokio::select! {
                biased;
                () = trigger.fault_has_come() => {}
                () = self.let_further_in(fault) => {}
            }
        }
        std::future::pending().await
    }

    /// Has one user after the other log in from the planned moment of the fault on. Where a login takes longer, the next one is left
    /// out: a slow server has the load to answer.
    async fn let_further_in(&self, fault: Elapsed) {
        let mut last: Option<Rc<Waits>> = None;
        for at in newcomers::while_waited_for(fault) {
            tokio::time::sleep_until(self.setup.clock.instant(at)).await;
            if last.as_ref().is_none_or(|last| last.are_idle()) {
                let user = self.add_user();
                self.let_in(&user);
                last = Some(user);
            }
        }
    }

    fn let_in(&self, newcomer: &Waits) {
        let mut tally = self.shared.tally.get();
        tally.scheduled += 1;
        self.shared.tally.set(tally);
        self.dispatch(newcomer, Job::LogIn);
    }

    /// Who does what the schedule has for a client: another one, if that is a newcomer who has not come.
    fn stand_in_for(&self, place: usize) -> usize {
        let there = self.clients.len() - self.newcomers.len();
        match place < there + self.come.get() {
            true => place,
            false => place % there,
        }
    }

    /// Gives each of these clients a job, a bounded number at a time, and waits for all.
    async fn burst<'w>(&self, clients: impl IntoIterator<Item = &'w Waits>, job: impl Fn() -> Job) {
        let burst = burst_of(&self.setup.load);
        for client in clients {
            while self.shared.outstanding.get() >= burst {
                tokio::time::sleep(BURST_PAUSE).await;
            }
            self.dispatch(client, job());
        }
        self.await_idle().await;
    }

    /// Hands out the schedule's operations, each at its time, until the next command but `Run`.
    async fn run_arrivals(
        &self,
        (start, rate): (Elapsed, f64),
        commands: &mut mpsc::UnboundedReceiver<Command>,
    ) -> io::Result<()> {
        let clock = self.setup.clock;
        let load = Load {
            rate,
            ..self.setup.load.clone()
        };
        let workers = load.workers;
        // The opening logins are not the schedule's.
        self.shared.tally.take();
        let mut newcomers = std::pin::pin!(self.let_newcomers_in());
        for arrival in ArrivalStream::new(&load, self.seed.get(), self.index) {
            let intended = start + arrival.at;
            let mut now = clock.now();
            while now < intended {
                tokio::select! {
                    biased;
                    command = commands.recv() => return self.end_arrivals(command).await,
                    () = &mut newcomers => {}
                    waited = self.pacer.wait_until(clock.instant(intended)) => waited?,
                }
                now = clock.now();
            }
            let place = self.stand_in_for((arrival.client.0 / workers) as usize);
            if self.setup.closed && !self.clients[place].are_idle() {
                continue;
            }
            let mut tally = self.shared.tally.get();
            tally.scheduled += 1;
            self.shared.tally.set(tally);
            let job = Job::Operate {
                step: arrival.step,
                intended,
                dispatched: now,
            };
            self.dispatch(&self.clients[place], job);
        }
        Ok(())
    }

    async fn end_arrivals(&self, command: Option<Command>) -> io::Result<()> {
        if let Some(Command::Stop(answer)) = command {
            unless_given_up(answer, self.stop()).await;
        }
        Ok(())
    }

    async fn stop(&self) -> Tally {
        self.await_idle().await;
        self.hand_on();
        self.shared.tally.get()
    }

    /// The order is another in each round: what takes turns behind the server would show each session the same side.
    async fn look(&self, round: u32, until: Elapsed) -> Looked {
        self.shared.looked.take();
        let further = self.further.borrow().clone();
        let all = self.clients.iter().chain(&further);
        let mut clients: Vec<&Waits> = all.map(Rc::as_ref).collect();
        order_of(self.seed.get(), round, self.index).shuffle(&mut clients);
        self.burst(clients, || Job::Look { round, until }).await;
        self.hand_on();
        self.shared.looked.get()
    }

    async fn resume(&self, until: Elapsed) -> Looked {
        self.shared.looked.take();
        self.shared.logins.set(0);
        // Those of the trial before are no users of this one, until they log in anew.
        let left = self.further.take();
        self.burst(left.iter().map(Rc::as_ref), || Job::Leave).await;
        self.spare.borrow_mut().extend(left);
        let clients = self.clients.iter().map(Rc::as_ref);
        self.burst(clients, || Job::Resume { until }).await;
        self.hand_on();
        self.shared.looked.get()
    }

    fn saturate(&self, at_once: u32) {
        let arrivals = ArrivalStream::new(&self.setup.load, self.setup.seed, self.index);
        self.shared.saturated.replace(Some(arrivals));
        for client in self.clients.iter().take(at_once as usize) {
            let now = self.shared.clock.now();
            if let Some(step) = self.shared.next_step() {
                let job = Job::Operate {
                    step,
                    intended: now,
                    dispatched: now,
                };
                self.dispatch(client, job);
            }
        }
    }

    /// Another user, beside the clients.
    fn add_user(&self) -> Rc<Waits> {
        let spare = self.spare.borrow_mut().pop();
        let waits = spare.unwrap_or_else(|| self.start_user());
        self.further.borrow_mut().push(Rc::clone(&waits));
        waits
    }

    /// The numbers of the clients come first, then those of each worker in turns.
    fn start_user(&self) -> Rc<Waits> {
        let Load {
            clients, workers, ..
        } = self.setup.load;
        let earlier = self.added.get();
        self.added.set(earlier + 1);
        let id = ClientId(clients + earlier * workers + self.index);
        start_client(id, &self.shared)
    }

    fn dispatch(&self, client: &Waits, job: Job) {
        self.shared
            .outstanding
            .set(self.shared.outstanding.get() + 1);
        client.push(job);
    }

    async fn await_idle(&self) {
        self.shared.saturated.take();
        while self.shared.outstanding.get() > 0 {
            self.shared.idle.notified().await;
            assert!(
                !self.shared.panicked.get(),
                "a client of this worker panicked"
            );
        }
    }

    fn hand_on(&self) {
        hand_on(&self.shared, &self.sink);
    }
}

/// Answers when the work is done, or leaves it when nobody waits for the answer any more: an interrupted run
/// must not sit out the time-outs of a dead server.
async fn unless_given_up<T>(mut answer: oneshot::Sender<T>, work: impl Future<Output = T>) {
    tokio::select! {
        biased;
        () = answer.closed() => {}
        // The one who asked may leave in this very moment.
        done = work => drop(answer.send(done)),
    }
}

/// So many rounds of logins or looks there are until each client has had its turn.
pub fn rounds_of(load: &Load) -> u64 {
    let at_once = burst_of(load) * u64::from(load.workers);
    u64::from(load.clients).div_ceil(at_once)
}

/// So many logins or looks of a worker are in flight at once.
fn burst_of(load: &Load) -> u64 {
    let served = load.rate * load.timeout.as_secs() / f64::from(load.workers);
    let borne = (u64::from(load.clients) / USERS_EACH).max(STOCK_QUEUE) / u64::from(load.workers);
    (served as u64).min(borne).clamp(1, BURST)
}

/// Users who are nobody else, as they come.
type Further = Rc<RefCell<Vec<Rc<Waits>>>>;

/// Starts a client who does what it is told to.
fn start_client(id: ClientId, shared: &Rc<Shared>) -> Rc<Waits> {
    let waits = Rc::new(Waits::default());
    let client = Client::new(id, Rc::clone(shared), Rc::clone(&waits));
    tokio::task::spawn_local(client.run());
    waits
}

async fn sweep(shared: Rc<Shared>, (clients, further): (Rc<[Rc<Waits>]>, Further), sink: Rc<Sink>) {
    let mut ticks = tokio::time::interval(SWEEP);
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        let now = shared.clock.now();
        for client in clients.iter().chain(further.borrow().iter()) {
            client.sweep(now);
        }
        hand_on(&shared, &sink);
    }
}

fn hand_on(shared: &Shared, sink: &Sink) {
    let done = shared.done.take();
    if !done.is_empty() {
        sink(done);
    }
}

#[cfg(test)]
mod tests {
    use comeback_model::plan::{Request, Workload};
    use comeback_model::units::Span;

    use super::*;

    #[test]
    fn no_more_logins_and_looks_are_in_flight_than_a_slow_server_answers_within_a_time_out() {
        let load = Load::of(Workload::Stateless(Box::new(Request::new("GET", "/"))));
        for (rate, timeout_s, workers, burst) in [
            (200.0, 2, 1, 128),
            (1_000.0, 2, 1, 128),
            (64.0, 2, 1, 128),
            (37.0, 2, 1, 74),
            (37.0, 1, 1, 37),
            (37.0, 2, 2, 37),
            (5.0, 2, 1, 10),
            (0.1, 2, 1, 1),
        ] {
            let load = Load {
                rate,
                timeout: Span::from_secs(timeout_s),
                workers,
                clients: 10_000,
                ..load.clone()
            };
            assert_eq!(
                burst_of(&load),
                burst,
                "{rate}/s, {timeout_s} s, {workers} workers"
            );
        }
    }

    #[test]
    fn few_users_do_not_overrun_the_accept_queue_of_a_stock_server() {
        let load = Load::of(Workload::Stateless(Box::new(Request::new("GET", "/"))));
        for (clients, workers, burst) in [
            (1, 1, 5),
            (50, 1, 5),
            (50, 2, 2),
            (50, 8, 1),
            (400, 1, 40),
            (400, 4, 10),
            (5_000, 1, 128),
        ] {
            let load = Load {
                rate: 1_000.0,
                clients,
                workers,
                ..load.clone()
            };
            assert_eq!(burst_of(&load), burst, "{clients} by {workers} workers");
        }
    }
}
