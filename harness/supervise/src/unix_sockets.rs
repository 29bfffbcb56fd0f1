//! Listening Unix sockets, from `/proc/net/unix`. Reads; owners are found by `ownership`.

use std::collections::HashSet;
use std::ffi::OsStr;
use std::fs;
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use rustix::net::{
    AddressFamily, SocketAddrUnix, SocketFlags, SocketType, connect, socket_with, sockopt,
};

/// In a socket's flags: it takes connections (the kernel's `__SO_ACCEPTCON`).
const ACCEPTS: u32 = 0x1_0000;

/// The inodes of the sockets that listen at this path.
///
/// Usually one. A server that died may have left a child that still holds the socket whose file was since
/// unlinked and made again; `/proc` shows both under one path. See [`peer`].
pub(super) fn listening_at(path: &Path) -> io::Result<HashSet<u64>> {
    let table = fs::read("/proc/net/unix")?;
    Ok(inodes_at(&table, path))
}

fn inodes_at(table: &[u8], path: &Path) -> HashSet<u64> {
    let wanted = canonical(path);
    table
        .split(|byte| *byte == b'\n')
        .filter_map(parse_listening)
        .filter(|(bound, _)| is_same(bound, &wanted))
        .map(|(_, inode)| inode)
        .collect()
}

/// The process that began to listen on the socket that a connection to this path reaches now.
pub(super) fn peer(path: &Path) -> io::Result<i32> {
    // A full backlog must not hold anybody up.
    let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
    let socket: OwnedFd = socket_with(AddressFamily::UNIX, SocketType::STREAM, flags, None)?;
    connect(&socket, &SocketAddrUnix::new(path)?)?;
    Ok(sockopt::socket_peercred(&socket)?
        .pid
        .as_raw_nonzero()
        .get())
}

/// A line's path and inode, where it is a listening socket with a path in the file system.
fn parse_listening(line: &[u8]) -> Option<(&Path, u64)> {
    // Num RefCount Protocol Flags Type St Inode Path; the path is the rest, spaces and all.
    let mut rest = line;
    let mut column = || {
        let start = rest.iter().position(|byte| *byte != b' ')?;
        let length = rest[start..].iter().position(|byte| *byte == b' ')?;
        let (word, behind) = rest[start..].split_at(length);
        rest = &behind[1..];
        std::str::from_utf8(word).ok()
    };
    let flags = u32::from_str_radix(column_at(&mut column, 3)?, 16).ok()?;
    let inode = column_at(&mut column, 2)?.parse().ok()?;
    let is_file = !rest.is_empty() && rest[0] != b'@';
    (flags & ACCEPTS != 0 && is_file).then(|| (Path::new(OsStr::from_bytes(rest)), inode))
}

fn column_at<'a>(column: &mut impl FnMut() -> Option<&'a str>, skipped: usize) -> Option<&'a str> {
    for _ in 0..skipped {
        column()?;
    }
    column()
}

/// The path with its folder resolved; the socket itself may not be there any more.
fn canonical(path: &Path) -> PathBuf {
    let absolute = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
    let (Some(folder), Some(name)) = (absolute.parent(), absolute.file_name()) else {
        return absolute;
    };
    match folder.canonicalize() {
        Ok(folder) => folder.join(name),
        Err(_) => absolute,
    }
}

/// Whether a socket was bound at the wanted path. The table holds paths as the server wrote them: one that is
/// relative to a folder nobody knows is taken for the wanted one when it could be.
fn is_same(bound: &Path, wanted: &Path) -> bool {
    if bound.is_relative() {
        return wanted.ends_with(bound.strip_prefix(".").unwrap_or(bound));
    }
    bound == wanted || (bound.file_name() == wanted.file_name() && canonical(bound) == wanted)
}

#[cfg(test)]
mod tests {
    use super::*;

    const TABLE: &str = "Num       RefCount Protocol Flags    Type St Inode Path\n\
        0000000000000000: 00000002 00000000 00010000 0001 01 11 /nowhere/a b.sock\n\
        0000000000000000: 00000003 00000000 00000000 0001 03 12 /nowhere/a b.sock\n\
        0000000000000000: 00000002 00000000 00010000 0001 01 13 @/nowhere/a b.sock\n\
        0000000000000000: 00000002 00000000 00010000 0001 01 14 a b.sock\n\
        0000000000000000: 00000002 00000000 00010000 0001 01 15 ./b.sock\n\
        0000000000000000: 00000003 00000000 00000000 0001 03 16\n";

    #[test]
    fn only_listening_sockets_of_the_path_count() {
        let inodes = |path: &str| inodes_at(TABLE.as_bytes(), Path::new(path));
        assert_eq!(inodes("/nowhere/a b.sock"), HashSet::from([11, 14]));
        assert_eq!(inodes("/nowhere/b.sock"), HashSet::from([15]));
        assert_eq!(inodes("/nowhere/c.sock"), HashSet::new());
    }

    #[test]
    fn a_socket_is_found_by_another_spelling_of_its_path() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("server.sock");
        let _listener = std::os::unix::net::UnixListener::bind(&path).expect("it is free");
        let link = folder.path().join("link");
        std::os::unix::fs::symlink(folder.path(), &link).expect("a link");
        for spelling in [path, link.join("server.sock")] {
            assert_eq!(listening_at(&spelling).expect("/proc").len(), 1);
            assert_eq!(
                peer(&spelling).expect("it listens"),
                super::super::proc::own_pid()
            );
        }
    }
}
