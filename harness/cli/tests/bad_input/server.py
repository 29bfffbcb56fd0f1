"""A server that misbehaves in one way: server.py BEHAVIOUR PORT [FOLDER].

Plain sockets, one thread for each connection. START holds what a behaviour does before (or instead of)
serving, REPLIES how it answers each request; whatever is in neither table is a mistake of the caller.
"""

import os
import shutil
import signal
import socket
import sys
import threading
import time

MEGABYTE = 1024 * 1024
NOISE = b"\xff\xfe\x1b[31mred\x1b]0;title\x07\x00\x9b2J \xe2\x80\xae<script>alert(1)</script> | `x`\r"


def reply(body=b"ok", status="200 OK", headers=(), length=None):
    lines = [f"HTTP/1.1 {status}", f"Content-Length: {len(body) if length is None else length}", *headers]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body


# What happens at the start.


def say(stream, *lines):
    for line in lines:
        os.write(stream, line + b"\n" if isinstance(line, bytes) else f"{line}\n".encode())


def exit_with_lines(_port, _folder):
    say(1, *(f"line {number} of 40" for number in range(1, 40)))
    say(2, "cannot open the database: no such table")
    os._exit(1)


def exit_with_noise(_port, _folder):
    say(1, NOISE)
    say(2, NOISE)
    os._exit(1)


def end_by_signal(_port, _folder):
    os.kill(os.getpid(), signal.SIGABRT)


def sleep(_port=None, _folder=None):
    while True:
        time.sleep(60)


def listen_elsewhere(_port, _folder):
    other = listen(0)
    serve(other, REPLIES["fine"])


def listen_on_ipv6(port, _folder):
    server = socket.socket(socket.AF_INET6)
    server.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    server.bind(("::1", port))
    server.listen()
    serve(server, REPLIES["fine"])


def wait_until_taken(port, folder):
    """Tells the test its port, and goes on when somebody else has taken it."""
    with open(os.path.join(folder, "port.new"), "w", encoding="ascii") as file:
        file.write(str(port))
    os.rename(file.name, os.path.join(folder, "port"))
    while not os.path.exists(os.path.join(folder, "taken")):
        time.sleep(0.005)


def meet_a_stranger_and_wait(port, folder):
    wait_until_taken(port, folder)
    sleep()


def daemonize(_port, _folder):
    if os.fork():
        os._exit(0)
    os.setsid()


def ignore_sigterm(_port, _folder):
    signal.signal(signal.SIGTERM, signal.SIG_IGN)


def stop_itself(port, _folder):
    listener = listen(port)
    os.kill(os.getpid(), signal.SIGSTOP)
    serve(listener, REPLIES["fine"])


def flood(_port, _folder):
    """Sixteen megabytes of lines at once."""
    line = b"x" * 1023 + b"\n"
    threading.Thread(target=lambda: [os.write(1, line * 64) for _ in range(256)], daemon=True).start()


def write_one_endless_line(_port, _folder):
    def write():
        while True:
            os.write(1, b"x" * 65536)
            time.sleep(0.005)

    threading.Thread(target=write, daemon=True).start()


def chatter(_port, _folder):
    def write():
        while True:
            say(2, NOISE, "all is well")
            time.sleep(0.001)

    threading.Thread(target=write, daemon=True).start()


def delete_folder(_port, folder):
    shutil.rmtree(folder, ignore_errors=True)


def replace_folder_by_file(_port, folder):
    if os.path.isdir(folder):
        shutil.rmtree(folder)
    with open(folder, "w", encoding="ascii") as file:
        file.write("a file now")


def fork_a_little(_port, _folder):
    """Five children in sessions of their own that heed no SIGTERM."""
    for _ in range(5):
        if os.fork() == 0:
            os.setsid()
            signal.signal(signal.SIGTERM, signal.SIG_IGN)
            sleep()


def fill_the_data_folder(_port, folder):
    """A name that is no UTF-8, a link to nowhere."""
    with open(os.path.join(os.fsencode(folder), b"\xff\xfe\n"), "w", encoding="ascii"):
        pass
    if not os.path.lexists(os.path.join(folder, "link")):
        os.symlink("/nonexistent", os.path.join(folder, "link"))


