//! The GitHub action beside this project: its file is read as GitHub reads it, and its scripts are run.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod support;

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use serde::Deserialize;
use support::PROGRAM;
use tempfile::TempDir;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Action {
    #[allow(dead_code, reason = "must be there")]
    name: String,
    #[allow(dead_code, reason = "must be there")]
    description: String,
    inputs: BTreeMap<String, Input>,
    outputs: BTreeMap<String, ActionOutput>,
    runs: Runs,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Input {
    #[allow(dead_code, reason = "must be there")]
    description: String,
    default: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ActionOutput {
    #[allow(dead_code, reason = "must be there")]
    description: String,
    value: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Runs {
    using: String,
    steps: Vec<ActionStep>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct ActionStep {
    name: String,
    id: Option<String>,
    #[serde(rename = "if")]
    only_if: Option<String>,
    uses: Option<String>,
    with: Option<BTreeMap<String, String>>,
    shell: Option<String>,
    run: Option<String>,
    working_directory: Option<String>,
    #[serde(default)]
    env: BTreeMap<String, String>,
}

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../.github/actions/comeback")
}

fn action() -> Action {
    let text = fs::read_to_string(folder().join("action.yml")).unwrap();
    serde_saphyr::from_str(&text).unwrap()
}

/// A job on a runner: the action's inputs, and what its steps leave behind.
struct Job {
    temp: TempDir,
    inputs: BTreeMap<String, String>,
    /// By `step.output`.
    outputs: BTreeMap<String, String>,
    /// In front of the path, for programs that stand for others.
    bin: Option<PathBuf>,
    /// The tag or branch that names the action.
    action_ref: &'static str,
    /// The number of the pull request that the job belongs to, if it does.
    pull_request: &'static str,
    printed: String,
}

impl Job {
    fn new(inputs: &[(&str, &str)]) -> Self {
        let given: BTreeMap<&str, &str> = inputs.iter().copied().collect();
        let declared = action().inputs;
        assert!(given.keys().all(|name| declared.contains_key(*name)));
        let inputs = declared
            .into_iter()
            .map(|(name, input)| {
                let value = given
                    .get(&*name)
                    .map_or(input.default, |value| (*value).to_owned());
                (name, value)
            })
            .collect();
        Self {
            temp: tempfile::tempdir().unwrap(),
            inputs,
            outputs: BTreeMap::new(),
            bin: None,
            action_ref: "",
            pull_request: "",
            printed: String::new(),
        }
    }

    /// What stands for `${{ … }}`.
    fn value_of(&self, expression: &str) -> String {
        if let Some((first, second)) = expression.split_once(" || ") {
            let value = self.value_of(first);
            return if value.is_empty() {
                self.value_of(second)
            } else {
                value
            };
        }
        if let Some(name) = expression.strip_prefix("inputs.") {
            return self.inputs[name].clone();
        }
        if let Some(name) = expression.strip_prefix("steps.") {
            let name = name.replace(".outputs.", ".");
            return self.outputs.get(&name).cloned().unwrap_or_default();
        }
        match expression {
            "runner.temp" => self.temp.path().display().to_string(),
            "runner.os" => "Linux".to_owned(),
            "runner.arch" => "X64".to_owned(),
            "github.server_url" => format!("file://{}", self.temp.path().display()),
            "github.action_repository" => String::new(),
            "github.repository" => REPOSITORY.to_owned(),
            "github.action_ref" => self.action_ref.to_owned(),
            "github.event.pull_request.number" => self.pull_request.to_owned(),
            "github.event.pull_request.head.sha" => COMMIT.to_owned(),
            "github.token" => TOKEN.to_owned(),
            other => panic!("{other} is no expression that this test knows"),
        }
    }

    fn fill_in(&self, text: &str) -> String {
        let mut filled = String::new();
        let mut rest = text;
        while let Some((before, after)) = rest.split_once("${{") {
            let (expression, after) = after.split_once("}}").unwrap();
            filled += before;
            filled += &self.value_of(expression.trim());
            rest = after;
        }
        filled + rest
    }

    /// Whether the conditions this action uses hold.
    fn holds(&self, condition: &str) -> bool {
        condition.split("&&").map(str::trim).all(|part| {
            if part == "always()" {
                return true;
            }
            let (name, wanted, equal) = match part.split_once(" == ") {
                Some((name, wanted)) => (name, wanted, true),
                None => {
                    let (name, wanted) = part.split_once(" != ").unwrap();
                    (name, wanted, false)
                }
            };
            (self.value_of(name) == wanted.trim_matches('\'')) == equal
        })
    }

    /// Runs every step; gives the exit code of the first one that failed, or 0. After it only steps that
    /// run always are considered.
    fn run(&mut self) -> i32 {
        let mut code = 0;
        for step in action().runs.steps {
            let condition = step.only_if.as_deref().unwrap_or("always()");
            let always = step
                .only_if
                .as_deref()
                .is_some_and(|text| text.contains("always()"));
            if (code != 0 && !always) || !self.holds(condition) {
                continue;
            }
            if let Some(uses) = &step.uses {
                let with = step.with.as_ref().unwrap();
                let path = self.fill_in(&with["path"]);
                if uses.starts_with("actions/upload-artifact@") {
                    self.outputs.insert("uploaded".to_owned(), path);
                }
                continue;
            }
            let output = self.run_step(&step);
            self.printed += &String::from_utf8_lossy(&output.stdout);
            self.printed += &String::from_utf8_lossy(&output.stderr);
            if code == 0 {
                code = output.status.code().unwrap();
            }
        }
        code
    }

    fn run_step(&mut self, step: &ActionStep) -> Output {
        let written = self.temp.path().join("output");
        fs::write(&written, "").unwrap();
        let script = step.run.as_ref().unwrap();
        let mut command = Command::new("bash");
        // As GitHub starts `shell: bash`.
        command
            .args(["--noprofile", "--norc", "-eo", "pipefail", "-c", script])
            .env("GITHUB_ACTIONS", "true")
            .env("GITHUB_ACTION_PATH", folder())
            .env("GITHUB_OUTPUT", &written)
            .env("GITHUB_STEP_SUMMARY", self.temp.path().join("summary.md"))
            .env("RUNNER_TEMP", self.temp.path());
        for (name, value) in &step.env {
            command.env(name, self.fill_in(value));
        }
        if let Some(bin) = &self.bin {
            let path = std::env::var("PATH").unwrap();
            command.env("PATH", format!("{}:{path}", bin.display()));
        }
        let folder = step.working_directory.as_ref();
        let folder = folder.map_or_else(|| ".".to_owned(), |folder| self.fill_in(folder));
        command.current_dir(self.temp.path().join(folder));
        let output = command.output().unwrap();
        if let Some(id) = &step.id {
            for line in fs::read_to_string(&written).unwrap().lines() {
                let (name, value) = line.split_once('=').unwrap();
                self.outputs
                    .insert(format!("{id}.{name}"), value.to_owned());
            }
        }
        output
    }

    /// What the action gives to the steps after it.
    fn output(&self, name: &str) -> String {
        self.fill_in(&action().outputs[name].value)
    }

    fn page(&self) -> String {
        fs::read_to_string(self.temp.path().join("summary.md")).unwrap()
    }
}

const PASSING: &str = "compare token --quick --trials 1 --sessions 30 --rate 100 --seed 7 --quiet";

/// Whether a job ended with this exit code. On a busy machine its run may be inconclusive: then nothing more is asked of it.
#[track_caller]
fn ended_with(code: i32, expected: i32, job: &Job) -> bool {
    if code == 3 && support::how_busy().is_some() {
        return false;
    }
    assert_eq!(code, expected, "{}", job.printed);
    true
}

#[test]
fn every_step_is_complete_and_no_script_has_foreign_text_pasted_in() {
    let action = action();
    assert_eq!(action.runs.using, "composite");
    for step in &action.runs.steps {
        assert_eq!(step.run.is_some(), step.uses.is_none(), "{}", step.name);
        if let Some(script) = &step.run {
            assert_eq!(step.shell.as_deref(), Some("bash"), "{}", step.name);
            assert!(!script.contains("${{"), "{}: {script}", step.name);
        }
    }
    let last = action.runs.steps.last().unwrap();
    assert!(
        last.uses
            .as_ref()
            .unwrap()
            .starts_with("actions/upload-artifact@")
    );
    assert!(last.only_if.as_ref().unwrap().contains("always()"));
}

#[test]
fn a_measurement_gives_outputs_a_summary_a_notice_and_an_artifact_and_is_no_pass() {
    let mut job = Job::new(&[("binary", PROGRAM), ("args", PASSING)]);
    if !ended_with(job.run(), 0, &job) {
        return;
    }
    assert_eq!(job.output("verdict"), "measured");
    let run = PathBuf::from(job.output("run-folder"));
    assert!(run.join("report.html").is_file(), "{}", run.display());
    let junit = fs::read_to_string(job.output("junit")).unwrap();
    assert_eq!(junit, fs::read_to_string(run.join("junit.xml")).unwrap());
    assert!(
        job.page().contains("comeback compare: measured"),
        "{}",
        job.page()
    );
    assert!(
        job.printed
            .contains("::notice title=comeback compare::MEASURED: "),
        "{}",
        job.printed
    );
    assert!(run.starts_with(&job.outputs["uploaded"]));
}

#[test]
fn a_failing_verdict_fails_the_step_and_is_kept_all_the_same() {
    let server = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/falls_once.py");
    let args = format!(
        "run --trials 1 --horizon 6s --sessions 5 --rate 50 --seed 7 --quiet\n--gate 'error_rate.after <= 0.1%' -- \
         python3 '{}' {{port}} {{data}}",
        server.display()
    );
    let mut job = Job::new(&[("binary", PROGRAM), ("args", &args)]);
    if !ended_with(job.run(), 1, &job) {
        return;
    }
    assert_eq!(job.output("verdict"), "fail");
    assert!(
        job.printed
            .contains("::error title=run%3A unrecovered == 0::"),
        "{}",
        job.printed
    );
    assert!(
        job.page().contains("error\\_rate.after &lt;= 0.1%"),
        "{}",
        job.page()
    );
    assert!(
        fs::read_to_string(job.output("junit"))
            .unwrap()
            .contains("<failure")
    );
    assert!(job.outputs.contains_key("uploaded"), "nothing was kept");
}

#[test]
fn an_experiment_file_is_run_and_what_is_wrong_with_one_is_shown_at_its_line() {
    let ready_made = concat!(env!("CARGO_MANIFEST_DIR"), "/../experiments/reference.toml");
    let inputs = [
        ("binary", PROGRAM),
        ("experiment", ready_made),
        (
            "args",
            "--trials 1 --sessions 30 --rate 100 --seed 7 --quiet",
        ),
    ];
    let mut job = Job::new(&inputs);
    if ended_with(job.run(), 0, &job) {
        assert_eq!(job.output("verdict"), "pass");
    }
    let folder = tempfile::tempdir().unwrap();
    let wrong = folder.path().join("wrong.toml");
    fs::write(&wrong, "[target]\ncomand = []\n").unwrap();
    let mut job = Job::new(&[("binary", PROGRAM), ("experiment", wrong.to_str().unwrap())]);
    assert_eq!(job.run(), 2, "{}", job.printed);
    assert_eq!(job.output("verdict"), "error");
    let told = "wrong.toml,line=2,col=1,title=comeback::unknown key 'comand' in [target]";
    assert!(job.printed.contains(told), "{}", job.printed);
}

#[test]
fn an_inconclusive_run_fails_the_step_unless_it_is_let_pass() {
    let args = "run --trials 1 --rate 20 --quiet -- sleep 0 0.{port}";
    for (let_pass, expected) in [("true", 3), ("false", 0)] {
        let inputs = [
            ("binary", PROGRAM),
            ("args", args),
            ("fail-on-inconclusive", let_pass),
        ];
        let mut job = Job::new(&inputs);
        assert_eq!(job.run(), expected, "{}", job.printed);
        assert_eq!(job.output("verdict"), "inconclusive");
        assert!(
            job.printed.contains("::warning title=comeback run::"),
            "{}",
            job.printed
        );
    }
}

#[test]
fn wrong_usage_fails_the_step_and_nothing_in_the_arguments_is_expanded() {
    for (args, expected) in [
        ("", "needs 'experiment' or 'args'"),
        (
            "compare $(touch made) `touch made` $HOME; touch made",
            "there is no reference server '$(touch'",
        ),
        ("compare 'not closed", "is a quote not closed?"),
    ] {
        let mut job = Job::new(&[("binary", PROGRAM), ("args", args)]);
        assert_eq!(job.run(), 2, "{}", job.printed);
        assert_eq!(job.output("verdict"), "error", "{args}");
        assert!(
            job.printed.contains(expected),
            "{expected}: {}",
            job.printed
        );
        assert!(!job.temp.path().join("made").exists(), "{args}");
    }
}

/// Who has the releases of these tests.
const REPOSITORY: &str = "owner/comeback";

/// The version in the sources of the action, and its tag.
const VERSION: &str = env!("CARGO_PKG_VERSION");
const OWN_TAG: &str = concat!("v", env!("CARGO_PKG_VERSION"));

impl Job {
    /// Puts a stand-in for cargo in front of the path, since building takes minutes: it puts the program where it is told to, and
    /// notes how.
    fn with_stand_in_for_cargo(mut self) -> Self {
        let bin = self.temp.path().join("bin");
        fs::create_dir(&bin).unwrap();
        let script = format!(
            "#!/bin/sh\necho \"$@\" >> '{0}/built'\nmkdir -p \"$6/bin\"\ncp '{PROGRAM}' \"$6/bin/comeback\"\n",
            self.temp.path().display()
        );
        write_script(&bin.join("cargo"), &script);
        self.bin = Some(bin);
        self
    }

    /// How cargo was called, a line for each time.
    fn built(&self) -> String {
        fs::read_to_string(self.temp.path().join("built")).unwrap_or_default()
    }

    /// Publishes a release as `cargo xtask package` writes it. Its program says that it is one, and then does what the
    /// program under test does.
    fn publish(&self, version: &str) {
        let name = format!("comeback-{version}-x86_64-unknown-linux-musl");
        let release = format!("{REPOSITORY}/releases/download/v{version}");
        let release = self.temp.path().join(release);
        fs::create_dir_all(release.join(&name)).unwrap();
        let script = format!("#!/bin/sh\necho a release >&2\nexec '{PROGRAM}' \"$@\"\n");
        write_script(&release.join(&name).join("comeback"), &script);
        let line = format!(
            "tar -czf {name}.tar.gz {name} && sha256sum {name}.tar.gz > {name}.tar.gz.sha256"
        );
        let mut shell = Command::new("sh");
        shell.args(["-c", &line]).current_dir(&release);
        assert!(shell.status().unwrap().success());
    }

    /// What `publish` made is damaged.
    fn damage(&self, version: &str) {
        let file = format!(
            "{REPOSITORY}/releases/download/v{version}/comeback-{version}-x86_64-unknown-linux-musl.tar.gz"
        );
        fs::write(self.temp.path().join(file), "something else").unwrap();
    }
}

fn write_script(file: &Path, script: &str) {
    fs::write(file, script).unwrap();
    fs::set_permissions(file, fs::Permissions::from_mode(0o755)).unwrap();
}

/// A command that ends at once, with 2.
const ENDS_AT_ONCE: &str = "compare 'no such server'";

#[test]
fn the_release_of_the_actions_own_tag_or_of_the_version_input_is_downloaded() {
    for (action_ref, version, published) in [
        (OWN_TAG, "", VERSION),
        ("main", "0.0.7", "0.0.7"),
        ("main", "v0.0.7-rc.1", "0.0.7-rc.1"),
    ] {
        let inputs = [("args", ENDS_AT_ONCE), ("version", version)];
        let mut job = Job::new(&inputs).with_stand_in_for_cargo();
        job.action_ref = action_ref;
        job.publish(published);
        assert_eq!(job.run(), 2, "{}", job.printed);
        let told = "there is no reference server 'no such server'";
        assert!(job.printed.contains("a release"), "{}", job.printed);
        assert!(job.printed.contains(told), "{}", job.printed);
        assert_eq!(job.outputs["source.release"], published);
        assert_eq!(job.built(), "");
    }
}

#[test]
fn a_download_with_another_sum_ends_the_step_and_nothing_of_it_is_run() {
    let wrong = "0".repeat(64);
    for sha256 in ["", &wrong] {
        let inputs = [
            ("args", ENDS_AT_ONCE),
            ("version", "0.0.7"),
            ("sha256", sha256),
        ];
        let mut job = Job::new(&inputs).with_stand_in_for_cargo();
        job.publish("0.0.7");
        if sha256.is_empty() {
            job.damage("0.0.7");
        }
        assert_eq!(job.run(), 1, "{}", job.printed);
        assert!(
            job.printed
                .contains("::error title=comeback::the SHA-256 sum of file:///"),
            "{}",
            job.printed
        );
        assert!(!job.printed.contains("a release"), "{}", job.printed);
        assert_eq!(job.built(), "");
    }
}

#[test]
fn only_the_actions_own_version_is_built_where_its_release_cannot_be_had() {
    let inputs = [("args", ENDS_AT_ONCE)];
    let mut job = Job::new(&inputs).with_stand_in_for_cargo();
    job.action_ref = OWN_TAG;
    assert_eq!(job.run(), 2, "{}", job.printed);
    let told = "cannot be downloaded: building it instead";
    assert!(job.printed.contains(told), "{}", job.printed);
    assert_eq!(job.built().lines().count(), 1);

    for (version, expected, code) in [
        (
            "0.0.7",
            "::error title=comeback::there is no release 0.0.7 at ",
            1,
        ),
        (
            "../7",
            "::error title=comeback::'version' is not one such as ",
            2,
        ),
    ] {
        let inputs = [("args", ENDS_AT_ONCE), ("version", version)];
        let mut job = Job::new(&inputs).with_stand_in_for_cargo();
        assert_eq!(job.run(), code, "{}", job.printed);
        assert!(job.printed.contains(expected), "{}", job.printed);
        assert_eq!(job.built(), "");
    }
}

#[test]
fn without_a_release_the_actions_own_version_is_built_once() {
    for version in ["", "source"] {
        let inputs = [("args", ENDS_AT_ONCE), ("version", version)];
        let mut job = Job::new(&inputs).with_stand_in_for_cargo();
        job.action_ref = if version.is_empty() { "main" } else { OWN_TAG };
        for _ in 0..2 {
            assert_eq!(job.run(), 2, "{}", job.printed);
        }
        let built = job.built();
        assert_eq!(built.lines().count(), 1, "{built}");
        assert!(built.starts_with("install --locked --path /"), "{built}");
        assert!(built.contains("/harness/cli --root "), "{built}");
        assert_eq!(job.outputs["source.fingerprint"].len(), 64);
    }
}

/// What the pull requests of these tests are at.
const COMMIT: &str = "5f3c2a1d";
const TOKEN: &str = "a-token";

/// Stands for GitHub's program: a folder is the pull request, in which each comment is a file named by its number. It notes how
/// it was called, and lists comments as `--jq` would: number, tab, first line.
const GH: &str = r#"#!/bin/bash
set -euo pipefail
cd "$(dirname "$0")/../hub"
printf '%s\n' "$*" >>calls
[[ $GH_TOKEN == a-token && $GH_REPO == owner/comeback ]]
[[ ! -e is_forbidden ]] || { echo 'HTTP 403' >&2; exit 1; }
[[ $1 == api ]]
case "$2 $3 $4" in
  '--paginate repos/owner/comeback/issues/12/comments?per_page=100 --jq')
    [[ $5 == *'select(.user.type == "Bot")'* ]]
    for file in comment-*; do
      [[ -e $file ]] || continue
      printf '%s\t%s\n' "${file#comment-}" "$(head -n 1 "$file")"
    done
    ;;
  '--method POST repos/owner/comeback/issues/12/comments')
    [[ $5 == --field && $6 == body=@* ]]
    count=$(find . -name 'comment-*' | wc -l)
    cp "${6#body=@}" "comment-$((100 + count))"
    ;;
  '--method PATCH repos/owner/comeback/issues/comments/'*)
    number=${4##*/}
    [[ -e comment-$number && $6 == body=@* ]]
    cp "${6#body=@}" "comment-$number"
    ;;
  *) exit 9 ;;
