//! The way to the broker, protected: TLS 1.3 with certificates on both sides.
//!
//! In: the papers of the board, its hardware's randomness, the time.
//! Out: a connection to whoever can prove to be the gateway, or none.
//!
//! The other side must show a certificate that is signed by the site's authority itself, made
//! out to the gateway's name and good at this time. Behind it may come the authority's own, as
//! OpenSSL sends it, and no other: `embedded-tls` follows chains without asking whether a link
//! may sign others, so through a longer one every node's key could make certificates of a gateway.
//!
//! Reading and writing may be given up half way, which `embedded-tls` alone does not allow: it
//! would lose a record's head, or send half a record. So it is given records only whole
//! ([`Wire`]), and what it has to send waits beside it.

use core::cell::Cell;
use core::sync::atomic::{AtomicU32, Ordering};

use embassy_net::tcp::client::TcpConnection;
use embassy_sync::blocking_mutex;
use embassy_sync::blocking_mutex::raw::{CriticalSectionRawMutex, NoopRawMutex};
use embassy_sync::mutex::Mutex;
use embassy_time::{Duration, Instant, Timer};
use embedded_io_async::{Error as _, ErrorType, Read, Write};
use embedded_tls::pki::CertVerifier;
use embedded_tls::{
    Aes128GcmSha256, Certificate, CertificateEntryRef, CertificateRef, CertificateVerifyRef,
    CryptoProvider, CryptoRngCore, FlushPolicy, SignatureScheme, TlsCipherSuite, TlsClock,
    TlsConfig, TlsConnection, TlsContext, TlsError, TlsVerifier,
};
use firmware::host::LinkError;
use firmware::{Clock as _, Dialer};
use p256::ecdsa::{DerSignature, SigningKey};
use wire::Papers;

use crate::clock::SiteClock;
use crate::net::{BYTES, Broker};

type Suite = Aes128GcmSha256;
type Hash = <Suite as TlsCipherSuite>::Hash;

/// A plan in one record, and answers that come with it.
const RECORD_IN: usize = 8 * 1024;
/// The largest pack in one record, and our certificate.
const RECORD_OUT: usize = 2 * 1024;
/// What TLS adds to a record, at most (RFC 8446, 5.2: 5 bytes of head and 256 more).
const OVERHEAD: usize = 261;
/// The gateway's certificate, some 500 bytes with three names, and the authority's.
const CERTIFICATE_MAX: usize = 2048;

/// How long the last handshake took, ms, way and waiting included; 0 before the first.
pub static HANDSHAKE_MS: AtomicU32 = AtomicU32::new(0);

/// By whose time certificates are looked at: `embedded-tls` asks a type, not a value.
static SITE_TIME: blocking_mutex::Mutex<CriticalSectionRawMutex, Cell<Option<&'static SiteClock>>> =
    blocking_mutex::Mutex::new(Cell::new(None));

struct SiteTime;

impl TlsClock for SiteTime {
    fn now() -> Option<u64> {
        let clock = SITE_TIME.lock(Cell::get)?;
        u64::try_from(clock.now()?).ok()
    }
}

/// The memory that a protected connection needs.
pub struct Buffers {
    incoming: [u8; RECORD_IN + OVERHEAD],
    outgoing: [u8; RECORD_OUT + OVERHEAD],
    open: [u8; RECORD_IN + OVERHEAD],
    sealed: [u8; RECORD_OUT + OVERHEAD],
}

impl Buffers {
    /// Returns empty buffers.
    #[must_use]
    pub const fn new() -> Self {
        Self {
            incoming: [0; RECORD_IN + OVERHEAD],
            outgoing: [0; RECORD_OUT + OVERHEAD],
            open: [0; RECORD_IN + OVERHEAD],
            sealed: [0; RECORD_OUT + OVERHEAD],
        }
    }
}

impl Default for Buffers {
    fn default() -> Self {
        Self::new()
    }
}

/// Opens protected connections.
pub struct ProtectedBroker<R> {
    broker: Broker,
    papers: Papers<'static>,
    host: &'static str,
    random: R,
    clock: &'static SiteClock,
    wire: Wire,
    open: &'static mut [u8],
    sealed: &'static mut [u8],
}

impl<R: CryptoRngCore> ProtectedBroker<R> {
    /// Returns what opens connections; `host` is the name that the other side must prove.
    pub fn new(
        broker: Broker,
        papers: Papers<'static>,
        host: &'static str,
        random: R,
        clock: &'static SiteClock,
        buffers: &'static mut Buffers,
    ) -> Self {
        SITE_TIME.lock(|time| time.set(Some(clock)));
        let Buffers { incoming, outgoing, open, sealed } = buffers;
        let wire = Wire(Mutex::new(Records::new(incoming, outgoing)));
        Self { broker, papers, host, random, clock, wire, open, sealed }
    }
}

