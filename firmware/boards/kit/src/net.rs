//! The way to the broker, over TCP.

use core::net::{SocketAddr, SocketAddrV4};

use embassy_net::Stack;
use embassy_net::tcp::client::{TcpClient, TcpClientState, TcpConnection};
use embassy_time::Duration;
use embedded_nal_async::TcpConnect as _;
use firmware::Dialer;
use firmware::host::LinkError;

/// Room for a pack on its way out, and as much for what comes in. A plan is longer and comes
/// in parts.
pub(crate) const BYTES: usize = 1024;

/// A peer that acknowledges nothing for so long is not there any more.
const SILENCE_MAX: Duration = Duration::from_secs(20);

/// The memory of the one connection there is.
pub type ClientState = TcpClientState<1, BYTES, BYTES>;
/// What opens it.
pub type Client = TcpClient<'static, 1, BYTES, BYTES>;

/// Where the broker is.
pub struct Broker {
    stack: Stack<'static>,
    client: &'static Client,
    address: SocketAddrV4,
}

impl Broker {
    /// Returns what opens a connection over a network.
    pub fn new(stack: Stack<'static>, client: &'static Client, address: SocketAddrV4) -> Self {
        Self { stack, client, address }
    }

    /// Returns a client for [`Self::new`].
    pub fn client(stack: Stack<'static>, state: &'static ClientState) -> Client {
        let mut client = TcpClient::new(stack, state);
        client.set_timeout(Some(SILENCE_MAX));
        client
    }
}

impl Dialer for Broker {
    type Connection<'a> = TcpConnection<'static, 1, BYTES, BYTES>;

    async fn dial(&mut self) -> Result<Self::Connection<'_>, LinkError> {
        // Without a cable or an address there is nobody to ask.
        self.stack.wait_config_up().await;
        let connected = self.client.connect(SocketAddr::V4(self.address)).await;
        connected.map_err(|_| LinkError::Unreachable)
    }
}
