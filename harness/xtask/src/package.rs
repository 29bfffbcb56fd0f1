//! `cargo xtask package`: the files of a release, an archive and a Debian package, from one program.

use std::env::consts::ARCH;
use std::fmt::Write as _;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::{Failed, Sign, finish, install_missing, run, say};

/// What is packaged, and where to.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// Package this program. Default: the static program, which is built first
    #[arg(long, value_name = "FILE")]
    binary: Option<PathBuf>,
    /// The folder that the packages are written to
    #[arg(long, value_name = "FOLDER", default_value = "target/package")]
    out: PathBuf,
}

/// The C compiler for the static program (SQLite and ring have parts in C), and its package.
const MUSL: (Sign, &str) = (Sign::Program("musl-gcc"), "musl-tools");

/// The licences: of the program, and of the fonts and the script in it.
const LICENCES: [&str; 4] = [
    "LICENSE-MIT",
    "LICENSE-APACHE",
    "reports/assets/DEJAVU-LICENSE.txt",
    "reports/assets/UPLOT-LICENSE.txt",
];

/// The shells that get completions: the name of the file in the archive, and its path in a Debian system.
const SHELLS: [(&str, &str, &str); 3] = [
    (
        "bash",
        "comeback.bash",
        "usr/share/bash-completion/completions/comeback",
    ),
    (
        "zsh",
        "_comeback",
        "usr/share/zsh/vendor-completions/_comeback",
    ),
    (
        "fish",
        "comeback.fish",
        "usr/share/fish/vendor_completions.d/comeback.fish",
    ),
];

/// The text about the program in the Debian package.
const DESCRIPTION: &str = "crash-recovery and chaos test harness
 Comeback starts a server, drives user sessions against it, kills it, starts it
 again, and reads every session back. It counts lost sessions and lost
 acknowledged writes, and measures the time to recover.";

/// Builds the program if none is given, and writes the archive, the Debian package, and the SHA-256 sum of each.
pub(crate) fn package(args: &Args) -> Result<(), Failed> {
    let built;
    let program = match &args.binary {
        Some(program) => program,
        None => {
            built = build()?;
            &built
        }
    };
    let program = Program::read(program)?;
    let staging = tempfile::tempdir().map_err(|error| Failed(error.to_string()))?;
    let staging = staging.path();
    at(&args.out, fs::create_dir_all(&args.out))?;
    let date = date()?;
    for file in [
        archive(&program, staging, &args.out, &date)?,
        debian(&program, staging, &args.out, &date)?,
    ] {
        let sum = output(Command::new("sha256sum").arg(&file).current_dir(&args.out))?;
        write(&args.out.join(format!("{file}.sha256")), &sum)?;
        say(&format!(
            "{}: {}",
            args.out.join(&file).display(),
            sum.trim()
        ));
    }
    Ok(())
}

/// Builds the static program, and installs what that needs.
fn build() -> Result<PathBuf, Failed> {
    let target = format!("{ARCH}-unknown-linux-musl");
    install_missing(&[MUSL])?;
    if !has_target(&target)? {
        run(&format!("rustup target add {target}"), &[])?;
    }
    let compiler = format!("CC_{}", target.replace('-', "_"));
    run(
        &format!("cargo build --release --locked --package comeback-cli --target {target}"),
        &[(&compiler, "musl-gcc")],
    )?;
    let folder = std::env::var_os("CARGO_TARGET_DIR").map_or("target".into(), PathBuf::from);
    Ok(folder.join(target).join("release/comeback"))
}

/// Whether the compiler has the standard library for a target. Then rustup, which asks the network, is not needed.
fn has_target(target: &str) -> Result<bool, Failed> {
    let told =
        output(Command::new("rustc").args(["--print", "target-libdir", "--target", target]))?;
    Ok(Path::new(told.trim()).is_dir())
}

/// A program to package.
struct Program {
    file: PathBuf,
    version: String,
    /// The oldest C library it runs with, such as 2.34; `None` if the program is static.
    glibc: Option<String>,
}

