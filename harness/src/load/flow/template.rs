//! Requests as bytes: templates with the client's number and its cookies filled in.

use comeback_core::plan::{Body, Call, Request};

/// What stands for the client's number in a template.
pub(super) const SESSION: &str = "{{ session }}";

/// A request, split where the client's number and the cookies go.
#[derive(Debug)]
pub(super) struct Template {
    start: Vec<String>,
    headers: String,
    body: Option<Vec<String>>,
}

impl Template {
    pub(super) fn new(request: &Request, port: u16) -> Self {
        let split = |text: &str| text.split(SESSION).map(str::to_owned).collect();
        let (method, path, body) = match &request.call {
            Call::Http {
                method,
                path,
                body: Some(Body::Json(body)),
                ..
            } => (method.as_str(), path.as_str(), Some(body.as_str())),
            Call::Http { method, path, .. } => (method.as_str(), path.as_str(), None),
            Call::Redis(_) => ("", "", None),
        };
        let start = format!("{method} {path} HTTP/1.1\r\n");
        let mut headers = format!("host: 127.0.0.1:{port}\r\n");
        if body.is_some() {
            headers.push_str("content-type: application/json\r\n");
        }
        Self {
            start: split(&start),
            headers,
            body: body.map(split),
        }
    }

    pub(super) fn write(&self, client: u32, cookies: &[(String, String)], out: &mut Vec<u8>) {
        join(&self.start, client, out);
        out.extend_from_slice(self.headers.as_bytes());
        for (index, (name, value)) in cookies.iter().enumerate() {
            out.extend_from_slice(if index == 0 { b"cookie: " } else { b"; " });
            out.extend_from_slice(name.as_bytes());
            out.push(b'=');
            out.extend_from_slice(value.as_bytes());
        }
        if !cookies.is_empty() {
            out.extend_from_slice(b"\r\n");
        }
        if let Some(parts) = &self.body {
            let mut body = Vec::new();
            join(parts, client, &mut body);
            out.extend_from_slice(format!("content-length: {}\r\n\r\n", body.len()).as_bytes());
            out.extend_from_slice(&body);
        } else if self.start[0].starts_with("POST") || self.start[0].starts_with("PUT") {
            out.extend_from_slice(b"content-length: 0\r\n\r\n");
        } else {
            out.extend_from_slice(b"\r\n");
        }
    }
}

fn join(parts: &[String], client: u32, out: &mut Vec<u8>) {
    for (index, part) in parts.iter().enumerate() {
        if index > 0 {
            out.extend_from_slice(client.to_string().as_bytes());
        }
        out.extend_from_slice(part.as_bytes());
    }
}
