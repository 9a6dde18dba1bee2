//! Authorities and certificates for the tests of both doors, and what is read in them.

use std::path::{Path, PathBuf};

use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, IsCa, Issuer, KeyPair,
};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;

use super::{Certificates, TlsError, names_in};
use crate::config::ListenTls;

/// Someone who signs certificates, and the file by which others know them.
pub(crate) struct Authority {
    issuer: Issuer<'static, KeyPair>,
    pub(crate) file: PathBuf,
}

/// A certificate and its key.
#[derive(Clone, Debug)]
pub(crate) struct Paper {
    pub(crate) certificate: PathBuf,
    pub(crate) key: PathBuf,
}

impl Authority {
    pub(crate) fn new(folder: &Path, name: &str) -> Self {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.distinguished_name = common_name(name);
        let key = KeyPair::generate().unwrap();
        let file = folder.join(format!("{name}.pem"));
        std::fs::write(&file, params.self_signed(&key).unwrap().pem()).unwrap();
        Self { issuer: Issuer::new(params, key), file }
    }

    /// Makes out a certificate to some names, the first also as the common name.
    pub(crate) fn issue(&self, folder: &Path, file: &str, names: &[&str]) -> Paper {
        let mut params =
            CertificateParams::new(names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>())
                .unwrap();
        params.distinguished_name = common_name(names[0]);
        self.sign(folder, file, &params)
    }

    /// Makes out a certificate that has a common name only.
    pub(crate) fn issue_to_common_name(&self, folder: &Path, name: &str) -> Paper {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.distinguished_name = common_name(name);
        self.sign(folder, name, &params)
    }

    fn sign(&self, folder: &Path, file: &str, params: &CertificateParams) -> Paper {
        let key = KeyPair::generate().unwrap();
        let paper = Paper {
            certificate: folder.join(format!("{file}.crt")),
            key: folder.join(format!("{file}.key")),
        };
        let signed = params.signed_by(&key, &self.issuer).unwrap();
        std::fs::write(&paper.certificate, signed.pem()).unwrap();
        std::fs::write(&paper.key, key.serialize_pem()).unwrap();
        paper
    }
}

fn common_name(name: &str) -> DistinguishedName {
    let mut subject = DistinguishedName::new();
    subject.push(DnType::OrganizationName, "School No. 1");
    subject.push(DnType::CommonName, name);
    subject
}

/// What a listener is told, of these papers.
pub(crate) fn listen_tls(paper: &Paper, client_ca: Option<&Authority>) -> ListenTls {
    ListenTls {
        certificate: paper.certificate.clone(),
        key: paper.key.clone(),
        client_ca: client_ca.map(|authority| authority.file.clone()),
        address: None,
    }
}

#[test]
fn the_common_name_and_the_dns_names_of_a_certificate_are_its_names() {
    let folder = tempfile::tempdir().unwrap();
    let authority = Authority::new(folder.path(), "nodes-ca");
    let names = |paper: Paper| {
        let certificate = CertificateDer::from_pem_file(paper.certificate).unwrap();
        names_in(&certificate).unwrap()
    };

    let by_hand = names(authority.issue_to_common_name(folder.path(), "node-7"));
    let whole = names(authority.issue(folder.path(), "both", &["node-8", "node-8.school.example"]));

    assert_eq!(by_hand, ["node-7"]);
    assert_eq!(whole, ["node-8", "node-8.school.example", "node-8"]);
}

#[test]
fn bytes_that_are_no_certificate_have_no_names() {
    for bytes in [&b""[..], b"\x30\x84\xff\xff\xff\xff", b"\x30\x03\x30\x01\x31"] {
        assert!(names_in(&CertificateDer::from(bytes)).is_err());
        assert!(super::common_names(bytes).is_empty());
    }
}

#[test]
fn a_key_of_another_certificate_is_no_use_and_changes_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let authority = Authority::new(folder.path(), "ca");
    let [mine, other] =
        ["mine", "other"].map(|file| authority.issue(folder.path(), file, &["gateway"]));
    let crossed = Paper { key: other.key.clone(), ..mine.clone() };
    assert!(matches!(Certificates::open(listen_tls(&crossed, None)), Err(TlsError::Unusable(_))));

    let certificates = Certificates::open(listen_tls(&mine, None)).unwrap();
    let before = certificates.current();
    std::fs::copy(&other.certificate, &mine.certificate).unwrap();
    let half_way = certificates.current();
    std::fs::copy(&other.key, &mine.key).unwrap();
    let after = certificates.current();

    assert!(std::sync::Arc::ptr_eq(&before, &half_way));
    assert!(!std::sync::Arc::ptr_eq(&before, &after));
}
