//! A disk that forgets: what a server did not sync is gone after a power loss, and nothing of the disk is left, whatever ends a run.

#![allow(clippy::unwrap_used, reason = "a test may panic")]
#![allow(clippy::print_stderr, reason = "a test says when it is skipped")]

mod support;

use std::io::{BufRead, BufReader, Write};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use comeback_host::undo::Undo;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::Value;
use support::{
    CONTRACT_SESSION, Run, assert_nothing_left, can_lose_power, command, ended_with, mounts_in,
    processes_of,
};

const PATIENCE: Duration = Duration::from_secs(60);

/// An experiment with one trial and one control of a server under a fault.
fn experiment(server: &str, fault: &str) -> String {
    format!(
        r#"
trials = 1
seed = 10
[target]
command = ["{{comeback}}", "serve", "{server}", "--port", "{{port}}", "--data", "{{data}}"]
[load]
sessions = 5
rate = 20
{CONTRACT_SESSION}
[[fault]]
at = "1s"
{fault}
"#
    )
}

fn start(folder: &Path, text: &str, broken: Option<&str>) -> Child {
    std::fs::write(folder.join("disk.toml"), text).unwrap();
    let mut command = command(folder, &["run", "disk.toml", "--out", "out", "--quiet"]);
    command.env("COMEBACK_RECORDS", folder.join("records"));
    if let Some(broken) = broken {
        command.env("COMEBACK_DISK", broken);
    }
    command.spawn().unwrap()
}

fn run(text: &str, broken: Option<&str>) -> Run {
    let folder = tempfile::tempdir().unwrap();
    let output = start(folder.path(), text, broken)
        .wait_with_output()
        .unwrap();
    assert_nothing_left(folder.path());
    Run { folder, output }
}

fn wait_until(what: &str, mut condition: impl FnMut() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !condition() {
        assert!(Instant::now() < deadline, "{what} did not happen");
        std::thread::sleep(Duration::from_millis(2));
    }
}

/// The process of the only disk of a run.
fn disk_of(folder: &Path) -> Option<Pid> {
    let found = processes_of(folder);
    let line = found.iter().find(|line| line.contains(" disk --model "))?;
    Some(Pid::from_raw(line.split(':').next()?.parse().ok()?))
}

/// Facts of a kind, the journal's events.
fn told(run: &Run, kind: &str) -> Vec<Value> {
    let events = run.events().into_iter().map(|event| event["kind"].clone());
    events.filter(|event| event["type"] == kind).collect()
}

#[test]
fn a_server_that_syncs_nothing_survives_a_kill_and_no_power_loss_and_its_twin_both() {
    if !can_lose_power() {
        return;
    }
    // In half of the losses ext4's journal was just written out, and the renamed file's data with it: not with this seed.
    let commit_came = |run: &Run| {
        let evidence = told(run, "fault_acted")[0]["evidence"].to_string();
        evidence.contains("the five-second commit had just come")
    };
    for server in ["unsynced-rename", "synced-rename"] {
        let killed = run(&experiment(server, ""), None);
        if ended_with(&killed, 0) {
            assert_eq!(killed.summary().arms[0].writes.lost, 0, "{server}");
        }
        for disk in ["ext4", "strict", "lazy"] {
            let fault = format!("kind = \"power_loss\"\ndisk = \"{disk}\"");
            let run = run(&experiment(server, &fault), None);
            let keeps = server == "synced-rename";
            if !ended_with(&run, i32::from(!keeps)) {
                continue;
            }
            assert!(!commit_came(&run), "another seed, please");
            let arm = &run.summary().arms[0];
            let what = format!("{server} on {disk}: {}", run.printed());
            assert_eq!(arm.sessions.lost == 0, keeps, "{what}");
            assert_eq!(arm.writes.lost == 0, keeps, "{what}");
            // The evidence names the model.
            let evidence = told(&run, "fault_acted")[0]["evidence"].to_string();
            assert!(
                evidence.contains(&format!("the disk ({disk}) dropped ")),
                "{evidence}"
            );
            // Each trial had the disk, the control, too.
            let logs = std::fs::read_dir(run.out().join("logs")).unwrap().flatten();
            let disks = logs.filter(|log| log.file_name().to_str().unwrap().ends_with("-disk.log"));
            assert_eq!(disks.count(), told(&run, "trial_started").len(), "{what}");
        }
    }
}

