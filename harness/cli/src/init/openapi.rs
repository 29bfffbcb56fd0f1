//! OpenAPI documents, version 3.0 and 3.1, as JSON or YAML: a login, an act, a check and a logout as if somebody had sent them. Pure.
//!
//! A document says what may be sent, and nothing of what happens then. So each choice is told with its reason, and what the user must
//! fill in stands in the file. With the server's command the flow is tried out, and its replies decide.

mod schema;

use comeback_model::plan::is_token;
use serde_json::{Value, json};

use self::schema::{Document, FORM, PASSWORD};
use super::recorded::{Body, Exchange, Said, Unusable};
use super::roles::{LOGIN_PLACES, LOGINS, LOGOUTS, SIGN_UPS, USERS, is_password};

/// The methods that an operation may have.
const METHODS: [&str; 5] = ["get", "put", "post", "patch", "delete"];
/// Stands for a token of the login until a reply has given one.
const TOKEN: &str = "token-0123456789-of-the-login";

/// Reads a document.
///
/// # Errors
/// If it is none of this version, or no operation looks like a login.
pub(super) fn parse(text: &str) -> Result<(Vec<Exchange>, Said), Unusable> {
    let root = read(text)?;
    let document = Document { root: &root };
    let operations = operations(document)?;
    let login = find_login(&operations).ok_or_else(|| no_login(&operations))?;
    let proposal = Proposal::new(document, &operations, login);
    Ok(proposal.exchanges())
}

fn read(text: &str) -> Result<Value, Unusable> {
    let text = text.trim_start_matches('\u{feff}');
    let root: Value = match text.trim_start().starts_with('{') {
        true => serde_json::from_str(text)
            .map_err(|error| Unusable::new(format!("it is not JSON: {error}")))?,
        false => serde_saphyr::from_str(text)
            .map_err(|error| Unusable::new(format!("it is neither JSON nor YAML: {error}")))?,
    };
    if let Some(version) = root.get("swagger") {
        return Err(Unusable::new(format!(
            "it is Swagger {}: convert it to OpenAPI 3 first",
            shown(version)
        )));
    }
    let version = root.get("openapi").map(shown).unwrap_or_default();
    match version.starts_with("3.") {
        true => Ok(root),
        false if version.is_empty() => Err(Unusable::new(
            "it is no OpenAPI document: it has no key `openapi`: name the file that your framework serves, such as openapi.json",
        )),
        false => Err(Unusable::new(format!(
            "it is OpenAPI {version}: only 3.0 and 3.1 are known here"
        ))),
    }
}

/// A version, which YAML may have as a number.
fn shown(value: &Value) -> String {
    value
        .as_str()
        .map_or_else(|| value.to_string(), str::to_owned)
}

/// Something that a client may ask.
struct Operation<'d> {
    document: Document<'d>,
    /// In capital letters.
    method: String,
    /// As the document has it, with its base.
    path: String,
    described: &'d Value,
    /// Parameters of the operation and of its path.
    parameters: Vec<&'d Value>,
    /// What it demands first of all: the names of security schemes. Empty if it demands none, `None` if the document says nothing.
    demands: Option<Vec<&'d str>>,
}

