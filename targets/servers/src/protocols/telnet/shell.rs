//! The state of a connection, and its replies: login, then a tiny shell. Lines in, text out; no sockets here.

use crate::protocols::PASSWORD;

/// Asks for the name.
pub const LOGIN_PROMPT: &str = "login: ";
/// Asks for the password.
pub const PASSWORD_PROMPT: &str = "Password: ";
/// Asks for a command.
pub const PROMPT: &str = "$ ";
/// Said when name and password do not fit.
pub const NOT_LOGGED_IN: &str = "Login incorrect";

/// A longer line is cut there: no user types one.
pub(crate) const LINE_MAX: usize = 512;

/// The state of one connection; it is nowhere else.
#[derive(Debug, Default)]
pub(crate) struct Shell {
    state: LoginState,
}

#[derive(Debug, Default)]
enum LoginState {
    #[default]
    Name,
    Password,
    Commands(Place),
}

/// Where a logged-in client is.
#[derive(Debug, Default)]
struct Place {
    /// The names on the way from the root. There are no files: every folder can be gone to.
    folders: Vec<String>,
    count: u64,
}

/// The reply to a line.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Reply {
    /// Complete lines.
    pub(crate) lines: Vec<String>,
    /// The prompt for the client's next line; none if the connection ends.
    pub(crate) prompt: Option<&'static str>,
}

impl Shell {
    /// Whether the next line is a password, which is not to be shown.
    pub(crate) fn wants_secret(&self) -> bool {
        matches!(self.state, LoginState::Password)
    }

    /// Takes a line, without its end.
    pub(crate) fn answer(&mut self, line: &str) -> Reply {
        match &mut self.state {
            LoginState::Name if line.trim().is_empty() => Reply::prompt(LOGIN_PROMPT),
            LoginState::Name => {
                self.state = LoginState::Password;
                Reply::prompt(PASSWORD_PROMPT)
            }
            LoginState::Password if line == PASSWORD => {
                self.state = LoginState::Commands(Place::default());
                Reply::prompt(PROMPT)
            }
            LoginState::Password => {
                self.state = LoginState::Name;
                Reply {
                    lines: vec![NOT_LOGGED_IN.to_owned()],
                    prompt: Some(LOGIN_PROMPT),
                }
            }
            LoginState::Commands(place) => place.run(line),
        }
    }
}

impl Place {
    fn run(&mut self, line: &str) -> Reply {
        let mut words = line.split_whitespace();
        match (words.next(), words.next(), words.next()) {
            (None, ..) => Reply::prompt(PROMPT),
            (Some("exit"), None, _) => Reply {
                lines: vec!["logout".to_owned()],
                prompt: None,
            },
            (Some("pwd"), None, _) => Reply::line(self.path()),
            (Some("count"), None, _) => {
                self.count += 1;
                Reply::line(self.count.to_string())
            }
            (Some("cd"), folder, None) => {
                self.go(folder.unwrap_or("/"));
                Reply::prompt(PROMPT)
            }
            (Some(word), ..) => Reply::line(format!(
                "{word} is no command: use cd [FOLDER], pwd, count or exit"
            )),
        }
    }

    fn go(&mut self, to: &str) {
        if to.starts_with('/') {
            self.folders.clear();
        }
        for name in to.split('/') {
            match name {
                "" | "." => {}
                ".." => {
                    self.folders.pop();
                }
                name => self.folders.push(name.to_owned()),
            }
        }
    }

    fn path(&self) -> String {
        format!("/{}", self.folders.join("/"))
    }
}

impl Reply {
    fn prompt(prompt: &'static str) -> Self {
        Self {
            lines: Vec::new(),
            prompt: Some(prompt),
        }
    }

    fn line(line: String) -> Self {
        Self {
            lines: vec![line],
            prompt: Some(PROMPT),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The lines that a new connection answers these with, the prompts aside.
    fn said(typed: &[&str]) -> Vec<String> {
        let mut shell = Shell::default();
        typed
            .iter()
            .flat_map(|line| shell.answer(line).lines)
            .collect()
    }

    #[test]
    fn name_and_password_come_first_and_a_wrong_one_begins_anew() {
        let mut shell = Shell::default();
        assert_eq!(shell.answer(" "), Reply::prompt(LOGIN_PROMPT));
        assert_eq!(shell.answer("ann"), Reply::prompt(PASSWORD_PROMPT));
        assert!(shell.wants_secret());
        let refused = shell.answer("wrong");
        assert_eq!(refused.lines, [NOT_LOGGED_IN]);
        assert_eq!(refused.prompt, Some(LOGIN_PROMPT));
        shell.answer("ann");
        assert_eq!(shell.answer(PASSWORD), Reply::prompt(PROMPT));
        assert!(!shell.wants_secret());
    }

    #[test]
    fn each_connection_counts_for_itself_and_has_its_own_folder() {
        let typed = [
            "ann",
            PASSWORD,
            "cd /a/./b",
            "count",
            "count",
            "cd ../c",
            "pwd",
        ];
        assert_eq!(said(&typed), ["1", "2", "/a/c"]);
        assert_eq!(
            said(&["ann", PASSWORD, "count", "pwd", "cd", "pwd"]),
            ["1", "/", "/"]
        );
    }

    #[test]
    fn what_is_no_command_is_told_and_exit_ends_it() {
        assert!(said(&["ann", PASSWORD, "rm -r /"])[0].starts_with("rm is no command: "));
        assert!(said(&["ann", PASSWORD, "cd a b"])[0].starts_with("cd is no command: "));
        let mut shell = Shell::default();
        shell.answer("ann");
        shell.answer(PASSWORD);
        assert_eq!(shell.answer("exit").prompt, None);
    }
}
