//! An experiment's plan, or everything that is wrong with it.

use comeback_faults::Faults;
use comeback_model::gate::Gate;

use super::{Error, Experiment};
use comeback_experiment::{Document, Problem, Resolved, resolve};

impl Experiment {
    /// The plan, and the seed if one was set.
    pub(super) fn resolve(&self) -> Result<Resolved, Error> {
        // Problems of the file are shown in the file, before any method hides or adds some.
        if let Some(file) = &self.file {
            file.resolve(&Faults).map_err(Error::refused)?;
        }
        let mut problems = self.problems.clone();
        problems.extend(self.missing_steps());
        let gates = self.read_gates(&mut problems);
        if !problems.is_empty() {
            return Err(Error::Usage(problems));
        }
        let document = Document {
            demands: gates,
            ..self.document.clone()
        };
        resolve(&document, &self.origin, &Faults).map_err(|problems| {
            let problems = problems.iter().map(Problem::to_string);
            Error::Usage(problems.collect())
        })
    }

    fn missing_steps(&self) -> Vec<String> {
        let Some(session) = &self.document.session else {
            return Vec::new();
        };
        let steps = [
            ("login", &session.login),
            ("act", &session.act),
            ("check", &session.check),
        ];
        let missing = steps.iter().filter(|(_, step)| step.request.is_empty());
        let problem =
            |name: &str| format!("{name} is missing: a session needs login, act and check");
        missing.map(|(name, _)| problem(name)).collect()
    }

    fn read_gates(&self, problems: &mut Vec<String>) -> Vec<Gate> {
        let mut gates = Vec::new();
        for gate in &self.gates {
            match Gate::try_from(gate.clone()) {
                Ok(gate) => gates.push(gate),
                Err(error) => problems.push(format!("gate: {error}")),
            }
        }
        gates
    }
}
