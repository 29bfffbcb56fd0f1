//! Every key of the published schema: a wrong value of a key is reported at the line of that key.
//!
//! The keys, and the values that have a wrong type, come from the schema. `wrong_values.txt` has the values that have
//! the right type and break a rule. A key that can break none stands in [`FREE`], so that a new key fails here until its place is known.
//!
//! A value that is marked as secret is known as one, at each place where the schema has the mark.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use comeback_experiment::{File, Key, Unreadable, json_schema};
use comeback_faults::Faults;
use comeback_model::plan::fault::Catalogue;
use jsonschema::Validator;
use schemars::SchemaGenerator;
use serde_json::{Value, json};

/// Stands in for the wrong value until the line is known.
const WRONG: &str = "the wrong value";
/// The first line of each file, so that nothing else is at line 1.
const HEAD: &str = "# An experiment.\n";
const SERVER: &str = "[target]\ncommand = [\"./server\", \"{port}\"]\n";
const SESSION: &str = "[session.login]\nrequest = \"POST /login\"\n[session.act]\nrequest = \"POST /act\"\n[session.check]\n\
                       request = \"GET /me\"\n";
/// Ends the line at which a problem is expected.
const MARK: &str = " # <-";

/// A key of an experiment file.
struct Place {
    path: Vec<Key>,
    /// Its definition in the schema, and its name there.
    owner: String,
    schema: Value,
    /// Other keys that a valid file needs then.
    beside: Vec<(Vec<Key>, toml::Value)>,
}

/// Walks the schema, and collects each key at each place where it may be.
struct Walk {
    root: Value,
    /// The parameters of each kind of fault.
    kinds: Vec<(String, Value)>,
    places: Vec<Place>,
}

fn below(path: &[Key], key: impl Into<Key>) -> Vec<Key> {
    path.iter().cloned().chain([key.into()]).collect()
}

/// A valid value of a key that a table must have.
fn sample(owner: &str, key: &str) -> toml::Value {
    let text = |text: &str| toml::Value::from(text);
    match (owner, key) {
        ("SurroundingPart", "kind") => text("cpu_quota"),
        (_, "name") => text("second"),
        (_, "request") => text("GET /"),
        (_, "at") => text("/user"),
        (_, "times") => toml::Value::from(2),
        (_, "begin" | "end") => toml::Value::from(vec!["true"]),
        (_, "login" | "act" | "check") => {
            toml::Table::from_iter([("request".to_owned(), text("POST /go"))]).into()
        }
        (_, "value") => text("a"),
        (_, "signal") => text("INT"),
        (_, "file") => text("data.db"),
        (owner, key) => panic!("{owner} needs {key}: add a valid value of it here"),
    }
}

impl Walk {
    fn all() -> Self {
        let mut generator = SchemaGenerator::default();
        let kinds = Faults.schemas(&mut generator).into_iter();
        let mut walk = Self {
            root: json_schema(&Faults),
            kinds: kinds
                .map(|(kind, schema)| (kind.to_owned(), schema.to_value()))
                .collect(),
            places: Vec::new(),
        };
        let root = walk.root.clone();
        walk.shape(&root, "the file", &[], &[]);
        walk
    }

    /// The keys below a value of this schema.
    fn shape(
        &mut self,
        schema: &Value,
        owner: &str,
        path: &[Key],
        beside: &[(Vec<Key>, toml::Value)],
    ) {
        if let Some(name) = schema["$ref"].as_str() {
            let owner = name.rsplit('/').next().unwrap_or_default().to_owned();
            let schema = self.root.pointer(name.trim_start_matches('#')).unwrap();
            return self.shape(&schema.clone(), &owner, path, beside);
        }
        for options in [&schema["anyOf"], &schema["oneOf"]] {
            for option in options.as_array().into_iter().flatten() {
                self.shape(option, owner, path, beside);
            }
        }
        if schema["items"].is_object() {
            // The second of a list, so that its number counts.
            let mut beside = beside.to_vec();
            let first = self.required(&schema["items"], &below(path, 0));
            if !first.is_empty() {
                beside.extend(first);
            } else if self.is_table(&schema["items"]) {
                beside.push((below(path, 0), toml::Table::new().into()));
            }
            let items = schema["items"].clone();
            self.shape(&items, owner, &below(path, 1), &beside);
        }
        if schema["additionalProperties"].is_object() {
            let names = schema["propertyNames"]["enum"].as_array();
            let name = names.and_then(|names| names.first()?.as_str());
            let path = below(path, name.unwrap_or("some"));
            let inner = &schema["additionalProperties"];
            self.key(path, format!("{owner}.*"), inner, beside.to_vec());
        }
        let Some(properties) = schema["properties"].as_object() else {
            return;
        };
        let mut beside = beside.to_vec();
        beside.extend(required_of(schema, owner, path));
        let kinds = match owner {
            "FaultPart" | "SurroundingPart" => self.kinds.clone(),
            _ => Vec::new(),
        };
        for (name, property) in properties {
            let path_of_key = below(path, name.as_str());
            let mut is_parameter = false;
            for (kind, parameters) in &kinds {
                let Some(own) = parameters["properties"].get(name) else {
                    continue;
                };
                is_parameter = true;
                let mut beside = beside.clone();
                beside.push((below(path, "kind"), kind.as_str().into()));
                beside.extend(required_of(parameters, kind, path));
                self.key(path_of_key.clone(), format!("{owner}.{name}"), own, beside);
            }
            if !is_parameter {
                let owner = format!("{owner}.{name}");
                self.key(path_of_key, owner, property, beside.clone());
            }
        }
    }

