//! The certificates of clients' connections, and the servers behind with theirs.

use super::*;

#[test]
fn certificates_that_are_refused() {
    let (certificate, key) = certificate();
    let (_, another_key) = self::certificate();
    let folder = folder(&[
        ("server.pem", certificate.as_bytes()),
        ("server.key", key.as_bytes()),
        ("another.key", another_key.as_bytes()),
        ("empty.pem", b""),
        ("broken.pem", b"-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n"),
    ]);
    let both = "certificate = 'server.pem'\nkey = 'server.key'\n";
    let cases = [
        (both.to_owned(), None),
        (format!("{both}client_ca = 'server.pem'"), None),
        ("key = 'server.key'".into(), Some((2, "`certificate` is missing here"))),
        ("certificate = 'server.pem'".into(), Some((2, "`key` is missing here"))),
        (format!("{both}client_cas = 'a'"), Some((5, "did you mean `client_ca`?"))),
        (both.replace("server.pem", "nowhere.pem"), Some((3, "nowhere.pem cannot be read"))),
        (both.replace("server.pem", "empty.pem"), Some((3, "empty.pem holds no certificate"))),
        (both.replace("server.pem", "server.key"), Some((3, "server.key holds no certificate"))),
        (both.replace("server.pem", "broken.pem"), Some((3, "broken.pem cannot be used with its key"))),
        (both.replace("server.key", "server.pem"), Some((4, "server.pem holds no private key"))),
        (
            both.replace("server.key", "another.key"),
            Some((4, "another.key is not the key of the certificate")),
        ),
        (format!("{both}client_ca = 'empty.pem'"), Some((5, "empty.pem holds no certificate"))),
        (format!("{both}client_ca = 'broken.pem'"), Some((5, "a certificate that is no root"))),
    ];
    for (lines, want) in cases {
        let checked = check::check(&format!("listen = '[::]:1'\n[tls]\n{lines}"), folder.path());
        match (checked, want) {
            (Ok(_), None) => {}
            (Err(error), Some((line, message))) => {
                assert_eq!(error.line(), Some(line), "{error} in\n{lines}");
                assert!(error.to_string().contains(message), "`{error}` does not say `{message}`");
            }
            (checked, want) => panic!("{want:?}: {checked:?} in\n{lines}"),
        }
    }
}

#[test]
fn how_the_servers_of_an_upstream_are_treated() {
    let checked = |lines: &str| Config::parse(&format!("listen = '[::]:1'{UPSTREAM}{lines}"));
    let upstream = checked("").unwrap().upstreams.remove(0);
    assert_eq!((upstream.health, upstream.limits), (None, None), "nothing is asked and nothing bounded");
    assert_eq!(upstream.eject, EjectSettings::default());
    assert_eq!((upstream.protocol, upstream.tls.is_none()), (Protocol::Http1, true));
    let upstream = checked(
        "health = { path = '/h?a=b', every = '1s', unhealthy = 1 }\n\
         eject = { failures = 9, longest = '24h', server_errors = true }\nlimits = { requests = 7 }",
    );
    let upstream = upstream.unwrap().upstreams.remove(0);
    let health = HealthSettings::at("/h?a=b".parse().unwrap());
    let health = HealthSettings { every: Duration::from_secs(1), unhealthy: 1, ..health };
    assert_eq!(upstream.health, Some(health));
    let longest = Duration::from_secs(24 * 60 * 60);
    assert_eq!(upstream.eject, EjectSettings { failures: 9, longest, server_errors: true });
    let wait = Duration::from_secs(1);
    assert_eq!(upstream.limits, Some(UpstreamLimits { requests: 7, waiting: 100, wait }));

    let cases = [
        ("helth = {}", "did you mean `health`?"),
        ("health = {}", "`path` is missing here; give what to ask for"),
        ("health = { path = 'healthz' }", "`healthz` is no path that can be asked for"),
        ("health = { path = 'http://a/' }", "no path that can be asked for"),
        ("health = { path = '/../a' }", "no path that can be asked for"),
        ("health = { path = '/a#b' }", "no path that can be asked for"),
        ("health = { path = '/', evry = '5s' }", "did you mean `every`?"),
        ("health = { path = '/', every = '0s' }", "a time limit of nothing"),
        ("health = { path = '/', every = '2d' }", "this is longer than a day"),
        ("health = { path = '/', healthy = 0 }", "this limit must be 1 or more"),
        ("eject = { failures = 0 }", "this limit must be 1 or more"),
        ("eject = { longest = '99999999d' }", "this is longer than a day"),
        ("eject = { failure = 1 }", "did you mean `failures`?"),
        ("limits = {}", "`requests` is missing here"),
        ("limits = { requests = 0 }", "this limit must be 1 or more"),
        ("limits = { requests = 1, wait = '2d' }", "this is longer than a day"),
        ("limits = { request = 1 }", "did you mean `requests`?"),
        ("protocol = 'auto'", "the protocol is agreed on in the TLS handshake; write `https://` servers"),
        ("protocol = 'h3'", "unknown variant `h3`"),
        ("tls = {}", "no server here is reached over TLS"),
    ];
    for (lines, want) in cases {
        let error = checked(lines).expect_err(want);
        assert_eq!(error.line(), Some(5), "{error} in\n{lines}");
        assert!(error.to_string().contains(want), "`{error}` does not say `{want}`");
    }
}

#[test]
fn certificates_of_and_for_servers() {
    let (certificate, key) = certificate();
    let folder = folder(&[("a.pem", certificate.as_bytes()), ("a.key", key.as_bytes()), ("empty.pem", b"")]);
    let cases = [
        ("ca = 'a.pem'", None),
        ("ca = 'a.pem', certificate = 'a.pem', key = 'a.key'", None),
        ("ca = 'a.pem', server_name = 'orders.internal'", None),
        ("ca = 'a.pem', server_name = '10.0.0.1'", None),
        ("ca = 'a.pem', server_name = 'a b'", Some("`a b` is no name that a certificate can have")),
        ("ca = 'nowhere.pem'", Some("nowhere.pem cannot be read")),
        ("ca = 'empty.pem'", Some("empty.pem holds no certificate")),
        ("ca = 'a.pem', certificate = 'a.pem'", Some("`key` is missing here")),
        ("ca = 'a.pem', key = 'a.key'", Some("`certificate` is missing here")),
        ("ca = 'a.pem', certificate = 'a.pem', key = 'a.pem'", Some("a.pem holds no private key")),
        ("ca = 'a.pem', insecure = true", Some("unknown field `insecure`")),
    ];
    for (entries, want) in cases {
        let text = format!(
            "listen = '[::]:1'\n[[upstream]]\nname = 'a'\nservers = ['https://a']\ntls = {{ {entries} }}"
        );
        match (check::check(&text, folder.path()), want) {
            (Ok(config), None) => {
                let [server] = config.upstreams[0].servers.as_slice() else { panic!("{config:?}") };
                assert_eq!(server.port, 443);
                assert!(server.name.is_some() && config.upstreams[0].tls.is_some());
            }
            (Err(error), Some(want)) => {
                assert_eq!(error.line(), Some(5), "{error} in\n{text}");
                assert!(error.to_string().contains(want), "`{error}` does not say `{want}`");
            }
            (checked, want) => panic!("{want:?}: {checked:?} in\n{text}"),
        }
    }
}