#[test]
fn a_server_that_keeps_nothing_on_the_disk_does_not_pass() {
    if !can_lose_power() {
        return;
    }
    let elsewhere = tempfile::tempdir().unwrap();
    let text = experiment("unsynced-rename", "kind = \"power_loss\"");
    let text = text.replace("{data}", elsewhere.path().to_str().unwrap());
    let run = run(&format!("controls = 0\nreplacements = 0\n{text}"), None);
    assert_eq!(run.code(), 3, "{}", run.printed());
    let missed = told(&run, "fault_missed")[0]["reason"].to_string();
    assert!(missed.contains("nothing but the canaries"), "{missed}");
}

#[test]
fn the_disk_is_explained_and_one_that_is_none_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let explain = |disk: &str| {
        let fault = format!("kind = \"power_loss\"\ndisk = \"{disk}\"");
        let text = experiment("journal", &fault);
        std::fs::write(folder.path().join("disk.toml"), text).unwrap();
        let output = command(folder.path(), &["explain", "disk.toml"])
            .output()
            .unwrap();
        let said = [output.stdout, output.stderr].concat();
        let said = String::from_utf8_lossy(&said).into_owned();
        let words = said.split_whitespace().collect::<Vec<_>>().join(" ");
        (output.status.code(), words)
    };
    let (code, said) = explain("strict");
    assert_eq!(code, Some(0), "{said}");
    assert!(
        said.contains("on a disk that forgets (strict), in trials without a fault, too"),
        "{said}"
    );
    let (code, said) = explain("xfs");
    assert_eq!(code, Some(2), "{said}");
    assert!(said.contains("xfs") && said.contains("ext4"), "{said}");
}

#[test]
fn a_disk_that_does_not_forget_or_forgets_what_was_synced_is_no_power_loss() {
    if !can_lose_power() {
        return;
    }
    for (broken, problem) in [
        ("keeps", "a file that was not synced is still there"),
        ("loses", "a file that was synced is gone"),
    ] {
        // Neither a pass of the one server nor a fail of the other.
        for server in ["unsynced-rename", "synced-rename"] {
            let run = run(&experiment(server, "kind = \"power_loss\""), Some(broken));
            assert_eq!(run.code(), 3, "{server}, {broken}: {}", run.printed());
            let missed = told(&run, "fault_missed");
            assert!(
                missed[0]["reason"].to_string().contains(problem),
                "{missed:?}"
            );
        }
    }
}

#[test]
fn what_a_server_does_on_a_disk_that_failed_is_not_laid_to_it() {
    if !can_lose_power() {
        return;
    }
    let text = experiment("synced-rename", "kind = \"power_loss\"");
    let text = format!("replacements = 0\ncontrols = 0\n{text}");
    // It is gone, or it hangs: whoever waits for a file on it cannot even be killed then. Or it is there, and its mount is gone.
    for how in [Some(Signal::SIGKILL), Some(Signal::SIGSTOP), None] {
        let folder = tempfile::tempdir().unwrap();
        let child = start(folder.path(), &text, None);
        wait_until("the load", || {
            let journal = std::fs::read_to_string(folder.path().join("out/journal.jsonl"));
            journal.is_ok_and(|text| text.contains("\"baseline\"}"))
        });
        match how {
            Some(signal) => kill(disk_of(folder.path()).expect("there is one"), signal).unwrap(),
            None => {
                let mounts = mounts_in(folder.path());
                let mount = mounts[0].split(' ').nth(4).expect("it has a path");
                Undo::unmount(Path::new(mount)).unwrap().run().unwrap();
            }
        }
        let output = child.wait_with_output().unwrap();
        assert_eq!(output.status.code(), Some(3), "{how:?}: {output:?}");
        let journal = std::fs::read_to_string(folder.path().join("out/journal.jsonl")).unwrap();
        assert!(journal.contains("the disk below"), "{how:?}: {journal}");
        assert_nothing_left(folder.path());
    }
}

