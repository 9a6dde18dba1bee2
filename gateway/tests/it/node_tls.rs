//! A Linux node and the gateway's own listener, over real sockets: who gets through, who does
//! not, and in what words it is told.

#![expect(clippy::unwrap_used, reason = "a test outside a #[test] function")]

use std::io;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use gateway::authority::{Authority, GATEWAY, Pair, put};
use gateway::clock::Clock;
use gateway::config::{BrokerTls, ListenConfig, ListenTls};
use gateway::health::Health;
use gateway::ingest::board::{NodeStates, PlanBoard};
use gateway::ingest::door::Door;
use gateway::ingest::gate::Roster;
use gateway::ingest::listen::{Entrance, Limits, Listener, anybody};
use gateway::ingest::mapped::{MappedGate, Mappings};
use gateway::ingest::updates::Updates;
use gateway::node::{
    AUTHORITY_FILE, BusConfig, CERTIFICATE_FILE, KEY_FILE, NodeConfig, NodeTls, run,
};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use tokio::io::AsyncReadExt as _;
use tokio::net::TcpStream;
use tokio::sync::{mpsc, watch};
use tokio_rustls::TlsConnector;
use tracing_subscriber::fmt::MakeWriter;
use wire::Name;

const YEAR_S: i64 = 31_557_600;

fn name(text: &str) -> Name {
    Name::new(text).unwrap()
}

/// The machine's own time, by which rustls looks at certificates.
fn now() -> i64 {
    Clock::system().now()
}

/// What a node logs.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl io::Write for Log {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl<'a> MakeWriter<'a> for Log {
    type Writer = Self;

    fn make_writer(&'a self) -> Self {
        self.clone()
    }
}

impl Log {
    fn text(&self) -> String {
        String::from_utf8(self.0.lock().unwrap().clone()).unwrap()
    }
}

/// A gateway that asks for certificates of its authority.
struct Site {
    folder: tempfile::TempDir,
    authority: Authority,
    listener: Listener,
    states: NodeStates,
}

impl Site {
    /// The gateway's own certificate is made at some time, and lasts from then.
    fn new(gateway_made: i64) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let authority = Authority::open(folder.path(), gateway_made).unwrap();
        let (certificate, key) = authority.gateway_files();
        let client_ca = Some(authority.certificate_file());
        let tls = Some(ListenTls { certificate, key, client_ca, address: None });
        let address = ([127, 0, 0, 1], 0).into();
        let entrances = Entrance::open_all(&ListenConfig { address, login: None, tls }).unwrap();
        let states = NodeStates::default();
        let (incoming, _queue) = mpsc::channel(1);
        let door = Door {
            site: name("campus"),
            roster: watch::Sender::new(Arc::new(Roster::new([(name("meter-1"), name("node-1"))])))
                .subscribe(),
            mapped: MappedGate::fixed(Mappings::default()),
            board: PlanBoard::default(),
            states: states.clone(),
            updates: Updates::default(),
            health: Health::default(),
            clock: Clock::system(),
            incoming,
        };
        let listener = Listener::start_at(entrances, door, anybody(), Limits::default()).unwrap();
        Self { folder, authority, listener, states }
    }

    /// Writes what a node gets when it is enrolled here; returns how it connects with that.
    fn enrolled(&self, pair: &Pair, host: &str) -> NodeTls {
        let folder = self.folder.path().join("enrolled");
        std::fs::create_dir_all(&folder).unwrap();
        put(&folder.join(AUTHORITY_FILE), &self.authority.certificate().unwrap(), 0o644).unwrap();
        put(&folder.join(CERTIFICATE_FILE), &pair.certificate, 0o644).unwrap();
        put(&folder.join(KEY_FILE), &pair.key, 0o600).unwrap();
        NodeTls::in_folder(&folder, host.to_owned())
    }

    /// Shakes hands and waits for a word.
    async fn knock(&self, files: &BrokerTls) -> io::Result<u8> {
        let (certificate, key) = files.client.clone().unwrap();
        let mut roots = RootCertStore::empty();
        let ca = CertificateDer::from_pem_file(files.ca.as_ref().unwrap()).unwrap();
        roots.add(ca).unwrap();
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = ClientConfig::builder_with_provider(provider)
            .with_protocol_versions(&[&rustls::version::TLS13])
            .unwrap()
            .with_root_certificates(roots)
            .with_client_auth_cert(
                vec![CertificateDer::from_pem_file(certificate).unwrap()],
                PrivateKeyDer::from_pem_file(key).unwrap(),
            )
            .unwrap();
        let stream = TcpStream::connect(self.listener.address()).await?;
        let host = ServerName::try_from(GATEWAY).unwrap();
        TlsConnector::from(Arc::new(config)).connect(host, stream).await?.read_u8().await
    }

    /// Runs a node until the gateway knows it, or its log says what stands in the way.
    async fn node(&self, node: &str, tls: NodeTls) -> Result<(), String> {
        let log = Log::default();
        let subscriber = tracing_subscriber::fmt().with_writer(log.clone()).with_ansi(false);
        let _guard = tracing::subscriber::set_default(subscriber.finish());
        let (_stop, shutdown) = watch::channel(false);
        let config = NodeConfig {
            site: name("campus"),
            node: name(node),
            broker: self.listener.address(),
            tls: Some(tls),
            login: None,
            bus: BusConfig::Serial { path: "/dev/none".to_owned(), line: None },
            outbox: None,
        };
        let running = run(config, Clock::system(), shutdown);
        let outcome = async {
            loop {
                if self.states.of(&name(node)).is_some() {
                    return Ok(());
                }
                let text = log.text();
                // The second line tells that it was not let in, whatever the reason.
                if text.contains("node not connected") && text.contains("safely") {
                    return Err(text);
                }
                if text.contains("refused the login") {
                    return Err(text);
                }
                tokio::task::yield_now().await;
            }
        };
        tokio::select! {
            ended = running => panic!("the node ended: {ended:?}"),
            outcome = tokio::time::timeout(Duration::from_secs(20), outcome) => {
                outcome.unwrap_or_else(|_| panic!("neither in nor out: {}", log.text()))
            }
        }
    }
}

