//! A server as its clients reach it: started, asked, and ended by Ctrl-C.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::process::{Child, ChildStdout, Command, Stdio};
use std::time::{Duration, Instant};

/// Longest time that anything here is waited for.
const PATIENCE: Duration = Duration::from_secs(60);

/// A server that runs, and ends with its test however that ends.
pub(crate) struct Served {
    child: Child,
    /// Kept open, so that it can be written to.
    _output: BufReader<ChildStdout>,
    address: String,
}

impl Served {
    /// Starts a server, and reads from its output where it listens.
    pub(crate) fn start(mut command: Command) -> Self {
        let mut child = command.stdout(Stdio::piped()).spawn().unwrap();
        let mut output = BufReader::new(child.stdout.take().unwrap());
        let mut line = String::new();
        output.read_line(&mut line).unwrap();
        let address = line.split_once("http://").and_then(|(_, rest)| rest.split_whitespace().next());
        let address = address.unwrap_or_else(|| panic!("no address in {line:?}")).to_owned();
        Self { child, _output: output, address }
    }

    /// Waits for the end of the first inference.
    pub(crate) fn wait_until_healthy(&self) {
        let began = Instant::now();
        while self.ask("GET /healthz", "", "").0 != 200 {
            assert!(began.elapsed() < PATIENCE, "never healthy");
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// Status and body of the answer to what is posted, with a token or without.
    pub(crate) fn post(&self, path: &str, token: Option<&str>, body: &str) -> (u16, String) {
        let token = token.map_or_else(String::new, |token| format!("Authorization: Bearer {token}\r\n"));
        self.ask(&format!("POST {path}"), &format!("Content-Type: application/json\r\n{token}"), body)
    }

    fn ask(&self, asked: &str, headers: &str, body: &str) -> (u16, String) {
        let mut stream = TcpStream::connect(&self.address).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        let (host, length) = (&self.address, body.len());
        let head =
            format!("{asked} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\nContent-Length: {length}\r\n{headers}");
        stream.write_all(format!("{head}\r\n{body}").as_bytes()).unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        (head.split(' ').nth(1).unwrap().parse().unwrap(), body.to_owned())
    }

    /// Presses Ctrl-C, and waits for the exit code.
    pub(crate) fn interrupt(mut self) -> Option<i32> {
        let killed = Command::new("kill").args(["-INT", &self.child.id().to_string()]).status().unwrap();
        assert!(killed.success());
        self.child.wait().unwrap().code()
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        // It may have ended.
        let (_killed, _waited) = (self.child.kill(), self.child.wait());
    }
}
