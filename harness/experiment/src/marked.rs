//! The texts of an experiment that are marked as secret: `{ value = "…", secret = true }`.

use std::collections::{BTreeMap, BTreeSet};

use super::Document;
use super::document::{ExpectPart, SessionPart, StepPart};
use super::scalar::Text;

impl Document {
    /// Every text that is marked.
    pub(super) fn marked(&self) -> BTreeSet<String> {
        let arms = self.arm.iter();
        let targets = arms.clone().map(|arm| &arm.target).chain([&self.target]);
        let stores = arms.clone().map(|arm| &arm.store).chain([&self.store]);
        let deploys = arms.map(|arm| &arm.deploy).chain([&self.deploy]);
        let environments = targets
            .map(|target| &target.environment)
            .chain(stores.flatten().map(|store| &store.environment))
            .chain(deploys.flatten().map(|deploy| &deploy.environment));
        let mut steps: Vec<&StepPart> = self.operation.iter().collect();
        steps.extend(self.session.iter().flat_map(SessionPart::steps));
        let logged_out_page = self
            .session
            .as_ref()
            .and_then(|it| it.logged_out_page.as_ref());
        let expected = |part: &'_ ExpectPart| marked_of(&part.headers);
        let of_steps = steps.iter().flat_map(|step| {
            let form = step.form.iter().flat_map(marked_of);
            let headers = marked_of(&step.headers).into_iter();
            headers.chain(form).chain(expected(&step.expect))
        });
        environments
            .flat_map(marked_of)
            .chain(of_steps)
            .chain(logged_out_page.into_iter().flat_map(expected))
            .collect()
    }
}

fn marked_of(texts: &BTreeMap<String, Text>) -> Vec<String> {
    let marked = texts.values().filter(|text| text.is_secret);
    marked.map(|text| text.text.clone()).collect()
}
