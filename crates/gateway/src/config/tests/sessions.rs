//! `[bff]`: what sessions are refused for.

use super::*;

fn with_bff(public_url: &str, lines: &str, route: &str) -> String {
    format!(
        "listen = '[::]:1'\npublic_url = '{public_url}'{ISSUER}{UPSTREAM}[bff]\nissuer = 'https://auth.example.com'\n\
        client_id = 'site'\n{lines}\n[[route]]\npath = '/a'\nupstream = 'orders'\n{route}\n"
    )
}

#[test]
fn what_sessions_are_refused_for() {
    let folder = folder(&[("secret", b"s3cret\n")]);
    let with = |lines: &str| with_bff("https://a", &format!("client_secret_file = 'secret'\n{lines}"), "");
    let secret = "client_secret_file = 'secret'";
    let cases: Vec<(String, Option<usize>, &str)> = vec![
        (
            with_route("path = '/a'\nupstream = 'orders'\nsession = true"),
            Some(15),
            "no meaning without [bff]",
        ),
        (with_bff("https://a", "", ""), Some(11), "`client_secret_file` is missing here"),
        (with_bff("https://a", "client_secret_file = 'none'", ""), Some(14), "cannot read"),
        (with_bff("http://a", secret, ""), Some(2), "over https alone, and at loopback addresses"),
        (with("").replace("public_url = 'https://a'", ""), Some(11), "sessions need `public_url`"),
        (
            with("").replace("issuer = 'https://auth", "issuer = 'https://other"),
            Some(12),
            "no [[issuer]] has the url `https://other.example.com`",
        ),
        (with("scope = 'orders:read'"), Some(15), "without the scope `openid`"),
        (with("prompt = 'none'"), Some(15), "`none` is nothing that users can be asked for"),
        (with("prompt = ''"), Some(15), "`` is nothing that users can be asked for"),
        (with("id_token_signed_response_alg = 'RS265'"), Some(15), "`RS265` is no algorithm"),
        (with("id_token_signed_response_alg = 'HS256'"), Some(15), "the client could make ID tokens itself"),
        (with("token_endpoint_auth_method = 'none'"), Some(15), "unknown variant"),
        (with("prefix = '/'"), Some(15), "`/` is no plain path"),
        (with("prefix = '/b/'"), Some(15), "`/b/` is no plain path"),
        (with("prefix = '/b\"><script>'"), Some(15), "is no plain path"),
        (with("prefix = '/a'"), Some(17), "what is below `/a` is for sessions"),
        (with("cookie = 'session'"), Some(15), "whose names begin with `__Host-` alone"),
        (with("cookie = '__Host-a; b'"), Some(15), "whose names begin with `__Host-` alone"),
        (with("after_login = '//evil.example'"), Some(15), "is no path of this site"),
        (with("after_logout = '/bff/login'"), Some(15), "is no path of this site"),
        (with("idle = '31d'"), Some(15), "does not last longer than `absolute`"),
        (with("absolute = '401d'"), Some(15), "no cookie for longer than 400 days"),
        (with("absolute = '0s'"), Some(15), "a time limit of nothing"),
        (with("stores = 'a'"), Some(15), "did you mean `store`?"),
        (
            with_bff("https://a", secret, "public = true\nsession = true"),
            Some(19),
            "a public route looks at no token, so a session",
        ),
    ];
    for (text, line, want) in cases {
        let error = check::check(&text, folder.path()).expect_err(want);
        assert!(error.to_string().contains(want), "`{error}` does not say `{want}`");
        assert_eq!(error.line(), line, "{error} in\n{text}");
    }
    let config = check::check(&with(""), folder.path()).unwrap();
    let bff = config.bff.unwrap();
    assert_eq!((&*bff.prefix, &*bff.cookie, &*bff.origin), ("/bff", "__Host-session", "https://a"));
    assert_eq!((bff.idle, bff.absolute), (Duration::from_secs(86_400), Duration::from_secs(30 * 86_400)));
    assert!(!config.routes.routes[0].session);
    let loopback =
        with_bff("http://127.0.0.1:8080/x", "client_secret_file = 'secret'\nidle = '1h'", "session = true");
    let config = check::check(&loopback, folder.path()).unwrap();
    assert_eq!(config.bff.unwrap().origin, "http://127.0.0.1:8080");
    assert!(config.routes.routes[0].session);
}
