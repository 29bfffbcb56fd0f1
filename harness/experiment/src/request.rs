//! Requests and places as they are typed: `POST /login {"user":"u{{ session }}"}`.

use std::collections::BTreeMap;

use comeback_model::plan::{Body, Call, Command, Dialect, Request};

/// Reads `METHOD /path [BODY]`: a body that begins with `{` or `[` is JSON, one with `=` is a form, any other is
/// text.
///
/// # Errors
/// If the line has another form. The message says how to write it.
pub fn parse_request(text: &str) -> Result<Request, String> {
    let (method, rest) = split_word(text);
    let (path, body) = split_path(rest);
    if method.is_empty() || !method.bytes().all(|byte| byte.is_ascii_uppercase()) {
        return Err(format!(
            "'{method}' is not a method: write it as 'POST /path' or 'POST /path {{\"a\": 1}}'"
        ));
    }
    if !path.starts_with('/') {
        return Err(format!("'{path}' is not a path: it must begin with /"));
    }
    let body = match body {
        "" => None,
        body if body.starts_with(['{', '[']) => Some(Body::Json(body.to_owned())),
        body if body.contains('=') => Some(Body::Form(parse_form(body)?)),
        body => Some(Body::Text(body.to_owned())),
    };
    Ok(Request::of(Call::Http {
        method: method.to_owned(),
        path: path.to_owned(),
        headers: BTreeMap::new(),
        body,
    }))
}

/// Reads a command, its words separated by spaces that are not within `{{ }}`.
pub fn parse_command(dialect: Dialect, text: &str) -> Request {
    let mut words = Vec::new();
    let mut rest = text.trim();
    while !rest.is_empty() {
        let (word, behind) = split_path(rest);
        words.push(word.to_owned());
        rest = behind;
    }
    Request::of(Call::Command(Command { dialect, words }))
}

fn parse_form(text: &str) -> Result<BTreeMap<String, String>, String> {
    text.split('&')
        .map(|field| match field.split_once('=') {
            Some((name, value)) if !name.is_empty() => Ok((name.to_owned(), value.to_owned())),
            _ => Err(format!(
                "'{field}' is not a field of a form: write name=value&name=value"
            )),
        })
        .collect()
}

fn split_word(text: &str) -> (&str, &str) {
    let text = text.trim();
    let (word, rest) = text.split_once(char::is_whitespace).unwrap_or((text, ""));
    (word, rest.trim_start())
}

/// The first word, where a template may hold spaces.
fn split_path(text: &str) -> (&str, &str) {
    let mut depth = 0_u32;
    for (at, character) in text.char_indices() {
        if text[at..].starts_with("{{") {
            depth += 1;
        } else if text[at..].starts_with("}}") {
            depth = depth.saturating_sub(1);
        } else if depth == 0 && character.is_whitespace() {
            return (&text[..at], text[at..].trim_start());
        }
    }
    (text, "")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parts(text: &str) -> (String, String, Option<Body>) {
        match parse_request(text).expect(text).call {
            Call::Http {
                method, path, body, ..
            } => (method, path, body),
            Call::Command(_) => panic!("not HTTP"),
        }
    }

    #[test]
    fn a_request_is_read_as_it_is_typed() {
        let form = BTreeMap::from([
            ("a".to_owned(), "1".to_owned()),
            ("b".to_owned(), "{{ x }}".to_owned()),
        ]);
        for (text, path, body) in [
            ("POST /login", "/login", None),
            ("POST /a?b={{ session }}", "/a?b={{ session }}", None),
            (
                r#"POST /login {"user": "u{{session}}"}"#,
                "/login",
                Some(Body::Json(r#"{"user": "u{{session}}"}"#.to_owned())),
            ),
            (
                "POST /login a=1&b={{ x }}",
                "/login",
                Some(Body::Form(form)),
            ),
            (
                "POST /note hello there",
                "/note",
                Some(Body::Text("hello there".to_owned())),
            ),
        ] {
            assert_eq!(
                parts(text),
                ("POST".to_owned(), path.to_owned(), body),
                "{text}"
            );
        }
    }

    #[test]
    fn what_is_no_request_is_refused() {
        for text in ["", "/login", "post /login", "POST login", "POST /a b=1&c"] {
            assert!(parse_request(text).is_err(), "{text}");
        }
    }

    #[test]
    fn a_command_is_split_at_its_spaces() {
        let expected = ["SET", "user:{{ session }}", "u{{ session }}"].map(str::to_owned);
        assert_eq!(
            parse_command(Dialect::Redis, " SET user:{{ session }}  u{{ session }}").call,
            Call::Command(Command {
                dialect: Dialect::Redis,
                words: expected.to_vec()
            })
        );
    }
}
