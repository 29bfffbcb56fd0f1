//! curl commands, as browsers copy them and as people write them. Pure.

use std::collections::BTreeMap;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use super::recorded::{Body, Exchange, Unusable, is_method};
use super::shell;
use comeback_model::plan::is_token;

/// Flags without a value that say nothing about the request.
const PLAIN: [&str; 34] = [
    "-s",
    "--silent",
    "-S",
    "--show-error",
    "-i",
    "--include",
    "--show-headers",
    "-v",
    "--verbose",
    "-k",
    "--insecure",
    "--compressed",
    "-f",
    "--fail",
    "--fail-with-body",
    "-g",
    "--globoff",
    "-#",
    "--progress-bar",
    "-N",
    "--no-buffer",
    "-0",
    "--http1.0",
    "--http1.1",
    "--http2",
    "--http2-prior-knowledge",
    "-4",
    "-6",
    "-O",
    "--remote-name",
    "-j",
    "--junk-session-cookies",
    "--no-progress-meter",
    "--path-as-is",
];

/// Flags with a value that say nothing about the request.
const WITH_VALUE: [&str; 22] = [
    "-o",
    "--output",
    "-w",
    "--write-out",
    "-c",
    "--cookie-jar",
    "-m",
    "--max-time",
    "--connect-timeout",
    "--retry",
    "--retry-delay",
    "--retry-max-time",
    "--max-redirs",
    "--cacert",
    "--resolve",
    "-D",
    "--dump-header",
    "-A",
    "--user-agent",
    "-e",
    "--referer",
    "--limit-rate",
];

/// Reads all curl commands of a script. Other commands are not looked at.
///
/// # Errors
/// If there is none, or one has a flag that cannot be taken over.
pub(super) fn parse(text: &str) -> Result<Vec<Exchange>, Unusable> {
    let mut exchanges = Vec::new();
    let mut variables = BTreeMap::new();
    for command in shell::split(text)? {
        let words = command.words.iter().map(|word| expanded(word, &variables));
        let mut words = words.collect::<Vec<_>>().into_iter();
        let mut program = words.next().unwrap_or_default();
        if program == "export" {
            program = words.next().unwrap_or_default();
        }
        if let Some((name, value)) = program.split_once('=').filter(|(name, _)| is_name(name)) {
            variables.insert(name.to_owned(), value.to_owned());
        }
        if !matches!(program.rsplit('/').next(), Some("curl" | "curl.exe")) {
            continue;
        }
        let words: Vec<String> = words.collect();
        for words in words.split(|word| word == "--next" || word == "-:") {
            let exchange = Reader::read(words).and_then(Reader::into_exchange);
            exchanges.push(exchange.map_err(|problem| Unusable::at(command.line, problem))?);
        }
    }
    match exchanges.is_empty() {
        false => Ok(exchanges),
        true => Err(Unusable::new(
            "it has no curl command: in the browser's network tab choose \"Copy all as cURL (bash)\", or write one command \
             for each request",
        )),
    }
}

/// Whether this may be the name of a variable.
fn is_name(text: &str) -> bool {
    let is_part = |letter: char| letter.is_ascii_alphanumeric() || letter == '_';
    text.chars().all(is_part) && text.starts_with(|letter: char| !letter.is_ascii_digit())
}

/// A word with the values of the variables that the script sets. Others stay as they are.
fn expanded(word: &str, variables: &BTreeMap<String, String>) -> String {
    let mut text = String::new();
    let mut rest = word;
    while let Some((before, after)) = rest.split_once('$') {
        text.push_str(before);
        let in_braces = after
            .strip_prefix('{')
            .and_then(|inner| inner.split_once('}'));
        let end = after.find(|letter: char| !letter.is_ascii_alphanumeric() && letter != '_');
        let (name, behind) =
            in_braces.unwrap_or_else(|| after.split_at(end.unwrap_or(after.len())));
        match variables.get(name) {
            Some(value) => {
                text.push_str(value);
                rest = behind;
            }
            None => {
                text.push('$');
                rest = after;
            }
        }
    }
    text + rest
}