START = {
    "exits-0": lambda *_: os._exit(0),
    "exits-1": exit_with_lines,
    "exits-noisily": exit_with_noise,
    "aborts": end_by_signal,
    "listens-on-nothing": sleep,
    "listens-elsewhere": listen_elsewhere,
    "listens-on-ipv6": listen_on_ipv6,
    "port-taken": wait_until_taken,
    "port-taken-and-waits": meet_a_stranger_and_wait,
    "daemonizes": daemonize,
    "ignores-sigterm": ignore_sigterm,
    "stops-itself": stop_itself,
    "floods": flood,
    "endless-line": write_one_endless_line,
    "chatters": chatter,
    "deletes-its-folder": delete_folder,
    "replaces-its-folder": replace_folder_by_file,
    "fills-its-folder": fill_the_data_folder,
    "forks-a-little": fork_a_little,
}

# What is answered: bytes, or a function that sends and says whether the connection lives on.


def send_for_ever(first, more):
    def send(connection):
        connection.sendall(first)
        while True:
            connection.sendall(more)

    return send


def send_slowly(connection):
    for byte in reply(b"slow"):
        connection.sendall(bytes([byte]))
        time.sleep(0.02)


def send_a_huge_body(connection):
    connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % (100 * MEGABYTE))
    piece = b"x" * MEGABYTE
    for _ in range(100):
        connection.sendall(piece)


def say_nothing(_connection):
    sleep()


def close(connection):
    connection.close()


def send_and_close(first):
    def send(connection):
        connection.sendall(first)
        connection.close()

    return send


def reset(connection):
    linger = (1).to_bytes(4, sys.byteorder) + (0).to_bytes(4, sys.byteorder)
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
    connection.close()


def answer_and_die_soon(connection):
    connection.sendall(reply())
    threading.Timer(0.5, lambda: os._exit(7)).start()


def with_a_new_boot_id(connection):
    connection.sendall(reply(headers=[f"X-Boot-Id: {os.urandom(8).hex()}"]))


CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
REPLIES = {
    "fine": reply(),
    "garbage": b"\x00\x01\xff\xfeI am no web server\x1b[2J\n" * 8,
    "endless-body": send_for_ever(b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n", b"x" * 4096),
    "endless-chunks": send_for_ever(CHUNKED, b"1000\r\n" + b"x" * 4096 + b"\r\n"),
    "endless-trailers": send_for_ever(CHUNKED + b"0\r\n", b"a: b\r\n" * 512),
    "endless-header": send_for_ever(b"HTTP/1.1 200 OK\r\nX: ", b"x" * 4096),
    "endless-interim": send_for_ever(b"", b"HTTP/1.1 100 Continue\r\n\r\n" * 64),
    "huge-headers": reply(headers=[f"X-{n}: {'x' * 1000}" for n in range(1000)]),
    "huge-body": send_a_huge_body,
    "redirects": reply(status="302 Found", headers=["Location: /"]),
    "answers-404": reply(b"no such page", status="404 Not Found"),
    "answers-500": reply(b"Traceback", status="500 Internal Server Error"),
    "closes": close,
    "resets": reset,
    "says-nothing": say_nothing,
    "slow": send_slowly,
    "length-too-long": send_and_close(reply(length=1000)),
    "length-too-long-kept-open": reply(length=1000),
    "length-too-short": reply(b"much more than was promised", length=2),
    "length-is-nonsense": reply(length="two"),
    "length-overflows": reply(length=2**64),
    "two-lengths": reply(headers=["Content-Length: 3"]),
    "http-0.9": send_and_close(b"<html>hello</html>\n"),
    "chunked-garbage": CHUNKED + b"zz\r\nnot a chunk\r\n",
    "chunk-size-overflows": CHUNKED + b"fffffffffffffffff\r\nx\r\n",
    "dies-soon": answer_and_die_soon,
    "new-boot-id-each-time": with_a_new_boot_id,
}


def listen(port):
    server = socket.socket()
    server.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    server.bind(("127.0.0.1", port))
    server.listen(128)
    return server


def answer(connection, how):
    try:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        seen = b""
        while True:
            while b"\r\n\r\n" not in seen:
                piece = connection.recv(65536)
                if not piece:
                    return
                seen += piece
            seen = seen.partition(b"\r\n\r\n")[2]
            if isinstance(how, bytes):
                connection.sendall(how)
            else:
                how(connection)
    except OSError:
        pass
    finally:
        connection.close()


def serve(server, how):
    while True:
        connection, _ = server.accept()
        threading.Thread(target=answer, args=(connection, how), daemon=True).start()


def main():
    behaviour, port = sys.argv[1], int(sys.argv[2])
    folder = sys.argv[3] if len(sys.argv) > 3 else None
    if behaviour not in START and behaviour not in REPLIES:
        sys.exit(f"no such behaviour: {behaviour}")
    if behaviour in START:
        START[behaviour](port, folder)
    serve(listen(port), REPLIES.get(behaviour, REPLIES["fine"]))


main()