esac
"#;

impl Job {
    /// Belongs to a pull request, beside which stands a stand-in for `gh`.
    fn on_a_pull_request(mut self) -> Self {
        let bin = self.temp.path().join("bin");
        fs::create_dir_all(&bin).unwrap();
        fs::create_dir(self.hub()).unwrap();
        write_script(&bin.join("gh"), GH);
        self.bin = Some(bin);
        self.pull_request = "12";
        self
    }

    fn hub(&self) -> PathBuf {
        self.temp.path().join("hub")
    }

    fn comment(&self, number: u32) -> String {
        fs::read_to_string(self.hub().join(format!("comment-{number}"))).unwrap()
    }

    fn comments(&self) -> usize {
        let entries = fs::read_dir(self.hub()).unwrap();
        let names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
        names.filter(|name| name.starts_with("comment-")).count()
    }
}

/// A stored run, which is judged and drawn in a moment: stands for the program where the job starts a run.
fn stored(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/data/journals")
        .join(name)
}

/// Instead of a run it judges a stored one; it compares as the program does.
fn write_stand_in_for_a_run(job: &Job, run: &Path) -> String {
    let file = job.temp.path().join("comeback-of-a-stored-run");
    let script = format!(
        "#!/bin/bash\nset -euo pipefail\ncase $1 in\n  run)\n    mkdir -p \"$3\"\n    cp '{0}'/* \"$3\"\n    exec '{PROGRAM}' \
         report \"$3\" --junit \"$5\"\n    ;;\n  *) exec '{PROGRAM}' \"$@\" ;;\nesac\n",
        run.display()
    );
    write_script(&file, &script);
    file.display().to_string()
}

