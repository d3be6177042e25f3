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
