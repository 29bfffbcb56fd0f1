//! Where replies show the state that an act changes: a counter, or a list with what was written. Pure.

use super::pattern::{Class, Pattern, in_list, patterns, scalars};
use super::recorded::Exchange;

/// How many numbers of a page are looked at.
const NUMBERS_MAX: usize = 300;
/// A longer number is a time or an identifier.
const DIGITS_MAX: u32 = 9;

/// A reply that may show the state.
#[derive(Clone, Copy, Debug)]
pub(super) struct Look<'e> {
    /// How many acts were answered since the login.
    pub(super) acts: u64,
    pub(super) shown_by: &'e Exchange,
}

/// Where the state is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct State {
    pub(super) place: String,
    /// What an act wrote, if it adds an entry of its own.
    pub(super) written: Option<String>,
    /// The evidence, in words.
    pub(super) because: String,
    /// Something else fits as well, or one number says it all.
    pub(super) is_weak: bool,
}

impl State {
    /// How good the evidence is.
    pub(super) const fn rank(&self) -> u8 {
        match (&self.written, self.is_weak) {
            (_, true) => 1,
            (Some(_), false) => 2,
            (None, false) => 3,
        }
    }
}

/// Finds the state in the replies to checks. `first` is the login's reply, `user` the name in it, `written` what the acts sent.
pub(super) fn find(
    looks: &[Look<'_>],
    (first, user): (&Exchange, Option<&str>),
    written: &[String],
) -> Option<State> {
    let counter = counter(looks, first, user);
    if let Some(counter) = counter.as_ref().filter(|counter| !counter.is_weak) {
        return Some(counter.clone());
    }
    list(looks, written).or(counter)
}

/// A place that might show a counter.
enum Candidate {
    Pointer(String),
    Pattern(Pattern),
}

impl Candidate {
    fn count(&self, shown_by: &Exchange) -> Option<u64> {
        match self {
            Self::Pointer(pointer) => {
                let json = shown_by.json()?;
                let value = json.pointer(pointer)?;
                let count = value.as_u64().or_else(|| value.as_str()?.parse().ok())?;
                (count < 10_u64.pow(DIGITS_MAX)).then_some(count)
            }
            Self::Pattern(pattern) => pattern.find(shown_by.page()?)?.parse().ok(),
        }
    }

    fn place(&self) -> String {
        match self {
            Self::Pointer(pointer) => pointer.clone(),
            Self::Pattern(pattern) => pattern.place(),
        }
    }

    /// Whether the name speaks of something else than a count.
    fn is_unlikely(&self) -> bool {
        const OTHERS: [&str; 7] = ["id", "page", "version", "status", "code", "limit", "size"];
        match self {
            Self::Pointer(pointer) => {
                let name = pointer.rsplit('/').next().unwrap_or_default();
                let is_id = name.ends_with("_id") || name.ends_with("Id");
                is_id || OTHERS.iter().any(|other| name.eq_ignore_ascii_case(other))
            }
            Self::Pattern(_) => false,
        }
    }
}

fn counter(looks: &[Look<'_>], first: &Exchange, user: Option<&str>) -> Option<State> {
    let last = looks.iter().rev().find(|look| look.acts > 0)?;
    let candidates = match last.shown_by.json() {
        Some(json) => {
            let mut leaves = Vec::new();
            scalars(json, &mut String::new(), &mut leaves);
            let pointers = leaves
                .into_iter()
                .map(|(pointer, _)| Candidate::Pointer(pointer));
            pointers.collect()
        }
        None => of_text(last.shown_by.page()?, user),
    };
    let start = |candidate: &Candidate| candidate.count(first);
    let mut fitting = candidates.iter().filter(|candidate| {
        // What a session begins with is zero, unless the login's reply shows it.
        let begun = start(candidate).unwrap_or(0);
        looks
            .iter()
            .all(|look| candidate.count(look.shown_by) == begun.checked_add(look.acts))
    });
    let best = fitting
        .clone()
        .find(|one| !one.is_unlikely())
        .or_else(|| fitting.next())?;
    let place = best.place();
    let mut acts: Vec<u64> = looks.iter().map(|look| look.acts).collect();
    if start(best).is_some() {
        acts.insert(0, 0);
    }
    acts.dedup();
    let seen: Vec<String> = acts.iter().map(u64::to_string).collect();
    let begun = start(best).unwrap_or(0);
    let shown: Vec<String> = acts.iter().map(|acts| (begun + acts).to_string()).collect();
    Some(State {
        because: format!("it was {} after {} acts", shown.join(", "), seen.join(", ")),
        place,
        written: None,
        is_weak: acts.len() < 2,
    })
}

/// The numbers of a page, each by the words beside it.
fn of_text(page: &str, user: Option<&str>) -> Vec<Candidate> {
    let mut found = Vec::new();
    let mut rest = 0;
    for _ in 0..NUMBERS_MAX {
        let Some(at) = page[rest..].find(|letter: char| letter.is_ascii_digit()) else {
            break;
        };
        let start = rest + at;
        let digits = page[start..].find(|letter: char| !letter.is_ascii_digit());
        let end = digits.map_or(page.len(), |digits| start + digits);
        rest = end;
        let left = page[..start].chars().next_back();
        let is_part = left.is_some_and(|left| left.is_alphanumeric() || "._-#%&".contains(left));
        if is_part || end - start > DIGITS_MAX as usize {
            continue;
        }
        let patterns = patterns(page, (start, end), Class::Digits).into_iter();
        let fitting = patterns.filter(|pattern| {
            // Another user has another name. The first match in the page is the one that counts.
            let is_common = user.is_none_or(|user| !pattern.quotes(user));
            let found = pattern.find(page).filter(|_| is_common);
            found.is_some_and(|found| found.as_ptr() == page[start..].as_ptr())
        });
        found.extend(fitting.map(Candidate::Pattern));
    }
    found
}

/// A list that shows what an act wrote.
fn list(looks: &[Look<'_>], written: &[String]) -> Option<State> {
    let last = looks.iter().rev().find(|look| look.acts > 0)?;
    let before = looks.iter().filter(|look| look.acts == 0);
    let is_new = |text: &String| {
        let mut pages = before.clone().filter_map(|look| look.shown_by.page());
        !pages.any(|page| page.contains(text.as_str()))
    };
    let mut texts = written.iter().filter(|text| text.len() > 1 && is_new(text));
    let json = last.shown_by.json();
    texts.find_map(|text| {
        let place = match &json {
            Some(json) => in_list(json, text, "$", false)?,
            // What acts write can be told from any other text.
            None => {
                let page = last.shown_by.page()?;
                page.contains(text.as_str())
                    .then(|| "regex:w[0-9]+-[0-9]+-[0-9]+".to_owned())?
            }
        };
        Some(State {
            place,
            written: Some(text.clone()),
            because: "it shows what the act wrote".to_owned(),
            is_weak: false,
        })
    })
}

/// Where a reply names the user.
pub(super) fn identity(shown_by: &Exchange, user: &str) -> Option<String> {
    if let Some(json) = shown_by.json() {
        let mut leaves = Vec::new();
        scalars(json, &mut String::new(), &mut leaves);
        let mut leaves = leaves.into_iter();
        let named = leaves.find(|(_, leaf)| leaf.as_str() == Some(user));
        return named.map(|(pointer, _)| pointer);
    }
    let page = shown_by.page()?;
    if !user.chars().all(|letter| Class::Word.holds(letter)) {
        return None;
    }
    let mut places = page.match_indices(user);
    places.find_map(|(at, _)| {
        let patterns = patterns(page, (at, at + user.len()), Class::Word).into_iter();
        let mut fitting = patterns.filter(|pattern| pattern.find(page) == Some(user));
        fitting.next().map(|pattern| pattern.place())
    })
}
