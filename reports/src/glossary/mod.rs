//! The words of the report, each with its meaning: one table. The page lists them at its end, and explains each where it
//! stands ([`mark`]).

mod mark;
mod words;

use serde::Serialize;

use comeback_analysis::summary::Summary;

use crate::arms::RunView;
use crate::table::Column;

pub(crate) use mark::Marker;

/// A word of the table.
#[derive(Clone, Copy)]
struct Word {
    /// As the list has it.
    term: &'static str,
    /// Its other forms in the report.
    forms: &'static [&'static str],
    meaning: Meaning,
}

/// The meaning of a word.
#[derive(Clone, Copy)]
enum Meaning {
    /// The same in every run.
    Always(&'static str),
    /// This, where that holds of the run; others have no such thing.
    Where(fn(&RunView<'_>) -> bool, &'static str),
    /// This, where that holds of its summary.
    OfColumn(fn(&Summary) -> bool, &'static str),
    /// The sentence for the run.
    Told(fn(&RunView<'_>) -> String),
}

impl Meaning {
    fn in_run(&self, run: &RunView<'_>) -> Option<String> {
        match self {
            Self::Always(text) => Some((*text).to_owned()),
            Self::Where(occurs, text) => occurs(run).then(|| (*text).to_owned()),
            Self::OfColumn(occurs, text) => occurs(run.summary).then(|| (*text).to_owned()),
            Self::Told(tell) => Some(tell(run)),
        }
    }
}

/// The meaning of a word in a run.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Definition {
    /// The word.
    pub(crate) term: &'static str,
    /// Its other forms in the report.
    #[serde(skip)]
    forms: &'static [&'static str],
    /// Its name among the names of the page's parts.
    pub(crate) id: String,
    /// Its meaning.
    pub(crate) meaning: String,
}

/// All words, in the order of the list.
fn all() -> impl Iterator<Item = Word> {
    let of_columns = Column::every().filter_map(|column| {
        let word = column.word()?;
        Some(Word {
            term: word.term,
            forms: word.forms,
            meaning: Meaning::OfColumn(word.occurs, word.meaning),
        })
    });
    let first = words::FIRST.iter().copied();
    first
        .chain(of_columns)
        .chain(words::FURTHER.iter().copied())
}

/// The glossary of a run's report.
pub(crate) fn definitions(run: &RunView<'_>) -> Vec<Definition> {
    let known = all().filter_map(|word| {
        Some(Definition {
            term: word.term,
            forms: word.forms,
            id: id(word.term),
            meaning: word.meaning.in_run(run)?,
        })
    });
    known.collect()
}

/// `word-outage-area`.
fn id(term: &str) -> String {
    let letters = term.chars().map(|c| match c.is_ascii_alphanumeric() {
        true => c.to_ascii_lowercase(),
        false => '-',
    });
    format!("word-{}", letters.collect::<String>())
}

#[cfg(all(test, feature = "charts"))]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::document::Document;
    use crate::fake;

    #[test]
    fn every_word_has_an_id_and_no_form_is_of_two_words() {
        let mut seen = BTreeSet::new();
        for word in all() {
            for form in word.forms.iter().chain([&word.term]) {
                assert!(seen.insert(form.to_lowercase()), "{form}");
            }
        }
        let ids: BTreeSet<String> = all().map(|word| id(word.term)).collect();
        assert_eq!(ids.len(), all().count());
    }

    #[test]
    fn every_header_of_a_table_is_explained() {
        const OBVIOUS: [&str; 2] = ["arm", "kills/s"];
        for fake in [fake::rich(), fake::replicas()] {
            let run = RunView::new(&fake.analysis, &fake.summary).expect("one run");
            let document =
                Document::of(&run, &fake.verdict, &crate::Logs::new()).expect("a document");
            let marker = Marker::new(&document.definitions);
            let tables = [&document.replicas, &document.storm, &document.faults];
            let beside = tables
                .into_iter()
                .flatten()
                .flat_map(|table| &table.headers);
            let headers = document.headers.iter().chain(&document.trials.headers);
            let headers = headers.copied().chain(beside.map(String::as_str));
            for header in headers.filter(|header| !OBVIOUS.contains(header)) {
                assert!(marker.mark(header).contains("<button"), "{header}");
            }
        }
    }

    #[test]
    fn what_the_method_defines_as_a_metric_and_the_report_shows_is_in_the_table() {
        let method = include_str!("../../../harness/docs/METHOD.md");
        let metrics = method
            .split("## 3. Metrics")
            .nth(1)
            .and_then(|rest| rest.split("|---|---|").nth(1))
            .and_then(|rest| rest.split("\n\n").next())
            .expect("the table of metrics");
        let metrics = metrics.lines().filter_map(|line| line.split('|').nth(1));
        // These occur in the summary, and in no table or caption of the page.
        const ELSEWHERE: [&str; 4] = [
            "availability",
            "time to detect",
            "time to effect",
            "loss window",
        ];
        let fake = fake::rich();
        let run = RunView::new(&fake.analysis, &fake.summary).expect("one run");
        let marker_of = Marker::new(&definitions(&run));
        let mut seen = 0;
        for metric in metrics
            .map(str::trim)
            .filter(|name| !ELSEWHERE.contains(name))
        {
            assert!(marker_of.mark(metric).contains("<button"), "{metric}");
            seen += 1;
        }
        assert!(seen >= 8, "{seen} metrics");
    }
}
