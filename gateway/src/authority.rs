//! The private authority of a site: who signs the certificates of its nodes and its gateway.
//!
//! In: the data directory, the name of a node, the names of the gateway, the time.
//! Out: certificates and keys (ECDSA P-256, PEM), good for rustls, for OpenSSL, and for the few
//! kilobytes of a microcontroller.
//!
//! Afterwards:
//! - the authority's key never leaves its folder, which only the owner of the data can enter;
//! - a certificate of a node says who it is and can do nothing else: it signs no others and is
//!   no server's;
//! - the gateway's certificate always has the name [`GATEWAY`], so that nodes need no name
//!   server to know whom they talk to.
//!
//! Not here: who is asked for a certificate, and what follows from it (`tls`).

use std::fs::{DirBuilder, File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::{
    DirBuilderExt as _, MetadataExt as _, OpenOptionsExt as _, PermissionsExt as _, chown,
};
use std::path::{Path, PathBuf};

use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa,
    Issuer, KeyPair, KeyUsagePurpose,
};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use wire::Name;
use wire::papers::KEY_LEN;

/// The name by which nodes know the gateway, wherever it stands.
pub const GATEWAY: &str = "gengfu-gateway";

/// The folder of the authority, in the data directory.
const FOLDER: &str = "authority";

const CA_CERTIFICATE: &str = "ca.crt";
const CA_KEY: &str = "ca.key";
const GATEWAY_CERTIFICATE: &str = "gateway.crt";
const GATEWAY_KEY: &str = "gateway.key";

/// A node hangs in a ceiling for ten years, and the next one in its place knows the same
/// authority.
const CA_YEARS: i16 = 40;
const YEARS: i16 = 20;

/// A clock that is a day behind must not find a new certificate to be of the future.
const BEFORE_S: i64 = 86_400;

/// Why there is no certificate.
#[derive(Debug, thiserror::Error)]
pub enum AuthorityError {
    /// A file or the folder of the authority.
    #[error("cannot {during} `{}`", path.display())]
    File {
        /// What was attempted.
        during: &'static str,
        /// With which file.
        path: PathBuf,
        /// The system's words.
        #[source]
        source: io::Error,
    },
    /// Somebody else could sign certificates by this key.
    #[error("others than its owner can read `{0}`; once you know that nobody did: chmod 600 {0}", path.display())]
    Exposed {
        /// The key.
        path: PathBuf,
    },
    /// A name that only the gateway has.
    #[error("`{GATEWAY}` is the name of the gateway; no node can have it")]
    GatewaysName,
    /// The machine gives no randomness, the key is none, or a name cannot stand in a
    /// certificate.
    #[error("cannot make a certificate")]
    Certificate(#[from] rcgen::Error),
}

/// A certificate and its private key, PEM.
pub struct Pair {
    /// The certificate.
    pub certificate: String,
    /// The private key.
    pub key: String,
    /// Both as a microcontroller takes them: the certificate as DER …
    pub certificate_der: Vec<u8>,
    /// … and the key as the bare number.
    pub key_scalar: [u8; KEY_LEN],
}

/// The authority of one site.
pub struct Authority {
    folder: PathBuf,
    issuer: Issuer<'static, KeyPair>,
}

impl Authority {
    /// Opens the authority of a data directory; makes it, and the gateway's certificate, if
    /// there is none yet.
    ///
    /// # Errors
    ///
    /// [`AuthorityError`].
    pub fn open(data_dir: &Path, now: i64) -> Result<Self, AuthorityError> {
        let folder = data_dir.join(FOLDER);
        if !folder.is_dir() {
            let mut builder = DirBuilder::new();
            let made = builder.recursive(true).mode(0o700).create(&folder);
            made.map_err(|source| file("make", &folder, source))?;
            give_to_owner(data_dir, &folder)?;
        }
        // Two at a time would make two authorities, and one would be forgotten.
        let lock_path = folder.join("lock");
        let lock = OpenOptions::new().create(true).truncate(false).write(true).open(&lock_path);
        let lock = lock.map_err(|source| file("open", &lock_path, source))?;
        lock.lock().map_err(|source| file("lock", &lock_path, source))?;

        let key_path = folder.join(CA_KEY);
        if !key_path.exists() {
            put(&key_path, &KeyPair::generate()?.serialize_pem(), 0o600)?;
        }
        let about = std::fs::metadata(&key_path);
        let about = about.map_err(|source| file("look at", &key_path, source))?;
        if about.permissions().mode() & 0o077 != 0 {
            return Err(AuthorityError::Exposed { path: key_path });
        }
        let text = std::fs::read_to_string(&key_path);
        let key = KeyPair::from_pem(&text.map_err(|source| file("read", &key_path, source))?)?;
        let params = of_authority(now);
        let certificate = folder.join(CA_CERTIFICATE);
        if !certificate.exists() {
            put(&certificate, &params.self_signed(&key)?.pem(), 0o644)?;
        }
        let authority = Self { folder, issuer: Issuer::new(params, key) };
        if !authority.gateway_files().0.exists() {
            authority.certify_gateway(&[], now)?;
        }
        Ok(authority)
    }

