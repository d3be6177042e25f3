//! OpenAPI documents: whatever one says, the gateway takes the proposal, and finds in it what was to be there alone.

use gatepass_gateway::{Config, Proposal, UpstreamServer};

/// What stands above a proposal.
const HEAD: &str = r#"
listen = "127.0.0.1:8080"

[[issuer]]
url = "https://auth.example.com"
audience = ["https://api.example.com"]
revocation = "none"

"#;

/// Takes `data` for a document, in JSON or YAML.
pub fn check(data: &[u8]) -> bool {
    let Ok(text) = std::str::from_utf8(data) else { return false };
    let upstream: UpstreamServer = "api=http://127.0.0.1:9001".parse().expect("a server");
    let _ = Proposal::from_openapi(text, None);
    let Ok(proposal) = Proposal::from_openapi(text, Some(upstream)) else { return false };
    let proposal = proposal.to_string();
    assert!(!proposal.contains(|c: char| c.is_control() && c != '\n'), "{proposal:?}");
    let tables = proposal.lines().filter(|line| line.starts_with('['));
    assert!(tables.clone().all(|line| matches!(line, "[[upstream]]" | "[[route]]")), "{proposal}");
    assert_eq!(tables.filter(|line| *line == "[[upstream]]").count(), 1, "{proposal}");
    if let Err(error) = Config::parse(&format!("{HEAD}{proposal}")) {
        panic!("the gateway does not take its own proposal: {error}\n{proposal}");
    }
    true
}
