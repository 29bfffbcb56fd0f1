//! A recording of the terminal as a drawing: a command is run, and its output drawn as a terminal with 80 columns shows it, each line at
//! its moment. Without a program that draws terminals, so that the pictures in the README and the guides are what the program prints.

use std::fmt::Write as _;
use std::fs;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use crate::{Failed, run, say};

/// The program that the recordings show, unless the variable COMEBACK names another.
const PROGRAM: &str = "target/release/comeback";

/// A picture of the README or of a guide.
struct Recording {
    /// Where it is kept. Those of guides stand beside them, so that the book has them.
    out: &'static str,
    /// What is run and shown.
    command: &'static str,
    /// What is run before, and not shown: it may end with a FAIL.
    before: &'static [&'static str],
    /// How many lines are drawn; the rest is a row of dots. `None`: all.
    lines_max: Option<usize>,
    /// The files that the commands read.
    files: fn() -> Vec<(&'static str, String)>,
}

/// The README's is the first.
const RECORDINGS: [Recording; 5] = [
    Recording {
        out: "reports/gallery/terminal.svg",
        // The name is as long as that of a run without a file, so that the next steps are those that the README quotes.
        command: "comeback run app.toml --seed 7",
        before: &[],
        lines_max: None,
        files: || vec![("app.toml", shop("memory", "/visits"))],
    },
    Recording {
        out: "harness/docs/pictures/try.svg",
        command: "comeback try --brief shop.toml",
        before: &[],
        lines_max: None,
        files: || vec![("shop.toml", shop("memory", "/visit"))],
    },
    Recording {
        out: "harness/docs/pictures/validate.svg",
        command: "comeback validate shop.toml",
        before: &[],
        lines_max: None,
        files: || {
            let text = shop("memory", "/visits").replace("trials", "trails");
            let text = text.replace("GET /me", "GET me");
            vec![("shop.toml", format!("{text}{MISTAKEN}"))]
        },
    },
    Recording {
        out: "harness/docs/pictures/explain.svg",
        command: "comeback explain shop.toml --seed 7",
        before: &[],
        lines_max: None,
        files: || vec![("shop.toml", shop("memory", "/visits"))],
    },
    Recording {
        out: "harness/docs/pictures/diff.svg",
        command: "comeback diff before after",
        before: &[
            "comeback run memory/shop.toml --trials 6 --seed 7 --out before",
            "comeback run journal/shop.toml --trials 6 --seed 7 --out after",
        ],
        // What is lost stands first. The times, which need a quiet machine, and the verdict follow.
        lines_max: Some(19),
        files: || {
            vec![
                ("memory/shop.toml", shop("memory", "/visits")),
                ("journal/shop.toml", shop("journal", "/visits")),
            ]
        },
    },
];

/// An experiment with a reference server, and a place where its replies have the value.
fn shop(server: &str, value: &str) -> String {
    format!(
        r#"trials = 2
[target]
command = ["{{comeback}}", "serve", "{server}", "--port", "{{port}}", "--data", "{{data}}"]
[session]
value = "{value}"
identity = {{ at = "/user", name = "u{{{{ session }}}}" }}
login = {{ request = "POST /login", json = {{ user = "u{{{{ session }}}}" }} }}
act = {{ request = "POST /visit" }}
check = {{ request = "GET /me" }}
"#
    )
}

/// More of a file that is refused.
const MISTAKEN: &str =
    "[[fault]]\nkind = \"kill\"\nat = \"1 second\"\n[gate]\nlost_session = \"== 0\"\n";

/// Of the terminal, and of the drawing in pixels.
const COLUMNS: usize = 80;
const COLUMN_PX: f64 = 8.4;
const LINE_PX: f64 = 20.0;
const MARGIN_PX: f64 = 16.0;
/// The bar with the three dots.
const BAR_PX: f64 = 32.0;
/// The pause between two lines is drawn no longer than this; a run waits for seconds.
const PAUSE_MAX: Duration = Duration::from_millis(900);