/// A run in whose only trial nothing happens for long. Returns when the disk is mounted.
fn start_long(folder: &Path) -> Child {
    let text = experiment("synced-rename", "kind = \"power_loss\"").replace("\"1s\"", "\"60s\"");
    let child = start(folder, &text, None);
    wait_until("the mount", || !mounts_in(folder).is_empty());
    wait_until("the server", || {
        processes_of(folder)
            .iter()
            .any(|line| line.contains(" serve "))
    });
    child
}

fn clean(folder: &Path, words: &[&str]) -> String {
    let output = command(folder, &[&["cleanup"], words].concat())
        .env("COMEBACK_RECORDS", folder.join("records"))
        .output()
        .unwrap();
    let said = support::unfolded(&String::from_utf8_lossy(
        &[output.stdout, output.stderr].concat(),
    ));
    assert!(output.status.success(), "{said}");
    said
}

fn end(mut child: Child) {
    kill(Pid::from_raw(child.id().cast_signed()), Signal::SIGKILL).unwrap();
    child.wait().unwrap();
}

#[test]
fn no_disk_outlives_a_killed_harness() {
    if !can_lose_power() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    end(start_long(folder.path()));
    wait_until("the end of it all", || {
        processes_of(folder.path()).is_empty()
    });
    assert_nothing_left(folder.path());
    let said = clean(folder.path(), &[]);
    assert!(said.contains("nothing is left behind"), "{said}");
}

#[test]
fn a_dead_mount_is_undone_by_cleanup_when_warden_and_harness_are_gone() {
    if !can_lose_power() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let child = start_long(folder.path());
    let found = processes_of(folder.path());
    let warden = found
        .iter()
        .find(|line| line.contains(" warden --tag "))
        .unwrap();
    let warden = warden.split(':').next().unwrap().parse().unwrap();
    // It cannot unmount itself when the harness is gone. One that stood still would go on then: it is in an orphaned group.
    let disk = disk_of(folder.path()).expect("there is one");
    kill(disk, Signal::SIGKILL).unwrap();
    kill(Pid::from_raw(warden), Signal::SIGKILL).unwrap();
    end(child);
    assert!(!mounts_in(folder.path()).is_empty());
    let said = clean(folder.path(), &[]);
    assert!(said.contains("umount -f -l '"), "{said}");
    clean(folder.path(), &["--yes"]);
    assert_nothing_left(folder.path());
}

/// A disk by itself, and its control socket.
struct Mounted {
    disk: Child,
    socket: Option<UnixStream>,
    mount: PathBuf,
}

impl Mounted {
    /// Mounts it in a folder.
    fn in_folder(folder: &Path) -> Self {
        Self::broken(folder, "")
    }

    /// One that a test has broken.
    fn broken(folder: &Path, how: &str) -> Self {
        let folder = folder.canonicalize().unwrap();
        let (mount, backing) = (folder.join("a mount"), folder.join("backing"));
        std::fs::create_dir(&mount).unwrap();
        std::fs::create_dir(&backing).unwrap();
        let (ours, theirs) = UnixStream::pair().unwrap();
        let disk = Command::new(support::PROGRAM)
            .args(["disk", "--model", "ext4", "--mount"])
            .arg(&mount)
            .arg("--backing")
            .arg(&backing)
            .env("COMEBACK_DISK", how)
            .stdin(std::os::fd::OwnedFd::from(theirs))
            .spawn()
            .unwrap();
        let mut mounted = Self {
            disk,
            socket: Some(ours),
            mount,
        };
        assert_eq!(mounted.ask("health"), "ok");
        mounted
    }

