//! The files of a release, from the program that the other tests run, the packages for crates.io, and the workflows that publish them and
//! the guides.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

/// Beside this chore's own program; `cargo test --workspace` builds both.
fn comeback() -> PathBuf {
    let program = Path::new(env!("CARGO_BIN_EXE_xtask")).with_file_name("comeback");
    assert!(program.is_file(), "first `cargo build --bin comeback`");
    program
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// What a command printed. It must succeed.
#[track_caller]
fn printed(command: &mut Command) -> String {
    let output = command.output().unwrap();
    assert!(output.status.success(), "{command:?}: {output:?}");
    String::from_utf8(output.stdout).unwrap()
}

/// Packages a program into a folder.
fn package(program: &Path, out: &Path) {
    printed(
        Command::new(env!("CARGO_BIN_EXE_xtask"))
            .current_dir(root())
            .arg("package")
            .arg("--binary")
            .arg(program)
            .arg("--out")
            .arg(out),
    );
}

/// The names in a folder.
fn names(folder: &Path) -> BTreeSet<String> {
    let entries = fs::read_dir(folder).unwrap();
    entries
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect()
}

const VERSION: &str = env!("CARGO_PKG_VERSION");

/// Of the archive, without its ending, and of the folder in it.
const NAME: &str = concat!(
    "comeback-",
    env!("CARGO_PKG_VERSION"),
    "-x86_64-unknown-linux-gnu"
);

#[test]
fn a_release_has_an_archive_and_a_debian_package_that_work_and_have_the_sums_beside_them() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    // Its debug information is most of its size.
    let program = folder.join("comeback");
    printed(
        Command::new("strip")
            .arg("-o")
            .arg(&program)
            .arg(comeback()),
    );
    let out = folder.join("out");
    package(&program, &out);

    let (archive, debian) = (
        format!("{NAME}.tar.gz"),
        format!("comeback_{VERSION}_amd64.deb"),
    );
    let sums = [&archive, &debian].map(|file| format!("{file}.sha256"));
    let expected = [&archive, &debian, &sums[0], &sums[1]];
    assert_eq!(names(&out), expected.into_iter().cloned().collect());
    printed(
        Command::new("sha256sum")
            .args(["--check", "--strict"])
            .args(&sums)
            .current_dir(&out),
    );
    let pages = check_archive(&out.join(&archive), folder);
    check_debian(&out.join(&debian), folder, &pages);
}

/// Unpacks the archive below a folder and looks at everything in it; the names of the manual pages.
fn check_archive(archive: &Path, folder: &Path) -> BTreeSet<String> {
    printed(
        Command::new("tar")
            .arg("--extract")
            .arg("--file")
            .arg(archive)
            .current_dir(folder),
    );
    let top = folder.join(NAME);
    let expected = [
        "DEJAVU-LICENSE.txt",
        "UPLOT-LICENSE.txt",
        "LICENSE-APACHE",
        "LICENSE-MIT",
        "comeback",
        "completions",
        "man",
    ];
    assert_eq!(names(&top), expected.map(str::to_owned).into());
    let completions = ["_comeback", "comeback.bash", "comeback.fish"];
    assert_eq!(
        names(&top.join("completions")),
        completions.map(str::to_owned).into()
    );
    let told = printed(Command::new(top.join("comeback")).arg("--version"));
    assert_eq!(told.trim(), format!("comeback {VERSION}"));
    names(&top.join("man/man1"))
}

/// Unpacks the Debian package below a folder and looks at what it says, installs, and for whom.
fn check_debian(debian: &Path, folder: &Path, pages: &BTreeSet<String>) {
    let installed = folder.join("debian");
    printed(
        Command::new("dpkg-deb")
            .arg("--extract")
            .args([debian, &installed]),
    );
    let read = |path: &Path| fs::read(path).unwrap();
    assert!(read(&installed.join("usr/bin/comeback")) == read(&folder.join("comeback")));
    let share = installed.join("usr/share");
    for (path, part) in [
        (
            "bash-completion/completions/comeback",
            "complete -F _comeback",
        ),
        ("zsh/vendor-completions/_comeback", "#compdef comeback"),
        (
            "fish/vendor_completions.d/comeback.fish",
            "complete -c comeback",
        ),
        ("doc/comeback/copyright", "Apache License"),
        ("doc/comeback/copyright", "Bitstream Vera"),
    ] {
        let text = fs::read_to_string(share.join(path)).unwrap();
        assert!(text.contains(part), "{path}");
    }
    assert!(pages.contains("comeback-run.1"), "{pages:?}");
    let packed = pages.iter().map(|page| format!("{page}.gz")).collect();
    assert_eq!(names(&share.join("man/man1")), packed);
    // Nobody but root may change a file.
    let listed = printed(Command::new("dpkg-deb").arg("--contents").arg(debian));
    for line in listed.lines() {
        let right = [
            "drwxr-xr-x root/root",
            "-rw-r--r-- root/root",
            "-rwxr-xr-x root/root",
        ];
        assert!(right.iter().any(|start| line.starts_with(start)), "{line}");
    }
    let fields = printed(Command::new("dpkg-deb").arg("--field").arg(debian));
    // The last one since this program is not static.
    for field in [
        "Package: comeback\n",
        "Architecture: amd64\n",
        "\nDepends: libc6 (>= 2.",
    ] {
        assert!(fields.contains(field), "{field}: {fields}");
    }
}