/// A job with a comment, whose run is this stored one; `before` is its earlier run.
fn commenting(run: &str, before: &str, artifact: &str) -> Job {
    let before = if before.is_empty() {
        String::new()
    } else {
        stored(before).display().to_string()
    };
    let inputs = [
        ("args", "run x"),
        ("comment", "true"),
        ("before", &before),
        ("artifact", artifact),
    ];
    let mut job = Job::new(&inputs).on_a_pull_request();
    let program = write_stand_in_for_a_run(&job, &stored(run));
    job.inputs.insert("binary".to_owned(), program);
    job
}

#[test]
fn the_comment_on_a_pull_request_compares_with_the_run_before_and_is_written_anew_at_the_next_push()
{
    let mut job = commenting("listens-late", "four-crashes", "crash test");
    // Somebody else's, and one of another use of the action.
    fs::write(job.hub().join("comment-7"), "looks good\n").unwrap();
    fs::write(
        job.hub().join("comment-8"),
        "<!-- comeback: other -->\nold\n",
    )
    .unwrap();
    let code = job.run();
    assert_eq!(code, 0, "{}", job.printed);
    assert_eq!(job.comments(), 3, "{}", job.printed);
    let comment = job.comment(102);
    for expected in [
        "<!-- comeback: crash-test -->\n## ",
        "\n| arm | ",
        "\n### Before and after\n\n",
        "\n| time to ready | 10 ms | 312 ms | +301 ms ",
        "in the artifact `crash test` of this workflow run",
        "\nCommit 5f3c2a1d.\n",
    ] {
        assert!(comment.contains(expected), "{expected}: {comment}");
    }
    assert_eq!(
        job.page(),
        comment_part(&comment),
        "the page of the job has the same"
    );

    fs::write(
        job.hub().join("comment-102"),
        "<!-- comeback: crash-test -->\nold\n",
    )
    .unwrap();
    assert_eq!(job.run(), 0, "{}", job.printed);
    assert_eq!(job.comments(), 3, "{}", job.printed);
    assert_eq!(job.comment(102), comment);
    assert_eq!(job.comment(8), "<!-- comeback: other -->\nold\n");
}

