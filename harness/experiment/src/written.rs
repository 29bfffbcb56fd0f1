//! A plan, written as an experiment file: the way back from [`resolve`]. `comeback shrink` calls it.
//!
//! The text is read again before it is handed out. It is refused unless the same plan follows from it, so no part of a plan
//! can be lost silently. Keys that only repeat a default are left out.

use std::collections::BTreeSet;
use std::path::Path;

use comeback_model::gate::Gate;
use comeback_model::ids::Seed;
use comeback_model::plan::fault::Catalogue;
use comeback_model::plan::secret::MASK;
use comeback_model::plan::{Aim, Arm, Calibration, Fault, Open, Plan, Workload};
use serde::Deserialize;
use toml::{Table, Value};

use super::document::{LoadPart, RetryPart, TargetPart, WindowsPart};
use super::table::{Part, Unwritable};
use super::{Document, File, Key, Origin, faults, resolve, session, step};

/// The text of an experiment file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Written {
    /// The text.
    pub text: String,
    /// Environment variables of the servers that are not in it, because their values are secrets.
    pub variables: BTreeSet<String>,
}

/// Keys that stay although they may repeat a default: they say what the experiment is about.
const KEPT: [&str; 9] = [
    "name", "seed", "trials", "controls", "kind", "faults", "sessions", "rate", "command",
];
/// The parts of a file, in their order.
const SECTIONS: [&str; 15] = [
    "target",
    "balancer",
    "cache",
    "store",
    "arm",
    "session",
    "operation",
    "load",
    "surroundings",
    "fault",
    "chaos",
    "deploy",
    "windows",
    "gate",
    "retry",
];
/// Keys that come before all others of their part, in this order.
const FIRST: [&str; 11] = [
    "name", "kind", "weight", "command", "request", "seed", "trials", "controls", "at", "after",
    "quiet",
];

/// Writes a plan, such that the same plan follows from the text.
///
/// # Errors
/// If no experiment file says the same: it has secrets in places that no flag fills, or something that no key stands for.
pub fn write_plan(
    plan: &Plan,
    seed: Seed,
    catalogue: &dyn Catalogue,
) -> Result<Written, Unwritable> {
    let (plan, variables) = written_part(plan)?;
    let mut table = table_of(&plan, seed)?;
    let is_same = |table: &Table| {
        let document = Document::deserialize(table.clone()).ok();
        let resolved = document.map(|document| resolve(&document, &Origin::default(), catalogue));
        matches!(resolved, Some(Ok(resolved)) if resolved.seed == Some(seed) && is_equal(&resolved.plan, &plan))
    };
    for path in optional(&table) {
        let mut fewer = table.clone();
        if remove(&mut fewer, &path) && is_same(&fewer) {
            table = fewer;
        }
    }
    let text = text_of(&table);
    let file = File::parse(Path::new("shrunk.toml"), text.clone(), catalogue);
    let resolved = file.and_then(|file| file.resolve(catalogue));
    let read = resolved
        .map_err(|error| Unwritable(error.to_string()))?
        .plan;
    match is_equal(&read, &plan) {
        true => Ok(Written { text, variables }),
        false => Err(Unwritable(format!(
            "this version reads its {} in another way",
            difference(&read, &plan)
        ))),
    }
}

