//! Certificates, for both doors of the gateway and for its nodes: rustls with ring.
//!
//! TLS 1.2 and 1.3; a node of ours speaks 1.3 only.
//!
//! In: PEM files that the configuration names.
//! Out: what a listener or a client needs to shake hands; the names in a certificate; for
//! a handshake that went wrong, whose fault it was, and in what words to tell it.
//!
//! Afterwards a peer is known or there is no connection: the broker by a chain to its
//! authority and by its host name, a node (where that is asked) by a chain to the nodes'
//! authority. Nothing here can be switched off.
//!
//! Files are read again when they change, so that a certificate that is renewed each few
//! weeks needs no restart: by the listener at the next handshake, by the broker's door at
//! the next connection, by a node at the next attempt. A file that is half written, or does not fit the others, changes
//! nothing; the ones before stay in use.

use std::cell::RefCell;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::SystemTime;

use rustls::client::danger::HandshakeSignatureValid;
use rustls::crypto::CryptoProvider;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, UnixTime};
use rustls::server::WebPkiClientVerifier;
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::{
    CertificateError, ClientConfig, DigitallySignedStruct, DistinguishedName, RootCertStore,
    ServerConfig, SignatureScheme, SupportedProtocolVersion,
};

use crate::config::{BrokerTls, ListenTls};

mod blame;

pub(crate) use blame::{Fault, fault, refusal, words};

/// Why there is no TLS.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// A file cannot be read, or there is nothing of the kind in it.
    #[error("cannot read {what} from `{}`", path.display())]
    Unreadable {
        /// What was looked for.
        what: &'static str,
        /// Where.
        path: PathBuf,
        /// What was found.
        #[source]
        source: rustls::pki_types::pem::Error,
    },
    /// This machine trusts nobody, and no authority is named.
    #[error("no authority is named as `ca`, and this machine trusts none")]
    NobodyTrusted,
    /// Certificate, key and authority do not fit each other.
    #[error("certificate and key cannot be used")]
    Unusable(#[source] rustls::Error),
    /// The authority of the nodes cannot be used.
    #[error("the authority in `{}` cannot be used", path.display())]
    Authority {
        /// Which file.
        path: PathBuf,
        /// Why.
        #[source]
        source: rustls::server::VerifierBuilderError,
    },
}

/// What a listener shows and asks for; follows its files.
pub struct Certificates {
    files: ListenTls,
    read: RefCell<Read>,
}

struct Read {
    stamps: Vec<Option<(SystemTime, u64)>>,
    config: Arc<ServerConfig>,
}

impl Certificates {
    /// Reads the files.
    ///
    /// # Errors
    ///
    /// [`TlsError`]: nothing could be protected by them.
    pub fn open(files: ListenTls) -> Result<Self, TlsError> {
        let stamps = stamps(&files);
        let config = server_config(&files)?;
        Ok(Self { files, read: RefCell::new(Read { stamps, config }) })
    }

    /// Returns what the files say now; what they said before if they are of no use now.
    pub(crate) fn current(&self) -> Arc<ServerConfig> {
        let now = stamps(&self.files);
        let mut read = self.read.borrow_mut();
        if read.stamps != now {
            match server_config(&self.files) {
                Ok(config) => {
                    crate::events::certificates_read();
                    read.config = config;
                }
                Err(error) => crate::events::certificates_unusable(&error),
            }
            read.stamps = now;
        }
        Arc::clone(&read.config)
    }
}

/// What tells whether files have changed.
fn stamps(files: &ListenTls) -> Vec<Option<(SystemTime, u64)>> {
    [Some(&files.certificate), Some(&files.key), files.client_ca.as_ref()]
        .into_iter()
        .flatten()
        .map(|path| {
            let metadata = std::fs::metadata(path).ok()?;
            Some((metadata.modified().ok()?, metadata.len()))
        })
        .collect()
}

fn provider() -> Arc<CryptoProvider> {
    Arc::new(rustls::crypto::ring::default_provider())
}

