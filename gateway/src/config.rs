//! `gengfu.toml` → a checked [`Config`]: what a process needs, and nothing about the site.
//!
//! One file, read once, checked whole; all mistakes are reported together with line and
//! key. Secrets are file references, never values. What buildings, meters and people
//! there are stands in the site book, not here.

use std::fmt;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use jiff::civil::Time;

use crate::document::{self, Mistake, Section};

mod influx;

pub use influx::{Address, InfluxConfig};

/// Everything a gateway process needs to know.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Config {
    /// Where everything that must survive lies.
    pub data_dir: PathBuf,
    /// The pages and the API.
    pub web: WebConfig,
    /// How readings come in: at least one door.
    pub mqtt: MqttConfig,
    /// How mails go out; without it they wait in the outbox.
    pub mail: Option<MailConfig>,
    /// An InfluxDB that readings also go to.
    pub influx: Option<InfluxConfig>,
    /// How long readings are kept, and how much memory they may wait in.
    pub store: StoreConfig,
    /// Where, when and how many backups are made; none without it.
    pub backup: Option<BackupConfig>,
    /// How the log is written.
    pub log: LogFormat,
}

/// How long readings are kept, and how much memory they may wait in.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct StoreConfig {
    /// After how many whole months readings are given up; never if absent. The sums of
    /// their days stay.
    pub keep_months: Option<u32>,
    /// The most memory, MiB, in which readings wait to be written into blocks; by default
    /// what the number of meters asks for.
    pub buffer_mib: Option<u32>,
}

/// When backups are made, and how many are kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BackupConfig {
    /// The folder that gets a folder for each backup; better on another disk.
    pub dir: PathBuf,
    /// When each day, by the site's clocks.
    pub at: Time,
    /// How many are kept.
    pub keep: u32,
}

/// The pages and the API.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WebConfig {
    /// Where the pages are served.
    pub listen: SocketAddr,
    /// How people reach the pages; stands in every mail's link. No slash at the end.
    pub base_url: String,
    /// Whether anyone on the network may read without logging in.
    pub open_reading: bool,
}

/// How readings come in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MqttConfig {
    /// The gateway's own listener, so that a site needs no broker.
    pub listen: Option<ListenConfig>,
    /// A broker that the gateway subscribes to.
    pub broker: Option<BrokerConfig>,
    /// Under which name the gateway tells Sparkplug edge nodes that it is there.
    pub sparkplug_host: Option<String>,
}

/// The gateway's own MQTT listener.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListenConfig {
    /// Where nodes connect.
    pub address: SocketAddr,
    /// Who may connect; nobody needs to log in if it is absent.
    pub login: Option<Login>,
    /// How connections are protected; not at all if it is absent.
    pub tls: Option<ListenTls>,
}

/// How connections of nodes are protected. Files are PEM.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListenTls {
    /// Our certificate, and those between it and the authority.
    pub certificate: PathBuf,
    /// Its private key.
    pub key: PathBuf,
    /// Who signs the certificates of nodes. With it each node must show one, made out to
    /// its name.
    pub client_ca: Option<PathBuf>,
    /// A port of its own, beside the unprotected one; without it the listener's address
    /// is the protected one and there is no other.
    pub address: Option<SocketAddr>,
}

/// A broker that the gateway subscribes to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BrokerConfig {
    /// Host name or address; with TLS, the name that the broker's certificate must have.
    pub host: String,
    /// TCP port.
    pub port: u16,
    /// How the connection is protected; not at all if it is absent.
    pub tls: Option<BrokerTls>,
    /// Stable client id; two gateways with the same one would kick each other out.
    pub client_id: String,
    /// How the gateway logs in at the broker.
    pub login: Option<Login>,
    /// Shared subscription group for several gateways on one broker.
    pub shared_group: Option<String>,
}

/// How the connection to a broker is protected. Files are PEM.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct BrokerTls {
    /// Who signs the broker's certificate; without it those that this machine trusts.
    pub ca: Option<PathBuf>,
    /// Our certificate and its private key, if the broker asks for one.
    pub client: Option<(PathBuf, PathBuf)>,
}

