//! The reference of every key of experiment files as Markdown, from their JSON Schema. `comeback schema experiment --markdown` prints
//! it; `docs/reference-keys.md` is the stored copy.

use std::collections::BTreeSet;

use serde_json::Value;

const HEAD: &str = "# Every key of an experiment file

Written by `comeback schema experiment --markdown`, from the same schema that editors use. [Experiment files](experiment-files.md)
shows the keys in their places, with what they are for.

A heading names a table of the file: `target.ready` is `[target.ready]`, or `ready = { … }` in `[target]`. `NAME` stands for a name of
your own. Keys that are *required* must be there wherever their table is.

## Times and sizes

A time is a text such as `\"250ms\"`, `\"2s\"` or `\"1m\"`. A size is a text such as `\"500B\"`, `\"10KB\"` (1000 bytes each) or `\"64KiB\"` (1024).
";

/// Lengths and sizes are texts that every reader knows: explained once.
const UNITS: [(&str, &str); 2] = [("Span", "time"), ("Size", "size")];

/// The tables that most files have come first, and give what stands in several its place.
const FIRST: [&str; 7] = [
    "target",
    "load",
    "session",
    "operation",
    "fault",
    "windows",
    "gate",
];

/// A table of the file, and where it may stand.
struct Table<'a> {
    schema: &'a Value,
    /// Its definition; none for the file itself.
    name: Option<&'a str>,
    places: Vec<String>,
}

/// The whole page.
pub(super) fn markdown(root: &Value) -> String {
    let tables = tables(root);
    let mut page = HEAD.to_owned();
    for table in &tables {
        page.push_str(&section(root, &tables, table));
    }
    page
}

/// All tables, each once, those of the file before what stands in them.
fn tables(root: &Value) -> Vec<Table<'_>> {
    let mut tables = vec![Table {
        schema: root,
        name: None,
        places: vec![String::new()],
    }];
    let mut next = 0;
    while let Some(table) = tables.get(next) {
        next += 1;
        let place = table.places[0].clone();
        let mut inner: Vec<_> = keys(table.schema).collect();
        if table.name.is_none() {
            inner.sort_by_key(|(key, _)| {
                let place = FIRST.iter().position(|first| first == key);
                place.unwrap_or(FIRST.len())
            });
        }
        for (key, schema) in inner {
            let mut found = Vec::new();
            below(root, schema, &joined(&place, key), &mut found);
            for (name, place) in found {
                match tables.iter_mut().find(|table| table.name == Some(name)) {
                    Some(known) => known.places.push(place),
                    None => tables.push(Table {
                        schema: &root["$defs"][name],
                        name: Some(name),
                        places: vec![place],
                    }),
                }
            }
        }
    }
    tables
}

fn keys(schema: &Value) -> impl Iterator<Item = (&String, &Value)> {
    schema["properties"].as_object().into_iter().flatten()
}

fn joined(place: &str, key: &str) -> String {
    match place {
        "" => key.to_owned(),
        place => format!("{place}.{key}"),
    }
}

/// The definitions of tables that the value of a key may be, or has in it.
fn below<'a>(root: &Value, schema: &'a Value, place: &str, found: &mut Vec<(&'a str, String)>) {
    if let Some(name) = definition(schema)
        && is_table(&root["$defs"][name])
        && !found.iter().any(|(known, _)| *known == name)
    {
        found.push((name, place.to_owned()));
    }
    for choice in choices(schema) {
        below(root, choice, place, found);
    }
    below_if(root, &schema["items"], place, found);
    below_if(
        root,
        &schema["additionalProperties"],
        &format!("{place}.NAME"),
        found,
    );
}

fn below_if<'a>(root: &Value, schema: &'a Value, place: &str, found: &mut Vec<(&'a str, String)>) {
    if schema.is_object() {
        below(root, schema, place, found);
    }
}

/// The name of the definition that a schema refers to.
fn definition(schema: &Value) -> Option<&str> {
    schema["$ref"].as_str()?.strip_prefix("#/$defs/")
}

fn is_table(schema: &Value) -> bool {
    schema["properties"].is_object()
}

fn choices(schema: &Value) -> impl Iterator<Item = &Value> {
    ["anyOf", "oneOf"]
        .into_iter()
        .flat_map(|key| schema[key].as_array().into_iter().flatten())
}

