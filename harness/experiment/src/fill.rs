//! `{here}`, the folder of an experiment file, filled in.

use std::path::Path;

use comeback_model::plan::Drain;

use super::faults::DrainPart;
use super::problem::PartProblem;
use super::scalar::Words;

pub(super) fn fill_here(text: &str, here: Option<&Path>) -> Result<String, String> {
    match (text.contains("{here}"), here) {
        (false, _) => Ok(text.to_owned()),
        (true, Some(folder)) => Ok(text.replace("{here}", &folder.to_string_lossy())),
        (true, None) => Err(
            "{here} is the folder of an experiment file, and there is no file: write the path"
                .to_owned(),
        ),
    }
}

impl DrainPart {
    /// The commands, `{here}` filled in.
    pub(super) fn to_drain(&self, here: Option<&Path>) -> Result<Drain, PartProblem> {
        let words = |part: &'static str, words: &Words| {
            if words.0.first().is_none_or(String::is_empty) {
                let what = "it is empty: give a program to run".to_owned();
                return Err((vec!["drain", part], what));
            }
            let filled = words.0.iter().map(|word| fill_here(word, here));
            let filled: Result<Vec<String>, String> = filled.collect();
            filled.map_err(|what| (vec!["drain", part], what))
        };
        Ok(Drain {
            begin: words("begin", &self.begin)?,
            end: words("end", &self.end)?,
        })
    }
}
