//! A handshake went wrong: whose fault it was, and in what words to tell it.

use rustls::{AlertDescription as Alert, CertificateError, Error};

/// Whose fault it is that a handshake or a protected connection broke.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    /// The other's certificate cannot be trusted.
    Theirs,
    /// The other does not trust our certificate, or wants one.
    Ours,
    /// Neither: no TLS was spoken, or it broke off.
    Neither,
}

fn cause(error: &std::io::Error) -> Option<&Error> {
    error.get_ref().and_then(|cause| cause.downcast_ref::<Error>())
}

/// Returns whose fault it is.
pub(crate) fn fault(error: &std::io::Error) -> Fault {
    match cause(error) {
        Some(
            Error::InvalidCertificate(_)
            | Error::NoCertificatesPresented
            | Error::UnsupportedNameType,
        ) => Fault::Theirs,
        Some(Error::AlertReceived(
            Alert::AccessDenied
            | Alert::BadCertificate
            | Alert::CertificateExpired
            | Alert::CertificateRequired
            | Alert::CertificateRevoked
            | Alert::CertificateUnknown
            | Alert::DecryptError
            | Alert::HandshakeFailure
            | Alert::UnknownCA
            | Alert::UnsupportedCertificate,
        )) => Fault::Ours,
        _ => Fault::Neither,
    }
}

/// Returns the word under which a client's certificate that was not accepted is counted.
#[expect(clippy::wildcard_enum_match_arm, reason = "rustls has many more, and will have others")]
pub(crate) fn refusal(error: &Error) -> &'static str {
    use CertificateError as Why;
    match error {
        Error::InvalidCertificate(Why::Expired | Why::ExpiredContext { .. }) => {
            "expired-certificate"
        }
        Error::InvalidCertificate(Why::NotValidYet | Why::NotValidYetContext { .. }) => {
            "certificate-of-the-future"
        }
        _ => "untrusted-certificate",
    }
}

/// Returns what is wrong, for the log of a node whose connection is not let through; `None`
/// if TLS has nothing to do with it.
#[expect(clippy::wildcard_enum_match_arm, reason = "rustls has many more, and will have others")]
pub(crate) fn words(error: &std::io::Error) -> Option<&'static str> {
    use CertificateError as Why;
    Some(match cause(error)? {
        Error::InvalidCertificate(Why::NotValidForName | Why::NotValidForNameContext { .. }) => {
            "the gateway shows a certificate of another host: is the host name right?"
        }
        Error::InvalidCertificate(Why::Expired | Why::ExpiredContext { .. }) => {
            "the gateway's certificate has expired, or the clock of this machine is wrong"
        }
        Error::InvalidCertificate(Why::NotValidYet | Why::NotValidYetContext { .. }) => {
            "the gateway's certificate is not valid yet, or the clock of this machine is wrong"
        }
        Error::InvalidCertificate(_) => {
            "the gateway's certificate is of another authority: was this node enrolled there?"
        }
        Error::AlertReceived(Alert::CertificateRequired) => {
            "the gateway wants a certificate of this node and got none"
        }
        Error::AlertReceived(Alert::CertificateExpired) => {
            "the gateway says that the certificate of this node has expired"
        }
        Error::AlertReceived(
            Alert::UnknownCA
            | Alert::DecryptError
            | Alert::BadCertificate
            | Alert::CertificateUnknown
            | Alert::CertificateRevoked
            | Alert::UnsupportedCertificate
            | Alert::AccessDenied,
        ) => "the gateway does not trust the certificate of this node: enroll it there",
        Error::AlertReceived(Alert::ProtocolVersion) | Error::PeerIncompatible(_) => {
            "the other side does not speak TLS 1.3"
        }
        Error::InvalidMessage(_) => "that port does not speak TLS: is it the protected one?",
        _ => "no protected connection could be agreed on",
    })
}