/// Which command is drawn, and where to.
#[derive(clap::Args, Default)]
pub(crate) struct Args {
    /// The file to write, for a command of your own
    #[arg(long, value_name = "SVG", requires = "command")]
    out: Option<PathBuf>,
    /// A command of your own, run here. Default: the recordings of the README and the guides
    #[arg(trailing_var_arg = true, value_name = "COMMAND", requires = "out")]
    command: Vec<String>,
}

/// A line as it was printed, and when.
struct Printed {
    at: Duration,
    text: String,
}

pub(crate) fn terminal(args: &Args) -> Result<(), Failed> {
    if let (Some(out), [program, words @ ..]) = (&args.out, args.command.as_slice()) {
        let printed = record(Path::new(program), words, Path::new("."))?;
        return keep(out, &draw(&args.command.join(" "), &printed));
    }
    let program = match std::env::var_os("COMEBACK") {
        Some(program) => PathBuf::from(program),
        None => {
            run("cargo build --release --package comeback-cli", &[])?;
            PathBuf::from(PROGRAM)
        }
    };
    let program = fs::canonicalize(&program).map_err(failed(&program))?;
    RECORDINGS
        .iter()
        .try_for_each(|recording| recording.draw(&program))
}

/// What could not be done with a file.
fn failed(path: &Path) -> impl Fn(std::io::Error) -> Failed {
    move |error| Failed(format!("{}: {error}", path.display()))
}

fn keep(out: &Path, drawn: &str) -> Result<(), Failed> {
    if let Some(folder) = out.parent() {
        fs::create_dir_all(folder).map_err(failed(folder))?;
    }
    fs::write(out, drawn).map_err(failed(out))?;
    say(&format!("xtask: drawn to {}", out.display()));
    Ok(())
}

impl Recording {
    /// Runs its commands in a folder of its own, and draws the last one.
    fn draw(&self, program: &Path) -> Result<(), Failed> {
        let folder = tempfile::tempdir().map_err(|error| Failed(error.to_string()))?;
        let folder = folder.path();
        for (name, text) in (self.files)() {
            let file = folder.join(name);
            if let Some(parent) = file.parent() {
                fs::create_dir_all(parent).map_err(failed(parent))?;
            }
            fs::write(&file, text).map_err(failed(&file))?;
        }
        let recorded = |line: &str| {
            let words: Vec<String> = line.split(' ').skip(1).map(str::to_owned).collect();
            record(program, &words, folder)
        };
        for line in self.before {
            recorded(line)?;
        }
        let mut printed = recorded(self.command)?;
        if let Some(lines_max) = self.lines_max.filter(|most| *most < printed.len()) {
            printed.truncate(lines_max);
            let at = printed.last().map_or(Duration::ZERO, |line| line.at);
            let text = "…".to_owned();
            printed.push(Printed { at, text });
        }
        keep(Path::new(self.out), &draw(self.command, &printed))
    }
}

/// Runs a command with its colors: what it prints, whatever it ends with.
fn record(program: &Path, words: &[String], folder: &Path) -> Result<Vec<Printed>, Failed> {
    let failed = failed(program);
    // Both outputs in the order in which they are written.
    let (output, end) = std::io::pipe().map_err(&failed)?;
    let began = Instant::now();
    let mut child = Command::new(program)
        .args(words)
        .current_dir(folder)
        .env("CLICOLOR_FORCE", "1")
        .env("COLUMNS", COLUMNS.to_string())
        .env_remove("NO_COLOR")
        .stdin(Stdio::null())
        .stdout(end.try_clone().map_err(&failed)?)
        .stderr(end)
        .spawn()
        .map_err(&failed)?;
    let mut printed = Vec::new();
    for line in BufReader::new(output).lines() {
        let text = line.map_err(&failed)?;
        let at = began.elapsed();
        printed.push(Printed { at, text });
    }
    child.wait().map_err(&failed)?;
    Ok(printed)
}

