use super::*;

fn parse(keys: &str) -> anyhow::Result<ServerConfig> {
    let text = format!(
        "issuer = 'https://auth.example.com'\nlisten = '127.0.0.1:8081'\ndata = 'data'\n\
         response_algs = ['RS256']\n{keys}\n[[resource_server]]\naudience = 'https://api.example.com'\n"
    );
    ServerConfig::parse(&text, Path::new("/etc/gatepass"))
}

#[test]
fn an_algorithm_has_the_schedule_that_names_it_and_the_others_the_common_one() {
    for keys in [
        "keys = { rotate_every = '7d', schedule.RS256.rotate_every = '90d' }",
        "[keys]\nrotate_every = '7d'\n[keys.schedule.RS256]\nrotate_every = '90d'",
    ] {
        let issuer = parse(keys).unwrap().issuer;
        assert_eq!(issuer.rotate_keys_every, Duration::from_secs(7 * 24 * 3600), "{keys}");
        let want = BTreeMap::from([(Alg::RS256, Duration::from_secs(90 * 24 * 3600))]);
        assert_eq!(issuer.key_schedules, want, "{keys}");
    }
    assert!(parse("").unwrap().issuer.key_schedules.is_empty());
}

#[test]
fn a_shared_secret_has_at_most_one_before_it() {
    let folder = tempfile::tempdir().unwrap();
    for (name, byte) in [("one", 1), ("other", 2)] {
        let secret = gatepass_jose::base64url::encode(&[byte; 32]);
        std::fs::write(folder.path().join(name), secret + "\n").unwrap();
    }
    let check = |lines: &str| {
        let raw: RawResourceServer = toml::from_str(&format!("audience = 'https://a.example'\n{lines}"))?;
        raw.check(folder.path())
    };
    let named = |lines: &str| match check(lines).unwrap().signing {
        Signing::Shared(secret) => {
            let byte = |secret: &SecretKey| secret.expose()[0];
            (byte(&secret.current), secret.previous.as_ref().map(byte))
        }
        other => panic!("{other:?}"),
    };
    assert_eq!(named("alg = 'HS256'\nsecret_file = 'one'"), (1, None));
    assert_eq!(named("alg = 'HS256'\nsecret_file = 'one'\nprevious_secret_file = 'other'"), (1, Some(2)));
    let refused = [
        ("alg = 'HS256'\nprevious_secret_file = 'one'", "needs a `secret_file`"),
        ("previous_secret_file = 'one'", "goes with `alg = \"HS256\"`, not ES256"),
        ("alg = 'RS256'\nsecret_file = 'one'", "goes with `alg = \"HS256\"`, not RS256"),
        ("alg = 'HS256'\nsecret_file = 'one'\nprevious_secret_file = 'one'", "hold the same secret"),
        ("alg = 'HS256'\nsecret_file = 'one'\nprevious_secret_file = 'none'", "cannot read"),
    ];
    for (lines, want) in refused {
        let said = format!("{:#}", check(lines).expect_err(lines));
        assert!(said.contains(want), "{lines}: {said}");
    }
}

#[test]
fn schedules_that_cannot_be_kept_are_refused() {
    let cases = [
        (
            "keys.schedule.RS256.rotate_every = '19m'",
            "`keys.schedule.RS256.rotate_every` must be at least four times",
        ),
        ("keys = { max_age = '1h', rotate_every = '3h' }", "`keys.rotate_every` must be at least four times"),
        ("keys.schedule.RS512.rotate_every = '90d'", "nothing is signed with RS512, but with ES256, RS256;"),
        ("keys.schedule.HS256.rotate_every = '90d'", "HS256 has no key that is published"),
        ("keys.schedule.none.rotate_every = '90d'", "none"),
        ("keys.schedule.rs256.rotate_every = '90d'", "rs256"),
        ("keys.schedule.RS256.rotate_every = 'never'", "is no duration"),
        ("keys.schedule.RS256 = {}", "missing field `rotate_every`"),
        ("keys.schedule.RS256 = { rotate_every = '90d', max_age = '5m' }", "unknown field `max_age`"),
        ("keys.max_age = '0s'", "`keys.max_age` must be between 1s and 24h"),
        ("keys.max_age = '25h'", "`keys.max_age` must be between 1s and 24h"),
        ("keys.max_age = '9999d'", "`keys.max_age` must be between 1s and 24h"),
    ];
    for (keys, want) in cases {
        let refused = format!("{:#}", parse(keys).expect_err(keys));
        assert!(refused.contains(want), "{keys}: {refused}");
    }
}
