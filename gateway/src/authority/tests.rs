//! What the authority makes, as rustls' own verifier and the file system see it.

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName, TrustAnchor, UnixTime};
use std::time::Duration;
use webpki::{EndEntityCert, KeyUsage};

use super::*;

/// 2026-11-25.
const NOW: i64 = 1_795_600_000;
const YEAR_S: i64 = 31_557_600;

fn name(text: &str) -> Name {
    Name::new(text).unwrap()
}

fn der(pem: &str) -> CertificateDer<'static> {
    CertificateDer::from_pem_slice(pem.as_bytes()).unwrap()
}

/// Whether a certificate of this authority is good for a use at a time.
fn is_good(authority: &Authority, certificate: &str, usage: KeyUsage, at: i64) -> bool {
    let (ca, certificate) = (der(&authority.certificate().unwrap()), der(certificate));
    let anchors: Vec<TrustAnchor<'_>> = vec![webpki::anchor_from_trusted_cert(&ca).unwrap()];
    let at = UnixTime::since_unix_epoch(Duration::from_secs(at.try_into().unwrap()));
    let certificate = EndEntityCert::try_from(&certificate).unwrap();
    let algorithms = rustls::crypto::ring::default_provider().signature_verification_algorithms;
    certificate.verify_for_usage(algorithms.all, &anchors, &[], at, usage, None, None).is_ok()
}

fn mode(path: &Path) -> u32 {
    std::fs::metadata(path).unwrap().permissions().mode() & 0o777
}

#[test]
fn the_key_of_the_authority_is_its_owners_alone_and_stays_the_same() {
    let data = tempfile::tempdir().unwrap();
    let first = Authority::open(data.path(), NOW).unwrap();
    let key = std::fs::read_to_string(first.folder.join(CA_KEY)).unwrap();

    let again = Authority::open(data.path(), NOW + YEAR_S).unwrap();

    assert_eq!(mode(&again.folder), 0o700);
    assert_eq!(mode(&again.folder.join(CA_KEY)), 0o600);
    assert_eq!(mode(&again.gateway_files().1), 0o600);
    assert_eq!(std::fs::read_to_string(again.folder.join(CA_KEY)).unwrap(), key);
    assert_eq!(again.certificate().unwrap(), first.certificate().unwrap());
    let later = again.enroll(name("node-1"), NOW + YEAR_S).unwrap();
    assert!(is_good(&first, &later.certificate, KeyUsage::client_auth(), NOW + 2 * YEAR_S));
}

#[test]
fn a_key_that_others_could_read_signs_nothing() {
    let data = tempfile::tempdir().unwrap();
    let authority = Authority::open(data.path(), NOW).unwrap();
    let key = authority.folder.join(CA_KEY);
    std::fs::set_permissions(&key, std::fs::Permissions::from_mode(0o640)).unwrap();

    let refused = Authority::open(data.path(), NOW).err().unwrap();

    assert!(matches!(refused, AuthorityError::Exposed { .. }), "{refused}");
    assert!(refused.to_string().contains("chmod 600"), "{refused}");
}

#[test]
fn a_node_can_show_who_it_is_and_pose_as_nobody() {
    let data = tempfile::tempdir().unwrap();
    let authority = Authority::open(data.path(), NOW).unwrap();
    let node = authority.enroll(name("node-1"), NOW).unwrap();

    let names = names_of(&node.certificate);
    let good = |usage, at| is_good(&authority, &node.certificate, usage, at);

    assert_eq!(names, ["node-1"]);
    assert!(good(KeyUsage::client_auth(), NOW));
    assert!(good(KeyUsage::client_auth(), NOW + 19 * YEAR_S));
    assert!(!good(KeyUsage::client_auth(), NOW + 21 * YEAR_S));
    assert!(!good(KeyUsage::client_auth(), NOW - 3 * 86_400));
    assert!(!good(KeyUsage::server_auth(), NOW));
    let refused = authority.enroll(name(GATEWAY), NOW).err().unwrap();
    assert!(matches!(refused, AuthorityError::GatewaysName));
}

fn names_of(pem: &str) -> Vec<String> {
    let der = der(pem);
    let certificate = EndEntityCert::try_from(&der).unwrap();
    certificate.valid_dns_names().map(str::to_owned).collect()
}

#[test]
fn the_gateway_keeps_its_name_beside_those_that_are_added() {
    let data = tempfile::tempdir().unwrap();
    let authority = Authority::open(data.path(), NOW).unwrap();
    let hosts = ["192.168.1.10".to_owned(), "meters.school.example".to_owned()];
    authority.certify_gateway(&hosts, NOW).unwrap();

    let der = CertificateDer::from_pem_file(authority.gateway_files().0).unwrap();
    let certificate = EndEntityCert::try_from(&der).unwrap();
    let known = |host: &'static str| {
        let host = ServerName::try_from(host).unwrap();
        certificate.verify_is_valid_for_subject_name(&host).is_ok()
    };

    assert!([GATEWAY, "192.168.1.10", "meters.school.example"].into_iter().all(known));
    assert!(!known("other.school.example") && !known("192.168.1.11"));
}

#[test]
fn what_is_left_of_a_power_cut_is_written_over() {
    let data = tempfile::tempdir().unwrap();
    let path = data.path().join("node.key");
    let left = path.with_extension("building");
    std::fs::write(&left, "half of a k").unwrap();

    put(&path, "a key", 0o600).unwrap();

    assert_eq!(std::fs::read_to_string(&path).unwrap(), "a key");
    assert_eq!(mode(&path), 0o600);
    assert!(!left.exists());
}