impl<R: CryptoRngCore> Dialer for ProtectedBroker<R> {
    type Connection<'a>
        = Protected<'a>
    where
        Self: 'a;

    async fn dial(&mut self) -> Result<Protected<'_>, LinkError> {
        // Nobody can say whether a certificate is good as long as nobody has said the time.
        while self.clock.now().is_none() {
            Timer::after(Duration::from_millis(200)).await;
        }
        // There is memory for one connection: the one before must be gone.
        self.wire.0.lock().await.connection = None;
        let connection = self.broker.dial().await?;
        self.wire.0.lock().await.begin(connection);
        let wire = &self.wire;
        let mut tls = TlsConnection::new(wire, self.open, self.sealed);
        // Records leave when they are whole; the socket needs no push.
        tls.set_flush_policy(FlushPolicy::Relaxed);
        let config = TlsConfig::new().with_server_name(self.host);
        let authority = Certificate::X509(self.papers.authority);
        let provider = Provider {
            random: &mut self.random,
            verifier: OneLink {
                verifier: CertVerifier::new(authority),
                authority: self.papers.authority,
            },
            papers: self.papers,
        };
        let begun = Instant::now();
        tls.open(TlsContext::new(&config, provider)).await.map_err(link_error)?;
        wire.0.lock().await.drain().await.map_err(link_error)?;
        let took = u32::try_from(begun.elapsed().as_millis()).unwrap_or(u32::MAX);
        HANDSHAKE_MS.store(took.max(1), Ordering::Relaxed);
        Ok(Protected { wire, tls })
    }
}

fn link_error(error: TlsError) -> LinkError {
    match error {
        TlsError::InvalidCertificate
        | TlsError::InvalidCertificateEntry
        | TlsError::InvalidSignature
        | TlsError::InvalidSignatureScheme
        | TlsError::DecodeError => LinkError::Untrusted,
        TlsError::HandshakeAborted(..) | TlsError::InvalidPrivateKey => LinkError::Refused,
        TlsError::Io(_) | TlsError::IoError | TlsError::ConnectionClosed => LinkError::Lost,
        _ => LinkError::Protocol,
    }
}

/// What this board brings to a handshake.
struct Provider<'a, R> {
    random: &'a mut R,
    verifier: OneLink,
    papers: Papers<'static>,
}

impl<R: CryptoRngCore> CryptoProvider for Provider<'_, R> {
    type CipherSuite = Suite;
    type Signature = DerSignature;

    fn rng(&mut self) -> impl CryptoRngCore {
        &mut *self.random
    }

    fn verifier(&mut self) -> Result<&mut impl TlsVerifier<Suite>, TlsError> {
        Ok(&mut self.verifier)
    }

    fn signer(
        &mut self,
    ) -> Result<(impl p256::ecdsa::signature::SignerMut<DerSignature>, SignatureScheme), TlsError>
    {
        let key = SigningKey::from_slice(self.papers.key);
        let key = key.map_err(|_| TlsError::InvalidPrivateKey)?;
        Ok((key, SignatureScheme::EcdsaSecp256r1Sha256))
    }

    fn client_cert(&mut self) -> Option<Certificate<impl AsRef<[u8]>>> {
        Some(Certificate::X509(self.papers.certificate))
    }
}

/// Trusts a certificate that the authority itself has signed, and no chain.
struct OneLink {
    verifier: CertVerifier<'static, Suite, SiteTime, CERTIFICATE_MAX>,
    authority: &'static [u8],
}

impl TlsVerifier<Suite> for OneLink {
    fn set_hostname_verification(&mut self, host: &str) -> Result<(), TlsError> {
        self.verifier.set_hostname_verification(host)
    }

    fn verify_certificate(
        &mut self,
        transcript: &Hash,
        certificate: CertificateRef<'_>,
    ) -> Result<(), TlsError> {
        let is_authority = |entry: &CertificateEntryRef<'_>| match entry {
            CertificateEntryRef::X509(bytes) => *bytes == self.authority,
            CertificateEntryRef::RawPublicKey(_) => false,
        };
        let (first, others) =
            certificate.entries.split_first().ok_or(TlsError::InvalidCertificate)?;
        if is_authority(first) || !others.iter().all(is_authority) {
            return Err(TlsError::InvalidCertificate);
        }
        self.verifier.verify_certificate(transcript, certificate)
    }

    fn verify_signature(&mut self, verify: CertificateVerifyRef<'_>) -> Result<(), TlsError> {
        self.verifier.verify_signature(verify)
    }
}

/// One protected connection.
pub struct Protected<'a> {
    wire: &'a Wire,
    tls: TlsConnection<'a, &'a Wire, Suite>,
}

impl ErrorType for Protected<'_> {
    type Error = TlsError;
}

impl Read for Protected<'_> {
    async fn read(&mut self, buf: &mut [u8]) -> Result<usize, TlsError> {
        self.tls.read(buf).await
    }
}