fn refusals(reason: &str) -> bool {
    let line = format!("gengfu_clients_refused_total{{reason=\"{reason}\"}}");
    gateway::events::metrics().contains(&line)
}

async fn counted(reason: &str) {
    let there = async {
        while !refusals(reason) {
            tokio::task::yield_now().await;
        }
    };
    let counted = tokio::time::timeout(Duration::from_secs(20), there).await;
    assert!(counted.is_ok(), "{reason}: {}", gateway::events::metrics());
}

#[tokio::test]
async fn an_enrolled_node_is_let_in_by_its_own_name_only() {
    let site = Site::new(now());
    let pair = site.authority.enroll(name("node-1"), now()).unwrap();

    let own = site.node("node-1", site.enrolled(&pair, GATEWAY)).await;
    let other = site.node("node-2", site.enrolled(&pair, GATEWAY)).await;

    assert_eq!(own, Ok(()));
    let told = other.unwrap_err();
    assert!(told.contains("the broker refused the login"), "{told}");
    assert!(site.states.of(&name("node-2")).is_none());
    counted("wrong-certificate").await;
}

#[tokio::test]
async fn a_gateway_that_is_not_the_right_one_gets_nothing_and_the_node_says_why() {
    let (site, other) = (Site::new(now()), Site::new(now()));
    let pair = site.authority.enroll(name("node-1"), now()).unwrap();

    let wrong_host = site.node("node-1", site.enrolled(&pair, "gengfu.school.example")).await;
    // The node belongs to `other`, and what answers is `site`.
    let foreign = other.authority.enroll(name("node-1"), now()).unwrap();
    let wrong_authority = site.node("node-1", other.enrolled(&foreign, GATEWAY)).await;
    let expired = Site::new(now() - 21 * YEAR_S);
    let fresh = expired.authority.enroll(name("node-1"), now()).unwrap();
    let past = expired.node("node-1", expired.enrolled(&fresh, GATEWAY)).await;

    for (told, words) in [
        (wrong_host, "a certificate of another host"),
        (wrong_authority, "is of another authority"),
        (past, "the gateway's certificate has expired"),
    ] {
        let told = told.unwrap_err();
        assert!(told.contains(words), "{words}: {told}");
    }
    assert!(site.states.of(&name("node-1")).is_none());
}

#[tokio::test]
async fn a_node_without_a_good_certificate_is_kept_out_and_told_why() {
    let (site, other) = (Site::new(now()), Site::new(now()));
    let old = site.authority.enroll(name("node-1"), now() - 21 * YEAR_S).unwrap();
    let foreign = other.authority.enroll(name("node-1"), now()).unwrap();

    let expired = site.node("node-1", site.enrolled(&old, GATEWAY)).await;
    let unknown = site.node("node-1", site.enrolled(&foreign, GATEWAY)).await;
    let ca = Some(site.authority.certificate_file());
    let files = BrokerTls { ca, client: None };
    let none = site.node("node-1", NodeTls { files, host: GATEWAY.to_owned() }).await;

    for (told, words, reason) in [
        (expired, "the certificate of this node has expired", None),
        (unknown, "hung up as soon as it had seen", Some("untrusted-certificate")),
        (none, "hung up as soon as it had seen", Some("no-handshake")),
    ] {
        let told = told.unwrap_err();
        assert!(told.contains(words), "{words}: {told}");
        if let Some(reason) = reason {
            counted(reason).await;
        }
    }
    // A node that does not look at its own certificate gets no further with it.
    let tls = site.enrolled(&old, GATEWAY);
    let _nothing_said = site.knock(&tls.files).await.unwrap_err();
    counted("expired-certificate").await;
    assert!(site.states.of(&name("node-1")).is_none());
}

#[tokio::test]
async fn a_node_whose_files_are_missing_does_not_start_and_names_them() {
    let site = Site::new(now());
    let config = NodeConfig {
        site: name("campus"),
        node: name("node-1"),
        broker: site.listener.address(),
        tls: Some(NodeTls::in_folder(Path::new("/nowhere"), GATEWAY.to_owned())),
        login: None,
        bus: BusConfig::Serial { path: "/dev/none".to_owned(), line: None },
        outbox: None,
    };

    let refused = run(config, Clock::system(), watch::channel(false).1).await.unwrap_err();

    let told = format!("{refused}: {}", std::error::Error::source(&refused).unwrap());
    assert!(told.contains("/nowhere/ca.crt"), "{told}");
}