/// Stands for a static program, which names no loader.
const STATIC: &str = r#"#!/bin/sh
case $1 in
  --version) echo comeback 1.0.0-rc.1 ;;
  man) mkdir -p "$2" && echo page > "$2/comeback.1" ;;
  completions) echo "for $2" ;;
esac
"#;

#[test]
fn a_static_program_needs_nothing_and_the_same_program_gives_the_same_files() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let program = folder.join("program");
    fs::write(&program, STATIC).unwrap();
    fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).unwrap();
    let (first, second) = (folder.join("first"), folder.join("second"));
    package(&program, &first);
    package(&program, &second);
    let debian = "comeback_1.0.0-rc.1_amd64.deb";
    let archive = "comeback-1.0.0-rc.1-x86_64-unknown-linux-musl.tar.gz";
    for file in [debian, archive] {
        let read = |folder: &Path| fs::read(folder.join(file)).unwrap();
        assert!(read(&first) == read(&second), "{file}");
    }
    let fields = printed(
        Command::new("dpkg-deb")
            .arg("--field")
            .arg(first.join(debian)),
    );
    assert!(!fields.contains("Depends"), "{fields}");
    // Older than 1.0.0 for dpkg.
    assert!(fields.contains("\nVersion: 1.0.0~rc.1\n"), "{fields}");
}

#[test]
fn what_is_not_the_program_is_not_packaged() {
    let folder = tempfile::tempdir().unwrap();
    for (program, expected) in [
        ("/bin/echo", "is not the program comeback"),
        ("/no/such/program", "/no/such/program: No such file"),
    ] {
        let output = Command::new(env!("CARGO_BIN_EXE_xtask"))
            .args(["package", "--binary", program, "--out"])
            .arg(folder.path())
            .output()
            .unwrap();
        assert!(!output.status.success());
        let told = String::from_utf8(output.stderr).unwrap();
        assert!(told.contains(expected), "{told}");
        assert!(names(folder.path()).is_empty());
    }
}

/// What the workspace says of its packages.
fn packages() -> Vec<Value> {
    let told = printed(Command::new(env!("CARGO")).current_dir(root()).args([
        "metadata",
        "--no-deps",
        "--offline",
        "--format-version",
        "1",
    ]));
    let told: Value = serde_json::from_str(&told).unwrap();
    told["packages"].as_array().unwrap().clone()
}

/// Not `cargo publish --dry-run`, as a release does: that asks crates.io for each package, and compiles them all once more.
#[test]
fn every_crate_that_is_published_can_be_packaged_without_the_rest_of_the_repository() {
    let folder = tempfile::tempdir().unwrap();
    let mut cargo = Command::new(env!("CARGO"));
    cargo
        .current_dir(root())
        .args(["package", "--offline", "--allow-dirty", "--no-verify"]);
    cargo.arg("--target-dir").arg(folder.path());
    let published: Vec<Value> = packages()
        .into_iter()
        .filter(|package| package["publish"].is_null())
        .collect();
    assert!(published.len() >= 18, "{published:#?}");
    for package in &published {
        for key in ["description", "license", "repository"] {
            assert!(package[key].is_string(), "{}: {key}", package["name"]);
        }
        cargo.args(["--package", package["name"].as_str().unwrap()]);
    }
    printed(&mut cargo);
    for package in &published {
        let name = package["name"].as_str().unwrap();
        let file = folder
            .path()
            .join(format!("package/{name}-{VERSION}.crate"));
        // What lies beside the code would make it larger: fonts are 0.8 MB.
        let size = fs::metadata(&file).unwrap().len();
        assert!(size < 1_000_000, "{name}: {size} bytes");
    }
}