impl Program {
    fn read(file: &Path) -> Result<Self, Failed> {
        // A name without a folder would be looked for in PATH.
        let file = at(file, fs::canonicalize(file))?;
        let told = output(Command::new(&file).arg("--version"))?;
        let version = told.trim().strip_prefix("comeback ").ok_or_else(|| {
            let file = file.display();
            Failed(format!("{file} is not the program comeback: {told:?}"))
        })?;
        let glibc = needed_glibc(&at(&file, fs::read(&file))?);
        Ok(Self {
            version: version.to_owned(),
            glibc,
            file,
        })
    }

    /// The name of the archive without its ending, and of the folder in it.
    fn name(&self) -> String {
        let libc = if self.glibc.is_some() { "gnu" } else { "musl" };
        format!("comeback-{}-{ARCH}-unknown-linux-{libc}", self.version)
    }

    /// Writes the manual pages to a folder; their paths.
    fn write_manual(&self, folder: &Path) -> Result<Vec<PathBuf>, Failed> {
        output(Command::new(&self.file).arg("man").arg(folder))?;
        let entries = at(folder, fs::read_dir(folder))?;
        entries
            .map(|entry| at(folder, entry).map(|entry| entry.path()))
            .collect()
    }

    fn write_completions(&self, shell: &str, file: &Path) -> Result<(), Failed> {
        let script = output(Command::new(&self.file).args(["completions", shell]))?;
        write(file, &script)
    }
}

/// The newest version of the GNU C library that an ELF program asks for, if a loader has to bring any library.
fn needed_glibc(program: &[u8]) -> Option<String> {
    /// The kind of program header that names the loader.
    const INTERPRETER: u32 = 3;
    let number = |at: usize| {
        program
            .get(at..at + 2)?
            .try_into()
            .ok()
            .map(u16::from_le_bytes)
    };
    let (size, count) = (number(54)?, number(56)?);
    let first = usize::try_from(u64::from_le_bytes(program.get(32..40)?.try_into().ok()?)).ok()?;
    let mut headers = program.get(first..)?.chunks(size.into()).take(count.into());
    headers.find(|header| header.starts_with(&INTERPRETER.to_le_bytes()))?;
    let minor = program
        .split(|byte| *byte == 0)
        .filter_map(|word| word.strip_prefix(b"GLIBC_2."))
        .filter_map(|word| {
            str::from_utf8(word)
                .ok()?
                .split('.')
                .next()?
                .parse::<u32>()
                .ok()
        })
        .max()?;
    Some(format!("2.{minor}"))
}

/// Seconds since 1970 for every file in the packages, so that the same commit gives the same sums.
fn date() -> Result<String, Failed> {
    if let Ok(date) = std::env::var("SOURCE_DATE_EPOCH") {
        return Ok(date);
    }
    let date = output(Command::new("git").args(["log", "-1", "--format=%ct"]))?;
    Ok(date.trim().to_owned())
}

/// Writes the archive; its name.
fn archive(program: &Program, staging: &Path, out: &Path, date: &str) -> Result<String, Failed> {
    let name = program.name();
    let folder = staging.join(&name);
    copy(&program.file, &folder.join("comeback"), 0o755)?;
    for licence in LICENCES {
        let file = Path::new(licence).file_name().unwrap_or_default();
        copy(Path::new(licence), &folder.join(file), 0o644)?;
    }
    program.write_manual(&folder.join("man/man1"))?;
    for (shell, file, _) in SHELLS {
        program.write_completions(shell, &folder.join("completions").join(file))?;
    }
    let file = format!("{name}.tar.gz");
    finish(
        "tar",
        Command::new("tar")
            .args(["--create", "--sort=name", "--owner=0", "--group=0"])
            .args(["--numeric-owner", "--mode=u=rwX,go=rX"])
            .arg(format!("--mtime=@{date}"))
            .arg("--use-compress-program=gzip --no-name")
            .arg("--file")
            .arg(out.join(&file))
            .arg("--directory")
            .args([staging, Path::new(&name)]),
    )?;
    Ok(file)
}