    fn key(
        &mut self,
        path: Vec<Key>,
        owner: String,
        schema: &Value,
        beside: Vec<(Vec<Key>, toml::Value)>,
    ) {
        self.places.push(Place {
            path: path.clone(),
            owner: owner.clone(),
            schema: schema.clone(),
            beside: beside.clone(),
        });
        self.shape(schema, &owner, &path, &beside);
    }

    fn resolved<'a>(&'a self, schema: &'a Value) -> &'a Value {
        match schema["$ref"].as_str() {
            Some(name) => self.root.pointer(name.trim_start_matches('#')).unwrap(),
            None => schema,
        }
    }

    fn is_table(&self, schema: &Value) -> bool {
        self.resolved(schema)["properties"].is_object()
    }

    fn required(&self, schema: &Value, path: &[Key]) -> Vec<(Vec<Key>, toml::Value)> {
        let owner = schema["$ref"].as_str().unwrap_or_default();
        let owner = owner.rsplit('/').next().unwrap_or_default();
        let mut required = required_of(self.resolved(schema), owner, path);
        // Names are unique.
        for (path, value) in &mut required {
            if path.last() == Some(&Key::from("name")) {
                *value = "first".into();
            }
        }
        required
    }
}

fn required_of(schema: &Value, owner: &str, path: &[Key]) -> Vec<(Vec<Key>, toml::Value)> {
    let names = schema["required"].as_array().into_iter().flatten();
    let mut required: Vec<(Vec<Key>, toml::Value)> = names
        .filter_map(Value::as_str)
        .map(|name| (below(path, name), sample(owner, name)))
        .collect();
    // What a rule demands, and no schema says.
    match (owner, path) {
        ("ExternalPart", path) => required.push((below(path, "port"), toml::Value::from(8080))),
        ("DrainPart", [balancer @ .., _]) => {
            let command = toml::Value::from(vec!["./proxy", "{port}"]);
            required.push((below(balancer, "command"), command));
        }
        _ => {}
    }
    required
}

/// Puts a value into a document.
fn put(into: &mut toml::Value, path: &[Key], value: toml::Value) {
    let Some((key, rest)) = path.split_first() else {
        *into = value;
        return;
    };
    let inner = match key {
        Key::Name(name) => {
            if !into.is_table() {
                *into = toml::Table::new().into();
            }
            let table = into.as_table_mut().unwrap();
            table
                .entry(name.clone())
                .or_insert_with(|| toml::Table::new().into())
        }
        Key::Index(index) => {
            if !into.is_array() {
                *into = toml::Value::Array(Vec::new());
            }
            let items = into.as_array_mut().unwrap();
            while items.len() <= *index {
                items.push(toml::Table::new().into());
            }
            &mut items[*index]
        }
    };
    put(inner, rest, value);
}

impl Place {
    /// A file with this key, [`WRONG`] as its value.
    fn text(&self) -> String {
        let mut document: toml::Value = SERVER.parse::<toml::Table>().unwrap().into();
        for (path, value) in &self.beside {
            put(&mut document, path, value.clone());
        }
        put(&mut document, &self.path, WRONG.into());
        format!("{HEAD}{}", toml::to_string(&document).unwrap())
    }

