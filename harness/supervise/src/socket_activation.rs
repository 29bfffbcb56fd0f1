//! A listening socket that the harness holds and passes to a target by socket activation: descriptor 3, with
//! `LISTEN_FDS`, `LISTEN_PID` and `LISTEN_FDNAMES` in the environment (sd_listen_fds(3)).
//!
//! `LISTEN_PID` is known only to the process itself, and no code of ours runs between fork and exec. So the harness
//! starts this program as a launcher, whose stdin is one end of a socket pair. The launcher takes the listening socket
//! out of it, and replaces itself by the target: process and group stay. Its end of the pair closes with that
//! execution, which shows the harness the moment. If the execution fails, the reason comes through the pair.
//!
//! ```text
//! harness                                   launcher (comeback launch)
//! the socket, as SCM_RIGHTS ───────────────▶ descriptor 3
//!                           ◀─────────────── ATTEMPT
//!                           ◀─────────────── end of file: executed, or an errno: not
//! ```

use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io::{self, IoSlice, IoSliceMut};
use std::mem::MaybeUninit;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::os::fd::{AsFd, AsRawFd, IntoRawFd, OwnedFd};
use std::os::unix::net::UnixListener;
use std::os::unix::process::CommandExt;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::{Errno, FdFlags, dup, fcntl_dupfd_cloexec, fcntl_setfd, ioctl_fionbio};
use rustix::net::{
    AddressFamily, RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendAncillaryBuffer,
    SendAncillaryMessage, SendFlags, SocketFlags, SocketType, bind, listen, recvmsg, sendmsg,
    socket_with, socketpair, sockopt,
};

use comeback_model::endpoint::Endpoint;

/// The first descriptor that is passed, by the protocol of sd_listen_fds(3).
const FIRST: i32 = 3;
/// The name of the only passed socket.
const NAME: &str = "listener";
/// Out of the way of the descriptors that are passed.
const ASIDE: i32 = 10;
/// The launcher is about to execute the target.
const ATTEMPT: u8 = b'>';
/// As long as the kernel lets a backlog be (`net.core.somaxconn`): an outage should wait, not overflow.
const BACKLOG: i32 = i32::MAX;
/// How long the launcher may take; only a machine that has come to a standstill takes longer.
const TAKES: Duration = Duration::from_secs(10);

/// Binds the listening socket of an endpoint, for the lifetime of the returned value.
///
/// # Errors
/// If it cannot be had.
pub fn hold(endpoint: &Endpoint) -> io::Result<OwnedFd> {
    if let Some(path) = &endpoint.socket {
        let socket = OwnedFd::from(UnixListener::bind(path)?);
        // Again, for a longer backlog.
        listen(&socket, BACKLOG)?;
        return Ok(socket);
    }
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, endpoint.port));
    let flags = SocketFlags::CLOEXEC;
    let socket = socket_with(AddressFamily::INET, SocketType::STREAM, flags, None)?;
    sockopt::set_socket_reuseaddr(&socket, true)?;
    bind(&socket, &address)?;
    listen(&socket, BACKLOG)?;
    Ok(TcpListener::from(socket).into())
}

/// The harness's end of a launcher's socket pair.
#[derive(Debug)]
pub(super) struct SocketActivation(OwnedFd);

/// Why a launcher did not come to execute the target.
#[derive(Debug)]
pub(super) enum Failed {
    /// The target's program could not be executed.
    Program(io::Error),
    /// The launcher itself failed.
    Launcher(io::Error),
}

impl SocketActivation {
    /// Sends the listening socket. Also returns the launcher's stdin.
    pub(super) fn begin(listener: &OwnedFd) -> io::Result<(Self, Stdio)> {
        let flags = SocketFlags::CLOEXEC;
        let (ours, its) = socketpair(AddressFamily::UNIX, SocketType::STREAM, flags, None)?;
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
        let mut control = SendAncillaryBuffer::new(&mut space);
        let passed = [listener.as_fd()];
        // There is room for one, and one is put there.
        let fits = control.push(SendAncillaryMessage::ScmRights(&passed));
        debug_assert!(fits);
        sendmsg(
            &ours,
            &[IoSlice::new(&[0])],
            &mut control,
            SendFlags::NOSIGNAL,
        )?;
        Ok((Self(ours), its.into()))
    }

    /// Waits until the launcher has executed the target. It blocks, as starting any process does until its program is
    /// executed.
    pub(super) fn wait(self) -> Result<(), Failed> {
        let deadline = Instant::now() + TAKES;
        let mut said = Vec::new();
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            let left = Timespec::try_from(left).map_err(|error| launcher(&error.to_string()))?;
            let mut end = [PollFd::new(&self.0, PollFlags::IN)];
            match poll(&mut end, Some(&left)) {
                Err(Errno::INTR) => continue,
                Err(error) => return Err(Failed::Launcher(error.into())),
                Ok(0) => return Err(launcher("it executed nothing within 10 seconds")),
                Ok(_) => {}
            }
            let mut bytes = [0; 16];
            match rustix::io::read(&self.0, &mut bytes) {
                Ok(0) => return parse_launched(&said),
                Ok(length) => said.extend_from_slice(&bytes[..length]),
                Err(Errno::INTR) => {}
                // It ended without having taken the socket.
                Err(Errno::CONNRESET) => return parse_launched(&said),
                Err(error) => return Err(Failed::Launcher(error.into())),
            }
        }
    }
}

