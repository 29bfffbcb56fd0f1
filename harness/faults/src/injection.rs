//! How a fault acts: through a handle, whose calls are messages to the trial's loop. Each is answered when it is done.

use comeback_model::event::Exit;
use comeback_model::ids::{FaultId, Incarnation, Node};
use comeback_model::plan::{Reach, Signal, Stop};
use comeback_model::units::{Elapsed, Span};
use futures_util::future::join_all;
use tokio::sync::{mpsc, oneshot};

use crate::act::Act;
use comeback_host::clock::Clock;

/// The reason why a fault failed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FaultError {
    /// It had no effect, or another one; in words.
    Missed(String),
    /// The trial is over.
    Abandoned,
}

/// Where the answer to a call goes.
pub type Answer<T> = oneshot::Sender<Result<T, FaultError>>;

/// The awaited state of a faulted node.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ended {
    /// The end of the process that was started.
    Leader,
    /// The end of all that were addressed.
    All,
}

/// A call of a fault, and the channel for its answer.
#[derive(Debug)]
pub enum Call {
    /// Finds all processes of these nodes that it reaches, and sends them a signal in one go, at the moment of the load that
    /// the plan wants. From then on their exits are the fault's. Returns the nodes that nothing was sent to, since they had ended by
    /// themselves at that moment, or were about to.
    Signal(SignalTo, Answer<Vec<Node>>),
    /// Something that is done to a node, or asked of it, at once.
    Node(Node, NodeCall),
    /// Has the balancer send a replica no more requests, where the arm says how; so long it may take.
    Drain(Node, Span, Answer<()>),
    /// Has it send the replica requests again.
    Undrain(Node, Answer<()>),
    /// Starts a node again that has ended, when its restart is due after this moment; without one, after its confirmed end.
    Start(Node, Option<Elapsed>, Answer<()>),
    /// Waits until a node that was started again answers correctly; whether it did in time.
    AwaitReturn(Node, Answer<bool>),
    /// Watches a node from now on, for as long as anybody listens.
    Watch(Node, Watch),
}

/// What is told of a watched node.
#[derive(Clone, Debug)]
pub struct Watch {
    /// Of each start the first line of output that contains this, from now on; without it, of each further start.
    pub text: Option<String>,
    /// Where that is told.
    pub tell: mpsc::UnboundedSender<Sighting>,
}

/// Something that was seen of a watched node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sighting {
    /// When.
    pub at: Elapsed,
    /// Of whom.
    pub node: Node,
    /// Of which start.
    pub incarnation: Incarnation,
    /// The line, where one was looked for.
    pub line: Option<String>,
}

/// A signal to several nodes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SignalTo {
    /// The nodes.
    pub nodes: Vec<Node>,
    /// The signal.
    pub signal: Signal,
    /// Which processes of theirs it reaches.
    pub reach: Reach,
}

/// The state of a node's process.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Looked {
    /// Its id.
    pub pid: i32,
    /// How it ended, if it has.
    pub exit: Option<Exit>,
    /// Why no end of it was seen, where it is on another machine.
    pub not_ended: Option<String>,
}

/// A call of a fault for one node.
#[derive(Debug)]
pub enum NodeCall {
    /// Answered when the processes that got a signal have ended.
    AwaitEnd(Ended, Answer<()>),
    /// Looks for processes that the node started since. Returns whether any has not ended.
    TakeNewcomers(Answer<bool>),
    /// Kills the processes that got a signal and have not ended. Returns their ids.
    KillRest(Answer<Vec<i32>>),
    /// The state of its process.
    LookAt(Answer<Looked>),
    /// Puts on record that the node has ended by the fault, and which processes only SIGKILL ended; when the last of it did.
    ConfirmEnd(Vec<i32>, Answer<Elapsed>),
    /// Sends SIGSTOP.
    Pause(Reach, Answer<()>),
    /// Whether every thread stands still; then since when, and that is put on record.
    ConfirmStill(Reach, Answer<Option<Elapsed>>),
    /// Sends SIGCONT. One that never stood still was not resumed: that is not put on record.
    Resume(Reach, Answer<()>),
    /// Does this to it, and puts on record what shows it.
    Act(Reach, Box<dyn Act>, Answer<()>),
    /// Undoes what the fault did to it, if it had its effect until now, and puts that on record.
    Undo(Reach, Answer<()>),
    /// How the plan says that the node is stopped.
    HowToStop(Answer<Stop>),
}