/// What the flags of a command say.
#[derive(Debug, Default)]
struct Reader {
    method: Option<String>,
    url: Option<String>,
    headers: Vec<(String, String)>,
    cookies: Vec<(String, String)>,
    data: Vec<String>,
    is_json: bool,
    in_query: bool,
    is_head: bool,
    follows: bool,
}

impl Reader {
    fn read(words: &[String]) -> Result<Self, String> {
        let mut reader = Self::default();
        let mut words = words.iter();
        while let Some(word) = words.next() {
            if word.starts_with("--") {
                reader.take(word, None, &mut words)?;
            } else if let Some(letters) = word.strip_prefix('-').filter(|rest| !rest.is_empty()) {
                // Several short flags may stand in one word, and the value of the last one behind it.
                for (at, letter) in letters.char_indices() {
                    let rest = &letters[at + letter.len_utf8()..];
                    let rest = Some(rest).filter(|rest| !rest.is_empty());
                    if reader.take(&format!("-{letter}"), rest, &mut words)? {
                        break;
                    }
                }
            } else {
                reader.locate(word)?;
            }
        }
        Ok(reader)
    }

    fn locate(&mut self, url: &str) -> Result<(), String> {
        match self.url.replace(url.to_owned()) {
            None => Ok(()),
            Some(other) => Err(format!(
                "one command asks for {other} and {url}: write a command for each"
            )),
        }
    }

    /// Takes a flag; whether its value was taken, too.
    fn take<'w>(
        &mut self,
        flag: &str,
        rest: Option<&str>,
        words: &mut impl Iterator<Item = &'w String>,
    ) -> Result<bool, String> {
        match flag {
            "-L" | "--location" | "--location-trusted" => self.follows = true,
            "-G" | "--get" => self.in_query = true,
            "-I" | "--head" => self.is_head = true,
            flag if PLAIN.contains(&flag) => {}
            "-F" | "--form" | "--form-string" => {
                return Err(format!(
                    "{flag} sends a multipart form, which an experiment cannot: if the server takes it, send the fields \
                     with --data-urlencode"
                ));
            }
            "-T" | "--upload-file" => {
                return Err(format!(
                    "{flag} sends a file: write what is sent behind --data-raw"
                ));
            }
            flag => {
                let mut value = || {
                    let value = rest.map(str::to_owned).or_else(|| words.next().cloned());
                    value.ok_or_else(|| format!("{flag} needs a value, and the command ends there"))
                };
                self.take_with_value(flag, &mut value)?;
                return Ok(true);
            }
        }
        Ok(false)
    }

    fn take_with_value(
        &mut self,
        flag: &str,
        value: &mut dyn FnMut() -> Result<String, String>,
    ) -> Result<(), String> {
        match flag {
            "-X" | "--request" => self.method = Some(value()?.to_ascii_uppercase()),
            "--url" => self.locate(&value()?)?,
            "-H" | "--header" => self.add_header(&value()?)?,
            "-b" | "--cookie" => self.add_cookies(&value()?),
            "-u" | "--user" => {
                let basic = format!("Basic {}", STANDARD.encode(value()?));
                self.headers.push(("authorization".to_owned(), basic));
            }
            "-d" | "--data" | "--data-ascii" | "--data-binary" => {
                let data = value()?;
                self.data.push(inline(flag, data)?);
            }
            "--data-raw" => self.data.push(value()?),
            "--data-urlencode" => self.data.push(encoded(&value()?)?),
            "--json" => {
                self.is_json = true;
                let data = value()?;
                self.data.push(inline(flag, data)?);
            }
            flag if WITH_VALUE.contains(&flag) => drop(value()?),
            flag => {
                return Err(format!(
                    "curl's {flag} is not known here: remove it, if the request is the same without it"
                ));
            }
        }
        Ok(())
    }

    fn add_header(&mut self, line: &str) -> Result<(), String> {
        // A name with a semicolon is a header without a value; one with nothing behind the colon is removed.
        let Some((name, value)) = line.split_once(':') else {
            return match line.strip_suffix(';') {
                Some(_) => Ok(()),
                None => Err(format!("'{line}' is no header: write -H 'Name: value'")),
            };
        };
        let (name, value) = (name.trim().to_ascii_lowercase(), value.trim());
        if !is_token(&name) {
            return Err(format!("'{name}' is not the name of a header"));
        }
        match name.as_str() {
            "cookie" => self.add_cookies(value),
            _ if value.is_empty() => {}
            _ => self.headers.push((name, value.to_owned())),
        }
        Ok(())
    }

    /// Adds cookies. A file of cookies says nothing here: a session keeps its own.
    fn add_cookies(&mut self, text: &str) {
        let pairs = text.split(';').filter_map(|pair| pair.split_once('='));
        let pairs = pairs.map(|(name, value)| (name.trim().to_owned(), value.trim().to_owned()));
        self.cookies.extend(pairs);
    }

    fn into_exchange(self) -> Result<Exchange, String> {
        let url = self.url.ok_or("the command has no URL")?;
        let (host, mut path) = split_url(&url)?;
        let mut headers = self.headers;
        let data = (!self.data.is_empty()).then(|| match self.is_json {
            true => self.data.concat(),
            false => self.data.join("&"),
        });
        let mut method = if data.is_some() { "POST" } else { "GET" };
        let mut body = None;
        if let Some(data) = data {
            if self.in_query {
                method = "GET";
                path.push(if path.contains('?') { '&' } else { '?' });
                path.push_str(&data);
            } else {
                let mut types = headers.iter().filter(|(name, _)| name == "content-type");
                let kind = types.next().map(|(_, kind)| kind.clone());
                let default = match self.is_json {
                    true => "application/json",
                    false => "application/x-www-form-urlencoded",
                };
                if kind.is_none() && !data.trim_start().starts_with(['{', '[']) {
                    headers.push(("content-type".to_owned(), default.to_owned()));
                }
                body = Some(Body::read(data, Some(kind.as_deref().unwrap_or(default))));
            }
        }
        if self.is_head {
            method = "HEAD";
        }
        let method = self.method.unwrap_or_else(|| method.to_owned());
        if !is_method(&method) {
            return Err(format!("'{method}' is not a method such as GET or POST"));
        }
        Ok(Exchange {
            method,
            host,
            path,
            headers,
            cookies: self.cookies,
            body,
            follows: self.follows,
            ..Exchange::default()
        })
    }
}