fn operations(document: Document<'_>) -> Result<Vec<Operation<'_>>, Unusable> {
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
    fn words(&self) -> Vec<String> {
        let id = self.described.get("operationId").and_then(Value::as_str);
        let parts = self.path.split('/').filter(|part| !part.starts_with('{'));
        let last = parts.filter(|part| !part.is_empty()).next_back();
        let words = last.into_iter().chain(id);
        let plain = words.map(|word| {
            let letters = word.chars().filter(|letter| letter.is_alphanumeric());
            letters.collect::<String>().to_ascii_lowercase()
        });
        plain.collect()
    }

    fn line(&self) -> String {
        format!("{} {}", self.method, self.path)
    }

    fn has_word(&self, known: &[&str]) -> bool {
        let words = self.words();
        known
            .iter()
            .any(|known| words.iter().any(|word| word.contains(known)))
    }

    fn is_logout(&self) -> bool {
        let words = self.words();
        let is_session = words
            .iter()
            .any(|word| LOGIN_PLACES.contains(&word.as_str()));
        self.has_word(&LOGOUTS) || self.method == "DELETE" && is_session
    }

    /// Whether it makes an account.
    fn is_sign_up(&self) -> bool {
        let has_password = self.body_fields().iter().any(|name| is_password(name));
        let words = self.words();
        let is_named = words.iter().any(|word| SIGN_UPS.contains(&word.as_str()));
        self.has_word(&["register", "signup"]) || is_named && has_password
    }

    fn has_parameters_in_path(&self) -> bool {
        self.path.contains('{')
    }

    fn body(&self) -> Option<(&'static str, &'d Value)> {
        self.document.body(self.described.get("requestBody")?)
    }

    /// Whether it has a body that no experiment can send, such as a file.
    fn has_other_body(&self) -> bool {
        self.described.get("requestBody").is_some() && self.body().is_none()
    }

    fn body_fields(&self) -> Vec<&'d str> {
        let fields = self.body().map(|(_, schema)| self.document.fields(schema));
        let fields = fields.into_iter().flatten();
        fields.map(|(name, ..)| name).collect()
    }

    /// The schema of its good reply, if that is JSON.
    fn reply(&self) -> Option<&'d Value> {
        let replies = self.described.get("responses")?.as_object()?;
        let mut good = replies.iter().filter(|(status, _)| status.starts_with('2'));
        let (_, reply) = good.next()?;
        let (kind, schema) = self.document.body(reply)?;
        (kind != FORM).then_some(schema)
    }

    /// The scheme that it demands, with its name.
    fn scheme(&self) -> Option<(&'d str, &'d Value)> {
        let name = self.demands.as_ref()?.first()?;
        let schemes = self.document.root.pointer("/components/securitySchemes")?;
        Some((name, self.document.resolve(schemes.get(name)?)))
    }

    /// Whether it is for users who are logged in, as far as the document says.
    fn is_for_users(&self) -> bool {
        self.demands
            .as_ref()
            .is_none_or(|demands| !demands.is_empty())
    }

    /// The place of a number that acts may change, in its reply.
    fn number(&self) -> Option<String> {
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
    fn text_at(&self, names: &[&str]) -> Option<String> {
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

/// The operation that begins a session, and why it is it.
fn find_login<'o, 'd>(operations: &'o [Operation<'d>]) -> Option<(&'o Operation<'d>, String)> {
    let mut best: Option<(i32, &Operation<'_>, String)> = None;
    let urls = token_urls(operations.first()?.document);
    for operation in operations
        .iter()
        .filter(|one| matches!(one.method.as_str(), "POST" | "PUT"))
    {
        let is_other =
            operation.is_logout() || operation.is_sign_up() || operation.has_other_body();
        if is_other || operation.has_word(&["refresh", "reset", "forgot", "verify"]) {
            continue;
        }
        let fields = operation.body_fields();
        let words = operation.words();
        let is_place = words
            .iter()
            .any(|word| LOGIN_PLACES.contains(&word.as_str()));
        let is_named = operation.has_word(&LOGINS) || is_place;
        let is_url = urls
            .iter()
            .any(|url| operation.path.ends_with(url.as_str()));
        let reasons = [
            (is_url, 4, "a security scheme gets its tokens there"),
            (is_named, 3, "its path or its operationId"),
            (
                fields.iter().any(|name| is_password(name)),
                2,
                "it sends a password",
            ),
            (
                fields.iter().any(|name| is_user(name)),
                1,
                "it names a user",
            ),
            (
                operation
                    .demands
                    .as_ref()
                    .is_some_and(|demands| !demands.is_empty()),
                -2,
                "",
            ),
        ];
        let counted = reasons.iter().filter(|(counts, ..)| *counts);
        let score = counted.clone().map(|(_, points, _)| points).sum();
        let told: Vec<&str> = counted
            .map(|(.., told)| *told)
            .filter(|told| !told.is_empty())
            .collect();
        if score >= 3 && best.as_ref().is_none_or(|(most, ..)| score > *most) {
            best = Some((score, operation, told.join(", ")));
        }
    }
    best.map(|(_, operation, because)| (operation, because))
}

fn is_user(name: &str) -> bool {
    USERS.contains(&name.to_ascii_lowercase().as_str())
}

/// The ends of the paths at which OAuth 2 gives tokens for a password.
fn token_urls(document: Document<'_>) -> Vec<String> {
    let schemes = document.root.pointer("/components/securitySchemes");
    let schemes = schemes.and_then(Value::as_object).into_iter().flatten();
    let urls = schemes.filter_map(|(_, scheme)| {
        let flow = document
            .resolve(scheme)
            .pointer("/flows/password/tokenUrl")?;
        let path = flow
            .as_str()?
            .trim_start_matches('.')
            .trim_start_matches('/');
        (!path.is_empty()).then(|| format!("/{path}"))
    });
    urls.collect()
}

fn no_login(operations: &[Operation<'_>]) -> Unusable {
    let posts = operations.iter().filter(|one| one.method != "GET").take(5);
    let posts: Vec<String> = posts.map(Operation::line).collect();
    let seen = match posts.is_empty() {
        true => "it has only GETs".to_owned(),
        false => posts.join(", "),
    };
    Unusable::new(format!(
        "no operation looks like a login, so the key session.login is missing: {seen}. A login is a POST whose path or \
         operationId says login, sign-in, session or token. Write the file by hand: `comeback init` without a document has every key"
    ))
}

/// The operations that are proposed.
struct Proposal<'o, 'd> {
    document: Document<'d>,
    login: (&'o Operation<'d>, String),
    act: Option<&'o Operation<'d>>,
    check: Option<&'o Operation<'d>>,
    logout: Option<&'o Operation<'d>>,
    sign_up: Option<&'o Operation<'d>>,
}

impl<'o, 'd> Proposal<'o, 'd> {
    fn new(
        document: Document<'d>,
        operations: &'o [Operation<'d>],
        login: (&'o Operation<'d>, String),
    ) -> Self {
        let is_free = |one: &&Operation<'_>| {
            let is_login = one.line() == login.0.line();
            !is_login && !one.is_logout() && !one.is_sign_up() && one.is_for_users()
        };
        let acts = operations.iter().filter(is_free).filter(|one| {
            matches!(one.method.as_str(), "POST" | "PUT" | "PATCH") && !one.has_other_body()
        });
        let acts: Vec<&Operation<'_>> = acts.collect();
        let checks = operations.iter().filter(is_free);
        let checks: Vec<&Operation<'_>> = checks.filter(|one| one.method == "GET").collect();
        let plain = |one: &Operation<'_>| 4 * i32::from(!one.has_parameters_in_path());
        // What demands security by its own word is for users before what the document is silent on.
        let secure = |one: &Operation<'_>| 8 * i32::from(one.demands.is_some());
        let of_act = |one: &Operation<'_>| {
            let is_refresh = one.has_word(&["refresh", "password", "reset"]);
            plain(one) + secure(one) + i32::from(one.method == "POST") - 6 * i32::from(is_refresh)
        };
        let of_check =
            |one: &Operation<'_>| plain(one) + secure(one) + 2 * i32::from(one.number().is_some());
        let together = |act: &Operation<'_>, check: &Operation<'_>| {
            let resource =
                |one: &Operation<'_>| one.path.split("/{").next().unwrap_or_default().to_owned();
            2 * i32::from(resource(act).starts_with(&resource(check)))
        };
        let mut best: Option<(i32, &Operation<'_>, &Operation<'_>)> = None;
        for act in &acts {
            for check in &checks {
                let score = of_act(act) + of_check(check) + together(act, check);
                if best.is_none_or(|(most, ..)| score > most) {
                    best = Some((score, act, check));
                }
            }
        }
        // Where one is missing, the other is still worth something.
        let first = |all: &[&'o Operation<'d>]| all.first().copied();
        Self {
            document,
            act: best.map(|(_, act, _)| act).or(first(&acts)),
            check: best.map(|(.., check)| check).or(first(&checks)),
            logout: operations
                .iter()
                .find(|one| one.is_logout() && !one.has_parameters_in_path()),
            sign_up: operations
                .iter()
                .find(|one| one.is_sign_up() && one.method == "POST"),
            login,
        }
    }

    /// As if these had been sent: the login, a look, the act, a look, the logout.
    fn exchanges(&self) -> (Vec<Exchange>, Said) {
        let (login, because) = &self.login;
        let mut said = Said {
            login: Some((0, because.clone())),
            keeps_user: Some(false),
            ..Said::default()
        };
        let secured = [self.check, self.act].into_iter().flatten();
        let scheme = secured.clone().find_map(Operation::scheme);
        let credential = self.credential(scheme, &mut said);
        let mut exchanges = vec![self.exchange(login, None, &mut said)];
        for one in [self.check, self.act, self.check, self.logout]
            .into_iter()
            .flatten()
        {
            let exchange = self.exchange(one, credential.as_ref(), &mut said);
            exchanges.push(exchange);
        }
        if let Some(check) = self.check {
            said.value = check.number();
            let user = login.body_fields().into_iter().find(|name| is_user(name));
            let names: Vec<&str> = user
                .into_iter()
                .chain(["user", "username", "login", "email"])
                .collect();
            said.identity = check.text_at(&names);
        }
        self.note_users(&mut said, &exchanges[0]);
        said.open.dedup();
        (exchanges, said)
    }

    /// Who may log in, no document says.
    fn note_users(&self, said: &mut Said, login: &Exchange) {
        let fields = login.fields();
        let Some((_, password)) = fields.iter().find(|(name, _)| is_password(name)) else {
            return;
        };
        let password = match password.as_str() {
            PASSWORD => format!("the password {PASSWORD}: write the true one"),
            _ => "the password of the document's example: write a true one".to_owned(),
        };
        let sign_up = self.sign_up.map(|one| {
            format!(
                " {} makes accounts: a step of its own can call it before the login.",
                one.line()
            )
        });
        said.open.push(format!(
            "the users and their password (session.login): no document has them. The file has {password}, and \
             make these users when the server starts.{}",
            sign_up.unwrap_or_default()
        ));
    }

    /// The header by which a user is known after the login; none if that is a cookie.
    fn credential(
        &self,
        scheme: Option<(&str, &Value)>,
        said: &mut Said,
    ) -> Option<(String, String)> {
        let Some((name, scheme)) = scheme else {
            said.open.push(
                "how the server knows a session: the document has no security scheme. The file relies on the cookies of the login; add \
                 a header with a captured token if there is one"
                    .to_owned(),
            );
            return None;
        };
        let text = |key: &str| scheme.get(key).and_then(Value::as_str).unwrap_or_default();
        let tokens = [
            "access_token",
            "accessToken",
            "token",
            "jwt",
            "auth_token",
            "id_token",
            "key",
            "api_key",
        ];
        let token = self.login.0.text_at(&tokens);
        match (
            text("type"),
            text("scheme").to_ascii_lowercase().as_str(),
            text("in"),
        ) {
            ("apiKey", _, "cookie") => None,
            ("http", "basic", _) => {
                said.open.push(format!(
                    "the users of HTTP's Basic scheme ({name}): write a header authorization with secret = true into session.act and session.check"
                ));
                None
            }
            ("apiKey", _, "query") => {
                said.open.push(format!(
                    "the key that the server wants as the parameter {} ({name}): write it into the requests of session.act and session.check",
                    text("name")
                ));
                None
            }
            ("apiKey", ..) => {
                let header = text("name").to_ascii_lowercase();
                match token {
                    Some(place) => {
                        said.token = Some((header.clone(), place));
                        Some((header, TOKEN.to_owned()))
                    }
                    None => {
                        said.open.push(format!(
                            "the key that the server wants in the header {header} ({name}): the login's reply shows none in the document. \
                             Write it in place of change-this-key"
                        ));
                        Some((header, "change-this-key".to_owned()))
                    }
                }
            }
            // Bearer, OAuth 2 and OpenID Connect.
            _ => {
                let header = "authorization".to_owned();
                said.token = token.map(|place| (header.clone(), place));
                Some((header, format!("Bearer {TOKEN}")))
            }
        }
    }

    fn exchange(
        &self,
        operation: &Operation<'_>,
        credential: Option<&(String, String)>,
        said: &mut Said,
    ) -> Exchange {
        let document = self.document;
        let mut path = operation.path.clone();
        let mut query = form_urlencoded::Serializer::new(String::new());
        let mut has_query = false;
        let mut headers: Vec<(String, String)> = credential.into_iter().cloned().collect();
        for parameter in &operation.parameters {
            let of = |key: &str| {
                parameter
                    .get(key)
                    .and_then(Value::as_str)
                    .unwrap_or_default()
            };
            let (name, is_required) = (of("name"), parameter.get("required") == Some(&json!(true)));
            let own = parameter.get("example").cloned();
            let schema = parameter.get("schema").unwrap_or(parameter);
            let value = plain(&own.unwrap_or_else(|| document.example(schema, name)));
            match of("in") {
                "path" => {
                    path = path.replace(&format!("{{{name}}}"), &value);
                    said.open.push(format!(
                        "the {name} in the path of {}: the file sends {value}. Write one that each user has",
                        operation.line()
                    ));
                }
                "query" if is_required => {
                    query.append_pair(name, &value);
                    has_query = true;
                }
                "header" if is_required => headers.push((name.to_ascii_lowercase(), value)),
                _ => {}
            }
        }
        headers.retain(|(name, value)| is_token(name) && !value.contains(char::is_control));
        let mut path = escaped(&path);
        if has_query {
            path = format!("{path}?{}", query.finish());
        }
        let body = operation.body().map(|(kind, schema)| {
            let example = document.example(schema, "");
            if let (FORM, Value::Object(fields)) = (kind, &example) {
                let fields = fields.iter();
                return Body::Form(
                    fields
                        .map(|(name, value)| (name.clone(), plain(value)))
                        .collect(),
                );
            }
            Body::Json(example)
        });
        Exchange {
            method: operation.method.clone(),
            path,
            headers,
            body,
            ..Exchange::default()
        }
    }
}

/// A path as it is sent.
fn escaped(path: &str) -> String {
    let url = url::Url::parse("http://target").map(|mut url| {
        url.set_path(path);
        url.path().to_owned()
    });
    url.unwrap_or_default()
}

/// A value in a path, a query or a form.
fn plain(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Null => String::new(),
        other => other.to_string(),
    }
}

#[cfg(test)]
pub(super) mod tests;