/// What a comment has of the job's page.
fn comment_part(comment: &str) -> &str {
    let (_, rest) = comment.split_once('\n').unwrap();
    rest.split("\n### Before and after\n").next().unwrap()
}

#[test]
fn a_run_without_an_earlier_one_is_commented_on_by_itself_and_nothing_is_commented_on_without_a_pull_request()
 {
    let mut job = commenting("four-crashes", "", "comeback");
    assert_eq!(job.run(), 0, "{}", job.printed);
    let comment = job.comment(100);
    assert!(!comment.contains("Before and after"), "{comment}");
    assert!(
        comment.starts_with("<!-- comeback: comeback -->\n## "),
        "{comment}"
    );

    let mut job = commenting("four-crashes", "", "comeback");
    job.pull_request = "";
    assert_eq!(job.run(), 0, "{}", job.printed);
    assert_eq!(job.comments(), 0);
    let told = "::notice title=comeback::'comment' is asked for, and this workflow run belongs to no pull request";
    assert!(job.printed.contains(told), "{}", job.printed);
}

#[test]
fn a_comment_that_may_not_be_written_is_a_warning_and_the_verdict_stands() {
    let mut job = commenting("four-crashes", "", "comeback");
    fs::write(job.hub().join("is_forbidden"), "").unwrap();
    assert_eq!(job.run(), 0, "{}", job.printed);
    let told = "::warning title=comeback::the pull request's comments cannot be read: give the job the permission";
    assert!(job.printed.contains(told), "{}", job.printed);
    assert_eq!(job.output("verdict"), "measured");
    assert!(job.outputs.contains_key("uploaded"), "nothing was kept");

    // And what cannot be compared is said to be so.
    let mut job = commenting("four-crashes", "no-such-run", "comeback");
    assert_eq!(job.run(), 0, "{}", job.printed);
    assert!(
        job.comment(100).contains("The runs cannot be compared"),
        "{}",
        job.comment(100)
    );
    assert!(
        job.printed.contains("`comeback diff` ended with 2"),
        "{}",
        job.printed
    );
}

