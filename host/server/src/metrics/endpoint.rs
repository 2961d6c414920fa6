//! The listener: takes a bounded number of connections at once, gives each a bounded time, answers
//! one request and closes. A bad client harms nobody: it can neither hold the listener nor the job.
//!
//! | thread | ends when | its failure |
//! |---|---|---|
//! | `metrics`, one per job with a listener | its [`Endpoint`] is dropped | is logged; the job goes on unseen |
//! | `metrics-client`, one per connection, at most 16 | its request is answered, or its time is over | closes its connection |

use super::exposition::Exposition;
use super::http::{self, REQUEST_BYTES_MAX, Request};
use std::io::{self, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// Connections at once; one more is closed without an answer.
const CLIENTS_MAX: usize = 16;
/// From a connection's start to its end.
const CLIENT_TIME: Duration = Duration::from_secs(5);
/// After a failed accept, which may be for lack of descriptors.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// An address that is ours; nobody is answered yet.
#[derive(Debug)]
pub struct Listener(TcpListener);

impl Listener {
    /// # Errors
    /// The address is in use or not this machine's.
    pub fn bind(address: SocketAddr) -> io::Result<Self> {
        TcpListener::bind(address).map(Self)
    }

    /// Answers until the endpoint is dropped.
    ///
    /// # Errors
    /// The system gives no thread.
    pub fn serve(self, exposition: Exposition) -> io::Result<Endpoint> {
        let address = self.0.local_addr()?;
        let shared = Arc::new(Shared { exposition, stopping: AtomicBool::new(false), clients: AtomicUsize::new(0) });
        let serving = Arc::clone(&shared);
        let body = move || accept(&self.0, &serving);
        let thread = std::thread::Builder::new().name("metrics".into()).spawn(body)?;
        Ok(Endpoint { address, shared, thread: Some(thread) })
    }
}

/// A listener that answers. Dropping it ends its thread; clients that are being answered finish, or
/// run out of time, on their own.
#[derive(Debug)]
pub struct Endpoint {
    address: SocketAddr,
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

#[derive(Debug)]
struct Shared {
    exposition: Exposition,
    stopping: AtomicBool,
    clients: AtomicUsize,
}

impl Endpoint {
    /// Where it listens: the port that the system chose, when it was asked for any.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// An address of all interfaces is reached at this machine's own.
    fn reached(&self) -> SocketAddr {
        let mut address = self.address;
        if address.ip().is_unspecified() {
            address.set_ip(match address {
                SocketAddr::V4(_) => std::net::Ipv4Addr::LOCALHOST.into(),
                SocketAddr::V6(_) => std::net::Ipv6Addr::LOCALHOST.into(),
            });
        }
        address
    }
}

impl Drop for Endpoint {
    fn drop(&mut self) {
        self.shared.stopping.store(true, Ordering::SeqCst);
        // A connection of our own wakes the thread up. When there can be none, the thread is left to
        // the end of the process rather than waited for.
        let woken = TcpStream::connect_timeout(&self.reached(), CLIENT_TIME).is_ok();
        if let Some(thread) = self.thread.take().filter(|_| woken)
            && thread.join().is_err()
        {
            tracing::error!("the thread that serves metrics panicked");
        }
    }
}

fn accept(listener: &TcpListener, shared: &Arc<Shared>) {
    loop {
        let accepted = listener.accept();
        if shared.stopping.load(Ordering::SeqCst) {
            return;
        }
        match accepted {
            Ok((stream, _)) => start(stream, shared),
            Err(e) => {
                tracing::warn!("no connection for metrics could be taken: {e}");
                std::thread::park_timeout(ACCEPT_PAUSE);
            }
        }
    }
}

fn start(stream: TcpStream, shared: &Arc<Shared>) {
    let Some(place) = Place::take(shared) else {
        tracing::debug!("more than {CLIENTS_MAX} clients ask for metrics at once: one is refused");
        return;
    };
    let client = move || {
        // Whatever goes wrong with a client is the client's.
        if let Err(e) = answer(stream, &place.0) {
            tracing::debug!("a client of the metrics was given up: {e}");
        }
    };
    if let Err(e) = std::thread::Builder::new().name("metrics-client".into()).spawn(client) {
        tracing::warn!("no thread for a client of the metrics: {e}");
    }
}

/// One of the places for clients; given back when it is dropped.
struct Place(Arc<Shared>);

impl Place {
    fn take(shared: &Arc<Shared>) -> Option<Self> {
        let taken = shared.clients.fetch_add(1, Ordering::SeqCst);
        let place = Self(Arc::clone(shared));
        (taken < CLIENTS_MAX).then_some(place)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.0.clients.fetch_sub(1, Ordering::SeqCst);
    }
}

fn answer(mut stream: TcpStream, shared: &Shared) -> io::Result<()> {
    let deadline = Instant::now() + CLIENT_TIME;
    let mut received = Vec::with_capacity(1024);
    while http::request(&received) == Request::Partial {
        stream.set_read_timeout(Some(left(deadline)?))?;
        let mut chunk = [0; 1024];
        let room = REQUEST_BYTES_MAX - received.len();
        let n = stream.read(&mut chunk[..room.min(1024)])?;
        if n == 0 {
            return Ok(());
        }
        received.extend_from_slice(&chunk[..n]);
    }
    let metrics = || shared.exposition.text().ok();
    let answer = http::answer(http::request(&received), metrics);
    let mut rest = &answer[..];
    while !rest.is_empty() {
        stream.set_write_timeout(Some(left(deadline)?))?;
        match stream.write(rest)? {
            0 => return Ok(()),
            n => rest = &rest[n..],
        }
    }
    stream.shutdown(Shutdown::Write)
}

fn left(deadline: Instant) -> io::Result<Duration> {
    let left = deadline.saturating_duration_since(Instant::now());
    if left.is_zero() { Err(io::ErrorKind::TimedOut.into()) } else { Ok(left) }
}

#[cfg(test)]
#[path = "endpoint_tests.rs"]
mod tests;