/// What a file says of a plan: not the arms that are skipped, and not the variables whose values are secrets. Also the names
/// of those variables.
fn written_part(plan: &Plan) -> Result<(Plan, BTreeSet<String>), Unwritable> {
    let mut plan = plan.clone();
    plan.arms.retain(|arm| arm.skip.is_none());
    plan = plan.masked();
    let mut variables = BTreeSet::new();
    for arm in &mut plan.arms {
        let others = [
            &mut arm.balancer,
            &mut arm.cache,
            &mut arm.store,
            &mut arm.next,
        ];
        let targets = others.into_iter().flatten().chain([&mut arm.target]);
        for target in targets {
            target.environment.retain(|name, value| {
                // One flag cannot give a variable two values: the second one's mask is another.
                let is_hidden = value == MASK;
                if is_hidden {
                    variables.insert(name.clone());
                }
                !is_hidden
            });
        }
    }
    let hidden = serde_json::to_string(&plan).map_err(|error| Unwritable(error.to_string()))?;
    if hidden.contains(MASK) {
        return Err(Unwritable(
            "it has secrets in headers, forms or commands, or a variable with two values, and no file may hold them; where \
             they are for tests only, remove `secret = true`, run it again, and shrink that run"
                .to_owned(),
        ));
    }
    Ok((plan, variables))
}

/// Whether two plans are the same, but for the order and spelling of their gates.
fn is_equal(one: &Plan, other: &Plan) -> bool {
    // A file says the number that was measured.
    let asked = |plan: &Plan| match plan.calibration {
        // Nor does it leave anything open.
        Calibration::Wanted(_) => Calibration::Wanted(Open::default()),
        Calibration::Given | Calibration::Done(_) => Calibration::Given,
    };
    let bare = |plan: &Plan| Plan {
        gates: Vec::new(),
        calibration: asked(plan),
        ..plan.clone()
    };
    has_same_gates(one, other) && bare(one) == bare(other)
}

fn has_same_gates(one: &Plan, other: &Plan) -> bool {
    let asks = |plan: &Plan, gate: &Gate| {
        let mut gates = plan.gates.iter();
        gates.any(|own| {
            own.metric() == gate.metric()
                && own.demand() == gate.demand()
                && own.needs_clean_control() == gate.needs_clean_control()
        })
    };
    one.gates.len() == other.gates.len() && one.gates.iter().all(|gate| asks(other, gate))
}

/// The first part in which two plans differ.
fn difference(one: &Plan, other: &Plan) -> &'static str {
    if one.arms != other.arms {
        "arms"
    } else if one.faults != other.faults
        || one.chaos != other.chaos
        || one.surroundings != other.surroundings
    {
        "faults"
    } else if one.load != other.load {
        "load"
    } else if one.windows != other.windows {
        "windows"
    } else {
        "trials or gates"
    }
}

fn table_of(plan: &Plan, seed: Seed) -> Result<Table, Unwritable> {
    let mut whole = Part::default();
    whole.put("name", &plan.name)?;
    whole.put("trials", plan.trials)?;
    whole.put("controls", plan.controls)?;
    whole.put("extend_to", plan.extend_to)?;
    whole.put("replacements", plan.replacements)?;
    // TOML has no larger integers.
    let Ok(number) = i64::try_from(seed.0) else {
        return Err(Unwritable(format!("its seed {seed} is too large for TOML")));
    };
    whole.put("seed", number)?;
    let mut load = LoadPart::from((&plan.load, &plan.calibration));
    match plan.arms.as_slice() {
        [arm] if arm.name == plan.name && arm.about == arm.target.told() => {
            whole.0.extend(servers(arm)?);
            load.retry = arm.retry.as_ref().map(RetryPart::from);
        }
        arms => {
            let arms: Result<Vec<Table>, Unwritable> = arms.iter().map(named_arm).collect();
            whole.put("arm", arms?)?;
        }
    }
    whole.put("load", load)?;
    match &plan.load.workload {
        Workload::Sessions(flow) => whole.put("session", session::table(flow)?)?,
        Workload::Stateless(one) => whole.put("operation", step::table(one)?)?,
    }
    let mut faults = Vec::new();
    for (index, one) in plan.faults.iter().enumerate() {
        let mut part = fault(one)?;
        match (&plan.chaos, index, one.quiet) {
            (Some(chaos), _, _) => part.put_some("weight", chaos.weights.get(index))?,
            (None, 0, _) => part.put("at", plan.windows.baseline)?,
            (None, _, None) => part.put("after", one.after)?,
            (None, _, Some(quiet)) => part.put("quiet", quiet)?,
        }
        if plan.chaos.is_none() {
            part.put("spread", one.jitter)?;
        }
        match &one.on {
            None => part.put("within", one.within)?,
            Some(on) => faults::put_event(&mut part, on)?,
        }
        part.put("lands_within", one.lands_within)?;
        faults.push(part.0);
    }
    match &plan.chaos {
        None => whole.put("fault", faults)?,
        Some(chaos) => {
            let first = plan.first_fault();
            let mut part = Part::default();
            part.put("faults", chaos.faults)?;
            part.put_some("quiet", first.quiet)?;
            part.put("spread", first.jitter)?;
            part.put_some("span", chaos.span)?;
            part.put("at", plan.windows.baseline)?;
            part.put("choice", faults)?;
            whole.put("chaos", part.0)?;
        }
    }
    let surroundings = plan.surroundings.iter().map(|one| Ok(fault(one)?.0));
    let surroundings: Vec<Table> = surroundings.collect::<Result<_, Unwritable>>()?;
    if !surroundings.is_empty() {
        whole.put("surroundings", surroundings)?;
    }
    if let Some(storm) = plan.storm {
        let mut part = Part::default();
        part.put("kills", plan.trials)?;
        part.put("until_failure", storm.until_failure)?;
        whole.put("storm", part.0)?;
    }
    whole.put("windows", WindowsPart::from(&plan.windows))?;
    whole.put("default_gates", false)?;
    whole.put("gate", gates(&plan.gates))?;
    Ok(whole.0)
}

