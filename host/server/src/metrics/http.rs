//! As much of HTTP as a scrape needs: one request of a bounded head in, one answer out, then the
//! connection closes. It touches no socket.

/// The head of a request at most; a scraper's has a few hundred bytes.
pub const REQUEST_BYTES_MAX: usize = 8 << 10;
pub const OPENMETRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";
const PLAIN: &str = "text/plain; charset=utf-8";

/// What stands in a request so far.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Request<'r> {
    /// More has to come.
    Partial,
    Get(&'r str),
    /// As GET, and only the head is answered.
    Head(&'r str),
    Refused(Refusal),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refusal {
    Malformed,
    Method,
    TooLarge,
}

/// Reads what has come in.
pub fn request(bytes: &[u8]) -> Request<'_> {
    if !bytes.windows(4).any(|w| w == b"\r\n\r\n") {
        return if bytes.len() < REQUEST_BYTES_MAX { Request::Partial } else { Request::Refused(Refusal::TooLarge) };
    }
    let line = bytes.split(|b| *b == b'\r').next().unwrap_or_default();
    let Ok(line) = std::str::from_utf8(line) else { return Request::Refused(Refusal::Malformed) };
    let mut words = line.split(' ');
    let (Some(method), Some(target), Some(version), None) = (words.next(), words.next(), words.next(), words.next())
    else {
        return Request::Refused(Refusal::Malformed);
    };
    if !version.starts_with("HTTP/1.") || !target.starts_with('/') {
        return Request::Refused(Refusal::Malformed);
    }
    let path = target.split('?').next().unwrap_or(target);
    match method {
        "GET" => Request::Get(path),
        "HEAD" => Request::Head(path),
        _ => Request::Refused(Refusal::Method),
    }
}

/// The answer to a whole request; `metrics` is asked only when it is wanted.
pub fn answer(request: Request<'_>, metrics: impl FnOnce() -> Option<String>) -> Vec<u8> {
    let (path, head_only) = match request {
        Request::Get(path) => (path, false),
        Request::Head(path) => (path, true),
        Request::Partial | Request::Refused(Refusal::Malformed) => {
            return response("400 Bad Request", PLAIN, "this is no HTTP/1.1 request\n", false);
        }
        Request::Refused(Refusal::Method) => {
            return response("405 Method Not Allowed", PLAIN, "only GET and HEAD are understood\n", false);
        }
        Request::Refused(Refusal::TooLarge) => {
            return response("431 Request Header Fields Too Large", PLAIN, "the request's head is too large\n", false);
        }
    };
    match path {
        "/metrics" => match metrics() {
            Some(text) => response("200 OK", OPENMETRICS, &text, head_only),
            None => response("500 Internal Server Error", PLAIN, "the metrics could not be written\n", head_only),
        },
        "/healthz" => response("200 OK", PLAIN, "ok\n", head_only),
        _ => response("404 Not Found", PLAIN, "there are /metrics and /healthz\n", head_only),
    }
}

fn response(status: &str, content_type: &str, body: &str, head_only: bool) -> Vec<u8> {
    let length = body.len();
    let head = format!(
        "HTTP/1.1 {status}\r\nContent-Type: {content_type}\r\nContent-Length: {length}\r\n\
         X-Content-Type-Options: nosniff\r\nConnection: close\r\n\r\n"
    );
    let mut bytes = head.into_bytes();
    if !head_only {
        bytes.extend_from_slice(body.as_bytes());
    }
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_are_read_or_refused() {
        let get = Request::Get("/metrics");
        for (bytes, expected) in [
            (&b"GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n"[..], get),
            (b"GET /metrics?name=x HTTP/1.0\r\n\r\n", get),
            (b"HEAD /healthz HTTP/1.1\r\n\r\n", Request::Head("/healthz")),
            (b"", Request::Partial),
            (b"GET /metrics HTTP/1.1\r\nHost: x\r\n", Request::Partial),
            (b"POST /metrics HTTP/1.1\r\n\r\n", Request::Refused(Refusal::Method)),
            (b"GET /metrics\r\n\r\n", Request::Refused(Refusal::Malformed)),
            (b"GET http://elsewhere/metrics HTTP/1.1\r\n\r\n", Request::Refused(Refusal::Malformed)),
            (b"GET /a b HTTP/1.1\r\n\r\n", Request::Refused(Refusal::Malformed)),
            (b"\xff\xfe / HTTP/1.1\r\n\r\n", Request::Refused(Refusal::Malformed)),
            (b"\r\n\r\n", Request::Refused(Refusal::Malformed)),
            (b"\x16\x03\x01\x02\x00\x01\r\n\r\n", Request::Refused(Refusal::Malformed)),
        ] {
            assert_eq!(request(bytes), expected, "{}", String::from_utf8_lossy(bytes));
        }
        assert_eq!(request(&vec![b'a'; REQUEST_BYTES_MAX]), Request::Refused(Refusal::TooLarge));
    }

    #[test]
    fn answers_are_complete_and_close_the_connection() {
        let told = |request| String::from_utf8(answer(request, || Some("x 1\n".to_owned()))).expect("text");
        let metrics = told(Request::Get("/metrics"));
        assert!(metrics.starts_with("HTTP/1.1 200 OK\r\n") && metrics.ends_with("\r\n\r\nx 1\n"), "{metrics}");
        assert!(metrics.contains("Content-Length: 4\r\n") && metrics.contains("Connection: close\r\n"), "{metrics}");
        let head = told(Request::Head("/metrics"));
        assert!(head.contains("Content-Length: 4\r\n") && head.ends_with("\r\n\r\n"), "{head}");
        assert!(told(Request::Get("/")).starts_with("HTTP/1.1 404 "));
        assert!(told(Request::Refused(Refusal::TooLarge)).starts_with("HTTP/1.1 431 "));
    }
}
