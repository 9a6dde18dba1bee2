//! TLS: who is let in, who is not, and what strangers may cost.
//!
//! The client is rumqttc behind the bridge of the other door, or plain rustls.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;

use rumqttc::Transport;
use rumqttc::v5::ConnectionError;
use rumqttc::v5::mqttbytes::v5::ConnectReturnCode;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::{ClientConfig, RootCertStore, SupportedProtocolVersion};
use tokio::net::TcpSocket;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use super::*;
use crate::config::BrokerTls;
use crate::ingest::broker::bridge::Bridge;
use crate::ingest::listen::Entrance;
use crate::tls::Certificates;
use crate::tls::tests::{Authority, Paper, listen_tls};

/// A listener that asks for certificates of `nodes`, and shows one of `ours`.
struct Protected {
    world: World,
    folder: tempfile::TempDir,
    ours: Authority,
    nodes: Authority,
    paper: Paper,
}

impl Protected {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let ours = Authority::new(folder.path(), "ours");
        let nodes = Authority::new(folder.path(), "nodes");
        let paper = ours.issue(folder.path(), "gateway", &["localhost"]);
        let certificates = Certificates::open(listen_tls(&paper, Some(&nodes))).unwrap();
        let (door, queue) = door(WAITING_MAX);
        let socket = bind(([127, 0, 0, 1], 0).into()).unwrap();
        let entrances = vec![Entrance::protected(socket, certificates)];
        let listener =
            Listener::start_at(entrances, door.clone(), anybody(), Limits::default()).unwrap();
        Self { world: World { listener, door, queue }, folder, ours, nodes, paper }
    }

    fn folder(&self) -> &Path {
        self.folder.path()
    }

    fn address(&self) -> SocketAddr {
        self.world.listener.address()
    }

    fn node_paper(&self, node: &str) -> Paper {
        self.nodes.issue_to_common_name(self.folder(), node)
    }

    /// Connects rumqttc as a node; the bridge lives as long as the client needs it.
    async fn connect(&self, id: &str, paper: &Paper) -> (Bridge, AsyncClient, EventLoop) {
        let tls = BrokerTls {
            ca: Some(self.ours.file.clone()),
            client: Some((paper.certificate.clone(), paper.key.clone())),
        };
        let port = self.address().port();
        let bridge = Bridge::open("localhost", port, &tls).await.unwrap();
        let mut options = MqttOptions::new(id, bridge.path(), port);
        options.set_transport(Transport::unix());
        let (client, events) = AsyncClient::new(options, 100);
        (bridge, client, events)
    }

    fn client_config(
        &self,
        paper: &Paper,
        versions: &[&'static SupportedProtocolVersion],
    ) -> ClientConfig {
        let mut roots = RootCertStore::empty();
        roots.add(CertificateDer::from_pem_file(&self.ours.file).unwrap()).unwrap();
        ClientConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
            .with_protocol_versions(versions)
            .unwrap()
            .with_root_certificates(roots)
            .with_client_auth_cert(
                vec![CertificateDer::from_pem_file(&paper.certificate).unwrap()],
                PrivateKeyDer::from_pem_file(&paper.key).unwrap(),
            )
            .unwrap()
    }

    async fn handshake(&self, config: ClientConfig, from: [u8; 4]) -> TlsStream<TcpStream> {
        let socket = TcpSocket::new_v4().unwrap();
        socket.bind((from, 0).into()).unwrap();
        let stream = socket.connect(self.address()).await.unwrap();
        let name = ServerName::try_from("localhost").unwrap();
        let connected = TlsConnector::from(Arc::new(config)).connect(name, stream);
        soon("the handshake", connected).await.unwrap()
    }
}

#[tokio::test]
async fn a_node_with_its_certificate_is_let_in_and_acknowledged() {
    let mut protected = Protected::new();
    let paper = protected.node_paper("node-1");
    let (_bridge, client, events) = protected.connect("node-1", &paper).await;
    let mut node = Client { client, events, session_present: false };

    node.publish(&topic("node-1", Channel::Readings), bytes_of(&pack("meter-1", 1))).await;
    node.nothing_comes().await;
    protected.world.incoming().await.receipt.send(()).unwrap();

    assert_eq!(node.puback().await, PubAckReason::Success);
}

