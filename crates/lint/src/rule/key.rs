//! GP2xx: keys, in a set, in a file, and as their tokens show them.

use super::{Rule, Sample, Severity};

rules! {
    KEY_MALFORMED = Rule {
        id: "GP200",
        name: "key-malformed",
        severity: Severity::Error,
        summary: "The key cannot be used.",
        why: "A member is missing, is not base64url, has the wrong length, or names a point that is not on \
            the curve. Verifiers pass such a key over, and every token that it signed is refused; one that \
            used a point off the curve would give its own secrets away.",
        mend: "Export the key again with a JOSE library.",
        reference: "RFC 7518 section 6",
        bad: Sample::Keys(r#"{"kty":"OKP","crv":"Ed25519"}"#),
        good: Sample::Keys(r#"{"kty":"OKP","crv":"Ed25519","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}"#),
    };
    SECRET_GUESSED = Rule {
        id: "GP201",
        name: "secret-guessed",
        severity: Severity::Error,
        summary: "The HMAC secret was guessed from one token.",
        why: "Whoever has a token signed with HS256 can try secrets at millions a second, offline and \
            unseen. This one was found among the words of tutorials, common passwords and their \
            variations. Anybody can mint tokens with it.",
        mend: "Replace it at once by 64 random bytes (`gatepass jwk generate --alg HS256`), or better by a \
            key pair, and treat every token of the past as forged.",
        reference: "RFC 8725 section 3.5",
        bad: Sample::Keys(r#"{"kty":"oct","k":"c2VjcmV0"}"#),
        good: Sample::Keys(r#"{"kty":"oct","k":"uV0cEoKPfjxgOhDMg2zmlmdXl84k1cdIyNFlLXzMHRM"}"#),
    };
    SECRET_SHORT = Rule {
        id: "GP202",
        name: "secret-short",
        severity: Severity::Error,
        summary: "The HMAC secret is shorter than the hash's output.",
        why: "An HS256 secret needs at least 32 bytes, HS384 48 and HS512 64. A shorter one makes guessing \
            the secret the easiest way to a forged token, and strict libraries refuse it.",
        mend: "Generate the secret from random bytes in the full length: `gatepass jwk generate --alg \
            HS256`.",
        reference: "RFC 7518 section 3.2",
        bad: Sample::Keys(r#"{"kty":"oct","alg":"HS256","k":"x3Vb0eZk9Qh1dw"}"#),
        good: Sample::Keys(r#"{"kty":"oct","alg":"HS256","k":"uV0cEoKPfjxgOhDMg2zmlmdXl84k1cdIyNFlLXzMHRM"}"#),
    };
    RSA_SMALL = Rule {
        id: "GP203",
        name: "rsa-small",
        severity: Severity::Error,
        summary: "The RSA key has fewer than 2048 bits.",
        why: "RSA keys of 829 bits have been factored in public, and 1024 bits are within reach of those \
            who care. JOSE forbids fewer than 2048; who factors the modulus signs as the issuer.",
        mend: "Replace the key by ES256 or Ed25519, or by RSA with 3072 bits, and take the old one out of \
            the set.",
        reference: "RFC 7518 section 3.3",
        bad: Sample::Words("an RSA key of 1024 bits"),
        good: Sample::Words("an RSA key of 3072 bits"),
    };
    RSA_2048 = Rule {
        id: "GP204",
        name: "rsa-2048",
        severity: Severity::Note,
        summary: "An RSA key of 2048 bits is not for the time after 2030.",
        why: "2048 bits stand for 112 bits of security, which NIST allows until the end of 2030. For \
            access tokens that live minutes there is no hurry, since a key can be changed at any time.",
        mend: "Choose ES256, Ed25519 or 3072 bits when the key is next rotated.",
        reference: "NIST SP 800-57 part 1",
        bad: Sample::Words("an RSA key of 2048 bits"),
        good: Sample::Words("an RSA key of 3072 bits"),
    };
    RSA_ROCA = Rule {
        id: "GP205",
        name: "rsa-roca",
        severity: Severity::Error,
        summary: "The RSA key comes from a generator whose keys can be factored (ROCA).",
        why: "Smart cards and security chips of one maker produced primes of a special form until 2017 \
            (CVE-2017-15361). The form shows in the public modulus, and a key of 2048 bits that has it is \
            factored for a few thousand dollars.",
        mend: "Generate the key elsewhere, in software if need be, and withdraw this one.",
        reference: "CVE-2017-15361",
        bad: Sample::Words("a modulus that is a power of 65537 modulo each small prime"),
        good: Sample::Words("a modulus from any other generator"),
    };
    RSA_EXPONENT_BROKEN = Rule {
        id: "GP206",
        name: "rsa-exponent-broken",
        severity: Severity::Error,
        summary: "With this public exponent there is no security.",
        why: "With an exponent of 1 every message is its own signature. An even exponent is not RSA at \
            all. A huge one is no gain and makes each verification slow: a denial of service by key.",
        mend: "Use 65537 (`AQAB`).",
        reference: "RFC 8017 section 3.1",
        bad: Sample::Words("an RSA key with `e` of 1 (`AQ`)"),
        good: Sample::Words("an RSA key with `e` of 65537 (`AQAB`)"),
    };
    RSA_EXPONENT_SMALL = Rule {
        id: "GP207",
        name: "rsa-exponent-small",
        severity: Severity::Warning,
        summary: "The public exponent is smaller than 65537.",
        why: "With an exponent of 3 a verifier that is careless about the padding accepts a signature that \
            anybody can compute (CVE-2006-4339 and its many successors). A sound verifier is not harmed, \
            but nobody knows all of them.",
        mend: "Use 65537 (`AQAB`).",
        reference: "RFC 8017 section 3.1",
        bad: Sample::Words("an RSA key with `e` of 3 (`Aw`)"),
        good: Sample::Words("an RSA key with `e` of 65537 (`AQAB`)"),
    };
    RSA_FACTOR = Rule {
        id: "GP208",
        name: "rsa-factor",
        severity: Severity::Error,
        summary: "The modulus has a small factor: it is no RSA modulus.",
        why: "An RSA modulus is the product of two large primes. One that is even, or that three, five or \
            another small prime divides, was damaged on its way or made up, and may be easy to factor.",
        mend: "Export the key again; if it is the same, generate a new one.",
        reference: "RFC 8017 section 3.1",
        bad: Sample::Words("an even modulus"),
        good: Sample::Words("a modulus without a factor below 1000"),
    };
    KEY_REPEATED = Rule {
        id: "GP209",
        name: "key-repeated",
        severity: Severity::Error,
        summary: "Two entries of the set are the same key.",
        why: "The same key under two names or for two algorithms cannot be withdrawn under one of them, \
            and a key used with two algorithms is the ground on which confusion attacks grow. Two keys \
            that share a modulus can compute each other's private half.",
        mend: "Generate a key of its own for each entry.",
        reference: "RFC 8725 section 3.1",
        bad: Sample::Keys(r#"{"keys":[{"kty":"OKP","crv":"Ed25519","kid":"a","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"},{"kty":"OKP","crv":"Ed25519","kid":"b","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}]}"#),
        good: Sample::Keys(r#"{"keys":[{"kty":"OKP","crv":"Ed25519","kid":"a","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}]}"#),
    };
    PRIVATE_PUBLISHED = Rule {
        id: "GP210",
        name: "private-published",
        severity: Severity::Error,
        summary: "The key set contains a private key.",
        why: "A key set is made to be published. With the private half in it, everybody mints tokens. That \
            it was there for a minute is enough.",
        mend: "Withdraw the key (`gatepass key revoke KID`), publish a new one's public half only \
            (`gatepass jwk public`), and look where the file has been.",
        reference: "RFC 7517 section 9.2",
        bad: Sample::Keys(r#"{"keys":[{"kty":"OKP","crv":"Ed25519","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo","d":"nWGxne_9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A"}]}"#),
        good: Sample::Keys(r#"{"keys":[{"kty":"OKP","crv":"Ed25519","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}]}"#),
    };
    SECRET_PUBLISHED = Rule {
        id: "GP211",
        name: "secret-published",
        severity: Severity::Error,
        summary: "The key set contains a shared secret.",
        why: "A key of type `oct` signs as well as it verifies. In a set that others can read it is no \
            secret; whoever reads it mints tokens.",
        mend: "Take it out and replace it everywhere; publish public keys only.",
        reference: "RFC 7517 section 9.2",
        bad: Sample::Keys(r#"{"keys":[{"kty":"oct","k":"uV0cEoKPfjxgOhDMg2zmlmdXl84k1cdIyNFlLXzMHRM"}]}"#),
        good: Sample::Keys(r#"{"keys":[{"kty":"OKP","crv":"Ed25519","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}]}"#),
    };
    KID_REPEATED = Rule {
        id: "GP212",
        name: "kid-repeated",
        severity: Severity::Error,
        summary: "Two keys of the set have the same name.",
        why: "Which of the two a verifier takes is chance: with one library the tokens are good, with the \
            next they are refused. Only keys of different types may share a name, and few verifiers expect \
            even that.",
        mend: "Name each key by its thumbprint.",
        reference: "RFC 7517 section 4.5",
        bad: Sample::Keys(r#"{"keys":[{"kty":"OKP","crv":"Ed25519","kid":"a","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"},{"kty":"EC","kid":"a"}]}"#),
        good: Sample::Keys(r#"{"keys":[{"kty":"OKP","crv":"Ed25519","kid":"a","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"},{"kty":"EC","kid":"b"}]}"#),
    };
    KEY_WITHOUT_KID = Rule {
        id: "GP213",
        name: "key-without-kid",
        severity: Severity::Warning,
        summary: "The key has no name.",
        why: "A token says by `kid` which key signed it. A key without a name is found by trying, if the \
            verifier does that at all, and stands in the way of rotation.",
        mend: "Give it a `kid`; `gatepass jwk thumbprint` computes a good one.",
        reference: "RFC 7517 section 4.5",
        bad: Sample::Keys(r#"{"kty":"OKP","crv":"Ed25519","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}"#),
        good: Sample::Keys(r#"{"kty":"OKP","crv":"Ed25519","kid":"a","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}"#),
    };
    KEY_WITHOUT_ALG = Rule {
        id: "GP214",
        name: "key-without-alg",
        severity: Severity::Warning,
        summary: "The key does not say which algorithm it is for.",
        why: "An RSA key without `alg` serves six signature algorithms and several for encryption. Where \
            the key does not say, verifiers take the word of the token's header, which is the \
            attacker's.",
        mend: "Write the one algorithm into the key.",
        reference: "RFC 8725 section 3.1",
        bad: Sample::Keys(r#"{"kty":"OKP","crv":"Ed25519","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}"#),
        good: Sample::Keys(r#"{"kty":"OKP","crv":"Ed25519","alg":"Ed25519","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}"#),
    };
    KEY_WITHOUT_USE = Rule {
        id: "GP215",
        name: "key-without-use",
        severity: Severity::Note,
        summary: "The key does not say whether it is for signatures or for encryption.",
        why: "A set may hold both kinds. Without `use` or `key_ops` a client may encrypt to a key that was \
            meant to verify, and the other way round.",
        mend: "Write `\"use\":\"sig\"` or `\"use\":\"enc\"`.",
        reference: "RFC 7517 section 4.2",
        bad: Sample::Keys(r#"{"kty":"OKP","crv":"Ed25519","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}"#),
        good: Sample::Keys(r#"{"kty":"OKP","crv":"Ed25519","use":"sig","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}"#),
    };
    KEY_CONTRADICTS_ITSELF = Rule {
        id: "GP216",
        name: "key-contradicts-itself",
        severity: Severity::Error,
        summary: "Members of the key do not go together.",
        why: "An algorithm that is not for keys of this type or curve, a `use` that is not the \
            algorithm's, a `key_ops` that says otherwise: some libraries pass the key over, others follow \
            the member they know.",
        mend: "Correct the member that is wrong, or leave `key_ops` out.",
        reference: "RFC 7517 section 4.3",
        bad: Sample::Keys(r#"{"kty":"EC","crv":"P-256","alg":"RS256"}"#),
        good: Sample::Keys(r#"{"kty":"EC","crv":"P-256","alg":"ES256"}"#),
    };
    KEY_UNCOMMON = Rule {
        id: "GP217",
        name: "key-uncommon",
        severity: Severity::Note,
        summary: "Few verifiers know keys of this type or curve.",
        why: "secp256k1, Ed448, X448 and types of your own are missing from most JOSE libraries. Verifiers \
            pass such keys over, as they should, and refuse the tokens.",
        mend: "Use P-256 or Ed25519 unless you know all your verifiers.",
        reference: "RFC 7517 section 5",
        bad: Sample::Keys(r#"{"kty":"EC","crv":"secp256k1"}"#),
        good: Sample::Keys(r#"{"kty":"EC","crv":"P-256"}"#),
    };
    KID_UNKNOWN = Rule {
        id: "GP218",
        name: "kid-unknown",
        severity: Severity::Error,
        summary: "The key set has no key of the token's name.",
        why: "Every verifier that uses this set refuses the token. The key was withdrawn, was not \
            published before it signed, or belongs to somebody else.",
        mend: "Publish a key before it signs, and keep it published until its last token has expired.",
        reference: "RFC 7515 section 4.1.4",
        bad: Sample::Words("a token whose `kid` is not in the set given by --jwks"),
        good: Sample::Words("a token whose `kid` is there"),
    };
    ALG_DISAGREES = Rule {
        id: "GP219",
        name: "alg-disagrees",
        severity: Severity::Error,
        summary: "The token names another algorithm than its key.",
        why: "This is what algorithm confusion looks like: the key says RS256, the token HS256, and a \
            verifier that follows the token computes an HMAC with the public key as the secret.",
        mend: "Refuse the token; the key decides the algorithm, and the header may only agree.",
        reference: "RFC 8725 section 3.1",
        bad: Sample::Words("an HS256 token that names an RSA key of the set"),
        good: Sample::Words("a token that names its key's algorithm"),
    };
    SIGNATURE_WRONG = Rule {
        id: "GP220",
        name: "signature-wrong",
        severity: Severity::Error,
        summary: "The signature is not the key's.",
        why: "The set has the key that the token names, and the signature does not fit: the token was \
            altered, or signed with another key under this name.",
        mend: "Refuse it, and look who sent it.",
        reference: "RFC 7515 section 5.2",
        bad: Sample::Words("a token with a claim that was changed after signing"),
        good: Sample::Words("a token as the issuer signed it"),
    };
    PUBLIC_KEY_AS_SECRET = Rule {
        id: "GP221",
        name: "public-key-as-secret",
        severity: Severity::Error,
        summary: "The token is signed with the text of a public key as the HMAC secret.",
        why: "This is a forgery by algorithm confusion, not an accident: the public key is known to \
            everybody, and a verifier that passes \"the key\" to whatever algorithm the header names \
            accepts it.",
        mend: "Find out who sent it, and whether a verifier accepted it; bind the algorithm to the key.",
        reference: "RFC 8725 section 2.1",
        bad: Sample::Words("an HS256 token signed with the PEM text of an RSA public key of --jwks"),
        good: Sample::Words("an HS256 token signed with a secret"),
    };
    NONCE_REPEATED = Rule {
        id: "GP222",
        name: "nonce-repeated",
        severity: Severity::Error,
        summary: "Two ECDSA signatures of one key share their nonce: the private key is public.",
        why: "When two different messages are signed with the same nonce, both signatures begin with the \
            same `r`, and anybody who has the two computes the private key with school arithmetic.",
        mend: "Withdraw the key at once; replace the signer's random number generator, or sign with \
            Ed25519, which needs none.",
        reference: "RFC 8725 section 3.2",
        bad: Sample::Words("two ES256 tokens of one `kid` whose signatures begin alike"),
        good: Sample::Words("two ES256 tokens of one `kid`"),
    };
    PRIVATE_KEY_PLAIN = Rule {
        id: "GP223",
        name: "private-key-plain",
        severity: Severity::Note,
        summary: "The file holds a private key that is not encrypted.",
        why: "Whoever can read the file mints tokens: the backup, the container image and the repository \
            that it ends up in included.",
        mend: "Keep it out of images and repositories, readable by its service alone, or encrypt it at rest.",
        reference: "RFC 7517 section 9.1",
        bad: Sample::Words("a file with `-----BEGIN PRIVATE KEY-----`, or a JWK with `d`"),
        good: Sample::Words("a file with `-----BEGIN ENCRYPTED PRIVATE KEY-----`, or the public half"),
    };
}