    /// Its schema without the texts for people.
    fn shape(&self) -> String {
        let mut schema = self.schema.clone();
        if let Some(schema) = schema.as_object_mut() {
            schema.remove("description");
            schema.remove("default");
        }
        schema.to_string()
    }

    /// Values that the schema has no place for.
    fn wrong_values(
        &self,
        validators: &mut BTreeMap<String, Validator>,
        root: &Value,
    ) -> Vec<String> {
        let written = self.schema.to_string();
        let validator = validators.entry(self.shape()).or_insert_with(|| {
            // A validator reads all definitions, so it gets them only where it needs some.
            let schema = match written.contains("$ref") {
                true => json!({ "$defs": root["$defs"], "allOf": [self.schema] }),
                false => self.schema.clone(),
            };
            jsonschema::validator_for(&schema).unwrap()
        });
        let candidates = [
            "true",
            "7",
            "-1",
            "1.5",
            "\"nonsense\"",
            "[]",
            "[\"nonsense\"]",
            "[[1]]",
            "{ nonsense = 1 }",
            "{ nonsense = { nonsense = [] } }",
        ];
        let is_wrong = |literal: &&str| {
            let document: toml::Table = format!("it = {literal}").parse().unwrap();
            !validator.is_valid(&serde_json::to_value(&document["it"]).unwrap())
        };
        let mut wrong: Vec<String> = candidates
            .into_iter()
            .filter(is_wrong)
            .map(str::to_owned)
            .collect();
        // What the schema does not say in a way that a validator reads.
        if written.contains("uint32") {
            wrong.push("4294967296".to_owned());
        }
        if written.contains("$defs/Span") || written.contains("$defs/Size") {
            wrong.push("\"nonsense\"".to_owned());
        }
        // JSON has no dates.
        if !wrong.is_empty() {
            wrong.push("1979-05-27".to_owned());
        }
        wrong
    }
}

/// The lines of everything that is wrong with a file, and what is shown of it.
fn wrong_lines(text: &str) -> Result<(BTreeSet<usize>, Unreadable), String> {
    let read = File::parse(Path::new("/srv/a.toml"), text.to_owned(), &Faults);
    let refused = match read.and_then(|file| file.resolve(&Faults)) {
        Ok(_) => return Err("it is accepted".to_owned()),
        Err(refused) => refused,
    };
    let lines = refused.problems().iter().map(|wrong| wrong.line);
    Ok((lines.collect(), refused))
}

/// What is not as it should be with a file whose only problem is at this line.
fn misplaced(text: &str, line: usize) -> Option<String> {
    match wrong_lines(text) {
        Ok((lines, _)) if lines == BTreeSet::from([line]) => None,
        Ok((_, refused)) => Some(format!("not only at line {line} of\n{text}{refused}\n")),
        Err(what) => Some(format!("{what}, line {line} is wrong in\n{text}")),
    }
}

fn line_of(text: &str, part: &str) -> usize {
    let before = text.split(part).next().unwrap();
    before.matches('\n').count() + 1
}

fn fail_with(found: &[String], count: usize) {
    assert!(
        found.is_empty(),
        "{} of {count}:\n{}",
        found.len(),
        found.join("\n")
    );
}

#[test]
fn a_value_of_the_wrong_type_is_reported_at_the_line_of_its_key() {
    let walk = Walk::all();
    let mut validators = BTreeMap::new();
    let (mut found, mut count) = (Vec::new(), 0);
    let mut often = BTreeMap::new();
    for place in &walk.places {
        // Some keys are at many places: two values do there.
        let times: &mut usize = often.entry(place.owner.as_str()).or_default();
        *times += 1;
        let most = if *times > 2 { 2 } else { usize::MAX };
        let text = place.text();
        let line = line_of(&text, WRONG);
        let wrong = place.wrong_values(&mut validators, &walk.root);
        assert!(
            !wrong.is_empty() || place.owner == "StepPart.json",
            "{text}"
        );
        for value in wrong.into_iter().take(most) {
            count += 1;
            let text = text.replace(&format!("\"{WRONG}\""), &value);
            found.extend(misplaced(&text, line));
        }
    }
    assert!(walk.places.len() > 600 && count > 2_000, "{count}");
    fail_with(&found, count);
}

