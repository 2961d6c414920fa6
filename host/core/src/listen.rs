//! Where a job may be listened to: an address, and whether others than this machine may reach it. A
//! value only; nothing here opens a socket (`core::net` has nothing but addresses).

use crate::units::shortened;
use core::net::{IpAddr, Ipv4Addr, SocketAddr};

/// Who may reach a listener.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reach {
    ThisMachine,
    /// Whoever the network lets through: there is no password.
    Network,
}

/// Why an address is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ListenError {
    #[error(
        "`{0}` is no address to listen at: write a port such as `9464`, or an IP address with a port such as `127.0.0.1:9464`"
    )]
    Unreadable(String),
    #[error("{0} can be reached from other machines, and metrics are shown to whoever asks")]
    NotThisMachine(SocketAddr),
}

/// Reads an address: `9464` is a port of this machine, 0 lets the system choose one.
///
/// ```
/// use wasmill_core::listen::{Reach, parse};
/// assert_eq!(parse("9464", Reach::ThisMachine), "127.0.0.1:9464".parse().map_err(|_| unreachable!()));
/// assert!(parse("0.0.0.0:9464", Reach::ThisMachine).is_err());
/// assert!(parse("0.0.0.0:9464", Reach::Network).is_ok());
/// ```
///
/// # Errors
/// It is none, or reaches further than it may.
pub fn parse(text: &str, reach: Reach) -> Result<SocketAddr, ListenError> {
    let port = text.parse().ok().map(|port| SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), port));
    let address = port.or_else(|| text.parse().ok());
    let address: SocketAddr = address.ok_or_else(|| ListenError::Unreadable(shortened(text).to_string()))?;
    match reach {
        Reach::ThisMachine if !address.ip().is_loopback() => Err(ListenError::NotThisMachine(address)),
        _ => Ok(address),
    }
}

#[cfg(test)]
mod tests {
    use super::{ListenError, Reach, parse};

    #[test]
    fn addresses_are_read_and_bounded_in_reach() {
        for (text, address) in [
            ("9464", "127.0.0.1:9464"),
            ("0", "127.0.0.1:0"),
            ("127.0.0.9:1", "127.0.0.9:1"),
            ("[::1]:9464", "[::1]:9464"),
        ] {
            assert_eq!(parse(text, Reach::ThisMachine).map(|a| a.to_string()).as_deref(), Ok(address));
        }
        for text in ["0.0.0.0:9464", "192.168.1.2:80", "[::]:9464"] {
            assert!(matches!(parse(text, Reach::ThisMachine), Err(ListenError::NotThisMachine(_))), "{text}");
            assert!(parse(text, Reach::Network).is_ok(), "{text}");
        }
        for text in ["", "65536", "-1", "localhost:9464", "127.0.0.1", ":9464", "a b", "127.0.0.1:99999"] {
            assert!(matches!(parse(text, Reach::Network), Err(ListenError::Unreadable(_))), "{text}");
        }
    }
}
