//! One request of a flow, compiled: how it is written, and what its reply must be.

use comeback_model::plan::{Body, Call, Command, Dialect, Expect, Request, StatusRange, is_token};

use super::place::{Looked, Place};
use super::template::{Into, Templates, Text, Values};
use super::{FlowError, Of};
use crate::wire::commands::write_command;

/// A request, compiled.
#[derive(Debug)]
pub(super) struct CompiledRequest {
    call: Compiled,
    /// Places of further requests sent before it.
    pub(super) before: Vec<usize>,
    pub(super) follow: u32,
    pub(super) expect: Expected,
    pub(super) capture: Vec<(String, Place)>,
    pub(super) value: Option<Place>,
}

#[derive(Debug)]
enum Compiled {
    Http {
        method: String,
        path: Text,
        headers: Vec<(String, Text)>,
        body: Option<Content>,
    },
    Command(Dialect, Vec<Text>),
}

#[derive(Debug)]
enum Content {
    /// JSON or anything else, and its type unless a header names one.
    Text(Text, &'static str),
    Form(Vec<(String, Text)>),
}

/// Conditions on a reply.
#[derive(Debug)]
pub(super) struct Expected {
    status: Vec<StatusRange>,
    body: Option<Text>,
    headers: Vec<(String, Text)>,
}

/// Where a redirect leads.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Redirect {
    /// Whether the method and the body are kept (307, 308).
    pub(super) keeps_method: bool,
    pub(super) path: String,
}

/// Parts of a request that its step does not define.
#[derive(Debug)]
pub(super) struct Extra<'a> {
    /// Names the change, however often it is asked for.
    pub(super) idempotency_key: Option<String>,
    /// Where it goes instead.
    pub(super) redirect: Option<&'a Redirect>,
}

/// What compiling needs to know.
pub(super) struct Compiler<'a> {
    pub(super) templates: &'a mut Templates,
    /// The step, for errors.
    pub(super) of: Of,
    /// Names captured by then.
    pub(super) known: &'a [String],
}

impl Compiler<'_> {
    fn invalid(&self, part: &[&str], problem: String) -> FlowError {
        FlowError {
            of: self.of.clone(),
            part: part.iter().map(|key| (*key).to_owned()).collect(),
            problem,
        }
    }

    pub(super) fn text(
        &mut self,
        part: &[&str],
        source: &str,
        into: Into,
    ) -> Result<Text, FlowError> {
        let compiled = self.templates.compile(source, into, self.known);
        compiled.map_err(|problem| self.invalid(part, problem))
    }

    fn texts<'t>(
        &mut self,
        part: &[&str],
        sources: impl IntoIterator<Item = (&'t String, &'t String)>,
    ) -> Result<Vec<(String, Text)>, FlowError> {
        sources
            .into_iter()
            .map(|(name, source)| {
                let compiled = self.text(&[part, &[name.as_str()]].concat(), source, Into::Text)?;
                Ok((name.clone(), compiled))
            })
            .collect()
    }

    pub(super) fn step(
        &mut self,
        request: &Request,
        before: Vec<usize>,
    ) -> Result<CompiledRequest, FlowError> {
        let call = self.call(&request.call)?;
        let expect = self.expect(&["expect"], &request.expect)?;
        let capture = request
            .capture
            .iter()
            .map(|(name, extract)| {
                let place = Place::new(extract);
                let place = place.map_err(|problem| self.invalid(&["capture", name], problem))?;
                Ok((name.clone(), place))
            })
            .collect::<Result<_, FlowError>>()?;
        let value = request.value.as_ref().map(Place::new).transpose();
        Ok(CompiledRequest {
            call,
            before,
            follow: request.follow,
            expect,
            capture,
            value: value.map_err(|problem| self.invalid(&["value"], problem))?,
        })
    }

    fn call(&mut self, call: &Call) -> Result<Compiled, FlowError> {
        match call {
            Call::Http {
                method,
                path,
                headers,
                body,
            } => {
                if method.is_empty() || !method.bytes().all(|byte| byte.is_ascii_uppercase()) {
                    return Err(self.invalid(
                        &["request"],
                        format!("'{method}' is not a method such as GET or POST"),
                    ));
                }
                if !path.starts_with('/')
                    || path.contains([' ', '\r', '\n']) && !path.contains("{{")
                {
                    return Err(self.invalid(
                        &["request"],
                        format!("'{path}' is not a path: it must begin with / and hold no space"),
                    ));
                }
                // One that holds an end of line would begin another header, or another request.
                if let Some(name) = headers.keys().find(|name| !is_token(name)) {
                    return Err(self.invalid(
                        &["headers", name],
                        format!("{name:?} is not the name of a header"),
                    ));
                }
                Ok(Compiled::Http {
                    method: method.clone(),
                    path: self.text(&["request"], path, Into::Text)?,
                    headers: self.texts(&["headers"], headers)?,
                    body: body.as_ref().map(|body| self.content(body)).transpose()?,
                })
            }
            Call::Command(Command { dialect, words }) => {
                if words.is_empty() {
                    return Err(
                        self.invalid(&["request"], "a command has at least a name".to_owned())
                    );
                }
                let words = words
                    .iter()
                    .map(|word| self.text(&["request"], word, Into::Text));
                Ok(Compiled::Command(
                    *dialect,
                    words.collect::<Result<_, _>>()?,
                ))
            }
        }
    }

    fn content(&mut self, body: &Body) -> Result<Content, FlowError> {
        match body {
            Body::Json(source) => Ok(Content::Text(
                self.text(&["json"], source, Into::Json)?,
                "application/json",
            )),
            Body::Text(source) => Ok(Content::Text(
                self.text(&["text"], source, Into::Text)?,
                "text/plain; charset=utf-8",
            )),
            Body::Form(fields) => Ok(Content::Form(self.texts(&["form"], fields)?)),
        }
    }

    pub(super) fn expect(&mut self, part: &[&str], expect: &Expect) -> Result<Expected, FlowError> {
        let body = expect.body.as_ref();
        Ok(Expected {
            status: expect.status.clone(),
            body: body
                .map(|source| self.text(&[part, &["body"]].concat(), source, Into::Text))
                .transpose()?,
            headers: self.texts(&[part, &["headers"]].concat(), &expect.headers)?,
        })
    }
}

