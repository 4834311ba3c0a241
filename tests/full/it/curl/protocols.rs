//! TLS and FTP, and the protocols that are refused.

use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::process::{Command, Stdio};
use std::thread::spawn;

use super::resource::{SIZE, is_whole, resource};
use super::{CALLS, example};
use crate::library::{HANGS_AFTER, run, scratch, skipped};

/// Reads a resource over TLS from a server that nobody vouches for: not without being told to.
#[test]
fn trusts_the_given_certificates() {
    let (Some(example), Some(calls)) = (example(), CALLS.get()) else {
        return;
    };
    let folder = scratch().join("curl-tls");
    std::fs::create_dir_all(&folder).expect("a folder");
    std::fs::write(folder.join("resource"), resource()).expect("a file");
    let mut make = Command::new("openssl");
    make.current_dir(&folder)
        .args([
            "req", "-x509", "-nodes", "-newkey", "rsa:2048", "-days", "2",
        ])
        .args([
            "-keyout",
            "key",
            "-out",
            "certificate",
            "-subj",
            "/CN=localhost",
        ])
        .args(["-addext", "subjectAltName=DNS:localhost"]);
    if make.output().is_err() {
        return skipped("TLS", "there is no openssl here");
    }
    run(&mut make, HANGS_AFTER).expect_success("openssl req");
    let mut server = Command::new("openssl");
    server
        .current_dir(&folder)
        .args(["s_server", "-accept", "127.0.0.1:0", "-WWW"])
        .args(["-key", "key", "-cert", "certificate"])
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::null());
    let mut server = server.spawn().expect("openssl runs");
    let said = BufReader::new(server.stdout.take().expect("a pipe")).lines();
    let port = said.map_while(Result::ok).find_map(|line| {
        line.strip_prefix("ACCEPT ")?
            .rsplit(':')
            .next()?
            .parse()
            .ok()
    });
    let port: u16 = port.expect("openssl says where it listens");
    let url = format!("https://localhost:{port}/resource");
    let refused = run(Command::new(&example.program).arg(&url), HANGS_AFTER);
    let mut trusting = calls.command();
    trusting
        .args(["trust", &url])
        .arg(folder.join("certificate"));
    let trusted = run(&mut trusting, HANGS_AFTER);
    let _ = server.kill();
    let _ = server.wait();
    assert!(
        refused.output.contains("source's error -60\n"),
        "{}",
        refused.output
    );
    assert_eq!(trusted.output, "ok\n");
}

/// A server of FTP that serves one file, and breaks off the first time it sends it.
fn ftp() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = listener.local_addr().expect("an address");
    spawn(move || {
        for (number, connection) in listener.incoming().flatten().enumerate() {
            spawn(move || ftp_session(connection, if number == 0 { 600_000 } else { SIZE }));
        }
    });
    format!("ftp://{address}/resource")
}

fn ftp_session(mut to: TcpStream, most: usize) -> std::io::Result<()> {
    let data = TcpListener::bind("127.0.0.1:0")?;
    let port = data.local_addr()?.port();
    let commands = BufReader::new(to.try_clone()?).lines();
    let mut start = 0;
    to.write_all(b"220 ready\r\n")?;
    for command in commands {
        let command = command?;
        let (name, value) = command.split_once(' ').unwrap_or((&command, ""));
        let reply = match name {
            "USER" => "230 in".to_owned(),
            "PWD" => "257 \"/\"".to_owned(),
            "EPSV" => format!("229 go (|||{port}|)"),
            "TYPE" => "200 yes".to_owned(),
            "SIZE" => format!("213 {SIZE}"),
            "REST" => {
                start = value.parse().expect("a number");
                "350 and now".to_owned()
            }
            "RETR" => {
                let mut body = data.accept()?.0;
                to.write_all(b"150 here\r\n")?;
                let end = SIZE.min(start + most);
                let sent = body.write_all(&resource()[start..end]);
                start = 0;
                match sent {
                    Ok(()) if end == SIZE => "226 done".to_owned(),
                    _ => "426 broken".to_owned(),
                }
            }
            _ => "502 no".to_owned(),
        };
        to.write_all(format!("{reply}\r\n").as_bytes())?;
    }
    Ok(())
}

#[test]
fn speaks_ftp() {
    let Some(example) = example() else { return };
    let said = run(Command::new(&example.program).arg(ftp()), HANGS_AFTER).output;
    is_whole(&said);
    assert!(said.contains("by a jump"), "{said}");
}

#[test]
fn leaves_files_to_others() {
    let Some(example) = example() else { return };
    let said = run(
        Command::new(&example.program).arg("file:///etc/passwd"),
        HANGS_AFTER,
    )
    .output;
    assert!(
        said.contains("file:///etc/passwd: Unsupported protocol"),
        "{said}"
    );
}
