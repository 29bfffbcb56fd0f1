//! Any bytes, in any pieces, are the same reply, or no reply.

use comeback_model::ids::BootId;
use comeback_model::plan::Dialect;

use super::Worth;
use super::reading::{Outcome, Whole, read};
use comeback_session::reading::Grammar;
use comeback_session::wire::{Framing, KEPT_BODY, MAX_HEAD, Wanted};

/// The most that a connection reads at once.
const PIECE: usize = 32 * 1024;
/// How far a reply is stretched to try the bounds: beyond those of head and body together.
const STRETCHED: usize = 3 * KEPT_BODY;
/// Shorter replies are also read byte by byte.
const BY_BYTE: usize = 1024;

/// Reads the bytes as an HTTP/1.1 reply.
///
/// # Panics
/// When what they are depends on the pieces they come in, or is more than may be kept.
pub fn check_http(bytes: &[u8]) -> Worth {
    let wanted = Wanted {
        boot: Some("x-boot-id".to_owned()),
        headers: vec!["location".to_owned(), "x-count".to_owned()],
        relayed: true,
    };
    check_pieces(Grammar::Http, &wanted, bytes, |whole, bytes| {
        assert!(whole.head <= MAX_HEAD, "a head of {} bytes", whole.head);
        assert!((200..=999).contains(&whole.status), "{}", whole.status);
        let asked = |(name, _): &(String, String)| wanted.headers.contains(name);
        assert!(whole.headers.iter().all(asked), "{:?}", whole.headers);
        check_http_body(whole, bytes);
    });
    Worth::Kept
}

/// Reads the bytes as the reply to a command, in each dialect.
///
/// # Panics
/// When what they are depends on the pieces they come in, or is more than may be kept, or an array of values is not told
/// as JSON.
pub fn check_commands(bytes: &[u8]) -> Worth {
    for dialect in Dialect::all() {
        let wire = Grammar::Commands(dialect);
        check_pieces(wire, &Wanted::default(), bytes, |whole, bytes| {
            assert!([200, 400, 401, 503].contains(&whole.status));
            assert_eq!(whole.boot, None::<BootId>);
            if dialect.spec().array == Some(bytes[0]) && whole.body.len() < KEPT_BODY {
                let told = serde_json::from_slice::<serde_json::Value>(&whole.body);
                assert!(told.is_ok(), "told as {:?}", whole.body.escape_ascii());
            }
        });
    }
    Worth::Kept
}

fn check_pieces(protocol: Grammar, wanted: &Wanted, bytes: &[u8], check: impl Fn(&Whole, &[u8])) {
    let mut draws = Draws::from(bytes);
    let stretched;
    let bytes = if draws.below(16) == 0 {
        stretched = stretch(bytes, &mut draws);
        &stretched
    } else {
        bytes
    };
    let (whole, alone) = read(protocol, wanted, bytes.chunks(PIECE));
    if let Outcome::Whole(reply) = &whole {
        assert!(reply.body.len() <= KEPT_BODY, "{} kept", reply.body.len());
        check(reply, bytes);
    }
    let same = |pieces: Vec<&[u8]>| {
        let sizes: Vec<usize> = pieces.iter().map(|piece| piece.len()).collect();
        let (other, other_alone) = read(protocol, wanted, pieces);
        assert_eq!(whole, other, "by pieces of {sizes:?}");
        // Smaller pieces may not show what follows, but never show more.
        assert!(!alone || other_alone, "by pieces of {sizes:?}");
    };
    for _ in 0..3 {
        same(draws.pieces(bytes));
    }
    if bytes.len() <= BY_BYTE {
        same(bytes.chunks(1).collect());
    }
}

/// What the body must be, by a plain reading of the bytes behind the (last) head.
fn check_http_body(whole: &Whole, bytes: &[u8]) {
    // Interim replies go before; where they end is what is being tested.
    if bytes.len() > PIECE
        || bytes
            .windows(8)
            .filter(|at| at.starts_with(b"HTTP/1."))
            .count()
            != 1
    {
        return;
    }
    let rest = bytes
        .get(whole.head..)
        .expect("the head is among the bytes");
    let body = match whole.framing {
        Framing::UntilClose => rest.to_vec(),
        Framing::Length(length) => {
            rest[..usize::try_from(length).expect("it is all there")].to_vec()
        }
        Framing::Chunked => chunks(rest),
    };
    assert_eq!(whole.body, body);
}

/// The data of chunks that are known to be whole.
fn chunks(mut rest: &[u8]) -> Vec<u8> {
    let mut data = Vec::new();
    loop {
        let line = rest.iter().position(|byte| *byte == b'\n').expect("a size");
        let digits: Vec<u8> = rest[..line]
            .iter()
            .copied()
            .take_while(u8::is_ascii_hexdigit)
            .collect();
        let digits = String::from_utf8(digits).expect("digits");
        let size = usize::from_str_radix(&digits, 16).expect("a size");
        if size == 0 {
            return data;
        }
        data.extend_from_slice(&rest[line + 1..line + 1 + size]);
        rest = &rest[line + 1 + size + 2..];
    }
}

/// Repeats a part of the bytes until they are beyond every bound.
fn stretch(bytes: &[u8], draws: &mut Draws) -> Vec<u8> {
    let start = draws.below(bytes.len() + 1);
    let length = 1 + draws.below(64);
    let end = bytes.len().min(start + length);
    let part = &bytes[start..end];
    if part.is_empty() {
        return bytes.to_vec();
    }
    let times = draws.below(STRETCHED) / part.len();
    [&bytes[..start], &part.repeat(times), &bytes[end..]].concat()
}

/// Draws that follow from the bytes under test.
struct Draws(u64);

impl Draws {
    fn from(bytes: &[u8]) -> Self {
        // FNV-1a, 64 bit.
        let mix =
            |hash: u64, byte: &u8| (hash ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01b3);
        Self(bytes.iter().fold(0xcbf2_9ce4_8422_2325, mix))
    }

    /// SplitMix64 (Steele, Lea, Flood 2014).
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let x = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        x ^ (x >> 31)
    }

    fn below(&mut self, bound: usize) -> usize {
        (self.next() % bound.max(1) as u64) as usize
    }

    /// The bytes in pieces: mostly tiny ones, or mostly large ones.
    fn pieces<'b>(&mut self, mut rest: &'b [u8]) -> Vec<&'b [u8]> {
        // Each piece of a head has all before it read again.
        let least = rest.len() / 64;
        let most = [2, 16, 256, PIECE][self.below(4)];
        let mut pieces = Vec::new();
        while !rest.is_empty() {
            let size = (least + 1 + self.below(most)).min(rest.len()).min(PIECE);
            let (piece, behind) = rest.split_at(size);
            pieces.push(piece);
            rest = behind;
        }
        pieces
    }
}
