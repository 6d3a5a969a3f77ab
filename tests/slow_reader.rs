//! Reads an answer from the real binary more slowly than the system tells of.

mod process;

use std::fs;
use std::io::Read;
use std::thread;
use std::time::{Duration, Instant};

use process::{Folder, Server};

/// More than the buffers of two sockets hold.
const PAGE_BYTES: usize = 14 * 1024 * 1024;

/// How long the server waits for a peer that takes nothing: far less than the page takes.
const WRITE_TIME: Duration = Duration::from_millis(500);

/// The selector says that a socket has room once a third of its buffer is free, which may be more
/// than this peer reads in the time that it has to read something.
#[test]
fn who_reads_slowly_but_reads_is_not_given_up() {
    let folder = Folder::new();
    let www = folder.path("www");
    fs::create_dir(&www).expect("a folder");
    fs::write(www.join("large.txt"), vec![b'a'; PAGE_BYTES]).expect("a page");
    let time = format!("{}ms", WRITE_TIME.as_millis());
    let www = www.to_str().expect("a path in UTF-8");
    let server = Server::start(&folder, &["--www", www, "--write-time-max", &time]);
    let mut line = server.connect();
    line.send(b"GET /large.txt HTTP/1.1\r\nHost: test\r\nConnection: close\r\n\r\n");
    let mut stream = line.sender();
    let mut piece = vec![0; 16 * 1024];
    let (mut bytes, begin) = (0, Instant::now());
    loop {
        let count = stream.read(&mut piece).expect("what comes is read");
        if count == 0 {
            break;
        }
        bytes += count;
        // Not to wait for anything: this is how slow the reader is.
        thread::sleep(Duration::from_millis(8));
    }
    assert!(bytes > PAGE_BYTES, "{bytes} bytes in {:?}", begin.elapsed());
    assert!(begin.elapsed() > WRITE_TIME, "the server had no reason to give up");
}
