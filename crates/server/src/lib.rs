//! The issuer's HTTP face: session API, OAuth, metadata, revocation feed and admin API.