    fn ask(&mut self, order: &str) -> String {
        let socket = self.socket.as_mut().unwrap();
        socket.write_all(format!("{order}\n").as_bytes()).unwrap();
        let mut answer = String::new();
        BufReader::new(socket).read_line(&mut answer).unwrap();
        answer.trim_end().to_owned()
    }
}

impl Drop for Mounted {
    fn drop(&mut self) {
        let _ = self.disk.kill();
        let _ = self.disk.wait();
        let _ = Undo::unmount(&self.mount).unwrap().run();
    }
}

#[test]
fn whoever_waits_for_a_disk_that_answers_nobody_is_let_go_when_it_is_unmounted() {
    if !can_lose_power() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let mounted = Mounted::in_folder(folder.path());
    let pid = Pid::from_raw(mounted.disk.id().cast_signed());
    kill(pid, Signal::SIGSTOP).unwrap();
    let mut waiting = Command::new("cat")
        .arg(mounted.mount.join("file"))
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let stat = format!("/proc/{}/stat", waiting.id());
    wait_until("the wait", || {
        let stat = std::fs::read_to_string(&stat).unwrap();
        stat.contains("(cat) S") || stat.contains("(cat) D")
    });
    Undo::unmount(&mounted.mount).unwrap().run().unwrap();
    let mut ended = None;
    wait_until("its end", || {
        ended = waiting.try_wait().unwrap();
        ended.is_some()
    });
    assert!(!ended.unwrap().success());
    drop(mounted);
    assert_eq!(mounts_in(folder.path()), Vec::<String>::new());
}

/// Writes over a file, says so, and syncs it.
const SYNCS: &str = "
import os, sys
file = os.open(sys.argv[1], os.O_WRONLY)
os.write(file, b'new')
print('written', flush=True)
os.fsync(file)
print('synced', flush=True)
";

#[test]
fn an_fsync_that_is_under_way_at_the_kill_counts_only_if_the_power_stays_on() {
    if !can_lose_power() {
        return;
    }
    for (is_cut_at_once, kept) in [(true, "old"), (false, "new")] {
        let folder = tempfile::tempdir().unwrap();
        let mut mounted = Mounted::broken(folder.path(), "slow");
        let path = mounted.mount.join("file");
        let mut file = std::fs::File::create(&path).unwrap();
        file.write_all(b"old").unwrap();
        file.sync_all().unwrap();
        std::fs::File::open(&mounted.mount)
            .unwrap()
            .sync_all()
            .unwrap();
        drop(file);
        let mut server = Command::new("python3")
            .args(["-c", SYNCS])
            .arg(&path)
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut said = String::new();
        let mut out = BufReader::new(server.stdout.take().unwrap());
        out.read_line(&mut said).unwrap();
        // The disk has taken the call, and waits for its own disk: before that a kill takes the call back.
        let threads = format!("/proc/{}/task", mounted.disk.id());
        wait_until("the fsync", || {
            let mut threads = std::fs::read_dir(&threads).unwrap();
            threads.any(|thread| {
                let name = std::fs::read_to_string(thread.unwrap().path().join("comm"));
                name.is_ok_and(|name| name == "sync\n")
            })
        });
        server.kill().unwrap();
        server.wait().unwrap();
        out.read_line(&mut said).unwrap();
        assert_eq!(said, "written\n");
        if !is_cut_at_once {
            assert_eq!(std::fs::read_to_string(&path).unwrap(), "new");
        }
        let dropped = mounted.ask("drop");
        assert!(dropped.starts_with("dropped "), "{dropped}");
        assert_eq!(std::fs::read_to_string(&path).unwrap(), kept);
    }
}

