//! `comeback faults`: lists the kinds of faults.

use comeback_analysis::verdict::Outcome;
use comeback_faults::{Listed, list};
use comeback_model::plan::fault::KindInfo;

use super::table::wrapped;
use super::{CliError, print};

/// List the kinds of faults: what each does, its parameters, what proves it, and whether it works on this machine
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  comeback faults\n  comeback faults limit\n  comeback faults --json"
)]
pub(super) struct Args {
    /// Only kinds whose name or description has this in it
    #[arg(value_name = "TEXT")]
    text: Option<String>,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

pub(super) fn run(args: &Args) -> Result<Outcome, CliError> {
    let text = args.text.as_deref().unwrap_or_default();
    let has = |info: &KindInfo| info.name.contains(text) || info.about.contains(text);
    let mut kinds = list();
    kinds.retain(|kind| has(&kind.info));
    if kinds.is_empty() {
        return Err(CliError::Usage(format!(
            "no kind of fault has '{text}' in its name or description: `comeback faults` lists them all"
        )));
    }
    if args.json {
        let documents: Vec<_> = kinds.iter().map(document).collect();
        print(&serde_json::to_string_pretty(&documents)?);
    } else {
        let pages: Vec<String> = kinds.iter().map(page).collect();
        print(&pages.join("\n\n"));
    }
    Ok(Outcome::Pass)
}

fn document(kind: &Listed) -> serde_json::Value {
    let parameters = kind.parameters.iter();
    let parameters = parameters.map(|(name, about)| (name.clone(), about.as_str().into()));
    let unavailable = kind.works.as_ref().err();
    serde_json::json!({
        "name": kind.info.name,
        "about": kind.info.about,
        "surrounding": kind.info.surrounds,
        "parameters": parameters.collect::<serde_json::Map<_, _>>(),
        "evidence": kind.evidence,
        "works": unavailable.is_none(),
        "reason": unavailable.map(|unavailable| unavailable.reason.as_str()),
        "mend": unavailable.map(|unavailable| unavailable.mend),
    })
}

fn page(kind: &Listed) -> String {
    let role = match kind.info.surrounds {
        true => " (also as a surrounding)",
        false => "",
    };
    let mut texts = vec![kind.info.about.to_owned()];
    let parameters = kind.parameters.iter();
    texts.extend(parameters.map(|(name, about)| format!("{name}: {about}")));
    texts.push(format!("evidence: {}", kind.evidence));
    texts.push(match &kind.works {
        Ok(()) => "works here".to_owned(),
        Err(unavailable) => format!("does not work here: {unavailable}"),
    });
    let texts = texts.iter().map(|text| format!("\n  {}", wrapped(text, 4)));
    format!("{}{role}{}", kind.info.name, texts.collect::<String>())
}
