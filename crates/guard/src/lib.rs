//! Verifies tokens for a resource server: issuers, key-set cache, revocation follower, policy; a tower layer and an axum extractor.