/// Where the packages say that their sources and releases are.
const REPOSITORY: &str = "https://github.com/comeback-rs/comeback";

/// The addresses and paths that `cargo binstall` makes of the manifest.
struct Binstall {
    address: String,
    program: String,
}

impl Binstall {
    fn of_the_program() -> Self {
        let packages = packages();
        for package in &packages {
            assert_eq!(package["repository"], REPOSITORY, "{}", package["name"]);
        }
        let program = packages
            .iter()
            .find(|package| package["name"] == "comeback-cli");
        let program = program.unwrap();
        let filled = |key: &str| {
            let text = program["metadata"]["binstall"][key].as_str().unwrap();
            let text = text
                .replace("{ repo }", program["repository"].as_str().unwrap())
                .replace("{ version }", program["version"].as_str().unwrap())
                .replace("{ target }", "x86_64-unknown-linux-musl")
                .replace("{ bin }", "comeback");
            assert!(!text.contains(['{', '}']), "{key}: {text}");
            text
        };
        Self {
            address: filled("pkg-url"),
            program: filled("bin-dir"),
        }
    }
}

/// Stands for `cargo`: the chore itself is this test's, and building takes minutes. It makes the program where cargo would.
const CARGO: &str = r#"#!/bin/bash
set -euo pipefail
echo "cargo $*" >>"$JOB/calls"
case "$*" in
  'publish --workspace --dry-run') [[ -z ${REFUSED:-} ]] ;;
  'xtask package') exec "$XTASK" package ;;
  'install --locked mdbook@'*) mv "$JOB/mdbook" "$JOB/bin/" ;;
  'build --release --locked --package comeback-cli --target x86_64-unknown-linux-musl')
    [[ $CC_x86_64_unknown_linux_musl == musl-gcc && -d $JOB/musl ]]
    mkdir -p target/x86_64-unknown-linux-musl/release
    cp "$JOB/program" target/x86_64-unknown-linux-musl/release/comeback
    ;;
  *) echo "no such cargo: $*" >&2; exit 9 ;;
esac
"#;

/// Stand for `rustup`, which would download; for `rustc`, which says where the library of a target is; and for the C compiler.
const RUSTUP: &str = r#"#!/bin/sh
echo "rustup $*" >>"$JOB/calls"
case $1$2 in toolchaininstall) ;; targetadd) mkdir "$JOB/musl" ;; *) exit 9 ;; esac
"#;
const RUSTC: &str = r#"#!/bin/sh
[ "$*" = '--print target-libdir --target x86_64-unknown-linux-musl' ] && echo "$JOB/musl"
"#;
const NOTHING: &str = "#!/bin/sh\n";

/// Stands for GitHub's program: puts the files of a release into a folder, as far as they are there.
const GH: &str = r#"#!/bin/bash
set -euo pipefail
[[ $GH_TOKEN == a-token && "$1 $2" == 'release create' ]]
tag=$3
shift 3
mkdir "$JOB/released"
for word in "$@"; do
  case $word in
    --verify-tag | --generate-notes | --prerelease) echo "$word" >>"$JOB/flags" ;;
    -*) exit 9 ;;
    *) cp "$word" "$JOB/released" || { rm -r "$JOB/released"; exit 1; } ;;
  esac
done
echo "$tag" >"$JOB/tag"
"#;