/// Where the calls of all faults of a trial arrive: each names the fault.
pub type Calls = mpsc::UnboundedSender<(FaultId, Call)>;

/// The handle of a fault: its calls for its target nodes. Cheap to clone.
///
/// Each call fails when the trial is over, or when the node is not as the fault needs it: the fault missed.
#[derive(Clone, Debug)]
pub struct Injection {
    fault: FaultId,
    nodes: Vec<Node>,
    reach: Reach,
    confirm_within: Span,
    clock: Clock,
    calls: Calls,
    by_command: bool,
}

impl Injection {
    /// A handle for a fault that is aimed at these nodes, and where its calls arrive.
    pub fn new(
        (fault, nodes): (FaultId, Vec<Node>),
        reach: Reach,
        confirm_within: Span,
        (clock, calls): (Clock, Calls),
    ) -> Self {
        Self {
            fault,
            nodes,
            reach,
            confirm_within,
            clock,
            calls,
            by_command: false,
        }
    }

    /// The same where a command of the user's is begun in place of the signal of a kill.
    #[must_use]
    pub const fn by_command(mut self, is_so: bool) -> Self {
        self.by_command = is_so;
        self
    }

    /// What ends the nodes, in words.
    pub(crate) fn means(&self, signal: Signal) -> String {
        match self.by_command {
            true => "the kill command".to_owned(),
            false => signal.to_string(),
        }
    }

    /// The nodes it is aimed at, in the order they were started.
    pub fn nodes(&self) -> &[Node] {
        &self.nodes
    }

    /// How long its effect may take to be confirmed.
    pub const fn confirm_within(&self) -> Span {
        self.confirm_within
    }

    /// The run's clock.
    pub const fn clock(&self) -> Clock {
        self.clock
    }

    async fn call<T>(&self, make: impl FnOnce(Answer<T>) -> Call) -> Result<T, FaultError> {
        let (answer, answered) = oneshot::channel();
        self.calls
            .send((self.fault, make(answer)))
            .map_err(|_| FaultError::Abandoned)?;
        answered.await.map_err(|_| FaultError::Abandoned)?
    }

    /// Does something with all of these nodes at once; when the latest of them was done.
    pub async fn each<F>(
        &self,
        nodes: &[Node],
        act: impl Fn(Node) -> F,
    ) -> Result<Elapsed, FaultError>
    where
        F: Future<Output = Result<Elapsed, FaultError>>,
    {
        let done = join_all(nodes.iter().map(|node| act(*node))).await;
        let mut latest = None;
        for at in done {
            latest = latest.max(Some(at?));
        }
        Ok(latest.unwrap_or_else(|| self.clock.now()))
    }

    /// Sends a signal to all of these nodes in one go, at its moment. Returns those that ended by themselves just then, and got none.
    pub async fn signal(&self, nodes: &[Node], signal: Signal) -> Result<Vec<Node>, FaultError> {
        let (nodes, reach) = (nodes.to_vec(), self.reach);
        self.call(|answer| {
            Call::Signal(
                SignalTo {
                    nodes,
                    signal,
                    reach,
                },
                answer,
            )
        })
        .await
    }

    async fn ask<T>(
        &self,
        node: Node,
        make: impl FnOnce(Answer<T>) -> NodeCall,
    ) -> Result<T, FaultError> {
        self.call(|answer| Call::Node(node, make(answer))).await
    }

    /// Waits for the end of the processes that got a signal.
    pub async fn ended(&self, node: Node, of: Ended) -> Result<(), FaultError> {
        self.ask(node, |answer| NodeCall::AwaitEnd(of, answer))
            .await
    }