/// The servers of an arm, by their parts of a file.
fn servers(arm: &Arm) -> Result<Table, Unwritable> {
    let mut parts = Part::default();
    parts.put("target", TargetPart::of_arm(&arm.target, arm.replicas))?;
    if let Some(balancer) = &arm.balancer {
        let mut part = Part::of(TargetPart::of_any(balancer))?;
        part.put_some("drain", arm.drain.as_ref())?;
        parts.put("balancer", part.0)?;
    }
    for (name, other) in [("cache", &arm.cache), ("store", &arm.store)] {
        parts.put_some(name, other.as_ref().map(TargetPart::of_any))?;
    }
    if let Some(next) = &arm.next {
        let mut part = Part::default();
        part.put("command", &next.command)?;
        part.put_some_texts("environment", &next.environment)?;
        parts.put("deploy", part.0)?;
    }
    Ok(parts.0)
}

fn named_arm(arm: &Arm) -> Result<Table, Unwritable> {
    let mut part = Part(servers(arm)?);
    part.put("name", &arm.name)?;
    part.put("about", &arm.about)?;
    part.put_some("baseline", arm.baseline.as_ref())?;
    part.put_some("family", arm.family.as_ref())?;
    part.put_some("retry", arm.retry.as_ref().map(RetryPart::from))?;
    Ok(part.0)
}

/// What a fault and a surrounding have in common.
fn fault(fault: &Fault) -> Result<Part, Unwritable> {
    let mut part = Part::default();
    // What was not said has no key: TOML has no null.
    for (name, parameter) in fault
        .parameters
        .iter()
        .filter(|(_, value)| !value.is_null())
    {
        part.put(name, parameter)?;
    }
    part.put("kind", &fault.kind)?;
    part.put("target", aim(fault.aim))?;
    part.put("to", fault.reach)?;
    Ok(part)
}

fn aim(aim: Aim) -> String {
    match aim {
        Aim::AnyReplica => "replica:any".to_owned(),
        Aim::Replica(number) => format!("replica:{number}"),
        Aim::AllReplicas => "replicas:all".to_owned(),
        Aim::Balancer => "balancer".to_owned(),
        Aim::Store => "store".to_owned(),
        Aim::Cache => "cache".to_owned(),
    }
}