/// Files that break one rule. Lines that begin with `#` are comments.
const RULES: &str = include_str!("wrong_values.txt");
/// The servers that an arm may have of its own, and what an arm calls them.
const OF_ARMS: [(&str, &str); 6] = [
    ("target", "target"),
    ("balancer", "balancer"),
    ("cache", "cache"),
    ("store", "store"),
    ("deploy", "deploy"),
    ("load.retry", "retry"),
];
const BALANCER: &str = "[balancer]\ncommand = [\"./proxy\", \"{port}\"]\n[balancer.drain]\nbegin = [\"a\"]\nend = [\"b\"]";
/// Where a fault may be, and the line after which it has further keys.
const FAULTS: [&str; 6] = [
    "[fault]",
    "[[fault]]",
    "[[fault]]\n[[fault]]",
    "[chaos.choice]",
    "[[chaos.choice]]",
    "[[chaos.choice]]\n[[chaos.choice]]",
];
const SURROUNDINGS: [&str; 2] = [
    "[surroundings]",
    "[[surroundings]]\nkind = \"cpu_quota\"\n[[surroundings]]",
];
/// Keys with which every value of their type is right.
const FREE: [&str; 9] = [
    "ArmPart.about",
    "BalancerPart.retry",
    "ChaosPart.quiet",
    "ChaosPart.spread",
    "FaultPart.lands_within",
    "StepPart.follow",
    "StopPart.grace",
    "WindowsPart.warm_up",
    "the file.seed",
];

/// The path of a marked key, by names alone: `arm.target.command`.
fn marked_path(text: &str) -> Vec<String> {
    let line = text.lines().position(|line| line.contains(MARK)).unwrap();
    let lines: Vec<&str> = text.lines().take(line + 1).collect();
    let header = lines.iter().rposition(|line| line.starts_with('['));
    // Only the key's own line and its header are left.
    let own = header
        .into_iter()
        .chain((header != Some(line)).then_some(line));
    let own: Vec<&str> = own.map(|line| lines[line]).collect();
    let mut value: toml::Value = own.join("\n").parse::<toml::Table>().unwrap().into();
    let mut path = Vec::new();
    loop {
        value = match value {
            toml::Value::Array(mut items) if items.len() == 1 && items[0].is_table() => {
                items.remove(0)
            }
            toml::Value::Table(table) if !table.is_empty() => {
                let (name, value) = table.into_iter().next().unwrap();
                path.push(name);
                value
            }
            _ => return path,
        };
    }
}

impl Walk {
    /// The definition that the marked key of a file belongs to.
    fn owner_of(&self, text: &str) -> Option<&str> {
        let mut path = marked_path(text);
        while !path.is_empty() {
            let mut other = path.clone();
            *other.last_mut().unwrap() = "some".to_owned();
            let is_it = |place: &&Place| {
                let names = place.path.iter().filter_map(|key| match key {
                    Key::Name(name) => Some(name.clone()),
                    Key::Index(_) => None,
                });
                let names: Vec<String> = names.collect();
                names == path || names == other
            };
            if let Some(place) = self.places.iter().find(is_it) {
                return Some(&place.owner);
            }
            // The value was a table of the user's own.
            path.pop();
        }
        None
    }

    /// Whether the schema says everything about the values of a key: it is a table, a choice, or true or false.
    fn is_complete(&self, schema: &Value) -> bool {
        let schema = self.resolved(schema);
        let options = schema["anyOf"].as_array().or(schema["oneOf"].as_array());
        let is_type = |name: &str| match &schema["type"] {
            Value::Array(types) => types.contains(&json!(name)),
            one => *one == name,
        };
        let is_one = schema["enum"].is_array() || !schema["const"].is_null();
        let is_table = schema["properties"].is_object() || is_type("object");
        is_one
            || is_table
            || is_type("boolean")
            || is_type("array") && self.is_table(&schema["items"])
            || schema["type"] == "null"
            || options.is_some_and(|all| all.iter().all(|one| self.is_complete(one)))
    }
}

#[test]
fn each_key_has_a_rule_or_can_break_none() {
    let walk = Walk::all();
    let files = broken_files();
    let ruled = files.iter().filter_map(|text| walk.owner_of(text));
    let ruled: BTreeSet<&str> = ruled.chain(FREE).collect();
    let open = walk
        .places
        .iter()
        .filter(|place| !ruled.contains(place.owner.as_str()) && !walk.is_complete(&place.schema));
    let open: BTreeSet<&str> = open.map(|place| place.owner.as_str()).collect();
    assert!(
        open.is_empty(),
        "add a wrong value to wrong_values.txt, or the key to FREE: {open:?}"
    );
    let known: BTreeSet<&str> = walk
        .places
        .iter()
        .map(|place| place.owner.as_str())
        .collect();
    for key in FREE {
        assert!(known.contains(key), "{key} is no key");
    }
}

