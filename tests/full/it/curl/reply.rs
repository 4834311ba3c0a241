//! What a server answers.

use std::io::Write;
use std::net::TcpStream;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::sync::atomic::Ordering::SeqCst;
use std::thread::sleep;
use std::time::Duration;

/// How a server answers one request.
pub(crate) struct Reply {
    pub(super) status: &'static str,
    /// More header lines, with their ends.
    pub(super) head: String,
    pub(super) body: Vec<u8>,
    pub(super) framing: Framing,
    /// That many bytes of the body are sent, then the connection breaks.
    pub(super) cut: usize,
    /// Or nothing more is sent, forever.
    pub(super) stalls: bool,
    /// Or until this is set: then the connection breaks.
    pub(super) until: Option<Arc<AtomicBool>>,
}

/// How a body says where it ends.
pub(crate) enum Framing {
    Length,
    Chunked,
    /// By the connection's end alone, as in HTTP/1.0.
    Close,
}

/// An answer without a body that says anything.
pub(crate) fn status(status: &'static str) -> Reply {
    Reply {
        status,
        head: String::new(),
        body: b"<html>".to_vec(),
        framing: Framing::Length,
        cut: usize::MAX,
        stalls: false,
        until: None,
    }
}

impl Reply {
    /// The same with another body.
    pub(crate) fn of(self, body: Vec<u8>) -> Reply {
        Reply { body, ..self }
    }

    /// The same with other bytes.
    pub(super) fn altered(self) -> Reply {
        let body = self.body.iter().map(|byte| byte ^ 1).collect();
        self.of(body)
    }

    /// With one more header; of those that can be there once only the first counts.
    pub(super) fn with(mut self, line: &str) -> Reply {
        let name = line.split_once(':').expect("a header").0;
        if !self.head.contains(&format!("{name}:")) {
            self.head += &format!("{line}\r\n");
        }
        self
    }

    pub(crate) fn cut(self, cut: usize) -> Reply {
        Reply { cut, ..self }
    }

    pub(super) fn stalling(self, cut: usize) -> Reply {
        let stalls = true;
        Reply {
            cut,
            stalls,
            ..self
        }
    }

    pub(super) fn until(self, released: &Arc<AtomicBool>) -> Reply {
        let until = Some(released.clone());
        Reply { until, ..self }
    }

    fn is_released(&self) -> bool {
        let until = self.until.as_ref();
        until.is_some_and(|released| released.load(SeqCst))
    }

    pub(crate) fn framed(self, framing: Framing) -> Reply {
        Reply { framing, ..self }
    }

    pub(super) fn send(&self, mut to: TcpStream) -> std::io::Result<()> {
        let framing = match self.framing {
            Framing::Length => format!("Content-Length: {}\r\n", self.body.len()),
            Framing::Chunked => "Transfer-Encoding: chunked\r\n".to_owned(),
            Framing::Close => String::new(),
        };
        let (status, head) = (self.status, &self.head);
        write!(
            to,
            "HTTP/1.1 {status}\r\n{head}{framing}Connection: close\r\n\r\n"
        )?;
        let body = &self.body[..self.body.len().min(self.cut)];
        if let Framing::Chunked = self.framing {
            for piece in body.chunks(10_000) {
                write!(to, "{:x}\r\n", piece.len())?;
                to.write_all(piece)?;
                to.write_all(b"\r\n")?;
            }
            if body.len() == self.body.len() {
                to.write_all(b"0\r\n\r\n")?;
            }
        } else {
            to.write_all(body)?;
        }
        while self.stalls && !self.is_released() {
            sleep(Duration::from_millis(10));
        }
        Ok(())
    }
}