#[test]
fn a_run_without_a_verdict_replaces_the_comment_of_an_earlier_push() {
    let inputs = [
        ("binary", PROGRAM),
        ("args", ENDS_AT_ONCE),
        ("comment", "true"),
    ];
    let mut job = Job::new(&inputs).on_a_pull_request();
    fs::write(
        job.hub().join("comment-100"),
        "<!-- comeback: comeback -->\n## ✅ comeback: pass\n",
    )
    .unwrap();
    assert_eq!(job.run(), 2, "{}", job.printed);
    assert_eq!(job.comments(), 1);
    let comment = job.comment(100);
    assert!(
        comment.starts_with("<!-- comeback: comeback -->\n## ⚠️ comeback: no verdict\n"),
        "{comment}"
    );
    assert!(comment.contains("\nCommit 5f3c2a1d.\n"), "{comment}");
}

#[test]
fn a_comment_is_no_longer_than_github_takes() {
    let mut job = commenting("four-crashes", "", "comeback");
    let program = job.inputs["binary"].clone();
    let script = fs::read_to_string(&program).unwrap();
    let long = "exec \"$0\" long \"$3\" \"$5\"\n    ;;\n  long)\n    printf '```text\\n' >\"$GITHUB_STEP_SUMMARY\"\n    \
                printf 'a line of é\\n%.0s' $(seq 9000) >>\"$GITHUB_STEP_SUMMARY\"\n    shift; exec ";
    let script = script.replacen("exec ", long, 1).replacen(
        "report \"$3\" --junit \"$5\"",
        "report \"$1\" --junit \"$2\"",
        1,
    );
    write_script(Path::new(&program), &script);
    assert_eq!(job.run(), 0, "{}", job.printed);
    let comment = job.comment(100);
    assert!(comment.len() < 65_536, "{}", comment.len());
    assert!(
        comment.ends_with("a line of é\n```\n\nThe rest is in the artifact: GitHub limits the length of comments.\n"),
        "{}",
        &comment[comment.len() - 200..]
    );
}