/// A user name and a password.
#[derive(Clone, PartialEq, Eq)]
pub struct Login {
    /// The user's name.
    pub user: String,
    /// The password, read from its file.
    pub password: Secret,
}

/// A text that is never printed.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// Returns a secret that holds this text.
    #[must_use]
    pub fn new(text: String) -> Self {
        Self(text)
    }

    /// Returns the text, for the one who must send it.
    #[must_use]
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

impl fmt::Debug for Login {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Login({}, ***)", self.user)
    }
}

/// How mails go out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MailConfig {
    /// The mail server's host name.
    pub host: String,
    /// Its TCP port.
    pub port: u16,
    /// How the connection is protected.
    pub security: MailSecurity,
    /// How the gateway logs in at the mail server.
    pub login: Option<Login>,
    /// The sender's address, such as `更夫 <gengfu@school.example>`.
    pub from: String,
}

/// How a connection to a mail server is protected.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MailSecurity {
    /// TLS from the first byte (usually port 465).
    Tls,
    /// TLS after `STARTTLS` (usually port 587).
    StartTls,
    /// None; only for a mail server on the same machine or in a closed network.
    None,
}

/// How the log is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogFormat {
    /// For a person.
    Text,
    /// One JSON object a line.
    Json,
}

/// Why a configuration cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The file cannot be read at all.
    #[error("cannot read configuration `{}`", path.display())]
    Unreadable {
        /// Which file.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// The file was read and has mistakes.
    #[error("configuration `{}` has {} mistake(s):\n{}", path.display(), mistakes.len(), list(mistakes))]
    Mistakes {
        /// Which file.
        path: PathBuf,
        /// All of them, in the order of their lines.
        mistakes: Vec<Mistake>,
    },
}

fn list(mistakes: &[Mistake]) -> String {
    mistakes.iter().map(|mistake| format!("  {mistake}")).collect::<Vec<_>>().join("\n")
}

impl Config {
    /// Reads and checks a configuration file. Relative paths in it start at its folder.
    ///
    /// # Errors
    ///
    /// [`ConfigError::Unreadable`] or all [`ConfigError::Mistakes`].
    pub fn load(path: &Path) -> Result<Self, ConfigError> {
        let text = std::fs::read_to_string(path)
            .map_err(|source| ConfigError::Unreadable { path: path.to_owned(), source })?;
        let folder = path.parent().unwrap_or(Path::new(""));
        Self::parse(&text, folder)
            .map_err(|mistakes| ConfigError::Mistakes { path: path.to_owned(), mistakes })
    }

    /// Checks the text of a configuration; relative paths in it start at `folder`.
    ///
    /// # Errors
    ///
    /// All mistakes, in the order of their lines.
    pub fn parse(text: &str, folder: &Path) -> Result<Self, Vec<Mistake>> {
        document::read(text, |root| {
            let data_dir = folder.join(root.need_text("data_dir").unwrap_or_default());
            let log = root
                .choice("log", &[("text", LogFormat::Text), ("json", LogFormat::Json)])
                .unwrap_or(LogFormat::Text);
            let web = root.section("web", read_web).unwrap_or_else(default_web);
            let mqtt = root.section("mqtt", |mqtt| {
                let listen = mqtt.section("listen", |listen| {
                    let address = listen.need_parsed("address");
                    let login = read_login(listen, folder);
                    let tls = read_listen_tls(listen, folder);
                    Some(ListenConfig { address: address?, login, tls })
                });
                let broker = mqtt.section("broker", |broker| read_broker(broker, folder));
                let sparkplug_host = mqtt.text("sparkplug_host").map(str::to_owned);
                let unfit = |host: &String| host.is_empty() || host.contains(['/', '+', '#']);
                if sparkplug_host.as_ref().is_some_and(unfit) {
                    mqtt.mistake("sparkplug_host", "must be a word without `/`, `+` and `#`");
                }
                if !mqtt.has("listen") && !mqtt.has("broker") {
                    mqtt.mistake("listen", "or `mqtt.broker` is needed, or no reading comes in");
                }
                Some(MqttConfig { listen, broker, sparkplug_host })
            });
            if !root.has("mqtt") {
                root.mistake("mqtt", "is missing; give `[mqtt.listen]` or `[mqtt.broker]`");
            }
            let mail = root.section("mail", |mail| read_mail(mail, folder));
            let store = root.section("store", read_store).unwrap_or_default();
            let backup = root.section("backup", |backup| read_backup(backup, folder));
            let influx = root.section("influx", |influx| influx::read(influx, folder));
            Some(Self { data_dir, web, mqtt: mqtt?, mail, influx, store, backup, log })
        })
    }
}