/// Data that the command holds itself.
fn inline(flag: &str, data: String) -> Result<String, String> {
    match data.starts_with('@') {
        true => Err(format!(
            "{flag} {data} reads a file: write what it holds behind --data-raw"
        )),
        false => Ok(data),
    }
}

/// A field as `--data-urlencode` sends it.
fn encoded(text: &str) -> Result<String, String> {
    let encode = |text: &str| form_urlencoded::byte_serialize(text.as_bytes()).collect::<String>();
    match text.find(['=', '@']) {
        None => Ok(encode(text)),
        Some(at) if text[at..].starts_with('@') => {
            inline("--data-urlencode", text[at..].to_owned())
        }
        Some(0) => Ok(encode(&text[1..])),
        Some(at) => Ok(format!("{}={}", &text[..at], encode(&text[at + 1..]))),
    }
}

/// The host and the path of a URL. A variable of the shell may stand for the host.
pub(super) fn split_url(text: &str) -> Result<(String, String), String> {
    if text.starts_with('$') {
        let at = text.find('/').unwrap_or(text.len());
        let path = if at == text.len() { "/" } else { &text[at..] };
        return Ok((
            text[..at].to_owned(),
            path.replace(char::is_whitespace, "%20"),
        ));
    }
    let with_scheme = match text.contains("://") {
        true => text.to_owned(),
        false => format!("http://{text}"),
    };
    let url =
        url::Url::parse(&with_scheme).map_err(|error| format!("'{text}' is not a URL: {error}"))?;
    if !matches!(url.scheme(), "http" | "https") {
        return Err(format!("'{text}' is not a URL of HTTP"));
    }
    let host = url
        .host_str()
        .ok_or_else(|| format!("'{text}' names no host"))?;
    let port = url
        .port()
        .map_or_else(String::new, |port| format!(":{port}"));
    let query = url
        .query()
        .map_or_else(String::new, |query| format!("?{query}"));
    Ok((format!("{host}{port}"), format!("{}{query}", url.path())))
}

#[cfg(test)]
mod tests;
