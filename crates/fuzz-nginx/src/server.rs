//! An HTTP server for answers that may be no HTTP.

use std::io::{self, BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::thread;

use crate::answer::Answer;

/// Listens, and gives each request's header to the function, in a thread for each connection.
pub fn listen(
    address: SocketAddr,
    answer: impl Fn(&str) -> Option<Answer> + Send + Sync + 'static,
) -> io::Result<()> {
    let listener = TcpListener::bind(address)?;
    let answer = Arc::new(answer);
    thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let answer = Arc::clone(&answer);
            // nginx may be gone before the answer is.
            thread::spawn(move || drop(serve(stream, &*answer)));
        }
    });
    Ok(())
}

fn serve(stream: TcpStream, answer: &impl Fn(&str) -> Option<Answer>) -> io::Result<()> {
    stream.set_nodelay(true)?;
    let mut reader = BufReader::new(stream);
    loop {
        let mut head = String::new();
        while !head.ends_with("\r\n\r\n") {
            if reader.read_line(&mut head)? == 0 {
                return Ok(());
            }
        }
        let Some(answer) = answer(&head) else {
            return Ok(());
        };
        reader.get_mut().write_all(&answer.bytes)?;
        if !answer.keeps_connection() {
            return Ok(());
        }
    }
}

/// The number behind a name in the header of a request, such as "X-Case: ".
pub fn number_behind(head: &str, name: &str) -> Option<u64> {
    let rest = &head[head.find(name)? + name.len()..];
    let digits = rest
        .split(|character: char| !character.is_ascii_hexdigit())
        .next()?;
    u64::from_str_radix(digits, 16).ok()
}
