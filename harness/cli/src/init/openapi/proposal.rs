//! From the operations of a document to requests that a user may send, and what the document leaves open. Pure.

use comeback_model::plan::is_token;
use serde_json::{Value, json};

use super::super::recorded::{Body, Exchange, Said};
use super::super::roles::{is_password, is_user};
use super::operation::Operation;
use super::schema::{Document, FORM, PASSWORD};

/// Stands for a token of the login until a reply has given one.
const TOKEN: &str = "token-0123456789-of-the-login";

/// The operations that are proposed.
pub(super) struct Proposal<'o, 'd> {
    document: Document<'d>,
    login: (&'o Operation<'d>, String),
    act: Option<&'o Operation<'d>>,
    check: Option<&'o Operation<'d>>,
    logout: Option<&'o Operation<'d>>,
    sign_up: Option<&'o Operation<'d>>,
}

impl<'o, 'd> Proposal<'o, 'd> {
    pub(super) fn new(
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
        let best = best_pair(&acts, &checks);
        // Where one is missing, the other is still worth something.
        let first = |all: &[&'o Operation<'d>]| all.first().copied();
        Self {
            document,
            act: best.map(|(act, _)| act).or(first(&acts)),
            check: best.map(|(_, check)| check).or(first(&checks)),
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
    pub(super) fn exchanges(&self) -> (Vec<Exchange>, Said) {
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

/// The act and the check that fit best, and to each other.
fn best_pair<'o, 'd>(
    acts: &[&'o Operation<'d>],
    checks: &[&'o Operation<'d>],
) -> Option<(&'o Operation<'d>, &'o Operation<'d>)> {
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
    let mut best: Option<(i32, &'o Operation<'d>, &'o Operation<'d>)> = None;
    for act in acts {
        for check in checks {
            let score = of_act(act) + of_check(check) + together(act, check);
            if best.is_none_or(|(most, ..)| score > most) {
                best = Some((score, act, check));
            }
        }
    }
    best.map(|(_, act, check)| (act, check))
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