impl Expected {
    /// Whether nothing is asked for.
    pub(super) const fn is_empty(&self) -> bool {
        self.status.is_empty() && self.body.is_none() && self.headers.is_empty()
    }

    /// Whether this status is asked for by name.
    pub(super) fn names_status(&self, status: u16) -> bool {
        self.status.iter().any(|range| range.contains(status))
    }

    pub(super) fn names_any_status(&self) -> bool {
        !self.status.is_empty()
    }

    /// The statuses that are asked for, in words.
    pub(super) fn wanted_status(&self) -> String {
        let named: Vec<String> = self.status.iter().map(StatusRange::to_string).collect();
        match named.as_slice() {
            [] => "a 2xx".to_owned(),
            named => named.join(" or "),
        }
    }

    pub(super) const fn wanted_body(&self) -> Option<&Text> {
        self.body.as_ref()
    }

    pub(super) fn wanted_headers(&self) -> &[(String, Text)] {
        &self.headers
    }

    pub(super) fn headers(&self) -> impl Iterator<Item = &str> {
        self.headers.iter().map(|(name, _)| name.as_str())
    }

    /// Whether body and headers are as said.
    pub(super) fn fits(
        &self,
        looked: &Looked<'_>,
        templates: &Templates,
        values: &Values<'_>,
    ) -> Result<bool, minijinja::Error> {
        let contains = |text: &str, wanted: &Text| {
            let mut bytes = Vec::new();
            templates.write(wanted, values, &mut bytes)?;
            Ok::<bool, minijinja::Error>(text.contains(&*String::from_utf8_lossy(&bytes)))
        };
        if let Some(wanted) = &self.body
            && !contains(&looked.text(), wanted)?
        {
            return Ok(false);
        }
        for (name, wanted) in &self.headers {
            let name = name.to_ascii_lowercase();
            let mut fits = false;
            for (_, value) in looked
                .reply
                .headers
                .iter()
                .filter(|(known, _)| *known == name)
            {
                fits |= contains(value, wanted)?;
            }
            if !fits {
                return Ok(false);
            }
        }
        Ok(true)
    }
}

impl CompiledRequest {
    /// Whether it asks for a page, and changes nothing.
    pub(super) fn is_get(&self) -> bool {
        matches!(&self.call, Compiled::Http { method, .. } if method == "GET")
    }

    /// Its method and path, or its command, as a message names it.
    pub(super) fn written(&self, templates: &Templates, values: &Values<'_>) -> String {
        let write = |text: &Text| {
            let mut written = Vec::new();
            // What cannot be written was not sent.
            let is_written = templates.write(text, values, &mut written).is_ok();
            is_written.then(|| String::from_utf8_lossy(&written).into_owned())
        };
        match &self.call {
            Compiled::Command(_, words) => {
                let words: Vec<String> = words.iter().filter_map(write).collect();
                words.join(" ")
            }
            Compiled::Http { method, path, .. } => {
                format!("{method} {}", write(path).unwrap_or_default())
            }
        }
    }