/// Stands for mdBook's program, which takes minutes to build: the test of the book builds it with the library.
const MDBOOK: &str = r#"#!/bin/bash
set -euo pipefail
[[ $# == 2 && $1 == build && -f $2/book.toml ]]
into=$(sed --quiet 's/^build-dir = "\(.*\)"$/\1/p' "$2/book.toml")
mkdir -p "$2/$into"
echo page >"$2/$into/index.html"
"#;

/// A job of GitHub's: what stands for the programs in `bin`, the repository's files in `sources`.
struct Job {
    folder: tempfile::TempDir,
}

impl Job {
    /// With these files of the repository.
    fn new(sources: &[&str]) -> Self {
        let job = Self {
            folder: tempfile::tempdir().unwrap(),
        };
        for (name, script) in [
            ("bin/cargo", CARGO),
            ("bin/rustup", RUSTUP),
            ("bin/rustc", RUSTC),
            ("bin/gh", GH),
            ("bin/musl-gcc", NOTHING),
            ("mdbook", MDBOOK),
        ] {
            job.write(name, script);
        }
        for file in sources {
            let text = fs::read_to_string(root().join(file)).unwrap();
            job.write(&format!("sources/{file}"), &text);
        }
        job
    }

    fn path(&self) -> &Path {
        self.folder.path()
    }

    fn write(&self, name: &str, text: &str) {
        let file = self.path().join(name);
        fs::create_dir_all(file.parent().unwrap()).unwrap();
        fs::write(&file, text).unwrap();
        fs::set_permissions(&file, fs::Permissions::from_mode(0o755)).unwrap();
    }

    /// What the programs were called with.
    fn calls(&self) -> String {
        fs::read_to_string(self.path().join("calls")).unwrap()
    }

    /// Runs the steps that are scripts, as GitHub does, with what these expressions stand for; whether all ended well.
    fn run(&self, steps: &Value, expressions: &[(&str, &str)], more: &[(&str, &str)]) -> bool {
        let path = format!(
            "{}:{}",
            self.path().join("bin").display(),
            std::env::var("PATH").unwrap()
        );
        let scripts = steps.as_array().unwrap().iter().filter_map(|step| {
            let script = step["run"].as_str();
            assert!(script.is_some() || step["uses"].is_string(), "{step}");
            Some((script?, step["env"].as_object()))
        });
        for (script, variables) in scripts {
            assert!(!script.contains("${{"), "{script}");
            let mut shell = Command::new("bash");
            shell
                .args(["--noprofile", "--norc", "-e", "-c", script])
                .current_dir(self.path().join("sources"))
                .env("PATH", &path)
                .env("JOB", self.path())
                .env("XTASK", env!("CARGO_BIN_EXE_xtask"))
                .env("SOURCE_DATE_EPOCH", "1700000000")
                .env_remove("CARGO_TARGET_DIR")
                .env_remove("GH_TOKEN")
                .envs(more.iter().copied());
            for (name, value) in variables.into_iter().flatten() {
                let value = value.as_str().unwrap();
                let known = expressions.iter().find(|(known, _)| *known == value);
                let known = known
                    .unwrap_or_else(|| panic!("{value} is no expression that this test knows"));
                shell.env(name, known.1);
            }
            if !shell.status().unwrap().success() {
                return false;
            }
        }
        true
    }
}

/// A workflow of the repository.
fn workflow(name: &str) -> Value {
    let file = root().join(".github/workflows").join(name);
    serde_saphyr::from_str(&fs::read_to_string(file).unwrap()).unwrap()
}

/// The actions of other repositories that steps use, each with a version.
fn used(steps: &Value) -> Vec<&str> {
    let used: Vec<&str> = steps
        .as_array()
        .unwrap()
        .iter()
        .filter_map(|step| step["uses"].as_str())
        .collect();
    for action in &used {
        assert!(action.contains("@v"), "{action} has no version");
    }
    used
}

/// The job of the release workflow, with a program that says this version.
fn release_of(version: &str) -> Job {
    let job = Job::new(&[
        "LICENSE-MIT",
        "LICENSE-APACHE",
        "reports/assets/DEJAVU-LICENSE.txt",
        "reports/assets/UPLOT-LICENSE.txt",
    ]);
    job.write("program", &STATIC.replace("1.0.0-rc.1", version));
    job
}

/// Runs its steps; whether all ended well.
fn run_release(job: &Job, tag: &str, more: &[(&str, &str)]) -> bool {
    let workflow = workflow("release.yml");
    assert_eq!(workflow["permissions"]["contents"], "write");
    let steps = &workflow["jobs"]["package"]["steps"];
    assert_eq!(used(steps), ["actions/checkout@v4"]);
    let expressions = [
        ("${{ github.token }}", "a-token"),
        ("${{ github.ref_name }}", tag),
    ];
    job.run(steps, &expressions, more)
}

/// Both; the job, and whether all steps ended well.
fn release(version: &str, tag: &str, more: &[(&str, &str)]) -> (Job, bool) {
    let job = release_of(version);
    let ended_well = run_release(&job, tag, more);
    (job, ended_well)
}

#[test]
fn a_target_that_the_compiler_has_is_not_added() {
    let job = release_of(VERSION);
    fs::create_dir(job.path().join("musl")).unwrap();
    assert!(run_release(&job, &format!("v{VERSION}"), &[]));
    assert!(!job.calls().contains("rustup target"), "{}", job.calls());
}

#[test]
fn the_steps_of_a_release_publish_the_files_that_binstall_and_the_action_look_for() {
    let (job, is_released) = release(VERSION, &format!("v{VERSION}"), &[]);
    assert!(is_released);
    let read = |name: &str| fs::read_to_string(job.path().join(name)).unwrap();
    assert_eq!(read("tag"), format!("v{VERSION}\n"));
    assert_eq!(read("flags"), "--verify-tag\n--generate-notes\n");
    let calls = job.calls();
    for call in [
        "cargo publish --workspace --dry-run\n",
        "rustup toolchain install stable",
        "rustup target add x86_64-unknown-linux-musl\n",
    ] {
        assert!(calls.contains(call), "{calls}");
    }
    let binstall = Binstall::of_the_program();
    let released = job.path().join("released");
    let archive = binstall.address.rsplit_once('/').unwrap().1;
    assert_eq!(
        binstall.address,
        format!("{REPOSITORY}/releases/download/v{VERSION}/{archive}")
    );
    let debian = format!("comeback_{VERSION}_amd64.deb");
    let files = [archive, &debian];
    let all = files
        .iter()
        .flat_map(|file| [(*file).to_owned(), format!("{file}.sha256")]);
    assert_eq!(names(&released), all.collect());
    printed(
        Command::new("sha256sum")
            .args(["--check", "--strict"])
            .args(files.map(|file| format!("{file}.sha256")))
            .current_dir(&released),
    );
    let listed = printed(
        Command::new("tar")
            .arg("--list")
            .arg("--file")
            .arg(released.join(archive)),
    );
    assert!(
        listed.lines().any(|line| line == binstall.program),
        "{listed}"
    );
    // The action downloads the same file.
    let action = fs::read_to_string(root().join(".github/actions/comeback/run.sh")).unwrap();
    for part in [
        "name=comeback-$1-x86_64-unknown-linux-musl\n",
        "address=$COMEBACK_REPOSITORY/releases/download/v$1/$name.tar.gz\n",
    ] {
        assert!(action.contains(part), "{part}: {action}");
    }
}

#[test]
fn a_candidate_is_no_full_release_and_a_tag_of_another_version_is_none() {
    let (job, is_released) = release("1.0.0-rc.1", "v1.0.0-rc.1", &[]);
    assert!(is_released);
    let flags = fs::read_to_string(job.path().join("flags")).unwrap();
    assert!(flags.contains("--prerelease\n"), "{flags}");
    let (job, is_released) = release(VERSION, "v99.0.0", &[]);
    assert!(!is_released);
    assert!(!job.path().join("released").exists());
}

#[test]
fn what_crates_io_would_refuse_is_no_release() {
    let (job, is_released) = release(VERSION, &format!("v{VERSION}"), &[("REFUSED", "yes")]);
    assert!(!is_released);
    assert!(job.calls().ends_with("publish --workspace --dry-run\n"));
    assert!(!job.path().join("released").exists());
}

#[test]
fn a_release_publishes_the_guides_that_mdbook_built() {
    let workflow = workflow("docs.yml");
    // It follows the workflow of releases, by its name.
    let after = &workflow["on"]["workflow_run"]["workflows"];
    assert_eq!(after[0], self::workflow("release.yml")["name"]);
    for permission in ["pages", "id-token"] {
        assert_eq!(workflow["permissions"][permission], "write");
    }
    let steps = &workflow["jobs"]["pages"]["steps"];
    let actions = [
        "actions/checkout@v4",
        "actions/upload-pages-artifact@v3",
        "actions/deploy-pages@v4",
    ];
    assert_eq!(used(steps), actions);
    let job = Job::new(&["harness/docs/book.toml"]);
    assert!(job.run(steps, &[], &[]));
    let uploaded = steps
        .as_array()
        .unwrap()
        .iter()
        .find(|step| step["uses"] == actions[1]);
    let site = uploaded.unwrap()["with"]["path"].as_str().unwrap();
    assert!(
        job.path()
            .join("sources")
            .join(site)
            .join("index.html")
            .is_file()
    );
    // The program is as old as the library with which the guides are tested.
    let lock = fs::read_to_string(root().join("Cargo.lock")).unwrap();
    let tested = lock.split_once("name = \"mdbook-driver\"\nversion = \"");
    let version = tested.unwrap().1.split('"').next().unwrap();
    assert!(
        job.calls()
            .contains(&format!("cargo install --locked mdbook@{version}\n")),
        "mdbook-driver is {version}: {}",
        job.calls()
    );
}
