//! Somebody else who takes the port a server was told, while it is starting.

use std::fs;
use std::io::{Read, Write};
use std::net::{Ipv4Addr, TcpListener};
use std::path::Path;
use std::time::Duration;

const PAUSE: Duration = Duration::from_millis(5);

/// Takes the port of each server that waits for it, and lets nobody know.
pub(crate) fn take_and_keep_silent(folder: &Path, is_over: &dyn Fn() -> bool) {
    take(folder, is_over, false);
}

/// Takes the port of each server that waits for it, and answers in its place.
pub(crate) fn take_and_answer(folder: &Path, is_over: &dyn Fn() -> bool) {
    take(folder, is_over, true);
}

fn take(folder: &Path, is_over: &dyn Fn() -> bool, answers: bool) {
    let mut taken = Vec::new();
    while !is_over() {
        for trial in 0..4 {
            let data = folder.join(format!("out/data/trial-{trial:03}"));
            let Ok(port) = fs::read_to_string(data.join("port")) else {
                continue;
            };
            if data.join("taken").exists() {
                continue;
            }
            let port: u16 = port.parse().unwrap();
            // Somebody else may be passing through it; a port that stays held fails the row by its message.
            let Ok(listener) = TcpListener::bind((Ipv4Addr::LOCALHOST, port)) else {
                continue;
            };
            listener.set_nonblocking(true).unwrap();
            taken.push(listener);
            // The trial may have ended meanwhile.
            let _ = fs::write(data.join("taken"), "");
        }
        if answers {
            taken.iter().for_each(answer);
        }
        std::thread::sleep(PAUSE);
    }
}

fn answer(listener: &TcpListener) {
    while let Ok((mut connection, _)) = listener.accept() {
        connection.set_nonblocking(false).unwrap();
        let mut request = [0; 1024];
        // Whoever asks may have given up.
        let _ = connection.read(&mut request);
        let _ = connection.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
    }
}
