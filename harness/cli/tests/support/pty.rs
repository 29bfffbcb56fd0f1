//! A terminal for the program under test: a pseudo-terminal, and what a person would see on it.

use std::ffi::OsStr;
use std::fs::File;
use std::io::Read;
use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::{Pid, Signal, kill_process};
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use rustix::termios::{LocalModes, Termios, Winsize, tcgetattr, tcsetwinsize};

use super::support::command;

/// A program on a terminal.
pub(crate) struct OnTerminal {
    child: Child,
    ours: File,
    /// While somebody has it, the terminal keeps its mode.
    theirs: OwnedFd,
    before: Termios,
    /// Everything that was written so far.
    pub(crate) written: String,
    rest: Vec<u8>,
}

/// Which of its outputs go to the terminal.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Outputs {
    /// Standard output alone.
    Stdout,
    /// Both.
    Both,
}

impl OnTerminal {
    pub(crate) fn start(
        folder: &Path,
        words: &[impl AsRef<OsStr>],
        variables: &[(&str, &str)],
        outputs: Outputs,
    ) -> Self {
        Self::start_command(command(folder, words), variables, outputs)
    }

    pub(crate) fn start_command(
        mut command: Command,
        variables: &[(&str, &str)],
        outputs: Outputs,
    ) -> Self {
        let ours = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).unwrap();
        grantpt(&ours).unwrap();
        unlockpt(&ours).unwrap();
        let name = ptsname(&ours, Vec::new()).unwrap();
        let path = Path::new(name.to_str().unwrap());
        let theirs = File::options().read(true).write(true).open(path).unwrap();
        resize(&ours, 80, 24);
        let before = tcgetattr(&theirs).unwrap();
        command
            .env_remove("CI")
            .envs(variables.iter().copied())
            .stdout(theirs.try_clone().unwrap());
        match outputs {
            Outputs::Stdout => command.stderr(Stdio::null()),
            Outputs::Both => command.stderr(theirs.try_clone().unwrap()),
        };
        let child = command.spawn().unwrap();
        // What it holds of the terminal's other end would keep that open.
        drop(command);
        Self {
            child,
            ours: File::from(ours),
            theirs: theirs.into(),
            before,
            written: String::new(),
            rest: Vec::new(),
        }
    }

    /// Reads until the program has written this, behind the first `from` bytes.
    pub(crate) fn wait_for(&mut self, expected: &str, from: usize) {
        while !self.written[from..].contains(expected) {
            let has_more = self.read();
            assert!(has_more, "no {expected:?} in {:?}", self.written);
        }
    }

    /// Reads what comes next. False at the end.
    fn read(&mut self) -> bool {
        loop {
            // What is written before the end is there when the end is seen.
            let has_ended = self.child.try_wait().unwrap().is_some();
            if self.is_readable(if has_ended { 0 } else { 50 }) {
                break;
            }
            if has_ended {
                return false;
            }
        }
        let mut chunk = [0; 4096];
        let length = self.ours.read(&mut chunk).unwrap();
        self.rest.extend_from_slice(&chunk[..length]);
        // A letter may come in two pieces.
        let whole = match std::str::from_utf8(&self.rest) {
            Ok(text) => text.len(),
            Err(error) => error.valid_up_to(),
        };
        let text: Vec<u8> = self.rest.drain(..whole).collect();
        self.written.push_str(&String::from_utf8(text).unwrap());
        true
    }

    fn is_readable(&self, within_ms: i64) -> bool {
        let within = Timespec {
            tv_sec: 0,
            tv_nsec: within_ms * 1_000_000,
        };
        let mut watched = [PollFd::new(&self.ours, PollFlags::IN)];
        poll(&mut watched, Some(&within)).unwrap() > 0
    }

    pub(crate) fn resize(&self, columns: u16, rows: u16) {
        resize(&self.ours, columns, rows);
    }

    pub(crate) fn send(&self, signal: Signal) {
        let pid = Pid::from_child(&self.child);
        kill_process(pid, signal).unwrap();
    }

    /// Whether typed keys are shown.
    pub(crate) fn echoes(&self) -> bool {
        let mode = tcgetattr(&self.theirs).unwrap();
        mode.local_modes.contains(LocalModes::ECHO)
    }

    /// Reads to the end, where the terminal's mode is as it was. The exit code, and everything that was written.
    pub(crate) fn end(mut self) -> (Option<i32>, String) {
        while self.read() {}
        let after = tcgetattr(&self.theirs).unwrap();
        let modes = |mode: &Termios| (mode.local_modes, mode.input_modes, mode.output_modes);
        assert_eq!(modes(&after), modes(&self.before), "{}", self.written);
        let status = self.child.wait().unwrap();
        (status.code(), self.written)
    }
}

fn resize(terminal: impl AsFd, columns: u16, rows: u16) {
    let size = Winsize {
        ws_row: rows,
        ws_col: columns,
        ws_xpixel: 0,
        ws_ypixel: 0,
    };
    tcsetwinsize(terminal, size).unwrap();
}

/// The lines of a terminal that is high enough for all of them, after this was written to it, and whether there is a cursor.
pub(crate) fn seen(written: &str) -> (String, bool) {
    let mut lines: Vec<Vec<char>> = vec![Vec::new()];
    let (mut row, mut column, mut has_cursor) = (0_usize, 0_usize, true);
    let mut letters = written.chars();
    while let Some(letter) = letters.next() {
        match letter {
            '\r' => column = 0,
            '\n' => row += 1,
            '\x1b' => {
                assert_eq!(letters.next(), Some('['));
                let mut parameter = String::new();
                let code = loop {
                    match letters.next().unwrap() {
                        code if code.is_ascii_alphabetic() => break code,
                        letter => parameter.push(letter),
                    }
                };
                match (code, parameter.as_str()) {
                    ('A', rows) => row -= rows.parse::<usize>().unwrap(),
                    ('K', "") => lines[row].truncate(column),
                    ('J', "") => {
                        lines.truncate(row + 1);
                        lines[row].truncate(column);
                    }
                    ('h', "?25") => has_cursor = true,
                    ('l', "?25") => has_cursor = false,
                    ('h' | 'l', "?2026") | ('m', _) => {}
                    other => panic!("{other:?} is not known"),
                }
            }
            letter => {
                let line = &mut lines[row];
                line.resize(line.len().max(column + 1), ' ');
                line[column] = letter;
                column += 1;
            }
        }
        lines.resize(lines.len().max(row + 1), Vec::new());
    }
    let lines = lines.into_iter().map(String::from_iter);
    (lines.collect::<Vec<_>>().join("\n"), has_cursor)
}
