use clap::Args as ClapArgs;

/// In which form a client is told things.
#[derive(Debug, ClapArgs)]
pub(crate) struct Responses {
    /// What signs its ID tokens and logout tokens, such as ES256; RS256 where left out, if the server signs with it
    #[arg(long, value_name = "ALG")]
    id_token_signed_alg: Option<String>,
    /// How its ID tokens are encrypted for a key of its --jwks or --jwks-uri, such as RSA-OAEP-256 or ECDH-ES
    #[arg(long, value_name = "ALG")]
    id_token_encrypted_alg: Option<String>,
    /// What encrypts their content, such as A256GCM; A128CBC-HS256 where left out
    #[arg(long, value_name = "ENC")]
    id_token_encrypted_enc: Option<String>,
    /// What signs what it hears at the userinfo endpoint, such as ES256
    #[arg(long, value_name = "ALG")]
    userinfo_signed_alg: Option<String>,
    /// How that is encrypted for a key of its --jwks
    #[arg(long, value_name = "ALG")]
    userinfo_encrypted_alg: Option<String>,
    /// What encrypts its content
    #[arg(long, value_name = "ENC")]
    userinfo_encrypted_enc: Option<String>,
    /// What signs authorization responses that it asks for as JWTs (JARM); ES256 where left out
    #[arg(long, value_name = "ALG")]
    authorization_signed_alg: Option<String>,
    /// How they are encrypted for a key of its --jwks
    #[arg(long, value_name = "ALG")]
    authorization_encrypted_alg: Option<String>,
    /// What encrypts their content
    #[arg(long, value_name = "ENC")]
    authorization_encrypted_enc: Option<String>,
    /// What signs introspections that it asks for as a JWT (RFC 9701); ES256 where left out
    #[arg(long, value_name = "ALG")]
    introspection_signed_alg: Option<String>,
    /// How they are encrypted for a key of its --jwks
    #[arg(long, value_name = "ALG")]
    introspection_encrypted_alg: Option<String>,
    /// What encrypts their content
    #[arg(long, value_name = "ENC")]
    introspection_encrypted_enc: Option<String>,
}

impl Responses {
    /// What was said, under the names of a registration.
    pub(crate) fn members(self) -> impl Iterator<Item = (&'static str, String)> {
        let members = [
            ("id_token_signed_response_alg", self.id_token_signed_alg),
            ("id_token_encrypted_response_alg", self.id_token_encrypted_alg),
            ("id_token_encrypted_response_enc", self.id_token_encrypted_enc),
            ("userinfo_signed_response_alg", self.userinfo_signed_alg),
            ("userinfo_encrypted_response_alg", self.userinfo_encrypted_alg),
            ("userinfo_encrypted_response_enc", self.userinfo_encrypted_enc),
            ("authorization_signed_response_alg", self.authorization_signed_alg),
            ("authorization_encrypted_response_alg", self.authorization_encrypted_alg),
            ("authorization_encrypted_response_enc", self.authorization_encrypted_enc),
            ("introspection_signed_response_alg", self.introspection_signed_alg),
            ("introspection_encrypted_response_alg", self.introspection_encrypted_alg),
            ("introspection_encrypted_response_enc", self.introspection_encrypted_enc),
        ];
        members.into_iter().filter_map(|(name, value)| Some((name, value?)))
    }
}