/// The bounds of each metric: one, or a list.
fn gates(gates: &[Gate]) -> Table {
    let mut entries = Table::new();
    for gate in gates {
        let text = gate.to_string();
        let at = text.find(['<', '>', '=']).unwrap_or(text.len());
        let (metric, demand) = text.split_at(at);
        let demand = Value::from(demand.trim());
        match entries.get_mut(metric.trim()) {
            Some(Value::Array(demands)) => demands.push(demand),
            Some(first) => *first = Value::Array(vec![first.clone(), demand]),
            None => {
                entries.insert(metric.trim().to_owned(), demand);
            }
        }
    }
    entries
}

/// Every key that may be left out, with its path, a table before what it holds.
fn optional(table: &Table) -> Vec<Vec<Key>> {
    fn walk(value: &Value, path: &[Key], found: &mut Vec<Vec<Key>>) {
        let below = |key: Key| path.iter().cloned().chain([key]).collect::<Vec<_>>();
        match value {
            Value::Table(table) => {
                for (name, value) in table {
                    let path = below(name.as_str().into());
                    if !KEPT.contains(&name.as_str()) {
                        found.push(path.clone());
                    }
                    walk(value, &path, found);
                }
            }
            Value::Array(items) => {
                for (index, item) in items.iter().enumerate() {
                    walk(item, &below(index.into()), found);
                }
            }
            _ => {}
        }
    }
    let mut found = Vec::new();
    walk(&Value::Table(table.clone()), &[], &mut found);
    found
}

/// Removes a key; whether it was there.
fn remove(table: &mut Table, path: &[Key]) -> bool {
    let Some((Key::Name(last), way)) = path.split_last() else {
        return false;
    };
    let Some((Key::Name(first), way)) = way.split_first() else {
        return table.remove(last).is_some();
    };
    let mut place = table.get_mut(first);
    for key in way {
        place = place.and_then(|value| match key {
            Key::Name(name) => value.get_mut(name),
            Key::Index(index) => value.get_mut(index),
        });
    }
    let parent = place.and_then(Value::as_table_mut);
    parent.is_some_and(|parent| parent.remove(last).is_some())
}

/// The text: the keys of the experiment as a whole, then its parts.
fn text_of(table: &Table) -> String {
    let mut text = String::new();
    let is_part = |value: &Value| value.is_table() || is_list_of_tables(value);
    write_keys(&mut text, table.iter().filter(|(_, value)| !is_part(value)));
    let rank = |name: &str| SECTIONS.iter().position(|one| *one == name);
    let mut parts: Vec<_> = table.iter().filter(|(_, value)| is_part(value)).collect();
    parts.sort_by_key(|(name, _)| rank(name));
    for (name, part) in parts {
        match part {
            Value::Array(items) => {
                for item in items.iter().filter_map(Value::as_table) {
                    text.push_str(&format!("\n[[{name}]]\n"));
                    write_keys(&mut text, item.iter());
                }
            }
            Value::Table(part) => write_part(&mut text, name, part),
            _ => {}
        }
    }
    text
}

/// A table, and the steps of a session, and lists of tables, as tables of their own.
fn write_part(text: &mut String, name: &str, part: &Table) {
    let is_step = |value: &Value| value.get("request").is_some() || is_list_of_tables(value);
    text.push_str(&format!("\n[{name}]\n"));
    write_keys(text, part.iter().filter(|(_, value)| !is_step(value)));
    for (step, value) in part.iter().filter(|(_, value)| is_step(value)) {
        if let Value::Table(value) = value {
            text.push_str(&format!("\n[{name}.{step}]\n"));
            write_keys(text, value.iter());
        }
        for item in value.as_array().into_iter().flatten() {
            text.push_str(&format!("\n[[{name}.{step}]]\n"));
            write_keys(text, item.as_table().into_iter().flatten());
        }
    }
}

fn is_list_of_tables(value: &Value) -> bool {
    let items = value.as_array().filter(|items| !items.is_empty());
    items.is_some_and(|items| items.iter().all(Value::is_table))
}