/// How text looks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Look {
    bold: bool,
    dim: bool,
    color: Option<Color>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Color {
    Red,
    Green,
    Yellow,
    Blue,
    Cyan,
}

impl Color {
    /// On the drawing's background, each with a contrast of more than 4.5 to 1.
    const fn hex(self) -> &'static str {
        match self {
            Self::Red => "#ff7b72",
            Self::Green => "#56d364",
            Self::Yellow => "#e3b341",
            Self::Blue => "#79c0ff",
            Self::Cyan => "#76e3ea",
        }
    }
}

/// A piece of a line that looks alike.
#[derive(Debug, PartialEq, Eq)]
struct Piece {
    text: String,
    look: Look,
}

/// The pieces of a line, by its escape sequences. Those that set no look are left out. What the line before set holds on.
fn pieces(line: &str, look: &mut Look) -> Vec<Piece> {
    let mut pieces = Vec::new();
    let mut parts = line.split('\x1b');
    let mut add = |text: &str, look| {
        if !text.is_empty() {
            let text = text.to_owned();
            pieces.push(Piece { text, look });
        }
    };
    add(parts.next().unwrap_or_default(), *look);
    for part in parts {
        let Some(sequence) = part.strip_prefix('[') else {
            add(part, *look);
            continue;
        };
        let end = sequence.find(|sign: char| sign.is_ascii_alphabetic());
        let (codes, text) = end.map_or((sequence, ""), |end| sequence.split_at(end));
        if text.starts_with('m') {
            codes.split(';').for_each(|code| look.apply(code));
        }
        add(text.get(1..).unwrap_or_default(), *look);
    }
    pieces
}

impl Look {
    fn apply(&mut self, code: &str) {
        match code {
            "" | "0" => *self = Self::default(),
            "1" => self.bold = true,
            "2" => self.dim = true,
            "22" => (self.bold, self.dim) = (false, false),
            "31" | "91" => self.color = Some(Color::Red),
            "32" | "92" => self.color = Some(Color::Green),
            "33" | "93" => self.color = Some(Color::Yellow),
            "34" | "94" => self.color = Some(Color::Blue),
            "36" | "96" => self.color = Some(Color::Cyan),
            "39" => self.color = None,
            _ => {}
        }
    }
}

/// A line as a terminal shows it: broken where the columns end, wherever that is.
fn rows(pieces: Vec<Piece>) -> Vec<Vec<Piece>> {
    let (mut rows, mut row, mut column) = (Vec::new(), Vec::new(), 0);
    for Piece { text, look } in pieces {
        let mut held = String::new();
        for sign in text.chars() {
            if column == COLUMNS {
                row.push(Piece {
                    text: std::mem::take(&mut held),
                    look,
                });
                rows.push(std::mem::take(&mut row));
                column = 0;
            }
            held.push(sign);
            column += 1;
        }
        row.push(Piece { text: held, look });
    }
    rows.push(row);
    rows
}

/// The whole drawing.
fn draw(command: &str, printed: &[Printed]) -> String {
    let prompt = vec![
        Piece {
            text: "$ ".to_owned(),
            look: Look {
                dim: true,
                ..Look::default()
            },
        },
        Piece {
            text: command.to_owned(),
            look: Look {
                bold: true,
                ..Look::default()
            },
        },
    ];
    let mut lines: Vec<(Duration, Vec<Piece>)> = rows(prompt)
        .into_iter()
        .map(|row| (Duration::ZERO, row))
        .collect();
    let (mut shown, mut last) = (Duration::ZERO, Duration::ZERO);
    let mut look = Look::default();
    for Printed { at, text } in printed {
        shown += at.saturating_sub(last).min(PAUSE_MAX);
        last = *at;
        lines.extend(
            rows(pieces(text, &mut look))
                .into_iter()
                .map(|row| (shown, row)),
        );
    }
    let width = COLUMNS as f64 * COLUMN_PX + 2.0 * MARGIN_PX;
    let height = BAR_PX + lines.len() as f64 * LINE_PX + MARGIN_PX;
    let mut svg = head(command, width, height);
    for (place, (at, row)) in lines.iter().enumerate() {
        let y = BAR_PX + (place as f64 + 0.7) * LINE_PX;
        let delay = at.as_secs_f64();
        let _ = write!(
            svg,
            "<text class=\"l\" x=\"{MARGIN_PX}\" y=\"{y:.0}\" style=\"animation-delay:{delay:.2}s\">"
        );
        for piece in row {
            svg.push_str(&piece.svg());
        }
        svg.push_str("</text>\n");
    }
    svg.push_str("</svg>\n");
    svg
}

