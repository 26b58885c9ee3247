use std::{io, net::TcpListener};

const DRAWS: usize = 1000;
/// Below Linux's range of ports for outgoing connections (from 32768): a client that keeps trying to reach a stopped
/// broker could otherwise be given the broker's own port.
const RANGE: std::ops::Range<u16> = 10_000..32_768;

/// The five ports of a broker, all on 127.0.0.1.
#[derive(Debug, Clone, Copy)]
pub struct Ports {
    pub grpc: u16,
    pub management: u16,
    rest: u16,
    command: u16,
    internal: u16,
}

impl Ports {
    /// Five ports that are free now.
    pub fn draw() -> io::Result<Self> {
        // All are held until the last is found, so that no port is drawn twice.
        let held = [free()?, free()?, free()?, free()?, free()?];
        let mut ports = [0; 5];
        for (port, listener) in ports.iter_mut().zip(&held) {
            *port = listener.local_addr()?.port();
        }
        let [grpc, management, rest, command, internal] = ports;
        Ok(Self { grpc, management, rest, command, internal })
    }

    /// The broker's settings, as its environment variables.
    pub fn environment(&self) -> [(&'static str, String); 10] {
        let host = || "127.0.0.1".to_owned();
        [
            ("ZEEBE_BROKER_NETWORK_HOST", host()),
            ("ZEEBE_BROKER_GATEWAY_NETWORK_HOST", host()),
            ("SERVER_ADDRESS", host()),
            ("MANAGEMENT_SERVER_ADDRESS", host()),
            ("ZEEBE_BROKER_GATEWAY_NETWORK_PORT", self.grpc.to_string()),
            ("ZEEBE_BROKER_NETWORK_COMMANDAPI_PORT", self.command.to_string()),
            ("ZEEBE_BROKER_NETWORK_INTERNALAPI_PORT", self.internal.to_string()),
            ("ZEEBE_BROKER_CLUSTER_INITIALCONTACTPOINTS", format!("127.0.0.1:{}", self.internal)),
            ("SERVER_PORT", self.rest.to_string()),
            ("MANAGEMENT_SERVER_PORT", self.management.to_string()),
        ]
    }
}

/// A port that is free now.
pub(crate) fn free() -> io::Result<TcpListener> {
    let mut last = io::Error::from(io::ErrorKind::AddrInUse);
    for _ in 0..DRAWS {
        match TcpListener::bind(("127.0.0.1", rand::random_range(RANGE))) {
            Ok(listener) => return Ok(listener),
            Err(error) => last = error,
        }
    }
    Err(last)
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    #[test]
    fn the_five_ports_differ_and_lie_outside_the_range_of_outgoing_connections() {
        let Ports { grpc, management, rest, command, internal } = Ports::draw().unwrap();
        let mut ports = vec![grpc, management, rest, command, internal];
        ports.sort_unstable();
        ports.dedup();
        assert_eq!(ports.len(), 5);
        assert!(ports.iter().all(|port| RANGE.contains(port)), "{ports:?}");
    }
}
