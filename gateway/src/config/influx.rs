//! `[influx]`: an InfluxDB 2 that readings also go to.

use std::path::{Path, PathBuf};

use super::Secret;
use crate::document::Section;

/// An InfluxDB that readings also go to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InfluxConfig {
    /// Where it is.
    pub address: Address,
    /// The organisation that the bucket belongs to.
    pub org: String,
    /// The bucket that readings are written to.
    pub bucket: String,
    /// What lets us in; without it nothing is said about who we are.
    pub token: Option<Secret>,
    /// A certificate authority (PEM) beside those of the system.
    pub ca: Option<PathBuf>,
    /// Whether the sites of this InfluxDB are read back as a portfolio.
    pub read: bool,
}

/// Where an HTTP server is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Address {
    /// Whether it is spoken to through TLS.
    pub tls: bool,
    /// Its host name or address.
    pub host: String,
    /// Its TCP port.
    pub port: u16,
    /// What its paths begin with, such as `/influx`; empty at the root.
    pub path: String,
}

impl Address {
    /// Reads `http://host:8086` or `https://host/influx`; `None` for anything else, also
    /// for an address with a user, a query or a fragment.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let (tls, rest) = match text.split_once("://")? {
            ("http", rest) => (false, rest),
            ("https", rest) => (true, rest),
            _ => return None,
        };
        let plain = |c: char| c.is_ascii_graphic() && !matches!(c, '@' | '?' | '#' | '\\');
        if !rest.chars().all(plain) {
            return None;
        }
        let (authority, path) = match rest.find('/') {
            Some(at) => rest.split_at(at),
            None => (rest, ""),
        };
        // The colons of an IPv6 address stand within brackets.
        let (host, port) = match authority.rsplit_once(':') {
            Some((host, port)) if !port.ends_with(']') => (host, port.parse().ok()?),
            _ => (authority, if tls { 443 } else { 80 }),
        };
        let host = match host.strip_prefix('[') {
            Some(inner) => inner.strip_suffix(']')?,
            None if host.contains(':') => return None,
            None => host,
        };
        let path = path.trim_end_matches('/').to_owned();
        (!host.is_empty() && 0 < port).then(|| Self { tls, host: host.to_owned(), port, path })
    }

    /// Returns host and port as they stand in a URL.
    #[must_use]
    pub fn authority(&self) -> String {
        match self.host.contains(':') {
            true => format!("[{}]:{}", self.host, self.port),
            false => format!("{}:{}", self.host, self.port),
        }
    }
}

/// Reads the section; relative paths in it start at `folder`.
pub(super) fn read(influx: &Section<'_>, folder: &Path) -> Option<InfluxConfig> {
    if cfg!(not(feature = "influx")) {
        influx.mistake("url", "cannot be used: this gengfu was built without the feature `influx`");
    }
    let address = influx.need_text("url").map(Address::parse);
    if address == Some(None) {
        influx.mistake("url", "must look like `http://10.0.4.9:8086` or `https://host/influx`");
    }
    let org = influx.need_text("org");
    let bucket = influx.need_text("bucket");
    if influx.has("token") {
        influx.text("token");
        influx.mistake(
            "token",
            "must not stand here; write it to a file of its own and name that as `token_file`",
        );
    }
    let token = influx.text("token_file").and_then(|file| {
        let text = std::fs::read_to_string(folder.join(file));
        let text = text.map_err(|error| {
            influx.mistake("token_file", format!("cannot be read: {error}"));
        });
        let token = text.ok()?.trim().to_owned();
        // It travels in a header, where anything else would end the line or the request.
        if token.is_empty() || !token.bytes().all(|byte| byte.is_ascii_graphic()) {
            influx.mistake("token_file", "must hold one token: letters, digits and signs");
        }
        Some(Secret::new(token))
    });
    let ca = influx.text("ca").map(|file| folder.join(file));
    if ca.as_ref().is_some_and(|file| !file.is_file()) {
        influx.mistake("ca", "cannot be found");
    }
    let read = influx.boolean("read").unwrap_or(false);
    Some(InfluxConfig {
        address: address??,
        org: org?.to_owned(),
        bucket: bucket?.to_owned(),
        token,
        ca,
        read,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Config;

    #[test]
    fn an_address_is_taken_apart_or_refused() {
        let parsed = |text| {
            Address::parse(text).map(|it| (it.tls, it.host.clone(), it.port, it.path.clone()))
        };
        let address =
            |tls, host: &str, port, path: &str| Some((tls, host.to_owned(), port, path.to_owned()));

        assert_eq!(parsed("http://10.0.4.9:8086"), address(false, "10.0.4.9", 8086, ""));
        assert_eq!(
            parsed("https://db.example/influx/"),
            address(true, "db.example", 443, "/influx")
        );
        assert_eq!(parsed("http://[fd00::1]:8086/"), address(false, "fd00::1", 8086, ""));
        assert_eq!(parsed("http://[fd00::1]"), address(false, "fd00::1", 80, ""));
        for wrong in [
            "db:8086",
            "ftp://db",
            "http://",
            "http://db:x",
            "http://db:0",
            "http://me@db",
            "http://db/?x=1",
            "http://fd00::1",
            "http://a b",
            "http://db/\r\nX: y",
        ] {
            assert_eq!(parsed(wrong), None, "{wrong}");
        }
        assert_eq!(Address::parse("http://[fd00::1]").unwrap().authority(), "[fd00::1]:80");
    }

    #[test]
    fn a_section_with_mistakes_is_told_whole() {
        let text = "data_dir = \"d\"\n[mqtt.listen]\naddress = \"0.0.0.0:1883\"\n\
            [influx]\nurl = \"db:8086\"\ntoken = \"secret\"\nbucket = \"gengfu\"\n";

        let mistakes = Config::parse(text, Path::new("/nowhere")).unwrap_err();

        let told: Vec<(usize, &str)> = mistakes
            .iter()
            .filter(|mistake| !mistake.message.contains("feature"))
            .map(|mistake| (mistake.line, mistake.key.as_str()))
            .collect();
        assert_eq!(told, [(4, "influx.org"), (5, "influx.url"), (6, "influx.token")]);
    }

    #[cfg(not(feature = "influx"))]
    #[test]
    fn a_program_without_the_feature_says_so() {
        let text = "data_dir = \"d\"\n[mqtt.listen]\naddress = \"0.0.0.0:1883\"\n\
            [influx]\nurl = \"http://db:8086\"\norg = \"o\"\nbucket = \"b\"\n";

        let mistakes = Config::parse(text, Path::new("/nowhere")).unwrap_err();

        assert_eq!(mistakes.len(), 1);
        assert!(mistakes[0].message.contains("built without the feature"), "{:?}", mistakes[0]);
    }

    #[cfg(feature = "influx")]
    #[test]
    fn a_token_comes_from_its_file_and_is_never_printed() {
        let dir = tempfile::TempDir::new().unwrap();
        std::fs::write(dir.path().join("token"), "s3cret==\n").unwrap();
        let text = "data_dir = \"d\"\n[mqtt.listen]\naddress = \"0.0.0.0:1883\"\n\
            [influx]\nurl = \"http://db:8086\"\norg = \"o\"\nbucket = \"b\"\ntoken_file = \"token\"\n";

        let influx = Config::parse(text, dir.path()).unwrap().influx.unwrap();

        assert_eq!(influx.token.as_ref().map(Secret::reveal), Some("s3cret=="));
        assert!(!format!("{influx:?}").contains("s3cret"));
    }
}
