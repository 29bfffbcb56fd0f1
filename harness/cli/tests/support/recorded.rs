//! A run of as many trials as a test wants, made of those of a stored one, and its shards: as if it had been split.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{BufReader, BufWriter};
use std::path::Path;

use comeback_engine::campaign;
use comeback_model::event::{Event, EventKind};
use comeback_model::gate::Gate;
use comeback_model::ids::{Seed, TrialId};
use comeback_model::journal::{self, Header, Sealer, VERSION};
use comeback_model::operation::{ErrorClass, Operation, Outcome, Step};
use comeback_model::schedule::{PlannedTrial, expand};
use comeback_model::shard::Shard;
use comeback_model::units::Elapsed;

/// What is recorded of a trial.
#[derive(Clone)]
pub(crate) struct Trial {
    pub(crate) events: Vec<Event>,
    pub(crate) operations: Vec<Operation>,
}

/// A run that was recorded.
#[derive(Clone)]
pub(crate) struct Recorded {
    pub(crate) header: Header,
    pub(crate) trials: BTreeMap<TrialId, Trial>,
}

impl Recorded {
    /// So many trials with a fault of the stored run `four-crashes`, over and over, with one without; and these gates.
    pub(crate) fn of(trials: u32, gates: &[&str], seed: u64) -> Self {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/journals/four-crashes");
        let open = |name| BufReader::new(File::open(folder.join(name)).unwrap());
        let stored = journal::read(open("journal.jsonl"), open("operations.csv")).unwrap();
        let mut templates: BTreeMap<TrialId, Trial> = BTreeMap::new();
        for event in stored.events {
            if let Some(trial) = event.trial {
                templates
                    .entry(trial)
                    .or_insert_with(Trial::empty)
                    .events
                    .push(event);
            }
        }
        for operation in stored.operations {
            let template = templates.get_mut(&operation.trial).unwrap();
            template.operations.push(operation);
        }
        let is_control = |trial: &&Trial| {
            let mut events = trial.events.iter();
            events.any(|event| matches!(event.kind, EventKind::TrialStarted { control: true, .. }))
        };
        let (controls, crashes): (Vec<&Trial>, Vec<&Trial>) =
            templates.values().partition(is_control);
        let mut plan = stored.header.plan;
        (plan.trials, plan.extend_to, plan.controls) = (trials, trials, 1);
        plan.gates = gates
            .iter()
            .map(|gate| Gate::try_from((*gate).to_owned()).unwrap())
            .collect();
        let seed = Seed(seed);
        let schedule = expand(&plan, seed);
        let planned = schedule.trials.iter().map(|planned| {
            let template = match planned.is_control() {
                true => controls[0],
                false => crashes[planned.id.0 as usize % crashes.len()],
            };
            (planned.id, template.renamed(planned.id))
        });
        Self {
            trials: planned.collect(),
            header: Header {
                comeback_journal: VERSION,
                seed,
                schedule: schedule.clone(),
                plan,
                ..stored.header
            },
        }
    }

    /// Writes the run as one.
    pub(crate) fn write(&self, folder: &Path) {
        self.write_with(folder, &self.header);
    }

    /// Writes a shard of it, as if it had been run so.
    pub(crate) fn write_shard(&self, folder: &Path, shard: Shard) {
        self.write_with(
            folder,
            &campaign::shard_of(self.header.clone(), shard).unwrap(),
        );
    }

    /// Writes all shards, each into a folder of its number.
    pub(crate) fn write_shards(&self, parent: &Path, count: u32) {
        for index in 1..=count {
            self.write_shard(
                &parent.join(index.to_string()),
                Shard::new(index, count).unwrap(),
            );
        }
    }

    /// Writes the trials of this header's schedule.
    pub(crate) fn write_with(&self, folder: &Path, header: &Header) {
        fs::create_dir_all(folder).unwrap();
        let create = |name| BufWriter::new(File::create(folder.join(name)).unwrap());
        let (mut lines, mut rows) = (create("journal.jsonl"), create("operations.csv"));
        let mut sealer = Sealer::default();
        journal::write_line(&mut lines, header).unwrap();
        let mut last = Elapsed::default();
        for planned in &header.schedule.trials {
            let trial = &self.trials[&planned.id];
            sealer
                .write_operations(&mut rows, &trial.operations)
                .unwrap();
            for event in &trial.events {
                last = last.max(event.at);
                sealer.write_event(&mut lines, event).unwrap();
            }
        }
        let ended = Event {
            at: last,
            trial: None,
            kind: EventKind::RunEnded,
        };
        sealer.write_event(&mut lines, &ended).unwrap();
    }

    /// Whether a shard has a control trial.
    pub(crate) fn has_control(&self, shard: Shard) -> bool {
        let header = campaign::shard_of(self.header.clone(), shard).unwrap();
        header.schedule.trials.iter().any(PlannedTrial::is_control)
    }

    /// The first trial with a fault of a shard.
    pub(crate) fn first_crash(&mut self, shard: Shard) -> &mut Trial {
        let header = campaign::shard_of(self.header.clone(), shard).unwrap();
        let mut trials = header.schedule.trials.iter();
        let id = trials.find(|trial| !trial.is_control()).unwrap().id;
        self.trials.get_mut(&id).unwrap()
    }
}

impl Trial {
    const fn empty() -> Self {
        Self {
            events: Vec::new(),
            operations: Vec::new(),
        }
    }

    fn renamed(&self, id: TrialId) -> Self {
        let mut trial = self.clone();
        for event in &mut trial.events {
            event.trial = Some(id);
        }
        for operation in &mut trial.operations {
            operation.trial = id;
        }
        trial
    }

    /// Its last looks are refused.
    pub(crate) fn lose_sessions(&mut self) {
        for look in self
            .operations
            .iter_mut()
            .filter(|one| one.step == Step::ReadBack)
        {
            look.outcome = Outcome::Rejected;
            look.error = Some(ErrorClass::SessionRejected);
            look.status = Some(401);
            look.value = None;
            look.found = None;
        }
    }

    /// Its fault was not seen to have its effect.
    pub(crate) fn miss(&mut self) {
        for event in &mut self.events {
            if let EventKind::FaultConfirmed { fault, .. } = event.kind {
                let reason = "nobody saw it".to_owned();
                event.kind = EventKind::FaultMissed { fault, reason };
            }
        }
    }
}
