//! The files of a release, from the program that the other tests run, and the packages for crates.io.

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
        for key in ["description", "license"] {
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

#[test]
fn a_release_is_made_by_the_chore_and_named_as_binstall_looks_for_it() {
    let workflow = fs::read_to_string(root().join(".github/workflows/release.yml")).unwrap();
    assert!(
        workflow.contains("- run: cargo xtask package\n"),
        "{workflow}"
    );
    let packages = packages();
    let program = packages
        .iter()
        .find(|package| package["name"] == "comeback-cli");
    let binstall = &program.unwrap()["metadata"]["binstall"];
    let url = binstall["pkg-url"].as_str().unwrap();
    let (_, file) = url.rsplit_once('/').unwrap();
    assert_eq!(file, "comeback-{ version }-{ target }.tar.gz");
    assert_eq!(
        binstall["bin-dir"],
        "comeback-{ version }-{ target }/{ bin }"
    );
}
