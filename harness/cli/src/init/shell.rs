//! Commands of a shell script, split into words, as far as curl commands need it: quotes, escapes, `$'…'`, continued lines,
//! comments. A crate for this would not know the lines, the ends of commands, or the quotes that browsers write. Pure.

use std::iter::Peekable;
use std::str::Chars;

use super::recorded::Unusable;

/// A command.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Command {
    /// The line it begins on, from 1.
    pub(super) line: usize,
    pub(super) words: Vec<String>,
}

/// Splits a script into commands.
///
/// # Errors
/// If a quote is not closed, or the script has what only a shell can do.
pub(super) fn split(text: &str) -> Result<Vec<Command>, Unusable> {
    if text.contains("^\"") || text.contains("^\n") || text.contains("^\r\n") {
        return Err(Unusable::new(
            "these commands are written for cmd.exe: choose \"Copy as cURL (bash)\" in the browser",
        ));
    }
    let mut splitter = Splitter {
        rest: text.chars().peekable(),
        line: 1,
        word: None,
        command: Vec::new(),
        begun: 1,
        commands: Vec::new(),
    };
    splitter.split()?;
    Ok(splitter.commands)
}

struct Splitter<'t> {
    rest: Peekable<Chars<'t>>,
    /// The line of the next character.
    line: usize,
    word: Option<String>,
    command: Vec<String>,
    begun: usize,
    commands: Vec<Command>,
}