impl Write for Protected<'_> {
    async fn write(&mut self, buf: &[u8]) -> Result<usize, TlsError> {
        // Only this may take time. Behind it there is room for a record, so what follows does
        // not wait, and is not given up half way.
        self.wire.0.lock().await.drain().await?;
        let len = self.tls.write(buf).await?;
        self.tls.flush().await?;
        Ok(len)
    }

    async fn flush(&mut self) -> Result<(), TlsError> {
        self.wire.0.lock().await.drain().await
    }
}

/// The TCP connection beneath, as TLS sees it.
struct Wire(Mutex<NoopRawMutex, Records>);

type Tcp = TcpConnection<'static, 1, BYTES, BYTES>;

/// Bytes on their way in and out. Both may be waited for and given up at any time.
struct Records {
    connection: Option<Tcp>,
    incoming: &'static mut [u8],
    /// How many bytes have come in, and how many of the first record were handed out.
    come: usize,
    taken: usize,
    outgoing: &'static mut [u8],
    /// How many bytes wait to go out, and how many of them have gone.
    waiting: usize,
    gone: usize,
}

/// Kind of content, version, and the length of what follows (RFC 8446, 5.1).
const HEAD: usize = 5;

impl Records {
    const fn new(incoming: &'static mut [u8], outgoing: &'static mut [u8]) -> Self {
        Self { connection: None, incoming, come: 0, taken: 0, outgoing, waiting: 0, gone: 0 }
    }

    fn begin(&mut self, connection: Tcp) {
        self.connection = Some(connection);
        (self.come, self.taken, self.waiting, self.gone) = (0, 0, 0, 0);
    }

    /// The first record, as long as it is there whole.
    fn record(&self) -> Option<&[u8]> {
        let come = self.incoming.get(..self.come)?;
        let (&[_, _, _, high, low], _) = come.split_first_chunk::<HEAD>()?;
        come.get(..HEAD.saturating_add(usize::from(u16::from_be_bytes([high, low]))))
    }

    /// Waits until a whole record is there.
    async fn fill(&mut self) -> Result<(), TlsError> {
        while self.record().is_none() {
            let connection = self.connection.as_mut().ok_or(TlsError::ConnectionClosed)?;
            let room = self.incoming.get_mut(self.come..).unwrap_or_default();
            if room.is_empty() {
                return Err(TlsError::InsufficientSpace);
            }
            let read = connection.read(room).await.map_err(|error| TlsError::Io(error.kind()))?;
            if read == 0 {
                return Err(TlsError::ConnectionClosed);
            }
            self.come = self.come.saturating_add(read);
        }
        Ok(())
    }

    /// Hands out what there is of the first record.
    fn take(&mut self, out: &mut [u8]) -> usize {
        let Some(record) = self.record() else { return 0 };
        let (len, rest) = (record.len(), record.get(self.taken..).unwrap_or_default());
        let count = rest.len().min(out.len());
        for (slot, byte) in out.iter_mut().zip(rest) {
            *slot = *byte;
        }
        self.taken = self.taken.saturating_add(count);
        if len <= self.taken {
            self.incoming.copy_within(len..self.come, 0);
            self.come = self.come.saturating_sub(len);
            self.taken = 0;
        }
        count
    }

    /// Sends what waits.
    async fn drain(&mut self) -> Result<(), TlsError> {
        while self.gone < self.waiting {
            let connection = self.connection.as_mut().ok_or(TlsError::ConnectionClosed)?;
            let rest = self.outgoing.get(self.gone..self.waiting).unwrap_or_default();
            let sent = connection.write(rest).await.map_err(|error| TlsError::Io(error.kind()))?;
            self.gone = self.gone.saturating_add(sent);
        }
        (self.waiting, self.gone) = (0, 0);
        Ok(())
    }

    /// Puts down what is to be sent; returns how many bytes there was room for.
    fn put(&mut self, bytes: &[u8]) -> usize {
        let room = self.outgoing.get_mut(self.waiting..).unwrap_or_default();
        let count = room.len().min(bytes.len());
        for (slot, byte) in room.iter_mut().zip(bytes) {
            *slot = *byte;
        }
        self.waiting = self.waiting.saturating_add(count);
        count
    }
}

impl ErrorType for &Wire {
    type Error = TlsError;
}

impl Read for &Wire {
    async fn read(&mut self, buf: &mut [u8]) -> Result<usize, TlsError> {
        let mut records = self.0.lock().await;
        records.drain().await?;
        records.fill().await?;
        Ok(records.take(buf))
    }
}

impl Write for &Wire {
    async fn write(&mut self, buf: &[u8]) -> Result<usize, TlsError> {
        let mut records = self.0.lock().await;
        let count = records.put(buf);
        if 0 < count {
            return Ok(count);
        }
        // Within a handshake only, which nobody gives up without its connection.
        records.drain().await?;
        Ok(records.put(buf))
    }

    async fn flush(&mut self) -> Result<(), TlsError> {
        Ok(())
    }
}