/// Writes the Debian package; its name.
fn debian(program: &Program, staging: &Path, out: &Path, date: &str) -> Result<String, Failed> {
    let root = staging.join("debian");
    copy(&program.file, &root.join("usr/bin/comeback"), 0o755)?;
    let pages = program.write_manual(&root.join("usr/share/man/man1"))?;
    finish(
        "gzip",
        Command::new("gzip")
            .args(["--best", "--no-name"])
            .args(pages),
    )?;
    for (shell, _, path) in SHELLS {
        program.write_completions(shell, &root.join(path))?;
    }
    let mut copyright = String::new();
    for licence in LICENCES {
        copyright += &at(Path::new(licence), fs::read_to_string(licence))?;
        copyright += "\n";
    }
    write(&root.join("usr/share/doc/comeback/copyright"), &copyright)?;
    // A version with a hyphen would end with Debian's own revision; a tilde sorts a pre-release before its release.
    let version = program.version.replace('-', "~");
    let architecture = match ARCH {
        "x86_64" => "amd64",
        "aarch64" => "arm64",
        other => other,
    };
    let size = output(
        Command::new("du")
            .args(["--summarize", "--apparent-size", "-k"])
            .arg(&root),
    )?;
    let size = size.split_whitespace().next().unwrap_or_default();
    let mut control = format!(
        "Package: comeback\nVersion: {version}\nArchitecture: {architecture}\n\
         Maintainer: The Comeback authors\nSection: devel\nPriority: optional\nInstalled-Size: {size}\n"
    );
    if let Some(glibc) = &program.glibc {
        let _ = writeln!(control, "Depends: libc6 (>= {glibc}), libgcc-s1");
    }
    let _ = writeln!(control, "Description: {DESCRIPTION}");
    write(&root.join("DEBIAN/control"), &control)?;
    let file = format!("comeback_{}_{architecture}.deb", program.version);
    // The umask of who packages is nobody's business.
    finish(
        "chmod",
        Command::new("chmod").args(["-R", "u=rwX,go=rX"]).arg(&root),
    )?;
    finish(
        "dpkg-deb",
        Command::new("dpkg-deb")
            .env("SOURCE_DATE_EPOCH", date)
            // xz, which every version of dpkg reads, at the level that takes seconds.
            .args(["--root-owner-group", "-Zxz", "-z1", "--build"])
            .args([&root, &out.join(&file)]),
    )?;
    Ok(file)
}

/// Copies a file into a folder that is made for it.
fn copy(from: &Path, to: &Path, mode: u32) -> Result<(), Failed> {
    make_parent(to)?;
    at(from, fs::copy(from, to))?;
    at(to, fs::set_permissions(to, PermissionsExt::from_mode(mode)))
}

/// Writes a file into a folder that is made for it.
fn write(file: &Path, text: &str) -> Result<(), Failed> {
    make_parent(file)?;
    at(file, fs::write(file, text))
}

fn make_parent(file: &Path) -> Result<(), Failed> {
    let folder = file.parent().unwrap_or(Path::new("."));
    at(folder, fs::create_dir_all(folder))
}

/// What a command printed. It must succeed.
fn output(command: &mut Command) -> Result<String, Failed> {
    let name = command.get_program().display().to_string();
    let output = command
        .stderr(std::process::Stdio::inherit())
        .output()
        .map_err(|error| Failed(format!("{name}: {error}")))?;
    if !output.status.success() {
        return Err(Failed(format!("`{name}` ended with {}", output.status)));
    }
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

/// Names the file that an operation failed on.
fn at<T>(path: &Path, result: std::io::Result<T>) -> Result<T, Failed> {
    result.map_err(|error| Failed(format!("{}: {error}", path.display())))
}
