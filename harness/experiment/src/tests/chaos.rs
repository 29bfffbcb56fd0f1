//! Faults that are drawn, and faults with a quiet time, in files and on the command line.

use comeback_model::plan::fault::Effect;

use super::*;
use crate::document::{ChaosPart, FaultPart};
use crate::write_plan;

const CHAOS: &str = "[chaos]\nfaults = 3\nquiet = \"1s\"\nspread = \"500ms\"\nspan = \"20s\"\nat = \"700ms\"\n\
    [[chaos.choice]]\nkind = \"kill\"\nweight = 3\n[[chaos.choice]]\nkind = \"pause\"\nlasts = \"300ms\"\n";

fn plan_of(text: &str) -> Plan {
    let text = format!("{LEAST}{text}");
    let file = File::parse(Path::new("a.toml"), text, &Faults).unwrap();
    file.resolve(&Faults).unwrap().plan
}

#[test]
fn the_choices_are_the_faults_of_the_plan_and_have_one_moment() {
    let plan = plan_of(CHAOS);
    let chaos = plan.chaos.as_ref().unwrap();
    assert_eq!((chaos.faults, &chaos.weights[..]), (3, &[3, 1][..]));
    assert_eq!(chaos.span, Some(Span::from_secs(20)));
    assert_eq!(plan.windows.baseline, Span::from_ms(700));
    let kinds: Vec<&str> = plan
        .faults
        .iter()
        .map(|fault| fault.kind.as_str())
        .collect();
    assert_eq!(kinds, ["kill", "pause"]);
    for fault in &plan.faults {
        assert_eq!(fault.quiet, Some(Span::from_secs(1)));
        assert_eq!(fault.jitter, Span::from_ms(500));
    }
    assert_eq!(
        plan.faults[1].effect,
        Effect::StandsStill(Span::from_ms(300))
    );
}

#[test]
fn what_is_not_said_of_chaos_has_a_default() {
    let plan = plan_of("[chaos.choice]\n");
    let chaos = plan.chaos.as_ref().unwrap();
    assert_eq!(
        (chaos.faults, &chaos.weights[..], chaos.span),
        (5, &[1][..], None)
    );
    assert_eq!(plan.faults[0].kind, "kill");
    assert_eq!(plan.faults[0].quiet, Some(Span::from_secs(2)));
    assert_eq!(plan.faults[0].jitter, Span::from_secs(1));
}

#[test]
fn a_plan_that_draws_is_written_as_it_was() {
    for text in [
        CHAOS,
        "[chaos.choice]\n",
        "[[fault]]\n[[fault]]\nquiet = \"700ms\"\nspread = \"1ms\"\n",
    ] {
        let plan = plan_of(text);
        let written = write_plan(&plan, Seed(7), &Faults).unwrap();
        assert!(
            written.text.contains("quiet") || text.len() < 20,
            "{}",
            written.text
        );
        let file = File::parse(Path::new("a.toml"), written.text.clone(), &Faults).unwrap();
        assert_eq!(
            file.resolve(&Faults).unwrap().plan,
            plan,
            "{}",
            written.text
        );
    }
}