fn write_keys<'a>(text: &mut String, keys: impl Iterator<Item = (&'a String, &'a Value)>) {
    let rank = |name: &str| {
        let place = FIRST.iter().position(|one| *one == name);
        place.unwrap_or(FIRST.len())
    };
    let mut keys: Vec<_> = keys.collect();
    keys.sort_by_key(|(name, _)| rank(name));
    for (name, value) in keys {
        let key = Table::from_iter([(name.clone(), value.clone())]);
        text.push_str(&inline(&key));
        text.push('\n');
    }
}

/// `key = value` on one line.
fn inline(key: &Table) -> String {
    let table = Value::Table(key.clone()).to_string();
    let inner = table
        .strip_prefix('{')
        .and_then(|rest| rest.strip_suffix('}'));
    inner.unwrap_or(&table).trim().to_owned()
}

#[cfg(test)]
mod tests {
    use comeback_faults::Faults;
    use comeback_model::plan::test_plan;

    use super::*;

    fn check(plan: &Plan) -> Written {
        let written = write_plan(plan, Seed(7), &Faults);
        written.unwrap_or_else(|error| panic!("{error}\n{plan:?}"))
    }

    fn plan_of(text: &str) -> Plan {
        let file = File::parse(Path::new("test.toml"), text.to_owned(), &Faults);
        let resolved = file.and_then(|file| file.resolve(&Faults));
        resolved.unwrap_or_else(|error| panic!("{error}")).plan
    }

    #[test]
    fn a_server_on_another_machine_is_written_with_its_address() {
        for address in ["10.0.0.5:8080", "[fd00::5]:8080"] {
            let external = format!("{{ address = \"{address}\", kill = [\"end-it\"] }}");
            let plan = plan_of(&format!("[target]\nexternal = {external}\n"));
            assert!(plan.is_remote());
            let written = check(&plan).text;
            assert!(written.contains(address), "{written}");
            assert_eq!(plan_of(&written).arms, plan.arms);
        }
        // Written in another way, it is this machine.
        let here = "[target]\nexternal = { address = \"[::ffff:127.0.0.1]:80\" }\n";
        assert!(!plan_of(here).is_remote());
    }

    #[test]
    fn every_stored_plan_is_written_as_a_file_and_read_as_it_was() {
        let lines = include_str!("../../cli/tests/data/plans.jsonl").lines();
        let mut checked = 0;
        for line in lines {
            let stored: serde_json::Value = serde_json::from_str(line).expect("it is JSON");
            let Some(plan) = stored.get("plan") else {
                continue;
            };
            let plan: Plan = serde_json::from_value(plan.clone()).expect("it is a plan");
            let written = check(&plan);
            let (part, variables) = written_part(&plan).expect("it has no secrets");
            assert!(is_equal(&plan_of(&written.text), &part), "{}", written.text);
            assert!(written.variables.is_empty() && variables.is_empty());
            checked += 1;
        }
        assert!(checked > 30, "{checked}");
    }

    #[test]
    fn a_fault_at_an_event_is_written_as_it_was() {
        let server = "[target]\ncommand = [\"./shop\", \"{port}\"]\n[session.login]\nrequest = \"POST /login\"\n[session.act]\n\
                      request = \"POST /act\"\n[session.check]\nrequest = \"GET /me\"\n";
        for (event, words) in [
            (
                "on = \"acknowledgement\"\nnth = \"1..20\"",
                ", at the 1st to the 20th (drawn for each trial) acknowledged write",
            ),
            (
                "on = \"sent\"",
                ", at the 1st write that was sent and is not answered",
            ),
            (
                "on = \"log\"\nmatches = 'a \"b\"'\ncomes_within = \"3s\"",
                ", at the first line of output that contains \"a \\\"b\\\"\"",
            ),
            (
                "on = \"start\"\ninto = \"50ms\"",
                ", 50ms after the next start of a faulted node",
            ),
        ] {
            // A start is one again after an earlier fault; an event of the load is refused there.
            let earlier = match event.contains("start") {
                true => "[[fault]]\n",
                false => "",
            };
            let plan = plan_of(&format!("{server}{earlier}[[fault]]\n{event}\n"));
            let fault = plan.faults.last().expect("it is there");
            assert_eq!(fault.within, comeback_model::plan::Within::Any);
            assert!(fault.words.done.ends_with(words), "{}", fault.words.done);
            let written = check(&plan);
            assert!(is_equal(&plan_of(&written.text), &plan), "{}", written.text);
        }
    }

