//! Where in a reply something is found.

use std::fmt;

use serde::{Deserialize, Serialize};

/// Where in a reply a value is found. Written as one word:
///
/// | written | finds |
/// |---|---|
/// | `/items/0/id` | by JSON pointer (RFC 6901) in a JSON body |
/// | `$.items[*].id` | by JSONPath (RFC 9535) in a JSON body |
/// | `header:x-count` | a response header |
/// | `cookie:visits` | a cookie the reply sets |
/// | `regex:(\d+) visits` | the first group (or the whole match) in the body as text |
/// | `body` | the whole body |
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub enum Extract {
    /// By JSON pointer.
    Pointer(String),
    /// By JSONPath.
    JsonPath(String),
    /// A response header, by its name.
    Header(String),
    /// A cookie the reply sets, by its name.
    Cookie(String),
    /// The first group of a regular expression, or its whole match, in the body.
    Regex(String),
    /// The whole body.
    Body,
}

/// Something that names no place in a reply.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ExtractError(String);

impl fmt::Display for ExtractError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "'{}' names no place in a reply: write a JSON pointer (/visits), a JSONPath ($.items[*]), header:NAME, \
             cookie:NAME, regex:PATTERN, or body",
            self.0
        )
    }
}

impl std::error::Error for ExtractError {}

impl TryFrom<String> for Extract {
    type Error = ExtractError;

    fn try_from(text: String) -> Result<Self, ExtractError> {
        let invalid = || ExtractError(text.clone());
        let named = |name: &str| match name {
            "" => Err(invalid()),
            name => Ok(name.to_owned()),
        };
        match text.split_once(':') {
            _ if text == "body" => Ok(Self::Body),
            _ if text.starts_with('/') => Ok(Self::Pointer(text)),
            _ if text.starts_with('$') => Ok(Self::JsonPath(text)),
            Some(("header", name)) => {
                named(name).map(|name| Self::Header(name.to_ascii_lowercase()))
            }
            Some(("cookie", name)) => named(name).map(Self::Cookie),
            Some(("regex", pattern)) => named(pattern).map(Self::Regex),
            Some(_) | None => Err(invalid()),
        }
    }
}

impl std::str::FromStr for Extract {
    type Err = ExtractError;

    fn from_str(text: &str) -> Result<Self, ExtractError> {
        Self::try_from(text.to_owned())
    }
}

impl fmt::Display for Extract {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Pointer(text) | Self::JsonPath(text) => f.write_str(text),
            Self::Header(name) => write!(f, "header:{name}"),
            Self::Cookie(name) => write!(f, "cookie:{name}"),
            Self::Regex(pattern) => write!(f, "regex:{pattern}"),
            Self::Body => f.write_str("body"),
        }
    }
}

impl From<Extract> for String {
    fn from(extract: Extract) -> Self {
        extract.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_is_read_as_it_is_written() {
        for text in [
            "/visits",
            "$.items[*].id",
            "header:x-count",
            "cookie:n",
            r"regex:n=(\d+): x",
            "body",
        ] {
            let place: Extract = text.parse().expect(text);
            assert_eq!(place.to_string(), text);
        }
    }

    #[test]
    fn what_names_no_place_is_refused() {
        for text in ["", "visits", "header:", "xpath:/a", "regex:"] {
            assert!(text.parse::<Extract>().is_err(), "{text}");
        }
    }
}