#[test]
fn what_cannot_be_drawn_is_refused_where_it_is_said() {
    const KILL: &str = "[[chaos.choice]]\nkind = \"kill\"\n";
    // Each follows the target's two lines.
    for (text, line, what) in [
        (
            "[chaos]\nfaults = 3\n".to_owned(),
            3,
            "nothing to draw from",
        ),
        (
            "[chaos]\nchoice = []\n".to_owned(),
            3,
            "nothing to draw from",
        ),
        (format!("[chaos]\nfaults = 0\n{KILL}"), 4, "from 1 to 16"),
        (format!("[chaos]\nfaults = 17\n{KILL}"), 4, "from 1 to 16"),
        (format!("{KILL}weight = 0\n"), 5, "never drawn"),
        (format!("{KILL}{KILL}weight = 0\n"), 7, "never drawn"),
        (format!("{KILL}weight = 4000000\n"), 5, "lower them"),
        (
            format!("[chaos]\nfaults = 4\nquiet = \"3s\"\nspan = \"8s\"\n{KILL}"),
            6,
            "take at least 9s",
        ),
        (
            format!("{KILL}[[fault]]\nkind = \"kill\"\n"),
            5,
            "are drawn from [chaos]",
        ),
        (format!("{KILL}[storm]\n"), 3, "a storm repeats one fault"),
        (format!("{KILL}after = \"1s\"\n"), 5, "quiet and spread"),
        (
            format!("{KILL}at = \"1s\"\n"),
            5,
            "say it once, under [chaos]",
        ),
        (format!("{KILL}spread = \"1s\"\n"), 5, "say it once"),
        (format!("{KILL}quiet = \"1s\"\n"), 5, "say it once"),
        (
            format!("{KILL}on = \"start\"\n"),
            5,
            "nothing is started again",
        ),
        (format!("{KILL}lasts = \"1s\"\n"), 5, "only these kinds"),
        (format!("{KILL}target = \"replica:2\"\n"), 5, "replica"),
        (
            format!("{KILL}[[chaos.choice]]\nkind = \"moon\"\n"),
            6,
            "moon",
        ),
        (
            format!("{KILL}[[chaos.choice]]\nkind = \"pause\"\nlasts = \"1h\"\n"),
            7,
            "outlasts the horizon",
        ),
        (
            "[[fault]]\nkind = \"kill\"\nweight = 3\n".to_owned(),
            5,
            "nothing is drawn",
        ),
        (
            "[[fault]]\nquiet = \"1s\"\n".to_owned(),
            4,
            "nothing comes before",
        ),
        (
            "[[fault]]\n[[fault]]\nquiet = \"1s\"\nafter = \"1s\"\n".to_owned(),
            6,
            "use one of them",
        ),
        (
            "[[fault]]\n[[fault]]\nquiet = \"1s\"\n[[fault]]\nafter = \"9s\"\n".to_owned(),
            7,
            "the fault before it has a quiet time",
        ),
    ] {
        let refused = refused(&format!("{LEAST}{text}"));
        let first = &refused.problems()[0];
        assert!(first.told().contains(what), "{text}: {refused}");
        assert_eq!(first.line, line, "{refused}");
    }
}

#[test]
fn chaos_of_the_command_line_draws_from_its_faults_else_from_those_of_the_file() {
    let said: ChaosPart = "5,quiet=3s,span=1m".parse().unwrap();
    assert_eq!(
        (said.faults, said.quiet),
        (Some(5), Some(Span::from_secs(3)))
    );
    assert_eq!(said.span, Some(Span::from_secs(60)));
    assert_eq!("faults=5,quiet=3s,span=1m".parse(), Ok(said.clone()));
    for (typed, what) in [
        ("many", "no number of faults"),
        ("5,quiet", "'quiet' has no value"),
        ("5,quiet=soon", "quiet"),
        ("5,kind=kill", "--fault"),
    ] {
        let refused = typed.parse::<ChaosPart>().unwrap_err();
        assert!(refused.contains(what), "{refused}");
    }

    let mut document = Document {
        fault: vec![
            "kill:at=900ms,weight=3".parse().unwrap(),
            "pause:lasts=300ms".parse::<FaultPart>().unwrap(),
        ],
        ..Document::default()
    };
    document.draw_faults(&said);
    assert!(document.fault.is_empty());
    let chaos = document.chaos.clone().unwrap();
    assert_eq!(chaos.at, Some(Span::from_ms(900)));
    assert_eq!(chaos.choice.len(), 2);
    assert_eq!(chaos.choice[0].weight, Some(3));
    // The file's choices stay where no others are said, and a kill is the only one where there are none.
    document.draw_faults(&"2".parse().unwrap());
    let again = document.chaos.clone().unwrap();
    assert_eq!((again.faults, again.quiet), (Some(2), chaos.quiet));
    assert_eq!(again.choice, chaos.choice);
    let mut empty = Document::default();
    empty.draw_faults(&said);
    assert_eq!(empty.chaos.unwrap().choice, [FaultPart::default()]);
}
