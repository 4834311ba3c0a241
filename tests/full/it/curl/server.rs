//! A server of HTTP, with a log of what it was asked for.

use std::io::{BufRead, BufReader};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread::spawn;
use std::time::Instant;

use super::reply::Reply;

/// What was asked for.
pub(crate) struct Request {
    pub(super) number: usize,
    pub(super) path: String,
    /// Where its range starts.
    pub(super) start: usize,
    pub(super) headers: String,
    pub(super) at: Instant,
}

pub(crate) struct Server {
    pub(crate) url: String,
    pub(super) log: Arc<Mutex<Vec<Request>>>,
}

impl Server {
    /// Where each request wanted to start.
    pub(super) fn asked(&self) -> Vec<usize> {
        let log = self.log.lock().expect("the log");
        log.iter().map(|request| request.start).collect()
    }
}

/// Serves what `answer` says.
pub(crate) fn serve(answer: impl Fn(&Request) -> Reply + Send + Sync + 'static) -> Server {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = listener.local_addr().expect("an address");
    let log = Arc::new(Mutex::new(Vec::new()));
    let (kept, answer) = (log.clone(), Arc::new(answer));
    spawn(move || {
        for connection in listener.incoming().flatten() {
            let (log, answer) = (kept.clone(), answer.clone());
            spawn(move || {
                let Some(mut request) = receive(&connection) else {
                    return;
                };
                let mut log = log.lock().expect("the log");
                request.number = log.len();
                let reply = answer(&request);
                log.push(request);
                drop(log);
                // The other side may go at any time.
                let _ = reply.send(connection);
            });
        }
    });
    Server {
        url: format!("http://{address}/resource"),
        log,
    }
}

/// Reads a request.
fn receive(connection: &TcpStream) -> Option<Request> {
    let mut lines = BufReader::new(connection).lines().map_while(Result::ok);
    let path = lines.next()?.split(' ').nth(1)?.to_owned();
    let lines: Vec<String> = lines.take_while(|line| !line.is_empty()).collect();
    let headers = lines.join("\n").to_ascii_lowercase();
    let range = headers.split_once("range: bytes=");
    let start = range.and_then(|(_, range)| range.split('-').next()?.parse().ok());
    Some(Request {
        number: 0,
        path,
        start: start.unwrap_or(0),
        headers,
        at: Instant::now(),
    })
}
