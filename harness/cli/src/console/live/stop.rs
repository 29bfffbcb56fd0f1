//! Ctrl-Z and Ctrl-\: the shell must not get a terminal without a cursor.

use std::sync::Once;

use nix::unistd::{Pid, getpgid, getpgrp, getppid, getsid};
use rustix::process::{Signal, getpid, kill_process};
use tokio::signal::unix::{SignalKind, signal};

use super::{SHOWN, held};

/// What a shell calls the end of a process by SIGQUIT.
const QUIT: i32 = 128 + Signal::QUIT.as_raw();

/// From now on this process gives the terminal back before it stops or is quit. After a stop the view is drawn again when it goes
/// on in the foreground.
pub(super) fn restore_at_stops() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        // Without them the view works, and a stopped one leaves the terminal without a cursor.
        let _ = std::thread::Builder::new()
            .name("quits".to_owned())
            .spawn(|| wait_for(Signal::QUIT, quit));
        // Where nobody could let it go on, the kernel does not stop it, either.
        if is_of_a_shell() {
            let _ = std::thread::Builder::new()
                .name("stops".to_owned())
                .spawn(|| {
                    wait_for(Signal::TSTP, || {
                        // What cannot be stopped goes on.
                        let _ = kill_process(getpid(), Signal::STOP);
                    });
                });
        }
    });
}

/// Whether the parent is of the same session and another group, as a shell with job control is. In a container the numbers of
/// all three may be 0: they live outside.
fn is_of_a_shell() -> bool {
    let parent = getppid();
    let same_session = getsid(Some(parent)) == getsid(None);
    let other_group = getpgid(Some(parent)).is_ok_and(|group| group != getpgrp());
    parent != Pid::from_raw(0) && same_session && other_group
}

/// Does this at each such signal, while nothing is drawn.
fn wait_for(awaited: Signal, then: impl Fn()) {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_io()
        .build();
    let Ok(runtime) = runtime else {
        return;
    };
    runtime.block_on(async {
        let Ok(mut signals) = signal(SignalKind::from_raw(awaited.as_raw())) else {
            return;
        };
        while signals.recv().await.is_some() {
            let shown = held(&SHOWN).clone();
            // Nothing is drawn until it goes on.
            let mut screen = shown.as_deref().map(|shown| held(&shown.screen));
            if let Some(screen) = &mut screen {
                screen.give_back(&[]);
            }
            then();
        }
    });
}

#[expect(
    clippy::exit,
    reason = "SIGQUIT ends a process at once; its default action cannot be set again without unsafe code"
)]
fn quit() {
    std::process::exit(QUIT);
}
