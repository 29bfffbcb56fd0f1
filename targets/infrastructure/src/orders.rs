//! Orders at a Unix socket: a line each, answered with a line of JSON.

use std::time::Duration;

use serde::Serialize;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{UnixListener, UnixStream};

/// No order is longer.
const LINE_BYTES: u64 = 4096;

/// Answers for ever whoever may give orders.
pub(crate) async fn obey<A: Serialize + 'static>(
    listener: &UnixListener,
    may: impl Fn(&UnixStream) -> bool,
    answer: impl Fn(&str) -> A + Clone + Send + 'static,
) {
    loop {
        match listener.accept().await {
            Ok((stream, _)) if may(&stream) => {
                tokio::spawn(converse(stream, answer.clone()));
            }
            Ok(_) => {}
            // Out of descriptors: let some connections end.
            Err(_) => tokio::time::sleep(Duration::from_millis(10)).await,
        }
    }
}

async fn converse<A: Serialize>(stream: UnixStream, answer: impl Fn(&str) -> A) {
    let (reading, mut writing) = stream.into_split();
    let mut reading = BufReader::new(reading);
    loop {
        let mut line = String::new();
        match (&mut reading).take(LINE_BYTES).read_line(&mut line).await {
            Ok(read) if read > 0 && line.ends_with('\n') => {}
            _ => return,
        }
        // Values of ours always are JSON.
        let Ok(mut text) = serde_json::to_string(&answer(&line)) else {
            return;
        };
        text.push('\n');
        if writing.write_all(text.as_bytes()).await.is_err() {
            return;
        }
    }
}
