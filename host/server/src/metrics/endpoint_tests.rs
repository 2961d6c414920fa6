//! Clients of every kind against one endpoint: whatever they do, the next good one is answered.

use super::*;
use wasmill_core::job;
use wasmill_runtime::measure::Measures;

const JOB: &str = "job: seen\nsources: { lines: { connector: stdin, format: csv, schema: { a: string } } }\n\
    sinks: { result: { connector: stdout, input: lines } }";

fn endpoint() -> Endpoint {
    let spec = job::parse(JOB).expect("the job is right");
    let plan = job::check(&spec, &Default::default(), &Default::default()).expect("the job is right");
    let measures = Arc::new(Measures::of(&plan));
    measures.cell(0, 0).rows_in.add(7);
    let listener = Listener::bind(SocketAddr::from(([127, 0, 0, 1], 0))).expect("some port is free");
    listener.serve(Exposition::new(measures)).expect("there is a thread")
}

fn connect(endpoint: &Endpoint) -> TcpStream {
    let stream = TcpStream::connect(endpoint.address()).expect("the endpoint listens");
    stream.set_read_timeout(Some(Duration::from_secs(60))).expect("a socket takes a time-out");
    stream
}

/// What the endpoint says to these bytes until it closes.
fn say(endpoint: &Endpoint, bytes: &[u8]) -> String {
    let mut stream = connect(endpoint);
    // An endpoint that has heard enough may close before all is written.
    let _ = stream.write_all(bytes);
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer);
    String::from_utf8_lossy(&answer).into_owned()
}

fn scrape(endpoint: &Endpoint) -> String {
    say(endpoint, b"GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n")
}

#[test]
fn a_scrape_has_every_kind_of_sample_and_an_end() {
    let endpoint = endpoint();
    let answer = scrape(&endpoint);
    for line in [
        "HTTP/1.1 200 OK\r",
        "Content-Type: application/openmetrics-text; version=1.0.0; charset=utf-8\r",
        "# TYPE wasmill_operator_input_rows counter",
        "wasmill_operator_input_rows_total{job=\"seen\",operator=\"lines\"} 7",
        "wasmill_operator_subtasks{job=\"seen\",operator=\"result\",kind=\"sink\"} 1",
        "# UNIT wasmill_operator_time_seconds seconds",
        "wasmill_epoch_phase_seconds_bucket{le=\"+Inf\",job=\"seen\",phase=\"commit\"} 0",
        "# EOF",
    ] {
        assert!(answer.lines().any(|l| l == line.trim_end()), "{line:?} is missing in\n{answer}");
    }
    assert!(say(&endpoint, b"GET /healthz HTTP/1.1\r\n\r\n").ends_with("\r\n\r\nok\n"));
}

#[test]
fn a_bad_client_is_refused_and_the_next_is_answered() {
    let endpoint = endpoint();
    let huge = [b"GET /metrics HTTP/1.1\r\nX: ".to_vec(), vec![b'x'; 1 << 20]].concat();
    for (bytes, status) in [
        (&b"\x16\x03\x01\x02\x00\x01\x00\r\n\r\n"[..], "400"),
        (b"DELETE /metrics HTTP/1.1\r\n\r\n", "405"),
        (b"GET /../../etc/passwd HTTP/1.1\r\n\r\n", "404"),
    ] {
        let answer = say(&endpoint, bytes);
        assert!(answer.starts_with(&format!("HTTP/1.1 {status} ")), "{answer}");
    }
    // What is sent behind the limit may tear the answer off; no metrics are in it either way.
    assert!(!say(&endpoint, &huge).contains("wasmill_"));
    assert!(scrape(&endpoint).contains("# EOF"));
}

#[test]
fn clients_that_say_nothing_take_only_their_places() {
    let endpoint = endpoint();
    let silent: Vec<_> = (0..CLIENTS_MAX).map(|_| connect(&endpoint)).collect();
    // One more than there are places is closed without a word.
    let refused = |endpoint: &Endpoint| !scrape(endpoint).contains("# EOF");
    let full = Instant::now();
    while !refused(&endpoint) {
        assert!(full.elapsed() < Duration::from_secs(60), "the places never fill");
    }
    // Their time runs out, although they stay.
    while refused(&endpoint) {
        assert!(full.elapsed() < Duration::from_secs(60), "silent clients are never given up");
    }
    assert!(full.elapsed() < CLIENT_TIME * 6, "silent clients stay too long: {:?}", full.elapsed());
    drop(silent);
}

#[test]
fn a_request_may_come_byte_by_byte() {
    let endpoint = endpoint();
    let mut stream = connect(&endpoint);
    for byte in b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n" {
        stream.write_all(&[*byte]).expect("the endpoint reads on");
    }
    let mut answer = String::new();
    stream.read_to_string(&mut answer).expect("it answers");
    assert!(answer.ends_with("ok\n"), "{answer}");
}

#[test]
fn the_port_is_free_again_when_the_endpoint_is_dropped() {
    let endpoint = endpoint();
    let address = endpoint.address();
    assert!(Listener::bind(address).is_err(), "two listen at {address}");
    drop(endpoint);
    assert!(Listener::bind(address).is_ok(), "{address} stays taken");
}
