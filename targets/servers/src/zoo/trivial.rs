//! `trivial`: one fixed answer to every request, with as few instructions as tokio allows.
//!
//! It knows no sessions. It is there to measure a load generator, which must be what is slow.
//!
//! Parsing is a search for the empty line that ends a request's head; a body counts as the beginning of the next head.

use std::future::poll_fn;
use std::io;
use std::pin::Pin;
use std::sync::Arc;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream};

use crate::error::ServeError;
use crate::launch::{BOOT_ID, Launch, Stop, boot_id};

const HEAD_END: &[u8; 4] = b"\r\n\r\n";
const BODY: &str = r#"{"status":"ok"}"#;
const BUFFER_BYTES: usize = 8 * 1024;

pub(crate) fn start(launch: Launch) -> Result<(), ServeError> {
    let answer = format!(
        "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n{BOOT_ID}: {}\r\ncontent-length: {}\r\n\r\n{BODY}",
        boot_id()?,
        BODY.len()
    );
    launch.run(|listener, stop| accept(listener, stop, answer.into_bytes()))
}

/// No request is ever half served between two polls, so the end of the runtime is drain enough.
async fn accept(listener: TcpListener, mut stop: Stop, answer: Vec<u8>) {
    let answer: Arc<[u8]> = answer.into();
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            () = &mut stop => return,
        };
        match accepted {
            Ok((stream, _)) => {
                let _ = stream.set_nodelay(true);
                tokio::spawn(serve_connection(stream, Arc::clone(&answer)));
            }
            // Out of descriptors: let some connections end.
            Err(_) => tokio::time::sleep(std::time::Duration::from_millis(10)).await,
        }
    }
}

/// Serves until the client goes, whichever way it goes.
async fn serve_connection(mut stream: TcpStream, answer: Arc<[u8]>) {
    let mut buffer = vec![0; BUFFER_BYTES];
    let mut kept = 0;
    loop {
        let filled = match read(&mut stream, &mut buffer, kept).await {
            Ok(filled) if filled > kept => filled,
            _ => return,
        };
        let (ends, rest) = count_ends(&buffer[..filled]);
        if write(&mut stream, &answer, ends).await.is_err() {
            return;
        }
        // The empty line may come in two pieces.
        let rest = rest.max(filled.saturating_sub(HEAD_END.len() - 1));
        buffer.copy_within(rest..filled, 0);
        kept = filled - rest;
    }
}

/// How many heads end in the bytes, and where the last of them does.
///
/// Looks at the place where an end would have its last byte; another letter there rules out four places at once.
fn count_ends(bytes: &[u8]) -> (usize, usize) {
    let (mut ends, mut rest) = (0, 0);
    let mut at = 3;
    while let Some(&byte) = bytes.get(at) {
        at += match byte {
            b'\n' if at >= rest + 3 && bytes[at - 3..=at] == *HEAD_END => {
                ends += 1;
                rest = at + 1;
                4
            }
            b'\n' => 2,
            b'\r' => 1,
            _ => 4,
        };
    }
    (ends, rest)
}

/// Reads behind what is kept and says how far the buffer is filled now. By `poll_read`, because that knows when the
/// socket is empty and saves the call that would say so.
async fn read(stream: &mut TcpStream, buffer: &mut [u8], kept: usize) -> io::Result<usize> {
    let mut target = ReadBuf::new(buffer);
    target.set_filled(kept);
    poll_fn(|context| Pin::new(&mut *stream).poll_read(context, &mut target)).await?;
    Ok(target.filled().len())
}

async fn write(stream: &mut TcpStream, answer: &[u8], times: usize) -> io::Result<()> {
    for _ in 0..times {
        let mut left = answer;
        while !left.is_empty() {
            let written =
                poll_fn(|context| Pin::new(&mut *stream).poll_write(context, left)).await?;
            if written == 0 {
                return Err(io::ErrorKind::WriteZero.into());
            }
            left = &left[written..];
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ends(text: &str) -> (usize, usize) {
        count_ends(text.as_bytes())
    }

    #[test]
    fn every_end_of_a_head_is_found_wherever_it_stands() {
        for before in 0..9 {
            let text = format!("{}\r\n\r\nGET", "x".repeat(before));
            assert_eq!(ends(&text), (1, before + 4), "{text:?}");
        }
    }

    #[test]
    fn pipelined_requests_are_all_counted() {
        let request = "POST /visit HTTP/1.1\r\nhost: a\r\ncontent-length: 2\r\n\r\n{}";
        let text = request.repeat(3);
        assert_eq!(ends(&text), (3, text.len() - 2));
    }

    #[test]
    fn half_an_end_is_none() {
        assert_eq!(ends("GET / HTTP/1.1\r\nhost: a\r\n\r"), (0, 0));
        assert_eq!(ends("\n\r\n"), (0, 0));
        assert_eq!(ends("\r\r\n\r\n"), (1, 5));
    }
}
