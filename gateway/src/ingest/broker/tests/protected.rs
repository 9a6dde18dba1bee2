//! TLS and log-in: whom we trust, and who trusts us.

use std::path::Path;

use super::*;
use crate::config::{BrokerTls, Login, Secret};
use crate::tls::tests::{Authority, Paper};

/// A mosquitto that speaks TLS, and the authority of its certificate.
struct Protected {
    mosquitto: Mosquitto,
    authority: Authority,
}

impl Protected {
    /// Made out to a name; `lines` come beside those about certificates.
    fn new(name: &str, lines: &str) -> Self {
        let mosquitto = Mosquitto::with("");
        let authority = Authority::new(mosquitto.folder.path(), "broker-ca");
        let protected = Self { mosquitto, authority };
        protected.show(name, lines);
        protected
    }

    /// Shows a certificate made out to this name from the next start on.
    fn show(&self, name: &str, lines: &str) {
        let paper = self.issue(name);
        let path = |path: &Path| path.display().to_string();
        self.mosquitto.configure(&format!(
            "cafile {}\ncertfile {}\nkeyfile {}\n{lines}",
            path(&self.authority.file),
            path(&paper.certificate),
            path(&paper.key)
        ));
    }

    fn issue(&self, name: &str) -> Paper {
        self.authority.issue(self.mosquitto.folder.path(), name, &[name])
    }

    fn config(&self, client: Option<Paper>) -> BrokerConfig {
        let tls = BrokerTls {
            ca: Some(self.authority.file.clone()),
            client: client.map(|paper| (paper.certificate, paper.key)),
        };
        BrokerConfig { host: "localhost".to_owned(), tls: Some(tls), ..self.mosquitto.config() }
    }
}

#[tokio::test]
async fn readings_come_over_tls_with_certificates_on_both_sides() {
    let mut protected = Protected::new("localhost", "require_certificate true\n");
    protected.mosquitto.start().await;
    let ours = protected.issue("gengfu-gateway");
    let mut gateway = Gateway::open(protected.config(Some(ours.clone())));
    gateway.door.board.set_plan(name("node-1"), Bytes::from_static(b"plan 1"));

    // A node comes the same way; once it gets its plan, the gateway is subscribed.
    let tls = protected.config(Some(ours)).tls.unwrap();
    let bridge = super::super::bridge::Bridge::open("localhost", protected.mosquitto.port, &tls);
    let bridge = bridge.await.unwrap();
    let mut options = MqttOptions::new("node-1", bridge.path(), 1);
    options.set_transport(rumqttc::Transport::unix());
    let (client, events) = AsyncClient::new(options, 100);
    let mut node = Node { client, events };
    node.subscribe(&topic("node-1", Channel::Config)).await;
    assert_eq!(node.message().await.1, "plan 1");
    for seq in 0..100 {
        node.publish_pack(seq).await;
    }

    for seq in 0..100 {
        let incoming = gateway.incoming().await;
        assert_eq!(seq_of(&incoming), seq);
        incoming.receipt.send(()).unwrap();
    }
}

#[tokio::test]
async fn a_broker_with_the_certificate_of_another_host_is_not_trusted_until_it_has_its_own() {
    let mut protected = Protected::new("mail.school.example", "");
    protected.mosquitto.start().await;
    let gateway = Gateway::open(protected.config(None));

    let told = gateway.notice(Code::BrokerUntrusted, true).await;
    protected.mosquitto.kill();
    protected.show("localhost", "");
    protected.mosquitto.start().await;
    gateway.notice(Code::BrokerUntrusted, false).await;
    gateway.notice(Code::BrokerAway, false).await;

    assert!(told["address"].starts_with("localhost:"), "{told:?}");
    assert!(told["error"].contains("cannot be trusted"), "{told:?}");
}

#[tokio::test]
async fn a_broker_of_another_authority_is_not_trusted() {
    let mut protected = Protected::new("localhost", "");
    protected.mosquitto.start().await;
    let other = Authority::new(protected.mosquitto.folder.path(), "other-ca");
    let tls = BrokerTls { ca: Some(other.file), client: None };

    let gateway = Gateway::open(BrokerConfig { tls: Some(tls), ..protected.config(None) });

    gateway.notice(Code::BrokerUntrusted, true).await;
}

#[tokio::test]
async fn a_broker_that_wants_a_certificate_and_gets_none_refuses_us() {
    let mut protected = Protected::new("localhost", "require_certificate true\n");
    protected.mosquitto.start().await;

    let gateway = Gateway::open(protected.config(None));

    let told = gateway.notice(Code::BrokerRefuses, true).await;
    assert!(told["error"].contains("certificate"), "{told:?}");
}

#[tokio::test]
async fn a_port_without_tls_is_a_broker_that_is_away() {
    let mosquitto = Mosquitto::started().await;
    let tls = Some(BrokerTls::default());
    let authority = Authority::new(mosquitto.folder.path(), "ca");
    let tls = tls.map(|tls| BrokerTls { ca: Some(authority.file), ..tls });

    let gateway = Gateway::open(BrokerConfig { tls, ..mosquitto.config() });

    let told = gateway.notice(Code::BrokerAway, true).await;
    assert!(told["error"].contains("TLS"), "{told:?}");
}

#[tokio::test]
async fn a_wrong_password_is_told_as_what_it_is() {
    let mosquitto = Mosquitto::with("");
    let passwords = mosquitto.folder.path().join("passwords");
    std::fs::write(&passwords, "gateway:$7$101$AAAA$AAAA\n").unwrap();
    mosquitto.configure(&format!("password_file {}\n", passwords.display()));
    let mut mosquitto = mosquitto;
    mosquitto.start().await;
    let login =
        Some(Login { user: "gateway".to_owned(), password: Secret::new("wrong".to_owned()) });

    let gateway = Gateway::open(BrokerConfig { login, ..mosquitto.config() });

    gateway.notice(Code::BrokerRefuses, true).await;
}