fn launcher(problem: &str) -> Failed {
    Failed::Launcher(io::Error::other(problem.to_owned()))
}

/// The launcher's message until its end of the pair closed.
fn parse_launched(said: &[u8]) -> Result<(), Failed> {
    match said {
        [ATTEMPT] => Ok(()),
        [ATTEMPT, errno @ ..] => match errno.try_into() {
            Ok(errno) => {
                let errno = i32::from_le_bytes(errno);
                Err(Failed::Program(io::Error::from_raw_os_error(errno)))
            }
            Err(_) => Err(launcher("it sent an unknown message")),
        },
        _ => Err(launcher(
            "it ended before it executed the server: is it the same version?",
        )),
    }
}

/// The program that replaces the launcher.
#[derive(Clone, Debug)]
pub struct Launched {
    /// The program, where it was found.
    pub program: OsString,
    /// Its `argv[0]`.
    pub name: Option<OsString>,
    /// Its arguments.
    pub arguments: Vec<OsString>,
}

/// Takes the listening socket that stdin brings, and executes the target in this process's place.
///
/// # Errors
/// Always: it returns only if the target was not executed. It reports that to the harness itself.
pub fn launch(target: &Launched) -> io::Error {
    match prepare() {
        Ok(harness) => {
            let error = execute(target, &harness);
            let errno = error.raw_os_error().unwrap_or_default();
            // If the harness is gone, nobody waits for the message.
            let _ = rustix::io::write(&harness, &errno.to_le_bytes());
            error
        }
        Err(error) => error,
    }
}

/// Makes descriptor 3 the listening socket and empties stdin. Returns the connection to the harness.
fn prepare() -> io::Result<OwnedFd> {
    let harness = fcntl_dupfd_cloexec(rustix::stdio::stdin(), ASIDE)?;
    let socket = receive(&harness)?;
    rustix::stdio::dup2_stdin(File::open("/dev/null")?)?;
    // All starts share the socket's flags: the one before may have changed this.
    ioctl_fionbio(&socket, false)?;
    let passed = match socket.as_raw_fd() {
        FIRST => {
            fcntl_setfd(&socket, FdFlags::empty())?;
            socket
        }
        _ => {
            // An inherited descriptor there is not ours. Usually there is none.
            let _ = nix::unistd::close(FIRST);
            // The lowest that is free, since the standard streams are not.
            dup(&socket)?
        }
    };
    // It stays open for the target.
    match passed.into_raw_fd() {
        FIRST => Ok(harness),
        _ => Err(io::Error::other("descriptor 3 is not available")),
    }
}

fn receive(harness: &OwnedFd) -> io::Result<OwnedFd> {
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
    let mut control = RecvAncillaryBuffer::new(&mut space);
    let mut byte = [0];
    recvmsg(
        harness,
        &mut [IoSliceMut::new(&mut byte)],
        &mut control,
        RecvFlags::CMSG_CLOEXEC,
    )?;
    let mut sockets = control.drain().filter_map(|message| match message {
        RecvAncillaryMessage::ScmRights(mut sockets) => sockets.next(),
        _ => None,
    });
    sockets
        .next()
        .ok_or_else(|| io::Error::other("no listening socket came through stdin"))
}

/// Executes the target. Returns only on failure, with the reason.
fn execute(target: &Launched, harness: &OwnedFd) -> io::Error {
    let name: &OsStr = target.name.as_deref().unwrap_or(&target.program);
    let mut command = Command::new(&target.program);
    command
        .arg0(name)
        .args(&target.arguments)
        .env("LISTEN_FDS", "1")
        .env("LISTEN_PID", std::process::id().to_string())
        .env("LISTEN_FDNAMES", NAME);
    match rustix::io::write(harness, &[ATTEMPT]) {
        Ok(_) => command.exec(),
        Err(error) => error.into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_an_attempt_and_an_end_is_an_execution() {
        assert!(matches!(parse_launched(b">"), Ok(())));
        assert!(matches!(parse_launched(b""), Err(Failed::Launcher(_))));
        assert!(matches!(parse_launched(b"x"), Err(Failed::Launcher(_))));
        assert!(matches!(parse_launched(b">ab"), Err(Failed::Launcher(_))));
        let absent = [&[ATTEMPT][..], &2_i32.to_le_bytes()].concat();
        match parse_launched(&absent) {
            Err(Failed::Program(error)) => assert_eq!(error.kind(), io::ErrorKind::NotFound),
            other => panic!("{other:?}"),
        }
    }
}
