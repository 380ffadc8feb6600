//! Free ports on the loopback address.

use std::net::{Ipv4Addr, SocketAddrV4, TcpListener};

use crate::error::ServerError;

/// Ports are asked for and passed on, so another process may take one in between:
/// a start that lost such a race is tried again with new ports.
pub(crate) const TRIES: usize = 3;

pub(crate) fn free<const N: usize>() -> Result<[u16; N], ServerError> {
    // All are held until the last is known, else the same port may come twice.
    let held: Vec<TcpListener> = (0..N)
        .map(|_| TcpListener::bind(SocketAddrV4::new(Ipv4Addr::LOCALHOST, 0)))
        .collect::<Result<_, _>>()
        .map_err(ServerError::NoPort)?;
    let mut ports = [0; N];
    for (port, listener) in ports.iter_mut().zip(&held) {
        *port = listener.local_addr().map_err(ServerError::NoPort)?.port();
    }
    Ok(ports)
}

pub(crate) fn is_taken(port: u16) -> bool {
    TcpListener::bind(SocketAddrV4::new(Ipv4Addr::LOCALHOST, port)).is_err()
}