fn server_config(files: &ListenTls) -> Result<Arc<ServerConfig>, TlsError> {
    let builder = ServerConfig::builder_with_provider(provider())
        .with_safe_default_protocol_versions()
        .map_err(TlsError::Unusable)?;
    let builder = match &files.client_ca {
        None => builder.with_no_client_auth(),
        Some(path) => {
            let roots = Arc::new(authorities(path)?);
            let verifier = WebPkiClientVerifier::builder_with_provider(roots, provider())
                .build()
                .map_err(|source| TlsError::Authority { path: path.clone(), source })?;
            builder.with_client_cert_verifier(Arc::new(Counting(verifier)))
        }
    };
    let config = builder
        .with_single_cert(certificates(&files.certificate)?, key(&files.key)?)
        .map_err(TlsError::Unusable)?;
    Ok(Arc::new(config))
}

/// Verifies certificates of nodes and counts those that fail: the listener's streams only
/// tell that a handshake broke.
#[derive(Debug)]
struct Counting(Arc<dyn ClientCertVerifier>);

impl ClientCertVerifier for Counting {
    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        self.0.root_hint_subjects()
    }

    fn verify_client_cert(
        &self,
        certificate: &CertificateDer<'_>,
        between: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> Result<ClientCertVerified, rustls::Error> {
        self.0
            .verify_client_cert(certificate, between, now)
            .inspect_err(|error| crate::events::client_refused(refusal(error)))
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.0.verify_tls12_signature(message, certificate, signature)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.0.verify_tls13_signature(message, certificate, signature)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.supported_verify_schemes()
    }
}

/// Returns what a connection to a broker needs; reads the files.
///
/// # Errors
///
/// [`TlsError`]: there can be no connection until they are mended.
pub(crate) fn client_config(tls: &BrokerTls) -> Result<Arc<ClientConfig>, TlsError> {
    client_config_of(tls, rustls::DEFAULT_VERSIONS)
}

/// Returns what a node's connection needs, which is TLS 1.3 and nothing older.
///
/// # Errors
///
/// As [`client_config`].
pub(crate) fn node_config(tls: &BrokerTls) -> Result<Arc<ClientConfig>, TlsError> {
    client_config_of(tls, &[&rustls::version::TLS13])
}

fn client_config_of(
    tls: &BrokerTls,
    versions: &[&'static SupportedProtocolVersion],
) -> Result<Arc<ClientConfig>, TlsError> {
    let roots = match &tls.ca {
        Some(path) => authorities(path)?,
        None => {
            let mut roots = RootCertStore::empty();
            roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
            if roots.is_empty() {
                return Err(TlsError::NobodyTrusted);
            }
            roots
        }
    };
    let builder = ClientConfig::builder_with_provider(provider())
        .with_protocol_versions(versions)
        .map_err(TlsError::Unusable)?
        .with_root_certificates(roots);
    let config = match &tls.client {
        None => builder.with_no_client_auth(),
        Some((certificate, own_key)) => builder
            .with_client_auth_cert(certificates(certificate)?, key(own_key)?)
            .map_err(TlsError::Unusable)?,
    };
    Ok(Arc::new(config))
}

/// Returns what a node's own certificate lacks before anybody else has to say so; whose it is,
/// only the other side can tell.
pub(crate) fn own_fault(tls: &BrokerTls) -> Option<&'static str> {
    let (ca, (own, _)) = (tls.ca.as_ref()?, tls.client.as_ref()?);
    let (roots, own) = (authorities(ca).ok()?, certificates(own).ok()?);
    let own = webpki::EndEntityCert::try_from(own.first()?).ok()?;
    let algorithms = provider().signature_verification_algorithms;
    let usage = webpki::KeyUsage::client_auth();
    // The machine's own time, by which the other side's certificate is looked at as well.
    let now = UnixTime::now();
    match own.verify_for_usage(algorithms.all, &roots.roots, &[], now, usage, None, None) {
        Err(webpki::Error::CertExpired { .. }) => Some("the certificate of this node has expired"),
        Err(webpki::Error::CertNotValidYet { .. }) => {
            Some("the certificate of this node is not valid yet, or the clock is wrong")
        }
        _ => None,
    }
}

fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let unreadable =
        |source| TlsError::Unreadable { what: "a certificate", path: path.to_owned(), source };
    let all: Result<Vec<_>, _> = CertificateDer::pem_file_iter(path).map_err(unreadable)?.collect();
    let all = all.map_err(unreadable)?;
    if all.is_empty() {
        return Err(unreadable(rustls::pki_types::pem::Error::NoItemsFound));
    }
    Ok(all)
}

fn authorities(path: &Path) -> Result<RootCertStore, TlsError> {
    let mut roots = RootCertStore::empty();
    for certificate in certificates(path)? {
        roots.add(certificate).map_err(TlsError::Unusable)?;
    }
    Ok(roots)
}

fn key(path: &Path) -> Result<PrivateKeyDer<'static>, TlsError> {
    PrivateKeyDer::from_pem_file(path).map_err(|source| TlsError::Unreadable {
        what: "a private key",
        path: path.to_owned(),
        source,
    })
}

/// Returns the names that a certificate is made out to: its DNS names, and the common
/// name of its subject, which is all that certificates made by hand have as a rule.
///
/// The certificate must have been verified; of anything else the names mean nothing.
///
/// # Errors
///
/// It is no certificate.
pub(crate) fn names_in(certificate: &CertificateDer<'_>) -> Result<Vec<String>, CertificateError> {
    let certificate =
        webpki::EndEntityCert::try_from(certificate).map_err(|_| CertificateError::BadEncoding)?;
    let mut names: Vec<String> = certificate.valid_dns_names().map(str::to_owned).collect();
    names.extend(common_names(certificate.subject()));
    Ok(names)
}

/// Finds the common names in a subject: a sequence of sets of pairs of a kind and a text
/// (RFC 5280, 4.1.2.4). What is not as it should be has none.
fn common_names(subject: &[u8]) -> Vec<String> {
    const SET: u8 = 0x31;
    const SEQUENCE: u8 = 0x30;
    const KIND: u8 = 0x06;
    // 2.5.4.3
    const COMMON_NAME: [u8; 3] = [0x55, 0x04, 0x03];
    // UTF8String, PrintableString, TeletexString (in use: ASCII), IA5String.
    const TEXTS: [u8; 4] = [0x0C, 0x13, 0x14, 0x16];
    let mut names = Vec::new();
    let mut sets = subject;
    while let Some((SET, mut pairs, rest)) = element(sets) {
        sets = rest;
        while let Some((SEQUENCE, pair, rest)) = element(pairs) {
            pairs = rest;
            if let Some((KIND, kind, value)) = element(pair)
                && kind == COMMON_NAME
                && let Some((text, value, _)) = element(value)
                && TEXTS.contains(&text)
                && let Ok(name) = std::str::from_utf8(value)
            {
                names.push(name.to_owned());
            }
        }
    }
    names
}

/// Takes one element of DER apart: its tag, its content, and what follows it.
fn element(bytes: &[u8]) -> Option<(u8, &[u8], &[u8])> {
    let (&tag, rest) = bytes.split_first()?;
    let (&first, rest) = rest.split_first()?;
    let (len, rest) = if first < 0x80 {
        (usize::from(first), rest)
    } else {
        let (digits, rest) = rest.split_at_checked(usize::from(first & 0x7F))?;
        if digits.len() > 3 {
            return None; // 16 MiB: no name is so long
        }
        (digits.iter().fold(0, |len, digit| len << 8 | usize::from(*digit)), rest)
    };
    let (content, rest) = rest.split_at_checked(len)?;
    Some((tag, content, rest))
}

#[cfg(test)]
pub(crate) mod tests;
