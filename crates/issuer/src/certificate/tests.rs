use rcgen::{CertificateParams, DnType, KeyPair, SanType, string::Ia5String};

use super::*;

fn certificate(cn: &str, names: Vec<SanType>) -> Vec<u8> {
    let mut params = CertificateParams::default();
    params.distinguished_name = rcgen::DistinguishedName::new();
    params.distinguished_name.push(DnType::CountryName, "DE");
    params.distinguished_name.push(DnType::OrganizationName, "Example, Inc");
    params.distinguished_name.push(DnType::CommonName, cn);
    params.subject_alt_names = names;
    params.self_signed(&KeyPair::generate().unwrap()).unwrap().der().to_vec()
}

fn all_names() -> Vec<SanType> {
    let text = |text: &str| Ia5String::try_from(text).unwrap();
    vec![
        SanType::DnsName(text("batch.example.com")),
        SanType::URI(text("spiffe://example.com/batch")),
        SanType::IpAddress("192.0.2.7".parse().unwrap()),
        SanType::IpAddress("2001:db8::7".parse().unwrap()),
        SanType::Rfc822Name(text("batch@example.com")),
    ]
}

#[test]
fn whose_certificate_it_is() {
    let der = certificate("batch", all_names());
    let other = certificate("batch", all_names());
    let registered = |json: String| serde_json::from_str::<RegisteredCertificate>(&json).unwrap();
    let named = |kind: &str, value: &str| registered(format!("{{\"{kind}\":\"{value}\"}}"));
    let cases = [
        ("subject", named("subject_dn", r"CN=batch,O=Example\\, Inc,C=DE"), true),
        ("another_order", named("subject_dn", r"C=DE,O=Example\\, Inc,CN=batch"), false),
        ("a_part_of_it", named("subject_dn", "CN=batch"), false),
        ("dns", named("san_dns", "Batch.example.com"), true),
        ("another_dns", named("san_dns", "example.com"), false),
        ("uri", named("san_uri", "spiffe://example.com/batch"), true),
        ("another_uri", named("san_uri", "spiffe://example.com/Batch"), false),
        ("v4", named("san_ip", "192.0.2.7"), true),
        ("v6", named("san_ip", "2001:DB8:0::7"), true),
        ("another_address", named("san_ip", "192.0.2.8"), false),
        ("mail", named("san_email", "batch@example.com"), true),
        ("the_name_in_another_place", named("san_dns", "batch@example.com"), false),
    ];
    for (name, registered, want) in cases {
        let shown = |is_vouched_for| ShownCertificate::parse(&der, is_vouched_for).unwrap();
        assert_eq!(registered.is(&shown(true)), want, "{name}");
        assert!(!registered.is(&shown(false)), "{name}: nobody vouches for it");
    }
    let by_thumbprint = registered(format!("{{\"sha256\":[\"{}\"]}}", X5t::of(&der)));
    for vouched in [true, false] {
        assert!(by_thumbprint.is(&ShownCertificate::parse(&der, vouched).unwrap()));
        assert!(!by_thumbprint.is(&ShownCertificate::parse(&other, vouched).unwrap()), "of the same names");
    }
}

#[test]
fn what_is_no_certificate_and_what_names_none() {
    let der = certificate("a", Vec::new());
    let longer = [&der[..], &[0]].concat();
    for bytes in [&[][..], &der[1..], &der[..der.len() - 1], &longer, &[0x30; 32], &vec![0x30; 20_000]] {
        assert_eq!(ShownCertificate::parse(bytes, true), Err(InvalidCertificate));
    }
    let plain = ShownCertificate::parse(&der, true).unwrap();
    assert!(plain.dns.is_empty() && plain.uris.is_empty());
    for json in [
        "{}",
        r#"{"san_dns":"a","san_uri":"b"}"#,
        r#"{"subject_dn":"a"}"#,
        r#"{"san_ip":"a"}"#,
        r#"{"sha256":[]}"#,
        r#"{"sha256":["AAAA"]}"#,
        r#"{"sha256":"a"}"#,
    ] {
        assert!(serde_json::from_str::<RegisteredCertificate>(json).is_err(), "{json}");
    }
}