#[tokio::test]
async fn a_certificate_of_another_node_is_refused_and_counted() {
    let protected = Protected::new();
    let paper = protected.node_paper("node-1");

    let (_bridge, _client, mut events) = protected.connect("node-2", &paper).await;
    let refused = soon("an answer", events.poll()).await.unwrap_err();

    let code = ConnectReturnCode::NotAuthorized;
    assert!(
        matches!(&refused, ConnectionError::ConnectionRefused(it) if *it == code),
        "{refused:?}"
    );
    assert!(refusals("wrong-certificate"), "{}", crate::events::metrics());
}

#[tokio::test]
async fn a_certificate_of_another_authority_is_no_way_in() {
    let protected = Protected::new();
    let forged = protected.ours.issue_to_common_name(protected.folder(), "node-1");

    let (_bridge, _client, mut events) = protected.connect("node-1", &forged).await;
    let refused = soon("the end", events.poll()).await;

    assert!(refused.is_err(), "{refused:?}");
    assert!(refusals("untrusted-certificate"), "{}", crate::events::metrics());
}

#[tokio::test]
async fn who_speaks_no_tls_is_turned_away() {
    let protected = Protected::new();
    let mut plain = TcpStream::connect(protected.address()).await.unwrap();

    plain.write_all(b"\x10\x12\x00\x04MQTT\x04\x02\x00\x3c\x00\x06node-2").await.unwrap();
    let mut rest = Vec::new();
    soon("the end of the plain client", plain.read_to_end(&mut rest)).await.ok();

    assert!(!rest.starts_with(&[0x20]), "a CONNACK");
    soon("its count", async {
        while !refusals("no-handshake") {
            tokio::task::yield_now().await;
        }
    })
    .await;
}

#[tokio::test]
async fn tls_1_2_and_1_3_are_spoken_and_a_renewed_certificate_is_shown_at_once() {
    let protected = Protected::new();
    let paper = protected.node_paper("node-1");
    let shown = async |version: &'static SupportedProtocolVersion| {
        let config = protected.client_config(&paper, &[version]);
        let stream = protected.handshake(config, [127, 0, 0, 1]).await;
        let (_, session) = stream.get_ref();
        (session.protocol_version(), session.peer_certificates().unwrap()[0].clone())
    };

    let (first, old) = shown(&rustls::version::TLS12).await;
    let renewed = protected.ours.issue(protected.folder(), "renewed", &["localhost"]);
    std::fs::copy(&renewed.key, &protected.paper.key).unwrap();
    std::fs::copy(&renewed.certificate, &protected.paper.certificate).unwrap();
    let (second, new) = shown(&rustls::version::TLS13).await;

    assert_eq!(first, Some(rustls::ProtocolVersion::TLSv1_2));
    assert_eq!(second, Some(rustls::ProtocolVersion::TLSv1_3));
    assert_ne!(old, new);
    assert_eq!(new, CertificateDer::from_pem_file(renewed.certificate).unwrap());
}

#[tokio::test]
async fn handshakes_that_hang_keep_out_neither_those_inside_nor_other_addresses() {
    let mut protected = Protected::new();
    let paper = protected.node_paper("node-1");
    let (_bridge, client, events) = protected.connect("node-1", &paper).await;
    let mut node = Client { client, events, session_present: false };
    node.publish(&topic("node-1", Channel::Readings), bytes_of(&pack("meter-1", 1))).await;

    // They connect and say nothing. The next one of that address is closed at once.
    let mut hanging = Vec::new();
    for _ in 0..16 {
        hanging.push(TcpStream::connect(protected.address()).await.unwrap());
    }
    let mut one_too_many = TcpStream::connect(protected.address()).await.unwrap();
    let closed = soon("the end of one too many", one_too_many.read(&mut [0; 1])).await;

    assert!(matches!(closed, Ok(0) | Err(_)), "{closed:?}");
    assert!(refusals("too-many-handshakes"), "{}", crate::events::metrics());
    let config = protected.client_config(&paper, &[&rustls::version::TLS13]);
    protected.handshake(config, [127, 0, 0, 2]).await;
    node.nothing_comes().await;
    protected.world.incoming().await.receipt.send(()).unwrap();
    assert_eq!(node.puback().await, PubAckReason::Success);
}

fn refusals(reason: &str) -> bool {
    let line = format!("gengfu_clients_refused_total{{reason=\"{reason}\"}}");
    crate::events::metrics().contains(&line)
}
