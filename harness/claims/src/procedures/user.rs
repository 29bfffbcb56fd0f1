//! A user of the servers' contract: what it sends, and what must come back.

use std::io;
use std::ops::Range;

use serde::Deserialize;

use super::line::{Answer, Line};

/// What a user does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Step {
    Login,
    Visit,
    Me,
    Logout,
}

/// A session's steps, in order.
pub(super) const SESSION: [Step; 6] = [
    Step::Login,
    Step::Visit,
    Step::Me,
    Step::Visit,
    Step::Me,
    Step::Logout,
];

/// A user, and what it knows of its session.
#[derive(Clone, Debug)]
pub(super) struct User {
    name: String,
    cookie: Option<String>,
    visits: u64,
}

#[derive(Deserialize)]
struct Session {
    user: String,
    visits: u64,
}

/// Users of these numbers, each on a connection of its own and logged in; and how many logins came out right.
pub(super) async fn log_in(port: u16, numbers: Range<u32>) -> io::Result<(Vec<(User, Line)>, u64)> {
    let (mut users, mut right) = (Vec::new(), 0);
    for number in numbers {
        let (mut user, mut line) = (User::new(number), Line::open(port).await?);
        right += u64::from(user.take(Step::Login, &mut line).await?);
        users.push((user, line));
    }
    Ok((users, right))
}

impl User {
    pub(super) fn new(number: impl std::fmt::Display) -> Self {
        Self {
            name: format!("u{number}"),
            cookie: None,
            visits: 0,
        }
    }

    /// The request, as it goes over the wire.
    pub(super) fn request(&self, step: Step) -> Vec<u8> {
        let (line, body) = match step {
            Step::Login => (
                "POST /login",
                Some(format!(r#"{{"user":"{}"}}"#, self.name)),
            ),
            Step::Visit => ("POST /visit", Some(String::new())),
            Step::Me => ("GET /me", None),
            Step::Logout => ("POST /logout", Some(String::new())),
        };
        let mut text = format!("{line} HTTP/1.1\r\nhost: 127.0.0.1\r\n");
        if let Some(cookie) = &self.cookie {
            text.push_str(&format!("cookie: {cookie}\r\n"));
        }
        if let Some(body) = &body {
            text.push_str(&format!("content-length: {}\r\n", body.len()));
        }
        text.push_str("\r\n");
        text.push_str(body.as_deref().unwrap_or_default());
        text.into_bytes()
    }

    /// Whether a reply is the one that this user must get now.
    pub(super) fn is_right(&self, step: Step, answer: &Answer) -> bool {
        let visits = match step {
            Step::Login => 0,
            Step::Visit => self.visits + 1,
            Step::Me | Step::Logout => self.visits,
        };
        let session: Option<Session> = serde_json::from_slice(&answer.body).ok();
        answer.status == 200
            && session.is_some_and(|found| found.user == self.name && found.visits == visits)
    }

    /// Does a step; whether it came out right.
    pub(super) async fn take(&mut self, step: Step, line: &mut Line) -> io::Result<bool> {
        let answer = line.ask(&self.request(step)).await?;
        let right = self.is_right(step, &answer);
        self.learn(step, &answer);
        Ok(right)
    }

    /// Does the steps; how many came out right.
    pub(super) async fn take_all(&mut self, steps: &[Step], line: &mut Line) -> io::Result<u64> {
        let mut right = 0;
        for step in steps {
            right += u64::from(self.take(*step, line).await?);
        }
        Ok(right)
    }

    /// Keeps what a reply says of the session.
    pub(super) fn learn(&mut self, step: Step, answer: &Answer) {
        // The first part of what is set is what is sent back.
        let parts = answer.cookies.iter();
        let set = parts
            .filter_map(|cookie| cookie.split(';').next())
            .next_back();
        match (step, set) {
            (Step::Logout, _) => self.cookie = None,
            (_, Some(set)) => self.cookie = Some(set.to_owned()),
            (_, None) => {}
        }
        match step {
            Step::Login => self.visits = 0,
            Step::Visit => self.visits += u64::from(answer.status == 200),
            Step::Me | Step::Logout => {}
        }
    }
}