fn head(command: &str, width: f64, height: f64) -> String {
    let title = escaped(&format!("Terminal: {command}"));
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{width:.0}\" height=\"{height:.0}\" viewBox=\"0 0 {width:.0} {height:.0}\" role=\"img\">\n\
         <title>{title}</title>\n\
         <style>text{{font:14px ui-monospace,SFMono-Regular,Menlo,Consolas,\"DejaVu Sans Mono\",\"Liberation Mono\",monospace;\
         fill:#e6edf3;white-space:pre}}.b{{font-weight:bold}}.d{{fill:#9ea7b3}}\
         @media (prefers-reduced-motion:no-preference){{.l{{animation:show .01s backwards}}}}@keyframes show{{from{{opacity:0}}}}</style>\n\
         <rect width=\"{width:.0}\" height=\"{height:.0}\" rx=\"8\" fill=\"#0d1117\"/>\n"
    );
    for (place, color) in ["#ff5f56", "#ffbd2e", "#27c93f"].iter().enumerate() {
        let x = 20 + 18 * place;
        let _ = writeln!(
            svg,
            "<circle cx=\"{x}\" cy=\"16\" r=\"6\" fill=\"{color}\"/>"
        );
    }
    svg
}

impl Piece {
    fn svg(&self) -> String {
        let mut classes = Vec::new();
        classes.extend(self.look.bold.then_some("b"));
        classes.extend(self.look.dim.then_some("d"));
        let class = match classes.is_empty() {
            true => String::new(),
            false => format!(" class=\"{}\"", classes.join(" ")),
        };
        let fill = self
            .look
            .color
            .map(|color| format!(" style=\"fill:{}\"", color.hex()));
        let text = escaped(&self.text);
        // A fallback font may be wider or narrower: the columns stay where they are.
        let length = self.text.chars().count() as f64 * COLUMN_PX;
        format!(
            "<tspan{class}{} textLength=\"{length:.1}\" lengthAdjust=\"spacingAndGlyphs\">{text}</tspan>",
            fill.unwrap_or_default()
        )
    }
}