/// A script for a mounted folder: real programs on the file system, through the kernel.
const DEEDS: &str = r#"
set -e
cd "$1"
mkdir -p a/b && echo one > a/b/f && ln a/b/f hard && ln -s a/b/f soft
[ "$(cat soft)" = one ] && [ "$(stat -c %h hard)" = 2 ]
mv a/b/f a/g && [ "$(cat hard)" = one ] && ! cat soft 2>/dev/null
dd if=/dev/urandom of=big bs=100k count=7 status=none && cp big copy && cmp big copy
truncate -s 5000 copy && [ "$(stat -c %s copy)" = 5000 ] && head -c 5000 big | cmp - copy
chmod 600 copy && [ "$(stat -c %a copy)" = 600 ]
rm -r a && ! rmdir . 2>/dev/null && [ "$(ls -A | tr '\n' ' ')" = 'big copy hard soft ' ]
python3 - <<'END'
import fcntl, mmap, os, socket, sqlite3
with open("mapped", "w+b") as file:
    file.truncate(8192)
    view = mmap.mmap(file.fileno(), 8192)
    view[4090:4100] = b"0123456789"
    view.flush()
    assert os.pread(file.fileno(), 10, 4090) == b"0123456789"
    fcntl.flock(file, fcntl.LOCK_EX)
    fcntl.lockf(file, fcntl.LOCK_EX, 10, 5)
os.unlink("mapped")
base = sqlite3.connect("base")
assert base.execute("pragma journal_mode = wal").fetchone() == ("wal",)
base.execute("create table t (x)")
base.executemany("insert into t values (?)", [(x,) for x in range(1000)])
base.commit()
assert sqlite3.connect("base").execute("select sum(x) from t").fetchone() == (499500,)
listener = socket.socket(socket.AF_UNIX)
listener.bind("socket")
# What is opened while it is replaced is there, old or new.
open("there", "w").close()
if not (child := os.fork()):
    for _ in range(3000):
        open("next", "w").close()
        os.rename("next", "there")
    os._exit(0)
while os.waitpid(child, os.WNOHANG) == (0, 0):
    open("there").close()
    os.stat("there")
os.unlink("there")
file = open("gone", "w+")
os.unlink("gone")
file.write("still here")
file.flush()
file.seek(0)
assert file.read() == "still here"
END
"#;

#[test]
fn programs_find_a_usual_file_system() {
    if !can_lose_power() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let mut mounted = Mounted::in_folder(folder.path());
    let mount = mounted.mount.clone();
    // Nobody but the canaries was there: a loss now would say nothing of any server.
    std::fs::create_dir(mount.join("empty")).unwrap();
    let unused = mounted.ask("drop");
    std::fs::remove_dir(mount.join("empty")).unwrap();
    let done = Command::new("sh")
        .args(["-ec", DEEDS, "deeds"])
        .arg(&mount)
        .status()
        .unwrap();
    let listed = || {
        let names = std::fs::read_dir(&mount)
            .unwrap()
            .flatten()
            .map(|entry| entry.file_name());
        names.count()
    };
    let (before, unsynced) = (listed(), mounted.ask("counters"));
    std::fs::write(mount.join("lost"), "lost").unwrap();
    let dropped = mounted.ask("drop");
    let after = (listed(), mount.join("lost").exists());
    let nonsense = mounted.ask("nonsense");
    drop(mounted.socket.take());
    let ended = mounted.disk.wait().unwrap();
    assert!(done.success());
    assert_eq!(before, 6);
    assert!(unused.contains("nothing but the canaries"), "{unused}");
    assert!(unsynced.starts_with("unsynced "), "{unsynced}");
    assert!(dropped.starts_with("dropped "), "{dropped}");
    // SQLite synced its files, and the journal took all names before them along.
    assert!(after.0 >= 5 && !after.1, "{after:?}");
    assert!(nonsense.starts_with("failed "), "{nonsense}");
    assert!(ended.success());
    assert_eq!(mounts_in(folder.path()), Vec::<String>::new());
}