    /// Headers its reply is looked at for.
    pub(super) fn headers(&self) -> Vec<String> {
        let captured = self.capture.iter().map(|(_, place)| place);
        let places = captured.chain(&self.value).filter_map(Place::header);
        let location = (self.follow > 0).then_some("location");
        places
            .chain(self.expect.headers())
            .chain(location)
            .map(str::to_ascii_lowercase)
            .collect()
    }

    /// Writes the request in its wire form.
    pub(super) fn write(
        &self,
        (host, templates): (&str, &Templates),
        values: &Values<'_>,
        extra: &Extra<'_>,
        out: &mut Vec<u8>,
    ) -> Result<(), minijinja::Error> {
        let redirect = extra.redirect;
        match &self.call {
            Compiled::Command(dialect, words) => {
                let words = words.iter().map(|word| {
                    let mut bytes = Vec::new();
                    templates.write(word, values, &mut bytes).map(|()| bytes)
                });
                write_command(*dialect, words, out)
            }
            Compiled::Http {
                method,
                path,
                headers,
                body,
            } => {
                let keeps = redirect.is_none_or(|redirect| redirect.keeps_method);
                let method = if keeps { method.as_str() } else { "GET" };
                out.extend_from_slice(method.as_bytes());
                out.push(b' ');
                match redirect {
                    Some(redirect) => out.extend_from_slice(redirect.path.as_bytes()),
                    None => write_clean(path, templates, values, b' ', out)?,
                }
                out.extend_from_slice(b" HTTP/1.1\r\nhost: ");
                out.extend_from_slice(host.as_bytes());
                out.extend_from_slice(b"\r\n");
                for (name, value) in headers {
                    out.extend_from_slice(name.as_bytes());
                    out.extend_from_slice(b": ");
                    write_clean(value, templates, values, b'\n', out)?;
                    out.extend_from_slice(b"\r\n");
                }
                if let Some(key) = &extra.idempotency_key {
                    out.extend_from_slice(format!("idempotency-key: \"{key}\"\r\n").as_bytes());
                }
                write_cookies(values.session.cookies(), out);
                let typed = headers
                    .iter()
                    .any(|(name, _)| name.eq_ignore_ascii_case("content-type"));
                match body.as_ref().filter(|_| keeps) {
                    Some(body) => body.write(typed, templates, values, out),
                    None => {
                        if matches!(method, "POST" | "PUT" | "PATCH") {
                            out.extend_from_slice(b"content-length: 0\r\n");
                        }
                        out.extend_from_slice(b"\r\n");
                        Ok(())
                    }
                }
            }
        }
    }
}

impl Content {
    fn write(
        &self,
        typed: bool,
        templates: &Templates,
        values: &Values<'_>,
        out: &mut Vec<u8>,
    ) -> Result<(), minijinja::Error> {
        let mut body = Vec::new();
        let kind = match self {
            Self::Text(text, kind) => {
                templates.write(text, values, &mut body)?;
                *kind
            }
            Self::Form(fields) => {
                let mut form = form_urlencoded::Serializer::new(String::new());
                for (name, text) in fields {
                    let mut value = Vec::new();
                    templates.write(text, values, &mut value)?;
                    form.append_pair(name, &String::from_utf8_lossy(&value));
                }
                body = form.finish().into_bytes();
                "application/x-www-form-urlencoded"
            }
        };
        if !typed {
            out.extend_from_slice(format!("content-type: {kind}\r\n").as_bytes());
        }
        out.extend_from_slice(b"content-length: ");
        out.extend_from_slice(body.len().to_string().as_bytes());
        out.extend_from_slice(b"\r\n\r\n");
        out.extend_from_slice(&body);
        Ok(())
    }
}

fn write_cookies(cookies: &[(String, String)], out: &mut Vec<u8>) {
    for (index, (name, value)) in cookies.iter().enumerate() {
        out.extend_from_slice(if index == 0 { b"cookie: " } else { b"; " });
        out.extend_from_slice(name.as_bytes());
        out.push(b'=');
        out.extend_from_slice(value.as_bytes());
    }
    if !cookies.is_empty() {
        out.extend_from_slice(b"\r\n");
    }
}

/// Writes a text into a line of the head: what a server's own value could end the line with, or the path,
/// is left out.
fn write_clean(
    text: &Text,
    templates: &Templates,
    values: &Values<'_>,
    also: u8,
    out: &mut Vec<u8>,
) -> Result<(), minijinja::Error> {
    let start = out.len();
    templates.write(text, values, out)?;
    if matches!(text, Text::Rendered(_)) {
        let written = out.split_off(start);
        out.extend(
            written
                .into_iter()
                .filter(|byte| !matches!(byte, b'\r' | b'\n') && *byte != also),
        );
    }
    Ok(())
}
