//! `orphan-keeps-port`: a memory server whose main process binds and then leaves the serving to a child in a session of
//! its own, `orphan-child`. Killing the main process, or its process group, leaves the child with the port.
//!
//! Must be exposed by answers that still carry the old boot id after the kill, and by a restart that cannot bind.

use std::net::TcpListener;
use std::os::fd::{AsFd, OwnedFd};
use std::process::{Child, Command, Stdio};

use rustix::process::{Pid, PidfdFlags, Signal, pidfd_open, pidfd_send_signal, setsid};

use crate::contract::App;
use crate::error::ServeError;
use crate::launch::{Launch, Reuse, bind, runtime, stop_signal};
use crate::memory::Memory;

/// The main process: binds, starts the child, waits for SIGTERM or SIGINT, and passes it on.
pub(crate) fn start(launch: Launch) -> Result<(), ServeError> {
    let runtime = runtime()?;
    let _inside = runtime.enter();
    let stop = stop_signal()?;
    let mut child = spawn_child(&launch, bind(launch.address(), Reuse::Yes)?)?;
    let pid = Pid::from_child(&child);
    let handle =
        pidfd_open(pid, PidfdFlags::empty()).map_err(ServeError::system("hold on to the child"))?;
    let (exited, exit) = tokio::sync::oneshot::channel();
    std::thread::Builder::new()
        .name("reaper".to_owned())
        .spawn(move || exited.send(child.wait()))
        .map_err(ServeError::system("start the reaping thread"))?;
    runtime.block_on(async move {
        tokio::select! {
            () = stop => {}
            _ = exit => return Err(ServeError::Planted("the child has ended without being told to")),
        }
        pidfd_send_signal(handle, Signal::TERM).map_err(ServeError::system("stop the child"))
    })
}

/// The child gets the listening socket as its stdin.
fn spawn_child(launch: &Launch, listener: TcpListener) -> Result<Child, ServeError> {
    let program = std::env::current_exe().map_err(ServeError::system("find this program"))?;
    Command::new(program)
        .args([
            "serve",
            "orphan-child",
            "--port",
            &launch.address().port().to_string(),
            "--data",
        ])
        .arg(launch.data())
        .stdin(Stdio::from(OwnedFd::from(listener)))
        .spawn()
        .map_err(ServeError::system("start the child"))
}

/// The child: leaves its parent's session and serves on its stdin.
pub(crate) fn start_child(launch: Launch) -> Result<(), ServeError> {
    // Refused to the leader of a process group, which only a child started by hand is.
    setsid().map_err(ServeError::system("begin a session of its own"))?;
    let socket = std::io::stdin()
        .as_fd()
        .try_clone_to_owned()
        .map_err(ServeError::system("take stdin as the listener"))?;
    launch
        .on(TcpListener::from(socket))
        .serve(App::over(Memory::default()))
}
