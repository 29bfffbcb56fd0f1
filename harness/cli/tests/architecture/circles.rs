//! Modules of one folder use each other in one direction only: there is no way from a module back to itself.
//!
//! The scan reads `use` lines and written paths (`crate::…`, `super::…`). It follows a name that the parent re-exports to the module that
//! defines it. Code for tests alone does not count.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;
use std::fs;
use std::path::Path;

type Place = Vec<String>;

/// What the scan keeps of a module.
#[derive(Default)]
struct Module {
    /// The names that `use` brings in, with their paths as written.
    imports: BTreeMap<String, Place>,
    /// Every path that its code names, as written.
    paths: BTreeSet<Place>,
}

/// The modules of one crate, by their place below its root.
#[derive(Default)]
struct Crate {
    modules: BTreeMap<Place, Module>,
    only_tests: BTreeSet<Place>,
}

/// Which module uses which, with one such path, by the folder that holds both.
type Uses = BTreeMap<Place, BTreeMap<String, BTreeMap<String, String>>>;

impl Crate {
    fn read(folder: &Path) -> Self {
        let mut all = Self::default();
        for path in super::sources(folder) {
            let text = fs::read_to_string(&path).unwrap();
            all.add(path.strip_prefix(folder).unwrap(), &text);
        }
        all
    }

    fn add(&mut self, file: &Path, text: &str) {
        let mut place: Place = file.with_extension("").iter().map(name_of).collect();
        let is_folder = |name: &String| ["mod", "lib", "main"].contains(&&**name);
        if place.last().is_some_and(is_folder) {
            place.pop();
        }
        self.modules.entry(place.clone()).or_default();
        Scan {
            tokens: tokens(text),
            at: 0,
        }
        .read(&place, self);
    }

    /// The module that a path leads to, as seen from `from`; none for what is not of this crate.
    fn find(&self, from: &[String], path: &[String], depth: u8) -> Option<Place> {
        let mut place = from.to_vec();
        for (segment, index) in path.iter().zip(0..) {
            match segment.as_str() {
                "crate" => place.clear(),
                "self" => {}
                "super" => {
                    place.pop()?;
                }
                name => {
                    let child = [&place[..], &[name.to_owned()]].concat();
                    let import = self.modules.get(&place)?.imports.get(name);
                    if self.modules.contains_key(&child) {
                        place = child;
                    } else if let Some(import) = import.filter(|_| depth > 0) {
                        place = self.find(&place, import, depth - 1)?;
                    } else {
                        return (index > 0).then_some(place);
                    }
                }
            }
        }
        Some(place)
    }

    fn uses(&self) -> Uses {
        let mut uses = Uses::new();
        for (from, module) in &self.modules {
            if self.only_tests.iter().any(|tests| from.starts_with(tests)) {
                continue;
            }
            for path in &module.paths {
                let Some(to) = self.find(from, path, 8) else {
                    continue;
                };
                let shared = from.iter().zip(&to).take_while(|(a, b)| a == b).count();
                if let (Some(user), Some(used)) = (from.get(shared), to.get(shared)) {
                    let folder = uses.entry(from[..shared].to_vec()).or_default();
                    let by = folder.entry(user.clone()).or_default();
                    let why = format!("{}: {}", from.join("/"), path.join("::"));
                    by.entry(used.clone()).or_insert(why);
                }
            }
        }
        uses
    }

    /// The uses that lead back to where they begin, one a line.
    fn circles(&self) -> String {
        let mut told = String::new();
        for (folder, uses) in self.uses() {
            for (user, all) in &uses {
                for (used, why) in all {
                    if reaches(&uses, used, user) {
                        writeln!(told, "{}: {user} uses {used} ({why})", folder.join("/")).unwrap();
                    }
                }
            }
        }
        told
    }
}

fn reaches(uses: &BTreeMap<String, BTreeMap<String, String>>, from: &str, to: &str) -> bool {
    let mut seen = BTreeSet::from([from]);
    let mut open = vec![from];
    while let Some(next) = open.pop() {
        for used in uses.get(next).into_iter().flat_map(BTreeMap::keys) {
            if used == to {
                return true;
            }
            if seen.insert(used) {
                open.push(used);
            }
        }
    }
    from == to
}