    /// Whether the node has started others since that live. It takes milliseconds, in which no exit is seen.
    pub async fn newcomers(&self, node: Node) -> Result<bool, FaultError> {
        self.ask(node, NodeCall::TakeNewcomers).await
    }

    /// Kills the processes that got a signal and have not ended. Returns their ids.
    pub async fn kill_rest(&self, node: Node) -> Result<Vec<i32>, FaultError> {
        self.ask(node, NodeCall::KillRest).await
    }

    /// The state of a node's process.
    pub async fn look_at(&self, node: Node) -> Result<Looked, FaultError> {
        self.ask(node, NodeCall::LookAt).await
    }

    /// The node has ended as it should. It takes milliseconds, in which no exit is seen.
    pub async fn confirm_end(
        &self,
        node: Node,
        took_kill: Vec<i32>,
    ) -> Result<Elapsed, FaultError> {
        self.ask(node, |answer| NodeCall::ConfirmEnd(took_kill, answer))
            .await
    }

    /// Has every process of the node stop where it is.
    pub async fn pause(&self, node: Node) -> Result<(), FaultError> {
        let reach = self.reach;
        self.ask(node, |answer| NodeCall::Pause(reach, answer))
            .await
    }

    /// When every thread of the node was seen to stand still, if it does.
    pub async fn stands_still(&self, node: Node) -> Result<Option<Elapsed>, FaultError> {
        let reach = self.reach;
        self.ask(node, |answer| NodeCall::ConfirmStill(reach, answer))
            .await
    }

    /// Lets every process of the node go on.
    pub async fn thaw(&self, node: Node) -> Result<Elapsed, FaultError> {
        let reach = self.reach;
        self.ask(node, |answer| NodeCall::Resume(reach, answer))
            .await?;
        Ok(self.clock.now())
    }

    /// Does this to the node.
    pub async fn act(&self, node: Node, act: impl Act + 'static) -> Result<Elapsed, FaultError> {
        let (reach, act) = (self.reach, Box::new(act));
        self.ask(node, |answer| NodeCall::Act(reach, act, answer))
            .await?;
        Ok(self.clock.now())
    }

    /// Undoes what the fault did to the node, if it had its effect until now.
    pub async fn undo(&self, node: Node) -> Result<Elapsed, FaultError> {
        let reach = self.reach;
        self.ask(node, |answer| NodeCall::Undo(reach, answer))
            .await?;
        Ok(self.clock.now())
    }

    /// Watches its nodes from now on: for lines with this text, or for further starts.
    pub fn watch(&self, text: Option<&str>) -> mpsc::UnboundedReceiver<Sighting> {
        let (tell, told) = mpsc::unbounded_channel();
        for node in &self.nodes {
            let (text, tell) = (text.map(str::to_owned), tell.clone());
            // Where the trial is over nothing is seen.
            let _ = (self.calls).send((self.fault, Call::Watch(*node, Watch { text, tell })));
        }
        told
    }

    /// How the plan says that the node is stopped.
    pub async fn how_to_stop(&self, node: Node) -> Result<Stop, FaultError> {
        self.ask(node, NodeCall::HowToStop).await
    }

    /// Has the balancer send a replica no more requests.
    pub async fn drain(&self, node: Node, within: Span) -> Result<(), FaultError> {
        self.call(|answer| Call::Drain(node, within, answer)).await
    }

    /// Has the balancer send it requests again.
    pub async fn undrain(&self, node: Node) -> Result<(), FaultError> {
        self.call(|answer| Call::Undrain(node, answer)).await
    }

    /// Starts a node again whose end was confirmed, when its restart is due.
    pub async fn start(&self, node: Node) -> Result<(), FaultError> {
        self.start_after(node, None).await
    }

    /// The same, with its restart due after another moment.
    pub async fn start_after(&self, node: Node, since: Option<Elapsed>) -> Result<(), FaultError> {
        self.call(|answer| Call::Start(node, since, answer)).await
    }

    /// Waits until a node that was started again answers correctly; whether it did in time.
    pub async fn returned(&self, node: Node) -> Result<bool, FaultError> {
        self.call(|answer| Call::AwaitReturn(node, answer)).await
    }
}
