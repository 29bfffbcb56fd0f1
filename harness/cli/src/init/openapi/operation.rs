//! The operations of a document, and what speaks for their parts. Pure.

use serde_json::Value;

use super::super::recorded::Unusable;
use super::super::roles::{LOGIN_PLACES, LOGOUTS, SIGN_UPS, is_password};
use super::schema::{Document, FORM};

/// The methods that an operation may have.
const METHODS: [&str; 5] = ["get", "put", "post", "patch", "delete"];

/// Something that a client may ask.
pub(super) struct Operation<'d> {
    pub(super) document: Document<'d>,
    /// In capital letters.
    pub(super) method: String,
    /// As the document has it, with its base.
    pub(super) path: String,
    pub(super) described: &'d Value,
    /// Parameters of the operation and of its path.
    pub(super) parameters: Vec<&'d Value>,
    /// What it demands first of all: the names of security schemes. Empty if it demands none, `None` if the document says nothing.
    pub(super) demands: Option<Vec<&'d str>>,
}

/// All operations of a document.
///
/// # Errors
/// If it has none.
pub(super) fn operations(document: Document<'_>) -> Result<Vec<Operation<'_>>, Unusable> {
    let paths = document.root.get("paths").and_then(Value::as_object);
    let base = base_of(document.root);
    let mut operations = Vec::new();
    for (path, item) in paths.into_iter().flatten() {
        let item = document.resolve(item);
        for method in METHODS {
            let Some(described) = item.get(method) else {
                continue;
            };
            let lists = [item.get("parameters"), described.get("parameters")];
            let parameters = lists.into_iter().flatten().filter_map(Value::as_array);
            let security = described.get("security").or(document.root.get("security"));
            operations.push(Operation {
                document,
                method: method.to_ascii_uppercase(),
                path: format!("{base}{path}"),
                described,
                parameters: parameters
                    .flatten()
                    .map(|one| document.resolve(one))
                    .collect(),
                demands: security.map(demanded),
            });
        }
    }
    match operations.is_empty() {
        false => Ok(operations),
        true => Err(Unusable::new(
            "it has no operations: paths is empty: name the whole document",
        )),
    }
}

/// The schemes of the first alternative. One without schemes makes security optional.
fn demanded(security: &Value) -> Vec<&str> {
    let alternatives = security.as_array().into_iter().flatten();
    let mut schemes = alternatives.filter_map(Value::as_object);
    let first = schemes.next().filter(|first| !first.is_empty());
    first
        .into_iter()
        .flat_map(|first| first.keys().map(String::as_str))
        .collect()
}

/// The path of the first server, without its end.
fn base_of(root: &Value) -> String {
    let url = root.pointer("/servers/0/url").and_then(Value::as_str);
    let mut url = url.unwrap_or_default().to_owned();
    let variables = root
        .pointer("/servers/0/variables")
        .and_then(Value::as_object);
    for (name, variable) in variables.into_iter().flatten() {
        let default = variable.get("default").and_then(Value::as_str);
        url = url.replace(&format!("{{{name}}}"), default.unwrap_or_default());
    }
    let joined = url::Url::parse("http://target").and_then(|target| target.join(&url));
    let path = joined.map(|url| url.path().to_owned()).unwrap_or_default();
    path.trim_end_matches('/').to_owned()
}

impl<'d> Operation<'d> {
    /// Its words, in lower case: the parts of its path, and its identifier.
    pub(super) fn words(&self) -> Vec<String> {
        let id = self.described.get("operationId").and_then(Value::as_str);
        let mut parts = self.path.split('/');
        let last = parts.rfind(|part| !part.is_empty() && !part.starts_with('{'));
        let words = last.into_iter().chain(id);
        let plain = words.map(|word| {
            let letters = word.chars().filter(|letter| letter.is_alphanumeric());
            letters.collect::<String>().to_ascii_lowercase()
        });
        plain.collect()
    }

    pub(super) fn line(&self) -> String {
        format!("{} {}", self.method, self.path)
    }

    pub(super) fn has_word(&self, known: &[&str]) -> bool {
        let words = self.words();
        known
            .iter()
            .any(|known| words.iter().any(|word| word.contains(known)))
    }

    pub(super) fn is_logout(&self) -> bool {
        let words = self.words();
        let is_session = words
            .iter()
            .any(|word| LOGIN_PLACES.contains(&word.as_str()));
        self.has_word(&LOGOUTS) || self.method == "DELETE" && is_session
    }

    /// Whether it makes an account.
    pub(super) fn is_sign_up(&self) -> bool {
        let has_password = self.body_fields().iter().any(|name| is_password(name));
        let words = self.words();
        let is_named = words.iter().any(|word| SIGN_UPS.contains(&word.as_str()));
        self.has_word(&["register", "signup"]) || is_named && has_password
    }

    pub(super) fn has_parameters_in_path(&self) -> bool {
        self.path.contains('{')
    }

    pub(super) fn body(&self) -> Option<(&'static str, &'d Value)> {
        self.document.body(self.described.get("requestBody")?)
    }

    /// Whether it has a body that no experiment can send, such as a file.
    pub(super) fn has_other_body(&self) -> bool {
        self.described.get("requestBody").is_some() && self.body().is_none()
    }

    pub(super) fn body_fields(&self) -> Vec<&'d str> {
        let fields = self.body().map(|(_, schema)| self.document.fields(schema));
        let fields = fields.into_iter().flatten();
        fields.map(|(name, ..)| name).collect()
    }

    /// The schema of its good reply, if that is JSON.
    pub(super) fn reply(&self) -> Option<&'d Value> {
        let replies = self.described.get("responses")?.as_object()?;
        let mut good = replies.iter().filter(|(status, _)| status.starts_with('2'));
        let (_, reply) = good.next()?;
        let (kind, schema) = self.document.body(reply)?;
        (kind != FORM).then_some(schema)
    }

    /// The scheme that it demands, with its name.
    pub(super) fn scheme(&self) -> Option<(&'d str, &'d Value)> {
        let name = self.demands.as_ref()?.first()?;
        let schemes = self.document.root.pointer("/components/securitySchemes")?;
        Some((name, self.document.resolve(schemes.get(name)?)))
    }

    /// Whether it is for users who are logged in, as far as the document says.
    pub(super) fn is_for_users(&self) -> bool {
        self.demands
            .as_ref()
            .is_none_or(|demands| !demands.is_empty())
    }

    /// The place of a number that acts may change, in its reply.
    pub(super) fn number(&self) -> Option<String> {
        let document = self.document;
        let leaves = self.reply().map(|schema| document.leaves(schema));
        let leaves = leaves.into_iter().flatten();
        let numbers = leaves.filter(|(_, name, schema)| {
            let kind = document.kind(schema);
            matches!(kind, "integer" | "number") && !is_no_count(name)
        });
        let mut numbers: Vec<(String, &str)> = numbers.map(|(at, name, _)| (at, name)).collect();
        numbers.sort_by_key(|(_, name)| !is_count(name));
        numbers.into_iter().next().map(|(at, _)| at)
    }

    /// The place of a text of one of these names, in its reply; earlier names first.
    pub(super) fn text_at(&self, names: &[&str]) -> Option<String> {
        let document = self.document;
        let leaves = self
            .reply()
            .map(|schema| document.leaves(schema))
            .unwrap_or_default();
        names.iter().find_map(|wanted| {
            let mut leaves = leaves.iter();
            let found = leaves.find(|(_, name, schema)| {
                let kind = document.kind(schema);
                name.eq_ignore_ascii_case(wanted) && matches!(kind, "string" | "")
            });
            found.map(|(at, ..)| at.clone())
        })
    }
}

/// Whether a name speaks of something else than a count.
fn is_no_count(name: &str) -> bool {
    const OTHERS: [&str; 10] = [
        "id",
        "page",
        "version",
        "status",
        "code",
        "limit",
        "size",
        "offset",
        "expires_in",
        "age",
    ];
    let is_id = name.ends_with("_id") || name.ends_with("Id") || name.ends_with("_at");
    is_id || OTHERS.iter().any(|other| name.eq_ignore_ascii_case(other))
}

fn is_count(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    let counts = [
        "count", "visits", "total", "number", "quantity", "balance", "value", "amount",
    ];
    counts.iter().any(|count| name.contains(count))
}