fn name_of(part: &std::ffi::OsStr) -> String {
    part.to_str().unwrap().to_owned()
}

/// The words and signs of some code, without its comments and texts.
fn tokens(text: &str) -> Vec<String> {
    let is_word = |sign: char| sign.is_alphanumeric() || sign == '_';
    let mut tokens: Vec<String> = Vec::new();
    let mut rest = text;
    while let Some(sign) = rest.chars().next() {
        let length = if rest.starts_with("//") {
            rest.find('\n').unwrap_or(rest.len())
        } else if rest.starts_with("/*") {
            rest.find("*/").map_or(rest.len(), |end| end + 2)
        } else if let Some(length) = raw_text(rest) {
            length
        } else if sign == '"' {
            quoted(rest, '"')
        } else if sign == '\'' {
            // A lifetime has no closing mark.
            let mut after = rest.chars().skip(1);
            match (after.next(), after.next()) {
                (Some('\\'), _) | (_, Some('\'')) => quoted(rest, '\''),
                _ => 1,
            }
        } else if is_word(sign) {
            let end = rest.find(|sign| !is_word(sign)).unwrap_or(rest.len());
            tokens.push(rest[..end].to_owned());
            end
        } else if rest.starts_with("::") {
            tokens.push("::".to_owned());
            2
        } else {
            if !sign.is_whitespace() {
                tokens.push(sign.to_string());
            }
            sign.len_utf8()
        };
        rest = &rest[length..];
    }
    tokens
}

/// The length of the raw text (`r"…"`, `br#"…"#`) that stands here, if one does.
fn raw_text(rest: &str) -> Option<usize> {
    let start = ["r", "br"].into_iter().find(|start| {
        let after = rest.strip_prefix(start);
        after.is_some_and(|after| after.trim_start_matches('#').starts_with('"'))
    })?;
    let hashes = rest[start.len()..].find('"')?;
    let begin = start.len() + hashes + 1;
    let closing = format!("\"{}", "#".repeat(hashes));
    let end = rest[begin..].find(&closing)?;
    Some(begin + end + closing.len())
}

/// The length of the text or sign that stands here, with its marks.
fn quoted(rest: &str, mark: char) -> usize {
    let mut escaped = false;
    for (at, sign) in rest.char_indices().skip(1) {
        match sign {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            _ if sign == mark => return at + 1,
            _ => {}
        }
    }
    rest.len()
}

struct Scan {
    tokens: Vec<String>,
    at: usize,
}

impl Scan {
    fn peek(&self, ahead: usize) -> &str {
        self.tokens.get(self.at + ahead).map_or("", String::as_str)
    }

    fn next(&mut self) -> String {
        self.at += 1;
        self.tokens[self.at - 1].clone()
    }

    /// Reads the code of a module, to its closing brace or the file's end.
    fn read(&mut self, place: &[String], into: &mut Crate) {
        let mut depth = 0;
        while self.at < self.tokens.len() {
            match (self.peek(0), self.peek(1), self.peek(2)) {
                ("#", "[", _) => {
                    if self.attribute_is_of_tests() {
                        self.skip_item(place, into);
                    }
                    continue;
                }
                ("mod", name, "{") => {
                    let inner = [place, &[name.to_owned()]].concat();
                    into.modules.entry(inner.clone()).or_default();
                    self.at += 3;
                    self.read(&inner, into);
                    continue;
                }
                // Otherwise it says what an opaque type captures.
                ("use", next, _) if next != "<" => {
                    self.at += 1;
                    self.read_use(&[], place, into);
                    continue;
                }
                ("crate" | "super" | "self", "::", _) => {
                    let mut path = vec![self.next()];
                    while self.peek(0) == "::" && self.peek(1) != "{" && self.peek(1) != "<" {
                        self.at += 1;
                        path.push(self.next());
                    }
                    let module = into.modules.entry(place.to_vec()).or_default();
                    module.paths.insert(path);
                    continue;
                }
                ("{", ..) => depth += 1,
                ("}", ..) if depth == 0 => {
                    self.at += 1;
                    return;
                }
                ("}", ..) => depth -= 1,
                _ => {}
            }
            self.at += 1;
        }
    }