/// Every form of every file that breaks a rule.
fn broken_files() -> Vec<String> {
    let blocks = RULES.split("\n\n").map(|block| {
        let lines = block.lines().filter(|line| !line.starts_with('#'));
        lines.map(|line| format!("{line}\n")).collect::<String>()
    });
    let mut files = Vec::new();
    for block in blocks.filter(|block| !block.is_empty()) {
        assert_eq!(block.matches(MARK).count(), 1, "{block}");
        let block = block
            .replace("SERVER\n", SERVER)
            .replace("SESSION\n", SESSION)
            .replace("BALANCER", BALANCER);
        let (name, places) = match block.lines().next() {
            Some("ANY FAULT") => ("ANY FAULT", &FAULTS[..]),
            Some("SURROUNDING") => ("SURROUNDING", &SURROUNDINGS[..]),
            _ => ("", &[""][..]),
        };
        for place in places {
            let block = block.replacen(name, place, 1);
            let server = if block.contains("[target") {
                ""
            } else {
                SERVER
            };
            // The keys of the whole experiment come first.
            files.push(match block.starts_with('[') {
                true => format!("{HEAD}{server}{block}"),
                false => format!("{HEAD}{block}{server}"),
            });
            files.extend(of_an_arm(&block).map(|block| format!("{HEAD}{server}{block}")));
        }
    }
    files
}

/// The same rule, broken by the own part of an arm.
fn of_an_arm(block: &str) -> Option<String> {
    if block.contains("[[arm]]") {
        return None;
    }
    let mut found = false;
    let mut text = String::new();
    for line in block.lines() {
        let own = OF_ARMS.iter().find_map(|(common, own)| {
            let rest = line.strip_prefix('[')?.strip_prefix(common)?;
            rest.starts_with([']', '.'])
                .then(|| format!("[arm.{own}{rest}"))
        });
        if own.is_some() && !found {
            text.push_str("[[arm]]\nname = \"own\"\n");
            found = true;
        }
        text.push_str(own.as_deref().unwrap_or(line));
        text.push('\n');
    }
    found.then_some(text)
}

#[test]
fn a_broken_rule_is_reported_at_the_line_of_its_key() {
    let files = broken_files();
    let mut found = Vec::new();
    for text in &files {
        found.extend(misplaced(text, line_of(text, MARK)));
    }
    assert!(files.len() > 450, "{}", files.len());
    fail_with(&found, files.len());
}

const HUSH: &str = "hush-8731";

#[test]
fn a_value_that_is_marked_as_secret_is_known_as_one() {
    let walk = Walk::all();
    let (mut open, mut count) = (Vec::new(), 0);
    for place in &walk.places {
        let Some((Key::Name(last), marked)) = place.path.split_last() else {
            continue;
        };
        if last != "secret" {
            continue;
        }
        count += 1;
        // What a valid file needs beside it.
        let below_any = |name: &str| marked.contains(&Key::from(name));
        let others = match () {
            () if below_any("session") => SESSION,
            () if below_any("deploy") => {
                "[deploy]\ncommand = [\"./next\", \"{port}\"]\n[fault]\nkind = \"deploy\"\n"
            }
            () => "",
        };
        let text = format!("{SERVER}{others}");
        let mut document: toml::Value = text.parse::<toml::Table>().unwrap().into();
        for (path, value) in &place.beside {
            put(&mut document, path, value.clone());
        }
        let value = toml::Table::from_iter([
            ("value".to_owned(), HUSH.into()),
            ("secret".to_owned(), true.into()),
        ]);
        put(&mut document, marked, value.into());
        if let [store @ .., _, _] = marked
            && below_any("store")
        {
            put(&mut document, &below(store, "kind"), "redis".into());
        }
        let text = toml::to_string(&document).unwrap();
        let read = File::parse(Path::new("/srv/a.toml"), text.clone(), &Faults);
        match read.and_then(|file| file.resolve(&Faults)) {
            Ok(resolved) if resolved.plan.marked.contains(HUSH) => {}
            Ok(_) => open.push(format!("shown in plain text:\n{text}")),
            Err(refused) => open.push(format!("refused:\n{text}{refused}")),
        }
    }
    assert!(count > 10, "{count}");
    fail_with(&open, count);
}
