//! OpenAPI documents, version 3.0 and 3.1, as JSON or YAML: a login, an act, a check and a logout as if somebody had sent them. Pure.
//!
//! A document says what may be sent, and nothing of what happens then. So each choice is told with its reason, and what the user must
//! fill in stands in the file. With the server's command the flow is tried out, and its replies decide.

mod operation;
mod proposal;
mod schema;

use serde_json::Value;

use self::operation::{Operation, operations};
use self::proposal::Proposal;
use self::schema::Document;
use super::recorded::{Exchange, Said, Unusable};
use super::roles::{LOGIN_PLACES, LOGINS, is_password, is_user};

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

#[cfg(test)]
pub(super) mod tests;
