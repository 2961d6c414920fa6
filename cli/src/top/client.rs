//! Asks an endpoint for its metrics: plain HTTP, one request a connection, bounded in time and size.

use anyhow::{Context, bail, ensure};
use std::io::{Read, Write};
use std::net::{TcpStream, ToSocketAddrs};
use std::time::Duration;

/// What an answer may have; that of a thousand operators has about 4 MiB.
const ANSWER_BYTES_MAX: u64 = 64 << 20;
const PATIENCE: Duration = Duration::from_secs(5);

/// Where metrics are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Url {
    host: String,
    path: String,
}

impl Url {
    /// Reads `http://HOST:PORT`, with `/metrics` behind it when nothing else is.
    pub fn parse(text: &str) -> anyhow::Result<Self> {
        let Some(rest) = text.strip_prefix("http://") else {
            bail!("{text:?} is no address of metrics: write http://HOST:PORT (https is not understood)");
        };
        let (host, path) = match rest.split_once('/') {
            Some((host, path)) if !path.is_empty() => (host, format!("/{path}")),
            _ => (rest.trim_end_matches('/'), "/metrics".to_owned()),
        };
        ensure!(!host.is_empty() && !text.contains(char::is_whitespace), "{text:?} names no host");
        // The port of an IPv6 address stands behind its bracket.
        let has_port = host.rsplit_once(':').is_some_and(|(_, port)| port.parse::<u16>().is_ok());
        let host = if has_port { host.to_owned() } else { format!("{host}:80") };
        Ok(Self { host, path })
    }

    /// The body of the answer.
    pub fn get(&self) -> anyhow::Result<String> {
        let told = || format!("no answer from http://{}{}", self.host, self.path);
        let address = self.host.to_socket_addrs().with_context(told)?.next().with_context(told)?;
        let mut stream = TcpStream::connect_timeout(&address, PATIENCE).with_context(told)?;
        stream.set_read_timeout(Some(PATIENCE)).with_context(told)?;
        stream.set_write_timeout(Some(PATIENCE)).with_context(told)?;
        // 1.0: the answer ends with the connection, and is not cut into chunks.
        let request = format!("GET {} HTTP/1.0\r\nHost: {}\r\nConnection: close\r\n\r\n", self.path, self.host);
        stream.write_all(request.as_bytes()).with_context(told)?;
        let mut answer = Vec::new();
        stream.take(ANSWER_BYTES_MAX).read_to_end(&mut answer).with_context(told)?;
        body(&answer).with_context(told)
    }
}

fn body(answer: &[u8]) -> anyhow::Result<String> {
    let text = String::from_utf8(answer.to_vec()).context("the answer is no text")?;
    let (head, body) = text.split_once("\r\n\r\n").context("the answer is no HTTP")?;
    let status = head.lines().next().unwrap_or_default();
    let code = status.split(' ').nth(1).unwrap_or_default();
    ensure!(code == "200", "the answer is {status:?}");
    Ok(body.to_owned())
}

#[cfg(test)]
mod tests {
    use super::{Url, body};

    #[test]
    fn urls_are_completed() {
        let parse = |text: &str| Url::parse(text).map(|u| format!("{}{}", u.host, u.path)).map_err(|e| e.to_string());
        for (text, expected) in [
            ("http://127.0.0.1:9464", "127.0.0.1:9464/metrics"),
            ("http://127.0.0.1:9464/", "127.0.0.1:9464/metrics"),
            ("http://[::1]:9464/metrics", "[::1]:9464/metrics"),
            ("http://box/x/y", "box:80/x/y"),
        ] {
            assert_eq!(parse(text).as_deref(), Ok(expected));
        }
        for text in ["https://a:1", "127.0.0.1:9464", "http://", "http://a b"] {
            assert!(parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn only_a_good_answer_has_a_body() {
        assert_eq!(body(b"HTTP/1.1 200 OK\r\na: b\r\n\r\nx 1\n").expect("it is good"), "x 1\n");
        for answer in [&b"HTTP/1.1 404 Not Found\r\n\r\nx"[..], b"SSH-2.0\r\n", b"\xff\xff", b""] {
            assert!(body(answer).is_err(), "{answer:?}");
        }
    }
}