    macro_rules! ready_made {
        ($($name:literal),*) => {
            [$(($name, include_str!(concat!("../../experiments/", $name)))),*]
        };
    }

    #[test]
    fn each_arm_of_a_ready_made_experiment_is_written_as_it_was() {
        let files = ready_made![
            "cache-users.toml",
            "cache.toml",
            "deploy.toml",
            "django.toml",
            "nginx.toml",
            "php.toml",
            "postgres-replicas.toml",
            "power-loss-redis.toml",
            "power-loss-sqlite.toml",
            "redis-slow-disk.toml",
            "redis-store.toml"
        ];
        for (name, text) in files {
            let file = File::parse(Path::new(name), text.to_owned(), &Faults);
            let resolved = file.and_then(|file| file.resolve(&Faults));
            let plan = resolved.unwrap_or_else(|error| panic!("{error}")).plan;
            for arm in &plan.arms {
                // A variable has one value in one arm.
                let arm = Arm {
                    baseline: None,
                    ..arm.clone()
                };
                let plan = Plan {
                    arms: vec![arm],
                    ..plan.clone()
                };
                let written = check(&plan);
                let (part, variables) = written_part(&plan).expect("it has no other secrets");
                let read = plan_of(&written.text);
                assert!(is_equal(&read, &part), "{name}: {}", written.text);
                assert_eq!(written.variables, variables);
            }
        }
    }

    const SHORT: &str = r#"name = "short"
seed = 7
trials = 1
controls = 1

[target]
command = ["./server", "{port}"]

[operation]
request = "GET /"

[load]
rate = 80
sessions = 3

[[fault]]
kind = "kill"

[[fault]]
kind = "pause"
after = "150ms"
lasts = "700ms"

[gate]
"outage.median" = "< 2s"
unrecovered = "== 0"
"#;

    #[test]
    fn what_repeats_a_default_is_left_out() {
        // The operation is the default one, and so is the first gate.
        let text = check(&plan_of(SHORT)).text;
        let expected = SHORT.replace("[operation]\nrequest = \"GET /\"\n\n", "");
        let expected = expected.replace("unrecovered = \"== 0\"\n", "");
        assert_eq!(text, expected);
    }

    #[test]
    fn the_value_of_a_variable_is_in_no_file_and_its_name_is_told() {
        let mut plan = plan_of(SHORT);
        let variables = [("KEY", "hunter2"), ("PORT", "{port}")];
        for (name, value) in variables {
            let environment = &mut plan.arms[0].target.environment;
            environment.insert(name.to_owned(), value.to_owned());
        }
        let written = check(&plan);
        assert!(!written.text.contains("KEY") && !written.text.contains("hunter2"));
        assert!(
            written.text.contains(r#"PORT = "{port}""#),
            "{}",
            written.text
        );
        assert_eq!(written.variables, BTreeSet::from(["KEY".to_owned()]));
    }

    #[test]
    fn a_plan_with_other_secrets_is_refused() {
        let mut plan = test_plan();
        plan.marked.insert("hunter2".to_owned());
        plan.arms[0].target.command.push("hunter2".to_owned());
        let error = write_plan(&plan, Seed(7), &Faults).expect_err("it has a secret");
        assert!(error.to_string().contains("secrets"), "{error}");
    }
}