impl Splitter<'_> {
    fn next(&mut self) -> Option<char> {
        let next = self.rest.next();
        self.line += usize::from(next == Some('\n'));
        next
    }

    fn put(&mut self, letter: char) {
        if self.word.is_none() && self.command.is_empty() {
            self.begun = self.line;
        }
        self.word.get_or_insert_default().push(letter);
    }

    fn end_word(&mut self) {
        self.command.extend(self.word.take());
    }

    fn end_command(&mut self) {
        self.end_word();
        if !self.command.is_empty() {
            self.commands.push(Command {
                line: self.begun,
                words: std::mem::take(&mut self.command),
            });
        }
    }

    /// Skips what is no part of a command, up to one of these.
    fn skip_to(&mut self, ends: &[char]) {
        while self
            .rest
            .peek()
            .is_some_and(|letter| !ends.contains(letter))
        {
            self.next();
        }
    }

    fn split(&mut self) -> Result<(), Unusable> {
        while let Some(letter) = self.next() {
            match letter {
                '\n' | ';' | '|' | '&' => self.end_command(),
                _ if letter.is_whitespace() => self.end_word(),
                '#' if self.word.is_none() => self.skip_to(&['\n']),
                // Where the output goes.
                '>' | '<' => {
                    // The number of a descriptor is no word.
                    self.word = self.word.take().filter(|word| word.parse::<u8>().is_err());
                    self.end_word();
                    self.skip_to(&['\n', ';', '|']);
                }
                '\\' => self.escape(),
                '\'' => self.quoted(letter)?,
                '"' => self.quoted(letter)?,
                '$' if self.rest.peek() == Some(&'\'') => {
                    self.next();
                    self.ansi_quoted()?;
                }
                '`' => return Err(self.substitution()),
                '$' if self.rest.peek() == Some(&'(') => return Err(self.substitution()),
                letter => self.put(letter),
            }
        }
        self.end_command();
        Ok(())
    }

    fn escape(&mut self) {
        match self.next() {
            Some('\r') if self.rest.peek() == Some(&'\n') => {
                self.next();
            }
            Some('\n') | None => {}
            Some(letter) => self.put(letter),
        }
    }

    fn substitution(&self) -> Unusable {
        Unusable::at(
            self.line,
            "a shell would run a command here, by $(…) or `…`: write its result in its place, and a curl command that \
             stands in it on a line of its own",
        )
    }

    fn unclosed(&self, line: usize) -> Unusable {
        Unusable::at(
            line,
            "a quote begins here and is not closed: copy the whole command",
        )
    }

    fn quoted(&mut self, quote: char) -> Result<(), Unusable> {
        let begun = self.line;
        if self.word.is_none() && self.command.is_empty() {
            self.begun = begun;
        }
        self.word.get_or_insert_default();
        loop {
            match self.next() {
                None => return Err(self.unclosed(begun)),
                Some(letter) if letter == quote => return Ok(()),
                Some('\\') if quote == '"' => match self.next() {
                    Some(letter @ ('"' | '\\' | '$' | '`')) => self.put(letter),
                    Some('\n') | None => {}
                    Some(letter) => {
                        self.put('\\');
                        self.put(letter);
                    }
                },
                Some('`') if quote == '"' => return Err(self.substitution()),
                Some('$') if quote == '"' && self.rest.peek() == Some(&'(') => {
                    return Err(self.substitution());
                }
                Some(letter) => self.put(letter),
            }
        }
    }

    /// The quotes that browsers write around text with special characters.
    fn ansi_quoted(&mut self) -> Result<(), Unusable> {
        let begun = self.line;
        self.word.get_or_insert_default();
        loop {
            match self.next() {
                None => return Err(self.unclosed(begun)),
                Some('\'') => return Ok(()),
                Some('\\') => {
                    let letter = match self.next() {
                        None => return Err(self.unclosed(begun)),
                        Some('n') => '\n',
                        Some('r') => '\r',
                        Some('t') => '\t',
                        Some('x') => self.by_number(2),
                        Some('u') => self.by_number(4),
                        Some('U') => self.by_number(8),
                        Some(letter) => letter,
                    };
                    self.put(letter);
                }
                Some(letter) => self.put(letter),
            }
        }
    }

    /// A character by at most so many hexadecimal digits.
    fn by_number(&mut self, digits: usize) -> char {
        let mut number = 0;
        for _ in 0..digits {
            let Some(digit) = self.rest.peek().and_then(|letter| letter.to_digit(16)) else {
                break;
            };
            number = number * 16 + digit;
            self.next();
        }
        char::from_u32(number).unwrap_or(char::REPLACEMENT_CHARACTER)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test may panic")]

    use super::*;

    fn words(text: &str) -> Vec<Vec<String>> {
        let commands = split(text).unwrap();
        commands.into_iter().map(|command| command.words).collect()
    }

    #[test]
    fn quotes_escapes_and_continued_lines_are_read_as_a_shell_reads_them() {
        for (text, expected) in [
            (
                r#"curl 'a b' "c\"d" e\ f"#,
                vec!["curl", "a b", "c\"d", "e f"],
            ),
            (
                "curl \\\n  -X POST \\\r\n  url",
                vec!["curl", "-X", "POST", "url"],
            ),
            (r"curl $'it\'s\u0021\n'", vec!["curl", "it's!\n"]),
            ("curl 'a'\"b\"c ''", vec!["curl", "abc", ""]),
            ("curl x # not this", vec!["curl", "x"]),
            ("curl x#y > /dev/null 2>&1", vec!["curl", "x#y"]),
            ("curl x 2>/dev/null", vec!["curl", "x"]),
        ] {
            assert_eq!(words(text), [expected], "{text}");
        }
    }

    #[test]
    fn commands_end_with_lines_and_with_what_a_shell_ends_them_by() {
        let script = "#!/bin/sh\ncurl a;\ncurl b | jq .\n\ncurl c && curl d &\n";
        let commands = split(script).unwrap();
        let lines: Vec<(usize, String)> = commands
            .iter()
            .map(|command| (command.line, command.words.join(" ")))
            .collect();
        let expected = [
            (2, "curl a"),
            (3, "curl b"),
            (3, "jq ."),
            (5, "curl c"),
            (5, "curl d"),
        ];
        assert_eq!(
            lines,
            expected.map(|(line, words)| (line, words.to_owned()))
        );
    }

    #[test]
    fn what_is_not_closed_or_needs_a_shell_is_refused_by_its_line() {
        for (text, line, told) in [
            ("curl a\ncurl 'b\nc", Some(2), "not closed"),
            ("curl \"b", Some(1), "not closed"),
            ("\ncurl $'b\\", Some(2), "not closed"),
            ("curl -H \"a: $(cat token)\"", Some(1), "$(…)"),
            ("T=`curl a`", Some(1), "$(…)"),
            ("curl ^\"http://a^\" ^\n -X POST", None, "cmd.exe"),
        ] {
            let wrong = split(text).unwrap_err();
            assert_eq!(wrong.line, line, "{text}");
            assert!(wrong.problem.contains(told), "{text}: {wrong}");
        }
    }
}