fn escaped(text: &str) -> String {
    let text = text.replace('&', "&amp;").replace('<', "&lt;");
    // What no drawing may have: other control characters.
    text.replace('>', "&gt;")
        .replace('"', "&quot;")
        .replace(char::is_control, "\u{fffd}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn printed(text: &str) -> Vec<Printed> {
        let at = Duration::ZERO;
        let text = text.to_owned();
        vec![Printed { at, text }]
    }

    #[test]
    fn colors_are_those_of_the_escape_sequences() {
        let mut look = Look::default();
        let line = pieces("verdict: \x1b[1;31m✗ FAIL\x1b[0m: lost\x1b[K", &mut look);
        let red = Look {
            bold: true,
            dim: false,
            color: Some(Color::Red),
        };
        let looks: Vec<(&str, Look)> = line.iter().map(|one| (&*one.text, one.look)).collect();
        let plain = Look::default();
        assert_eq!(
            looks,
            [("verdict: ", plain), ("✗ FAIL", red), (": lost", plain)]
        );
    }

    #[test]
    fn a_look_holds_on_in_the_next_line_and_bright_colors_are_colors() {
        let mut look = Look::default();
        pieces("\x1b[1m\x1b[91merror", &mut look);
        let next = pieces("more\x1b[0m", &mut look);
        let color = Some(Color::Red);
        assert_eq!((next[0].look.bold, next[0].look.color), (true, color));
        assert_eq!(look, Look::default());
    }

    #[test]
    fn a_line_is_broken_where_the_terminal_ends() {
        let wide = "x".repeat(COLUMNS + 3);
        let rows = rows(pieces(&wide, &mut Look::default()));
        let lengths: Vec<usize> = rows
            .iter()
            .map(|row| row.iter().map(|one| one.text.len()).sum())
            .collect();
        assert_eq!(lengths, [COLUMNS, 3]);
        assert_eq!(super::rows(pieces("", &mut Look::default())).len(), 1);
    }

    #[test]
    fn nothing_that_is_printed_breaks_the_drawing() {
        let drawn = draw("a <b> & \"c\"", &printed("</text><script>&\u{7}"));
        assert!(!drawn.contains("<script"), "{drawn}");
        assert!(
            drawn.contains("&lt;/text&gt;&lt;script&gt;&amp;\u{fffd}"),
            "{drawn}"
        );
        assert!(
            drawn.contains("<title>Terminal: a &lt;b&gt; &amp; &quot;c&quot;</title>"),
            "{drawn}"
        );
    }

    /// A file of the repository.
    fn stored(path: &str) -> String {
        fs::read_to_string(Path::new("../..").join(path)).expect("it is stored")
    }

    /// The rows that a drawing shows.
    fn shown(svg: &str) -> Vec<String> {
        let rows = svg.lines().filter(|line| line.starts_with("<text "));
        let text = rows.map(|row| {
            let parts = row.split('<').filter_map(|tag| tag.split_once('>'));
            parts.map(|(_, text)| text).collect::<String>()
        });
        text.map(|text| text.replace("&gt;", ">").replace("&lt;", "<"))
            .map(|text| text.replace("&quot;", "\"").replace("&amp;", "&"))
            .collect()
    }

    #[test]
    fn no_picture_splits_a_word_at_the_edge_and_the_next_steps_are_those_of_the_readme() {
        for Recording { out, .. } in RECORDINGS {
            let rows = shown(&stored(out));
            assert!(rows.len() > 5, "{out}");
            let is_split = |rows: &&[String]| {
                rows[0].chars().count() >= COLUMNS
                    && !rows[0].ends_with(' ')
                    && rows[1].starts_with(|sign: char| !sign.is_whitespace())
            };
            let split = rows.windows(2).find(is_split);
            assert!(split.is_none(), "{out}: {split:?}");
        }
        // Each run has a folder of its own.
        let generic = |line: &str| -> Vec<String> {
            let words = line.split_whitespace();
            let word = |word: &str| match word.starts_with("comeback-runs/") {
                true => "RUN".to_owned(),
                false => word.to_owned(),
            };
            words.map(word).collect()
        };
        let rows: Vec<_> = shown(&stored(RECORDINGS[0].out))
            .iter()
            .map(|row| generic(row))
            .collect();
        let readme = stored("README.md");
        let (_, next) = readme
            .split_once("\nnext:\n")
            .expect("it has what to do next");
        let (next, _) = next.split_once("```").expect("it ends");
        for line in next.lines() {
            assert!(rows.contains(&generic(line)), "{line}: {rows:#?}");
        }
    }

    #[test]
    fn a_long_pause_is_cut_short() {
        let later = |seconds, text: &str| Printed {
            at: Duration::from_secs(seconds),
            text: text.to_owned(),
        };
        let drawn = draw("x", &[later(1, "a"), later(60, "b")]);
        let delays: Vec<&str> = drawn
            .split("animation-delay:")
            .skip(1)
            .filter_map(|rest| rest.split('s').next())
            .collect();
        assert_eq!(delays, ["0.00", "0.90", "1.80"]);
    }
}
