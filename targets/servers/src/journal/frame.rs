//! The bytes of the log: entries, and the checksummed frames that hold them.
//!
//! One commit is one frame. That is what makes a torn tail recognisable: only the last frame can be torn, because
//! nothing is written after a frame before it is synced. Whatever parses behind a bad frame proves damage instead.
//!
//! ```text
//! frame   length of the payload, u32 | CRC-32 of length and payload, u32 | payload: entries
//! put     1 | id, 16 bytes | visits, u64 | length of the name, u8 | name
//! count   2 | id, 16 bytes | visits, u64
//! end     3 | id, 16 bytes
//! once    4 | id, 16 bytes | visits, u64 | length of the key, u8 | key
//! ```
//! Numbers are little-endian. Counters are stored as they are, not as steps. `once` is a count whose visit had a key;
//! behind a put in a snapshot it says no more than that the session knows the key. Logs from before it have none.

use crate::session::{Kept, Key, Session, SessionId, User};
use crate::writer::BATCH_MAX;

/// One change of state.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) enum Entry {
    Put {
        id: SessionId,
        session: Session,
    },
    Count {
        id: SessionId,
        visits: u64,
    },
    Once {
        id: SessionId,
        visits: u64,
        key: Key,
    },
    End {
        id: SessionId,
    },
}

const PUT: u8 = 1;
const COUNT: u8 = 2;
const END: u8 = 3;
const ONCE: u8 = 4;

/// Length and checksum.
const HEAD: usize = 8;

/// The fixed part of the entries that end in a text: put and once.
const TEXT_FIXED: usize = 1 + 16 + 8 + 1;

const TEXT_MAX: usize = if User::LENGTH_MAX > Key::LENGTH_MAX {
    User::LENGTH_MAX
} else {
    Key::LENGTH_MAX
};

/// No frame is longer; a length beyond it is damage.
const PAYLOAD_MAX: usize = BATCH_MAX * (TEXT_FIXED + TEXT_MAX);

/// The size of a session without keys in a snapshot, without its share of the frame.
pub(super) fn put_length(session: &Session) -> u64 {
    text_length(session.user.as_str())
}

/// The size of each of its keys.
pub(super) fn once_length(key: &Key) -> u64 {
    text_length(key.as_str())
}

/// The size of a session and its keys.
pub(super) fn kept_length(kept: &Kept) -> u64 {
    put_length(&kept.session) + kept.keys.iter().map(once_length).sum::<u64>()
}

fn text_length(text: &str) -> u64 {
    (TEXT_FIXED + text.len()) as u64
}

/// Appends a frame with these entries, at most [`BATCH_MAX`].
pub(super) fn write_frame<'a>(out: &mut Vec<u8>, entries: impl IntoIterator<Item = &'a Entry>) {
    let start = out.len();
    out.extend_from_slice(&[0; HEAD]);
    entries
        .into_iter()
        .for_each(|entry| write_entry(out, entry));
    let length = ((out.len() - start - HEAD) as u32).to_le_bytes();
    let checksum = crc32(&[&length, &out[start + HEAD..]]).to_le_bytes();
    out[start..start + 4].copy_from_slice(&length);
    out[start + 4..start + HEAD].copy_from_slice(&checksum);
}

fn write_entry(out: &mut Vec<u8>, entry: &Entry) {
    match entry {
        Entry::Put { id, session } => {
            write_count(out, PUT, *id, session.visits);
            write_text(out, session.user.as_str());
        }
        Entry::Count { id, visits } => write_count(out, COUNT, *id, *visits),
        Entry::Once { id, visits, key } => {
            write_count(out, ONCE, *id, *visits);
            write_text(out, key.as_str());
        }
        Entry::End { id } => {
            out.push(END);
            out.extend_from_slice(&id.0.to_le_bytes());
        }
    }
}

fn write_count(out: &mut Vec<u8>, kind: u8, id: SessionId, visits: u64) {
    out.push(kind);
    out.extend_from_slice(&id.0.to_le_bytes());
    out.extend_from_slice(&visits.to_le_bytes());
}