fn default_web() -> WebConfig {
    WebConfig {
        listen: SocketAddr::from(([0, 0, 0, 0], 8080)),
        base_url: "http://localhost:8080".to_owned(),
        open_reading: false,
    }
}

fn read_web(web: &Section<'_>) -> Option<WebConfig> {
    let default = default_web();
    let base_url = web.text("base_url").unwrap_or(&default.base_url);
    if !base_url.starts_with("http://") && !base_url.starts_with("https://") {
        web.mistake("base_url", "must begin with `http://` or `https://`");
    }
    Some(WebConfig {
        listen: web.parsed("listen").unwrap_or(default.listen),
        base_url: base_url.trim_end_matches('/').to_owned(),
        open_reading: web.boolean("open_reading").unwrap_or(default.open_reading),
    })
}

fn read_broker(broker: &Section<'_>, folder: &Path) -> Option<BrokerConfig> {
    let host = broker.need_text("host");
    let tls = read_broker_tls(broker, folder);
    let usual = if tls.is_some() { 8883 } else { 1883 };
    let port = broker.integer("port", 1..=65_535).unwrap_or(usual);
    let client_id = broker.text("client_id").unwrap_or("gengfu-gateway").to_owned();
    let login = read_login(broker, folder);
    let shared_group = broker.text("shared_group").map(str::to_owned);
    if shared_group.as_ref().is_some_and(|group| group.contains(['/', '+', '#'])) {
        broker.mistake("shared_group", "must not contain `/`, `+` or `#`");
    }
    Some(BrokerConfig {
        host: host?.to_owned(),
        port: u16::try_from(port).ok()?,
        tls,
        client_id,
        login,
        shared_group,
    })
}

fn read_listen_tls(listen: &Section<'_>, folder: &Path) -> Option<ListenTls> {
    let certificate = read_file(listen, "tls_cert", folder);
    let key = read_file(listen, "tls_key", folder);
    let client_ca = read_file(listen, "client_ca", folder);
    let address = listen.parsed("tls_address");
    for (one, other) in [("tls_cert", "tls_key"), ("tls_key", "tls_cert")] {
        if listen.has(one) && !listen.has(other) {
            listen.mistake(other, format!("is missing beside `{one}`"));
        }
    }
    for key in ["client_ca", "tls_address"] {
        if listen.has(key) && !listen.has("tls_cert") {
            listen.mistake("tls_cert", format!("is missing beside `{key}`"));
        }
    }
    if address.is_some() && client_ca.is_some() {
        listen.mistake(
            "client_ca",
            "protects nothing while there is an unprotected port; leave out `tls_address`",
        );
    }
    Some(ListenTls { certificate: certificate?, key: key?, client_ca, address })
}

fn read_broker_tls(broker: &Section<'_>, folder: &Path) -> Option<BrokerTls> {
    let is_on = broker.boolean("tls").unwrap_or(false);
    let ca = read_file(broker, "ca", folder);
    let certificate = read_file(broker, "client_cert", folder);
    let key = read_file(broker, "client_key", folder);
    for (one, other) in [("client_cert", "client_key"), ("client_key", "client_cert")] {
        if broker.has(one) && !broker.has(other) {
            broker.mistake(other, format!("is missing beside `{one}`"));
        }
    }
    for key in ["ca", "client_cert"] {
        if broker.has(key) && !is_on {
            broker.mistake(key, "is of no use without `tls = true`");
        }
    }
    is_on.then(|| BrokerTls { ca, client: certificate.zip(key) })
}

