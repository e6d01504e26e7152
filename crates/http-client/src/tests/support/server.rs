//! Servers that do what a test says.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;

use openssl::ssl::SslAcceptor;

/// A connection as a server sees it.
pub trait Conn: Read + Write {}

impl<T: Read + Write> Conn for T {}

/// A server on a loopback address, with the requests that it has read.
pub struct Server {
    pub port: u16,
    requests: Arc<Mutex<Vec<String>>>,
}

impl Server {
    /// Calls the function for each connection, with its number.
    pub fn raw(mut on_connection: impl FnMut(TcpStream, usize) + Send + 'static) -> Self {
        Self::listen("127.0.0.1:0", move |stream, number, _| {
            on_connection(stream, number);
        })
    }

    /// Reads a request of each connection and sends it the next one of the responses, or the last
    /// one again.
    pub fn responses<R: AsRef<[u8]> + Send + 'static>(responses: Vec<R>) -> Self {
        Self::responses_at("127.0.0.1:0", responses)
    }

    pub fn responses_at<R: AsRef<[u8]> + Send + 'static>(address: &str, responses: Vec<R>) -> Self {
        Self::listen(address, move |mut stream, number, requests| {
            requests.lock().unwrap().push(read_header(&mut stream));
            let response = responses.get(number).or(responses.last()).unwrap();
            send(&mut stream, response.as_ref());
        })
    }

    /// Reads a request of each connection, and then does what the function says.
    pub fn scripted(script: impl Fn(&mut dyn Conn) + Send + 'static) -> Self {
        Self::listen("127.0.0.1:0", move |mut stream, _, requests| {
            requests.lock().unwrap().push(read_header(&mut stream));
            script(&mut stream);
        })
    }

    /// Like [`scripted`](Self::scripted), behind TLS. Connections whose handshake fails are dropped.
    pub fn tls(acceptor: SslAcceptor, script: impl Fn(&mut dyn Conn) + Send + 'static) -> Self {
        Self::listen("127.0.0.1:0", move |stream, _, requests| {
            if let Ok(mut stream) = acceptor.accept(stream) {
                requests.lock().unwrap().push(read_header(&mut stream));
                script(&mut stream);
                let _ = stream.shutdown();
            }
        })
    }

    fn listen(
        address: &str,
        mut on_connection: impl FnMut(TcpStream, usize, &Mutex<Vec<String>>) + Send + 'static,
    ) -> Self {
        let listener = TcpListener::bind(address).unwrap();
        let port = listener.local_addr().unwrap().port();
        let requests = Arc::new(Mutex::new(Vec::new()));
        let read = Arc::clone(&requests);
        thread::spawn(move || {
            for (number, stream) in listener.incoming().enumerate() {
                on_connection(stream.unwrap(), number, &read);
            }
        });
        Self { port, requests }
    }

    pub fn url(&self, path: &str) -> String {
        format!("http://127.0.0.1:{}{path}", self.port)
    }

    pub fn https_url(&self, host: &str) -> String {
        format!("https://{host}:{}/", self.port)
    }

    /// The requests so far.
    pub fn requests(&self) -> Vec<String> {
        self.requests.lock().unwrap().clone()
    }
}

/// The header of a request, or what there is of one.
pub fn read_header(stream: &mut (impl Read + ?Sized)) -> String {
    let mut header = Vec::new();
    let mut byte = [0];
    while !header.ends_with(b"\r\n\r\n") && stream.read(&mut byte).unwrap_or(0) > 0 {
        header.push(byte[0]);
    }
    String::from_utf8(header).unwrap()
}

/// Sends data. The client may have enough before its end.
fn send(stream: &mut TcpStream, data: &[u8]) {
    let _ = stream.write_all(data);
}