/// Neither a user's name nor a key is longer than 64 bytes.
fn write_text(out: &mut Vec<u8>, text: &str) {
    out.push(text.len() as u8);
    out.extend_from_slice(text.as_bytes());
}

/// The payload of the frame at the start of the bytes, and what follows it; none if there is no whole, sound frame.
pub(super) fn split_frame(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let (length, rest) = bytes.split_first_chunk::<4>()?;
    let (checksum, rest) = rest.split_first_chunk::<4>()?;
    let payload_length = u32::from_le_bytes(*length) as usize;
    // Zeros are what a file system leaves where a write never arrived.
    if payload_length == 0 || payload_length > PAYLOAD_MAX {
        return None;
    }
    let (payload, rest) = rest.split_at_checked(payload_length)?;
    (crc32(&[length, payload]) == u32::from_le_bytes(*checksum)).then_some((payload, rest))
}

/// The entries of a payload; none where they are not what [`write_frame`] writes.
pub(super) fn parse_entries(mut payload: &[u8]) -> Option<Vec<Entry>> {
    let mut entries = Vec::new();
    while let Some((&kind, rest)) = payload.split_first() {
        let (id, rest) = rest.split_first_chunk::<16>()?;
        let id = SessionId(u128::from_le_bytes(*id));
        if kind == END {
            entries.push(Entry::End { id });
            payload = rest;
            continue;
        }
        let (visits, rest) = rest.split_first_chunk::<8>()?;
        let visits = u64::from_le_bytes(*visits);
        payload = match kind {
            COUNT => {
                entries.push(Entry::Count { id, visits });
                rest
            }
            PUT => {
                let (name, rest) = split_text(rest)?;
                let user = User::parse(std::str::from_utf8(name).ok()?)?;
                entries.push(Entry::Put {
                    id,
                    session: Session { user, visits },
                });
                rest
            }
            ONCE => {
                let (key, rest) = split_text(rest)?;
                let key = Key::parse(key)?;
                entries.push(Entry::Once { id, visits, key });
                rest
            }
            _ => return None,
        };
    }
    Some(entries)
}

/// The text at the start of the bytes, and what follows it.
fn split_text(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let (&length, rest) = bytes.split_first()?;
    rest.split_at_checked(usize::from(length))
}

/// CRC-32 as in ISO 3309 (reflected, polynomial 0x04C11DB7) of the parts in a row.
fn crc32(parts: &[&[u8]]) -> u32 {
    let step =
        |crc: u32, &byte: &u8| CRC_TABLE[((crc ^ u32::from(byte)) & 0xff) as usize] ^ (crc >> 8);
    !parts.iter().copied().flatten().fold(!0, step)
}

const CRC_TABLE: [u32; 256] = {
    let mut table = [0; 256];
    let mut byte = 0;
    while byte < 256 {
        let mut crc = byte as u32;
        let mut bit = 0;
        while bit < 8 {
            crc = if crc & 1 == 1 {
                (crc >> 1) ^ 0xedb8_8320
            } else {
                crc >> 1
            };
            bit += 1;
        }
        table[byte] = crc;
        byte += 1;
    }
    table
};

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_checksum_is_the_standard_one() {
        assert_eq!(crc32(&[b"1234", b"56789"]), 0xcbf4_3926);
    }

    #[test]
    fn entries_survive_a_frame() {
        let session = Session {
            user: User::parse("u17").unwrap(),
            visits: 3,
        };
        let entries = vec![
            Entry::Put {
                id: SessionId(1),
                session,
            },
            Entry::Count {
                id: SessionId(1),
                visits: u64::MAX,
            },
            Entry::Once {
                id: SessionId(1),
                visits: 4,
                key: Key::parse(b"0b5c-17").unwrap(),
            },
            Entry::End {
                id: SessionId(u128::MAX),
            },
        ];
        let mut bytes = Vec::new();
        write_frame(&mut bytes, &entries);
        bytes.extend_from_slice(b"next");
        let (payload, rest) = split_frame(&bytes).unwrap();
        assert_eq!(parse_entries(payload), Some(entries));
        assert_eq!(rest, b"next");
    }

    #[test]
    fn zeros_are_no_frame() {
        assert!(split_frame(&[0; 64]).is_none());
    }
}