/// Reads the name of a file that must be there, and can be read.
fn read_file(section: &Section<'_>, key: &str, folder: &Path) -> Option<PathBuf> {
    let path = folder.join(section.text(key)?);
    match std::fs::File::open(&path) {
        Ok(_) => Some(path),
        Err(error) => {
            section.mistake(key, format!("cannot be read: {error}"));
            None
        }
    }
}

fn read_store(store: &Section<'_>) -> Option<StoreConfig> {
    let number = |key, most| store.integer(key, 0..=most).and_then(|it| u32::try_from(it).ok());
    let keep_months = number("keep_months", 1_200).filter(|months| 0 < *months);
    let buffer_mib = number("buffer_mib", 65_536).filter(|mib| 0 < *mib);
    Some(StoreConfig { keep_months, buffer_mib })
}

fn read_backup(backup: &Section<'_>, folder: &Path) -> Option<BackupConfig> {
    let dir = backup.need_text("dir");
    let at = backup.text("at").unwrap_or("02:30");
    let time = Time::strptime("%H:%M", at).ok();
    if time.is_none() {
        backup.mistake("at", format!("is `{at}`, but must be a time of the day such as \"02:30\""));
    }
    let keep = backup.integer("keep", 1..=1_000).unwrap_or(7);
    Some(BackupConfig { dir: folder.join(dir?), at: time?, keep: u32::try_from(keep).ok()? })
}

fn read_mail(mail: &Section<'_>, folder: &Path) -> Option<MailConfig> {
    use MailSecurity::{None as Plain, StartTls, Tls};
    let host = mail.need_text("host");
    let security = mail
        .choice("security", &[("tls", Tls), ("starttls", StartTls), ("none", Plain)])
        .unwrap_or(Tls);
    let usual = match security {
        Tls => 465,
        StartTls => 587,
        Plain => 25,
    };
    let port = mail.integer("port", 1..=65_535).unwrap_or(usual);
    let login = read_login(mail, folder);
    let from = mail.need_text("from");
    if from.is_some_and(|from| from.parse::<lettre::message::Mailbox>().is_err()) {
        mail.mistake("from", "must be an address such as `更夫 <gengfu@school.example>`");
    }
    Some(MailConfig {
        host: host?.to_owned(),
        port: u16::try_from(port).ok()?,
        security,
        login,
        from: from?.to_owned(),
    })
}