    /// Reads an attribute, and says whether what follows it is for tests alone.
    fn attribute_is_of_tests(&mut self) -> bool {
        let begin = self.at;
        self.at += 1;
        self.skip_group();
        let words = &self.tokens[begin..self.at];
        let has = |word: &str| words.iter().any(|other| other == word);
        has("cfg") && has("test") && !has("any") && !has("not")
    }

    /// Goes behind the group that begins here.
    fn skip_group(&mut self) {
        let mut depth = 0;
        loop {
            match self.next().as_str() {
                "(" | "[" | "{" => depth += 1,
                ")" | "]" | "}" => depth -= 1,
                _ => {}
            }
            if depth == 0 {
                return;
            }
        }
    }

    fn skip_item(&mut self, place: &[String], into: &mut Crate) {
        loop {
            match self.peek(0) {
                "mod" => {
                    let tests = [place, &[self.peek(1).to_owned()]].concat();
                    into.only_tests.insert(tests);
                    self.at += 1;
                }
                "{" => return self.skip_group(),
                "(" | "[" => self.skip_group(),
                ";" | "," | "" => return,
                _ => self.at += 1,
            }
        }
    }

    /// Reads a branch of a `use`, and stands behind it afterwards.
    fn read_use(&mut self, stem: &[String], place: &[String], into: &mut Crate) {
        let mut path = stem.to_vec();
        loop {
            match self.peek(0) {
                "{" => {
                    self.at += 1;
                    while self.peek(0) != "}" {
                        self.read_use(&path, place, into);
                        if self.peek(0) == "," {
                            self.at += 1;
                        }
                    }
                    self.at += 1;
                    return;
                }
                "::" => self.at += 1,
                "," | "}" | ";" | "as" => break,
                _ => path.push(self.next()),
            }
        }
        if path
            .last()
            .is_some_and(|name| name == "*" || name == "self")
            && path.len() > 1
        {
            path.pop();
        }
        let mut name = path.last().cloned().unwrap_or_default();
        if self.peek(0) == "as" {
            self.at += 1;
            name = self.next();
        }
        let module = into.modules.entry(place.to_vec()).or_default();
        module.paths.insert(path.clone());
        module.imports.insert(name, path);
    }
}

#[test]
fn no_modules_of_a_folder_use_each_other_in_a_circle() {
    let mut told = String::new();
    for member in super::members() {
        let source = super::root().join(&member).join("src");
        let circles = Crate::read(&source).circles();
        if !circles.is_empty() {
            writeln!(told, "{member}\n{circles}").unwrap();
        }
    }
    assert!(
        told.is_empty(),
        "modules use each other in a circle:\n{told}"
    );
}

#[test]
fn a_circle_is_seen_through_a_re_export_and_a_written_path_but_not_in_tests() {
    let root = "mod a;\nmod b;\npub use b::Thing;\n";
    let told = |a: &str, b: &str| {
        let mut sample = Crate::default();
        sample.add(Path::new("lib.rs"), root);
        sample.add(Path::new("a/mod.rs"), "mod deep;");
        sample.add(Path::new("a/deep.rs"), a);
        sample.add(Path::new("b.rs"), b);
        sample.circles()
    };
    let thing = "use crate::Thing;";
    assert_eq!(
        told(thing, "fn f() { crate::a::g() }"),
        ": a uses b (a/deep: crate::Thing)\n: b uses a (b: crate::a::g)\n"
    );
    for one_way in [
        "fn f() {}",
        "// crate::a::g",
        "const TEXT: &str = \"crate::a::g\";",
        "#[cfg(test)]\nmod tests { use crate::a::g; }",
    ] {
        assert_eq!(told(thing, one_way), "", "{one_way}");
    }
}