    /// Returns the authority's own certificate, PEM.
    ///
    /// # Errors
    ///
    /// [`AuthorityError::File`].
    pub fn certificate(&self) -> Result<String, AuthorityError> {
        let path = self.certificate_file();
        std::fs::read_to_string(&path).map_err(|source| file("read", &path, source))
    }

    /// Returns the authority's own certificate, DER.
    ///
    /// # Errors
    ///
    /// [`AuthorityError::File`].
    pub fn certificate_der(&self) -> Result<Vec<u8>, AuthorityError> {
        let path = self.certificate_file();
        let read = CertificateDer::from_pem_file(&path);
        let certificate = read.map_err(|source| file("read", &path, io::Error::other(source)))?;
        Ok(certificate.to_vec())
    }

    /// Returns where the authority's own certificate lies.
    #[must_use]
    pub fn certificate_file(&self) -> PathBuf {
        self.folder.join(CA_CERTIFICATE)
    }

    /// Returns where the gateway's certificate and its key lie.
    #[must_use]
    pub fn gateway_files(&self) -> (PathBuf, PathBuf) {
        (self.folder.join(GATEWAY_CERTIFICATE), self.folder.join(GATEWAY_KEY))
    }

    /// Makes the gateway's certificate anew, made out to [`GATEWAY`] and to further host names
    /// and addresses.
    ///
    /// # Errors
    ///
    /// [`AuthorityError`].
    pub fn certify_gateway(&self, hosts: &[String], now: i64) -> Result<(), AuthorityError> {
        let mut names = vec![GATEWAY.to_owned()];
        names.extend(hosts.iter().filter(|host| *host != GATEWAY).cloned());
        // It also logs in with it, at a broker that asks for one.
        let pair = self.certify(GATEWAY, names, &[Use::Server, Use::Client], now)?;
        let (certificate, key) = self.gateway_files();
        put(&key, &pair.key, 0o600)?;
        put(&certificate, &pair.certificate, 0o644)
    }

    /// Makes a certificate for a node, made out to its name.
    ///
    /// # Errors
    ///
    /// [`AuthorityError::GatewaysName`], or that the machine has no randomness.
    pub fn enroll(&self, node: Name, now: i64) -> Result<Pair, AuthorityError> {
        if node.as_str() == GATEWAY {
            return Err(AuthorityError::GatewaysName);
        }
        self.certify(node.as_str(), vec![node.as_str().to_owned()], &[Use::Client], now)
    }