/// Reads `user` and `password_file`; a password in the file itself is refused.
fn read_login(section: &Section<'_>, folder: &Path) -> Option<Login> {
    if section.has("password") {
        section.text("password");
        section.mistake(
            "password",
            "must not stand here; write it to a file of its own and name that as `password_file`",
        );
    }
    let user = section.text("user");
    let file = section.text("password_file");
    match (user, file) {
        (None, None) => None,
        (Some(_), None) => {
            section.mistake("password_file", "is missing beside `user`");
            None
        }
        (None, Some(_)) => {
            section.mistake("user", "is missing beside `password_file`");
            None
        }
        (Some(user), Some(file)) => match std::fs::read_to_string(folder.join(file)) {
            Ok(text) => {
                let password = Secret::new(text.trim_end_matches(['\r', '\n']).to_owned());
                Some(Login { user: user.to_owned(), password })
            }
            Err(error) => {
                section.mistake("password_file", format!("cannot be read: {error}"));
                None
            }
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const EXAMPLE: &str = include_str!("../gengfu.example.toml");

    #[test]
    fn the_example_shows_every_default() {
        let mut example = Config::parse(EXAMPLE, Path::new("/etc/gengfu")).unwrap();
        let least = "data_dir = \"data\"\n[mqtt.listen]\naddress = \"0.0.0.0:1883\"\n";
        let least = Config::parse(least, Path::new("/etc/gengfu")).unwrap();

        let mail = example.mail.take().unwrap();

        assert_eq!(example, least);
        assert_eq!((mail.port, mail.security), (465, MailSecurity::Tls));
    }

    #[test]
    fn a_broken_file_is_told_whole() {
        let text = "\
data_dri = \"data\"
[web]
listen = \"here\"
[mqtt.broker]
port = 0
password = \"secret\"
[mail]
host = \"mail.example\"
from = \"nobody\"
user = \"u\"
";

        let mistakes = Config::parse(text, Path::new("/etc/gengfu")).unwrap_err();

        let told: Vec<(usize, &str)> =
            mistakes.iter().map(|mistake| (mistake.line, mistake.key.as_str())).collect();
        assert_eq!(
            told,
            [
                (1, "data_dir"),
                (1, "data_dri"),
                (3, "web.listen"),
                (4, "mqtt.broker.host"),
                (5, "mqtt.broker.port"),
                (6, "mqtt.broker.password"),
                (7, "mail.password_file"),
                (9, "mail.from"),
            ]
        );
    }

    #[test]
    fn tls_is_whole_or_a_mistake() {
        let folder = tempfile::tempdir().unwrap();
        for name in ["a.pem", "b.pem"] {
            std::fs::write(folder.path().join(name), "").unwrap();
        }
        let parse = |text: &str| {
            Config::parse(&format!("data_dir = \"data\"\n{text}"), folder.path())
                .map_err(|all| all.into_iter().map(|it| it.key).collect::<Vec<_>>())
        };

        let whole = parse(
            "[mqtt.listen]\naddress = \"0.0.0.0:8883\"\ntls_cert = \"a.pem\"\ntls_key = \"b.pem\"\n\
             client_ca = \"a.pem\"\n[mqtt.broker]\nhost = \"h\"\ntls = true\nca = \"a.pem\"\n",
        )
        .unwrap()
        .mqtt;
        let broken = parse(
            "[mqtt.listen]\naddress = \"0.0.0.0:1883\"\ntls_cert = \"a.pem\"\n\
             [mqtt.broker]\nhost = \"h\"\nca = \"away.pem\"\nclient_key = \"b.pem\"\n",
        );

        let (listen, broker) = (whole.listen.unwrap(), whole.broker.unwrap());
        assert_eq!(listen.tls.unwrap().client_ca, Some(folder.path().join("a.pem")));
        assert_eq!((broker.port, broker.tls.unwrap().client), (8883, None));
        let wanted = ["mqtt.listen.tls_key", "mqtt.broker.ca", "mqtt.broker.client_cert"];
        let mut broken = broken.unwrap_err();
        broken.dedup();
        assert!(wanted.iter().all(|key| broken.iter().any(|it| it == key)), "{broken:?}");
    }

    #[test]
    fn backups_are_asked_for_with_a_folder_alone() {
        let text = "data_dir = \"data\"\n[mqtt.listen]\naddress = \"0.0.0.0:1883\"\n[backup]\n";
        let read = |more: &str| Config::parse(&format!("{text}{more}"), Path::new("/etc/gengfu"));

        let backup = read("dir = \"/mnt/stick\"\n").unwrap().backup.unwrap();

        assert_eq!((backup.dir.to_str(), backup.keep), (Some("/mnt/stick"), 7));
        assert_eq!(backup.at, Time::constant(2, 30, 0, 0));
        let mistakes = read("dir = \"x\"\nat = \"half past two\"\nkeep = 0\n").unwrap_err();
        let told: Vec<&str> = mistakes.iter().map(|mistake| mistake.key.as_str()).collect();
        assert_eq!(told, ["backup.at", "backup.keep"]);
    }

    #[test]
    fn a_password_is_never_printed() {
        let login = Login { user: "u".to_owned(), password: Secret::new("hunter2".to_owned()) };

        assert!(!format!("{login:?} {:?}", login.password).contains("hunter2"));
    }
}