fn section(root: &Value, tables: &[Table<'_>], table: &Table<'_>) -> String {
    let mut text = match table.name {
        None => "\n## The file itself\n\n".to_owned(),
        Some(_) => format!("\n## `{}`\n\n", table.places[0]),
    };
    if table.name.is_some()
        && let Some(about) = table.schema["description"].as_str()
    {
        text.push_str(&format!("{}\n", one_line(about)));
    }
    if let [_, others @ ..] = table.places.as_slice()
        && !others.is_empty()
    {
        let others: Vec<String> = others.iter().map(|place| format!("`{place}`")).collect();
        text.push_str(&format!("The same keys: {}.\n", others.join(", ")));
    }
    if !text.ends_with("\n\n") {
        text.push('\n');
    }
    text.push_str("| key | value | default | meaning |\n|---|---|---|---|\n");
    let required: BTreeSet<&str> = table.schema["required"]
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(Value::as_str)
        .collect();
    let rows = keys(table.schema).flat_map(|(key, schema)| {
        meanings(schema)
            .into_iter()
            .map(move |schema| (key, schema))
    });
    for (key, schema) in rows {
        let (default, meaning) = explained(root, schema);
        let default = match required.contains(key.as_str()) {
            true => "*required*".to_owned(),
            false => default,
        };
        let cells = [
            format!("`{key}`"),
            kind(root, tables, schema),
            default,
            meaning,
        ];
        let cells = cells.map(|cell| cell.replace('|', "\\|"));
        text.push_str(&format!("| {} |\n", cells.join(" | ")));
    }
    text
}

/// How the text of a parameter begins that not every kind of fault has (`comeback_experiment`'s schema).
const OF_KINDS: &str = "Of a `";

/// The meanings of a key. A parameter that means something else for each of several kinds has a choice with its own text for each.
fn meanings(schema: &Value) -> Vec<&Value> {
    let each = schema["anyOf"].as_array().into_iter().flatten();
    let each: Vec<&Value> = each
        .filter(|choice| {
            let about = choice["description"].as_str();
            about.is_some_and(|about| about.starts_with(OF_KINDS))
        })
        .collect();
    match each.as_slice() {
        [] => vec![schema],
        _ => each,
    }
}

/// What a value may be.
fn kind(root: &Value, tables: &[Table<'_>], schema: &Value) -> String {
    if let Some(name) = definition(schema) {
        if let Some((_, unit)) = UNITS.iter().find(|(known, _)| *known == name) {
            return format!("[{unit}](#times-and-sizes)");
        }
        let definition = &root["$defs"][name];
        return match tables.iter().find(|table| table.name == Some(name)) {
            Some(table) => {
                let anchor: String = table.places[0]
                    .chars()
                    .filter(|sign| *sign != '.')
                    .flat_map(char::to_lowercase)
                    .collect();
                format!("[table](#{anchor})")
            }
            None => kind(root, tables, definition),
        };
    }
    if let Some(constant) = schema.get("const") {
        return code(constant);
    }
    if let Some(words) = schema["enum"].as_array() {
        return either(words.iter().map(code).collect());
    }
    let mut kinds: Vec<String> = choices(schema)
        .filter(|choice| choice["type"] != "null")
        .map(|choice| kind(root, tables, choice))
        .collect();
    let types = match &schema["type"] {
        Value::Array(types) => types.iter().filter_map(Value::as_str).collect(),
        Value::String(one) => vec![one.as_str()],
        _ => Vec::new(),
    };
    let plain = types.into_iter().filter(|name| *name != "null");
    if kinds.is_empty() {
        kinds.extend(plain.map(|name| plain_kind(root, tables, schema, name)));
    }
    match kinds.is_empty() {
        true => "anything".to_owned(),
        false => either(kinds),
    }
}

/// What a value of this type of JSON Schema may be.
fn plain_kind(root: &Value, tables: &[Table<'_>], schema: &Value, name: &str) -> String {
    match name {
        "string" => "text".to_owned(),
        "boolean" => "`true` or `false`".to_owned(),
        "integer" => format!("whole number{}", range(schema)),
        "number" => "number".to_owned(),
        "array" => format!("list of {}", kind(root, tables, &schema["items"])),
        "object" if schema["additionalProperties"].is_object() => {
            format!(
                "table of {}",
                kind(root, tables, &schema["additionalProperties"])
            )
        }
        "object" if is_table(schema) => {
            let names: Vec<&str> = keys(schema).map(|(key, _)| key.as_str()).collect();
            format!("`{{ {} }}`", names.join(", "))
        }
        other => other.to_owned(),
    }
}

fn range(schema: &Value) -> String {
    let least = schema["minimum"].as_u64().filter(|least| *least > 0);
    match (least, schema["maximum"].as_u64()) {
        (None, None) => String::new(),
        (Some(least), None) => format!(" from {least}"),
        (least, Some(most)) => format!(" from {} to {most}", least.unwrap_or(0)),
    }
}

/// `a`, `a or b`, `a, b or c`, each once.
fn either(mut words: Vec<String>) -> String {
    let mut seen = BTreeSet::new();
    words.retain(|word| seen.insert(word.clone()));
    match words.split_last() {
        Some((last, rest)) if !rest.is_empty() => format!("{} or {last}", rest.join(", ")),
        _ => words.concat(),
    }
}

fn code(value: &Value) -> String {
    match value.as_str() {
        Some(text) => format!("`\"{text}\"`"),
        None => format!("`{value}`"),
    }
}

fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

const DEFAULT: &str = "Default: ";

/// The default of a key, and its meaning without it. The descriptions end with the default as a sentence of its own.
fn explained(root: &Value, schema: &Value) -> (String, String) {
    let said = schema["description"].as_str().or_else(|| {
        let name = definition(schema)?;
        root["$defs"][name]["description"].as_str()
    });
    let said = one_line(said.unwrap_or_default());
    let (meaning, default) = match said.split_once(DEFAULT) {
        Some((before, rest)) => {
            let (default, after) = rest.split_once(". ").unwrap_or((rest, ""));
            let default = default.strip_suffix('.').unwrap_or(default).to_owned();
            let meaning = format!("{} {after}", before.trim_end());
            (meaning.trim_end().to_owned(), Some(default))
        }
        None => (said, None),
    };
    let of_the_schema = || match &schema["default"] {
        Value::Null => None,
        value @ (Value::Bool(_) | Value::Number(_)) => Some(code(value)),
        Value::String(text) if !text.is_empty() => Some(code(&schema["default"])),
        _ => None,
    };
    let default = default.or_else(of_the_schema);
    (
        default.unwrap_or_else(|| "–".to_owned()),
        format!("{meaning}{}", words_of(root, schema, &meaning)),
    )
}

/// The words that a value may be, explained, unless the meaning names them.
fn words_of(root: &Value, schema: &Value, meaning: &str) -> String {
    let named = std::iter::once(schema).chain(choices(schema));
    let Some(name) = named.filter_map(definition).next() else {
        return String::new();
    };
    let words: Vec<(&str, &str)> = choices(&root["$defs"][name])
        .filter_map(|word| Some((word["const"].as_str()?, word["description"].as_str()?)))
        .collect();
    if words
        .iter()
        .all(|(word, _)| meaning.contains(&format!("`{word}`")))
    {
        return String::new();
    }
    let told = words
        .iter()
        .map(|(word, about)| format!(" `{word}`: {}", one_line(about)));
    told.collect()
}

#[cfg(test)]
mod tests {
    use comeback_faults::Faults;

    use super::*;

    #[test]
    fn the_page_in_the_docs_is_the_one_that_is_printed() {
        let page = markdown(&comeback_experiment::json_schema(&Faults));
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/reference-keys.md");
        let stored = std::fs::read_to_string(path).expect("the page is there");
        assert!(
            stored == page,
            "docs/reference-keys.md is old: target/debug/comeback schema experiment --markdown > harness/docs/reference-keys.md"
        );
    }

    #[test]
    fn a_row_has_the_key_its_value_its_default_and_its_meaning() {
        let page = markdown(&comeback_experiment::json_schema(&Faults));
        for row in [
            "| `trials` | whole number | 6, the fewest that give a median an interval | Trials with a fault for each arm. |",
            "| `grace` | [time](#times-and-sizes) |",
            "| `request` | text | *required* | Method and path, such as `POST /login`.",
            "| `ready` | [table](#targetready) |",
            // What several kinds of faults call the same has a row for each meaning.
            "| `how` | `\"flip\"`, `\"truncate\"`, `\"zero\"` or `\"older\"` | flip | Of a `corrupt_file`.",
            "| `how` | `\"drop\"` or `\"reset\"` | drop | Of a `network`.",
            "| `percent` | whole number | 50 | Of a `cpu_quota`.",
            "| `percent` | whole number from 0 to 255 | 100 | Of a `network`.",
            "| `lasts` | [time](#times-and-sizes) | 1s | Of a `pause`.",
            "| `rate` | number or `\"auto\"` | `\"auto\"`; 200 for a shard, for external servers, and for the reference servers |",
        ] {
            assert!(page.contains(row), "{row}\n{page}");
        }
    }

    /// A key that no table shows would be one that nobody finds.
    #[test]
    fn every_key_of_the_schema_has_a_row() {
        let schema = comeback_experiment::json_schema(&Faults);
        let page = markdown(&schema);
        let definitions = schema["$defs"].as_object().expect("it has definitions");
        let mut rows = 0;
        for table in definitions.values().chain([&schema]) {
            for (key, _) in keys(table) {
                assert!(page.contains(&format!("| `{key}` |")), "{key}");
            }
            for (_, schema) in keys(table) {
                rows += meanings(schema).len();
            }
        }
        let printed = page.lines().filter(|line| line.starts_with("| `")).count();
        assert_eq!(printed, rows);
    }
}