    fn certify(
        &self,
        common_name: &str,
        names: Vec<String>,
        uses: &[Use],
        now: i64,
    ) -> Result<Pair, AuthorityError> {
        let mut params = CertificateParams::new(names)?;
        params.distinguished_name = subject(common_name);
        params.is_ca = IsCa::ExplicitNoCa;
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages = uses.iter().map(Use::purpose).collect();
        params.use_authority_key_identifier_extension = true;
        last(&mut params, now, YEARS);
        let key = KeyPair::generate()?;
        let certificate = params.signed_by(&key, &self.issuer)?;
        Ok(Pair {
            certificate: certificate.pem(),
            key: key.serialize_pem(),
            certificate_der: certificate.der().to_vec(),
            key_scalar: scalar(&key.serialize_der()).ok_or(rcgen::Error::CouldNotParseKeyPair)?,
        })
    }
}

/// Finds the number in a P-256 key of PKCS #8, as `ring` writes it: in an `ECPrivateKey` of
/// version 1 (RFC 5915, 3), the first octet string.
fn scalar(der: &[u8]) -> Option<[u8; KEY_LEN]> {
    const BEFORE: [u8; 5] = [0x02, 0x01, 0x01, 0x04, 0x20];
    let at = der.windows(BEFORE.len()).position(|it| it == BEFORE)?;
    der.get(at + BEFORE.len()..)?.first_chunk().copied()
}

enum Use {
    Server,
    Client,
}

impl Use {
    fn purpose(&self) -> ExtendedKeyUsagePurpose {
        match self {
            Self::Server => ExtendedKeyUsagePurpose::ServerAuth,
            Self::Client => ExtendedKeyUsagePurpose::ClientAuth,
        }
    }
}

fn of_authority(now: i64) -> CertificateParams {
    let mut params = CertificateParams::default();
    params.distinguished_name = subject("gengfu site authority");
    // It signs what is shown, and nobody below it signs anything.
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    last(&mut params, now, CA_YEARS);
    params
}

fn subject(common_name: &str) -> DistinguishedName {
    let mut subject = DistinguishedName::new();
    subject.push(DnType::CommonName, common_name);
    subject
}

/// Makes a certificate good from the day before now on, for so many years. A clock that shows
/// no day that a calendar has leaves the standard's own limits.
fn last(params: &mut CertificateParams, now: i64, years: i16) {
    let day = |instant: i64| {
        let day = jiff::Timestamp::from_second(instant).ok()?.to_zoned(jiff::tz::TimeZone::UTC);
        Some(day.date())
    };
    let Some(first) = day(now.saturating_sub(BEFORE_S)) else { return };
    let date = |year: i16, month: i8, day: i8| {
        rcgen::date_time_ymd(year.into(), month.unsigned_abs(), day.unsigned_abs())
    };
    params.not_before = date(first.year(), first.month(), first.day());
    // The first of the month: not each year has a 29th of February.
    params.not_after = date(first.year().saturating_add(years), first.month(), 1);
}

fn file(during: &'static str, path: &Path, source: io::Error) -> AuthorityError {
    AuthorityError::File { during, path: path.to_owned(), source }
}

/// Puts a file in its place, whole or not at all, readable by whom its mode names from its
/// first moment on, and owned by whoever owns the folder.
///
/// # Errors
///
/// [`AuthorityError::File`].
pub fn put(path: &Path, text: &str, mode: u32) -> Result<(), AuthorityError> {
    put_bytes(path, text.as_bytes(), mode)
}

/// Does the same with bytes.
///
/// # Errors
///
/// [`AuthorityError::File`].
pub fn put_bytes(path: &Path, bytes: &[u8], mode: u32) -> Result<(), AuthorityError> {
    let folder = path.parent().filter(|it| !it.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let building = path.with_extension("building");
    let write = || {
        // One that was left by a power cut may have other rights.
        match std::fs::remove_file(&building) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        let mut options = OpenOptions::new();
        let mut file = options.write(true).create_new(true).mode(mode).open(&building)?;
        file.write_all(bytes)?;
        file.sync_all()?;
        std::fs::rename(&building, path)?;
        File::open(folder)?.sync_all()
    };
    write().map_err(|source| file("write", path, source))?;
    give_to_owner(folder, path)
}

/// Gives a file to whoever owns a folder: run by root, the gateway must be able to read what
/// was made for it.
fn give_to_owner(of: &Path, path: &Path) -> Result<(), AuthorityError> {
    let give = || {
        let (wanted, is) = (std::fs::metadata(of)?, std::fs::metadata(path)?);
        if (wanted.uid(), wanted.gid()) == (is.uid(), is.gid()) {
            return Ok(());
        }
        chown(path, Some(wanted.uid()), Some(wanted.gid()))
    };
    match give() {
        // Who is not root made it in a folder of somebody else; it stays as it is.
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => Ok(()),
        outcome => outcome.map_err(|source| file("give away", path, source)),
    }
}

#[cfg(test)]
mod tests;
