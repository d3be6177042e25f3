//! GP1xx: the algorithm, the header, and the form of the token.

use super::{Rule, Sample, Severity};

rules! {
    MALFORMED = Rule {
        id: "GP100",
        name: "malformed",
        severity: Severity::Error,
        summary: "This is not a JWS or JWE that a verifier could read.",
        why: "A signed token has three parts between dots, an encrypted one has five, and the first is a \
            JSON object. What is built otherwise is refused by strict verifiers and read in surprising \
            ways by lenient ones, which is how many attacks begin.",
        mend: "Look where the token was cut, wrapped or decoded on its way; a JOSE library never writes \
            one like this.",
        reference: "RFC 7515 section 7.1",
        bad: Sample::Words("a token of four parts"),
        good: Sample::Header(r#"{"alg":"ES256","typ":"at+jwt","kid":"mBtsoWUmPQqF"}"#),
    };
    ALG_NONE = Rule {
        id: "GP101",
        name: "alg-none",
        severity: Severity::Error,
        summary: "The token asks to be believed without a signature.",
        why: "With the algorithm `none` anybody can write any token. Verifiers that let the header choose \
            have accepted it time and again, also as `None`, `nOnE` or with a blank behind it, because \
            only the exact spelling was forbidden.",
        mend: "Sign the token. A verifier names the algorithms it accepts, and `none` is not one of them.",
        reference: "RFC 8725 section 3.2",
        bad: Sample::Header(r#"{"alg":"nOnE"}"#),
        good: Sample::Header(r#"{"alg":"ES256"}"#),
    };
    ALG_MISSING = Rule {
        id: "GP102",
        name: "alg-missing",
        severity: Severity::Error,
        summary: "The header names no algorithm.",
        why: "The member `alg` must be there and be a string. Where it is missing a verifier has to guess, \
            and guesses have ended in no verification at all.",
        mend: "Let the JOSE library write the header, from the key that signs.",
        reference: "RFC 7515 section 4.1.1",
        bad: Sample::Header(r#"{"typ":"JWT"}"#),
        good: Sample::Header(r#"{"alg":"ES256","typ":"JWT"}"#),
    };
    ALG_UNKNOWN = Rule {
        id: "GP103",
        name: "alg-unknown",
        severity: Severity::Warning,
        summary: "The algorithm is not in the JOSE registry, or not spelt as there.",
        why: "Names are compared exactly, letter case included. A verifier that takes `rs256` for `RS256` \
            has a comparison of its own, and such comparisons are what `nOnE` slips through; one that does \
            not will refuse the token.",
        mend: "Use a registered name, spelt as it is registered.",
        reference: "RFC 7518 section 3.1",
        bad: Sample::Header(r#"{"alg":"rs256"}"#),
        good: Sample::Header(r#"{"alg":"RS256"}"#),
    };
    ALG_SYMMETRIC = Rule {
        id: "GP104",
        name: "alg-symmetric",
        severity: Severity::Note,
        summary: "Whoever can verify this token can also mint such tokens.",
        why: "HS256, HS384 and HS512 sign and verify with the same secret. Every service that verifies can \
            forge for all the others, the secret can be guessed offline by anybody who has one token, and \
            it cannot be published or rotated as a key set is. With a public key a service that is broken \
            into gives nothing away.",
        mend: "Sign with ES256 or Ed25519 and publish the public key as a JWK Set, unless the one who \
            mints is also the only one who verifies.",
        reference: "RFC 7518 section 3.2",
        bad: Sample::Header(r#"{"alg":"HS256"}"#),
        good: Sample::Header(r#"{"alg":"ES256"}"#),
    };
    ALG_BROKEN = Rule {
        id: "GP105",
        name: "alg-broken",
        severity: Severity::Error,
        summary: "The algorithm is known to be breakable.",
        why: "`RSA1_5` is open to padding oracles: an attacker who can ask whether a ciphertext is well \
            formed decrypts it, step by step. Names like `RS1` and `HS1` stand for SHA-1, for which \
            collisions are made to order.",
        mend: "Encrypt with ECDH-ES or RSA-OAEP-256; sign with ES256, Ed25519 or PS256.",
        reference: "RFC 8725 section 3.2",
        bad: Sample::Header(r#"{"alg":"RSA1_5","enc":"A256GCM"}"#),
        good: Sample::Header(r#"{"alg":"RSA-OAEP-256","enc":"A256GCM"}"#),
    };
    ALG_POLYMORPHIC = Rule {
        id: "GP106",
        name: "alg-polymorphic",
        severity: Severity::Note,
        summary: "`EdDSA` does not say which curve; the name is deprecated.",
        why: "One name for Ed25519 and Ed448 means that agreeing on the algorithm does not yet agree on \
            what both sides can do. RFC 9864 registered `Ed25519` and `Ed448` instead. Many libraries know \
            only the old name so far.",
        mend: "Move to `Ed25519` once all your verifiers know the name; until then this is no danger.",
        reference: "RFC 9864 section 2.2",
        bad: Sample::Header(r#"{"alg":"EdDSA"}"#),
        good: Sample::Header(r#"{"alg":"Ed25519"}"#),
    };
    ENCRYPTED_DIRECTLY = Rule {
        id: "GP107",
        name: "encrypted-directly",
        severity: Severity::Note,
        summary: "Every token is encrypted under the shared secret itself.",
        why: "With `dir` there is no key per token. Whoever can read can also write, the secret wears out \
            with the number of tokens (AES-GCM's random nonces allow about 2^32), and reading one token of \
            the past takes no more than the secret of today.",
        mend: "Use ECDH-ES with the recipient's public key, or A256KW where a shared secret is all there is.",
        reference: "RFC 7518 section 4.5",
        bad: Sample::Header(r#"{"alg":"dir","enc":"A256GCM"}"#),
        good: Sample::Header(r#"{"alg":"ECDH-ES","enc":"A256GCM"}"#),
    };
    PBES2_ITERATIONS = Rule {
        id: "GP108",
        name: "pbes2-iterations",
        severity: Severity::Warning,
        summary: "The password's iteration count is too low to protect it or high enough to do harm.",
        why: "`p2c` says how much work one guess of the password costs. Below some hundred thousand a \
            stolen token's password is guessed quickly. Far above, the header makes the reader work for \
            seconds per token: a denial of service in a few bytes.",
        mend: "Use 600,000 iterations for SHA-256 and 210,000 for SHA-512, and bound what you accept; \
            better, do not encrypt tokens under passwords.",
        reference: "RFC 7518 section 4.8.1.2",
        bad: Sample::Header(r#"{"alg":"PBES2-HS256+A128KW","enc":"A128GCM","p2s":"2WCTcJZ1Rvd_CJuJripQ1w","p2c":1000}"#),
        good: Sample::Header(r#"{"alg":"PBES2-HS256+A128KW","enc":"A128GCM","p2s":"2WCTcJZ1Rvd_CJuJripQ1w","p2c":600000}"#),
    };
    COMPRESSED = Rule {
        id: "GP109",
        name: "compressed",
        severity: Severity::Warning,
        summary: "The content is compressed before it is encrypted.",
        why: "The length of compressed text tells how much of it repeats. An attacker who can place text \
            beside a secret reads the secret off the length. And a few kilobytes can unpack to gigabytes \
            at the reader.",
        mend: "Leave `zip` out; make the token smaller by putting less in it.",
        reference: "RFC 8725 section 3.6",
        bad: Sample::Header(r#"{"alg":"ECDH-ES","enc":"A256GCM","zip":"DEF"}"#),
        good: Sample::Header(r#"{"alg":"ECDH-ES","enc":"A256GCM"}"#),
    };
    CRIT_PRESENT = Rule {
        id: "GP110",
        name: "crit-present",
        severity: Severity::Note,
        summary: "The header demands extensions that every verifier must understand.",
        why: "A verifier that does not know a member listed in `crit` must refuse the token; many \
            libraries ignore the list instead, and then the extension protects nothing.",
        mend: "Make sure that each verifier both knows the extension and refuses one it does not know.",
        reference: "RFC 7515 section 4.1.11",
        bad: Sample::Header(r#"{"alg":"ES256","crit":["exp"],"exp":1900000000}"#),
        good: Sample::Header(r#"{"alg":"ES256"}"#),
    };
    CRIT_MALFORMED = Rule {
        id: "GP111",
        name: "crit-malformed",
        severity: Severity::Error,
        summary: "The list of critical members is not one that a verifier may accept.",
        why: "`crit` must be a list, not empty, of names that are in the header, are not registered by the \
            JOSE documents themselves, and occur once. Tokens that break this rule are how one finds \
            verifiers that never look at `crit`.",
        mend: "Leave `crit` out, or name exactly the extensions that stand beside it.",
        reference: "RFC 7515 section 4.1.11",
        bad: Sample::Header(r#"{"alg":"ES256","crit":["alg"]}"#),
        good: Sample::Header(r#"{"alg":"ES256","crit":["exp"],"exp":1900000000}"#),
    };
    KEY_IN_HEADER = Rule {
        id: "GP112",
        name: "key-in-header",
        severity: Severity::Error,
        summary: "The token brings along the key that is to verify it.",
        why: "A verifier that uses the header's `jwk` believes every token, because the attacker signs \
            with a key of his own and encloses it. Only proofs of possession (DPoP) carry their key, since \
            there the key is the message.",
        mend: "Leave `jwk` out; name the key by `kid`, and let the verifier look it up in a set that it \
            fetched from the issuer.",
        reference: "RFC 8725 section 3.10",
        bad: Sample::Header(r#"{"alg":"ES256","jwk":{"kty":"EC"}}"#),
        good: Sample::Header(r#"{"alg":"ES256","typ":"dpop+jwt","jwk":{"kty":"EC"}}"#),
    };
    KEY_URL_IN_HEADER = Rule {
        id: "GP113",
        name: "key-url-in-header",
        severity: Severity::Warning,
        summary: "The token says from where its key is to be fetched.",
        why: "A verifier that follows `jku` or `x5u` lets the sender of a token choose the key, and lets \
            strangers make it send requests into your network. Lists of allowed addresses have been passed \
            with open redirects and look-alike hosts.",
        mend: "Leave it out: the address of the key set belongs in the verifier's configuration, found \
            from the issuer.",
        reference: "RFC 8725 section 3.10",
        bad: Sample::Header(r#"{"alg":"ES256","jku":"https://keys.example.com/set.json"}"#),
        good: Sample::Header(r#"{"alg":"ES256","kid":"mBtsoWUmPQqF"}"#),
    };
    CERTIFICATE_IN_HEADER = Rule {
        id: "GP114",
        name: "certificate-in-header",
        severity: Severity::Warning,
        summary: "The token brings along the certificate that is to verify it.",
        why: "`x5c` is safe only at a verifier that checks the whole chain up to a root of its own, the \
            dates, and that the name in the certificate is the issuer's. Otherwise it is a key in the \
            header like any other. It also makes every token kilobytes larger.",
        mend: "Publish the certificate in the JWK Set and name the key by `kid`.",
        reference: "RFC 7515 section 4.1.6",
        bad: Sample::Header(r#"{"alg":"ES256","x5c":["MIIB"]}"#),
        good: Sample::Header(r#"{"alg":"ES256","kid":"mBtsoWUmPQqF"}"#),
    };
    SHA1_THUMBPRINT = Rule {
        id: "GP115",
        name: "sha1-thumbprint",
        severity: Severity::Note,
        summary: "The key is named by a SHA-1 hash of its certificate.",
        why: "Two certificates with the same SHA-1 hash can be made. As a mere name within a key set this \
            does no harm; as the proof that a certificate is the right one it would.",
        mend: "Name the key by `kid`, or by `x5t#S256`.",
        reference: "RFC 7515 section 4.1.7",
        bad: Sample::Header(r#"{"alg":"RS256","x5t":"aPctw_odvOoENG3VoOlIh2Tit0o"}"#),
        good: Sample::Header(r#"{"alg":"RS256","kid":"mBtsoWUmPQqF"}"#),
    };
    PAYLOAD_UNENCODED = Rule {
        id: "GP116",
        name: "payload-unencoded",
        severity: Severity::Error,
        summary: "A token must not leave its payload unencoded.",
        why: "With `b64` set to false the payload is signed as it stands. The option is for large detached \
            content; for JWTs it is forbidden, and a verifier that does not know it signs and checks \
            different bytes.",
        mend: "Leave `b64` out.",
        reference: "RFC 7797 section 7",
        bad: Sample::Header(r#"{"alg":"ES256","b64":false,"crit":["b64"]}"#),
        good: Sample::Header(r#"{"alg":"ES256"}"#),
    };
    TYP_MISSING = Rule {
        id: "GP117",
        name: "typ-missing",
        severity: Severity::Warning,
        summary: "The header does not say what kind of token this is.",
        why: "An issuer signs access tokens, ID tokens and logout tokens with the same keys. Without `typ` \
            only the claims tell them apart, and one kind gets accepted where another was meant.",
        mend: "Write the kind into the header, `at+jwt` for an access token, and require it when verifying.",
        reference: "RFC 8725 section 3.11",
        bad: Sample::Header(r#"{"alg":"ES256"}"#),
        good: Sample::Header(r#"{"alg":"ES256","typ":"at+jwt"}"#),
    };
    TYP_GENERIC = Rule {
        id: "GP118",
        name: "typ-generic",
        severity: Severity::Warning,
        summary: "An access token calls itself just a JWT.",
        why: "`JWT` says only that it is a JWT. RFC 9068 asks for `at+jwt`, so that a resource server can \
            refuse an ID token or any other token of the same issuer by its header.",
        mend: "Set `typ` to `at+jwt`; verifiers that compare with `JWT` need to learn it first.",
        reference: "RFC 9068 section 2.1",
        bad: Sample::Token(r#"{"alg":"ES256","typ":"JWT"}"#, r#"{"scope":"orders:read"}"#),
        good: Sample::Token(r#"{"alg":"ES256","typ":"at+jwt"}"#, r#"{"scope":"orders:read"}"#),
    };
    KID_MISSING = Rule {
        id: "GP119",
        name: "kid-missing",
        severity: Severity::Warning,
        summary: "The header does not say which key signed.",
        why: "Without `kid` a verifier has to try all keys of the issuer, and keys cannot be rotated \
            without a moment at which good tokens fail.",
        mend: "Give each key a name, its thumbprint for example, and write it into the header.",
        reference: "RFC 7515 section 4.1.4",
        bad: Sample::Header(r#"{"alg":"ES256"}"#),
        good: Sample::Header(r#"{"alg":"ES256","kid":"mBtsoWUmPQqF"}"#),
    };
    KID_INJECTION = Rule {
        id: "GP120",
        name: "kid-injection",
        severity: Severity::Error,
        summary: "The key's name reads like an attack on whatever looks it up.",
        why: "The `kid` comes from whoever sent the token. Where it ends up in a path, an SQL statement or \
            a command, `../../dev/null` makes an empty file the key, a `UNION SELECT` brings the \
            attacker's own secret, and a `;` runs a program. An honest issuer has no reason for such a \
            name.",
        mend: "If you minted this token, rename the key; if not, look who sent it. A verifier compares \
            `kid` with the names of keys it holds, and uses it for nothing else.",
        reference: "RFC 8725 section 3.10",
        bad: Sample::Header(r#"{"alg":"HS256","kid":"../../../dev/null"}"#),
        good: Sample::Header(r#"{"alg":"HS256","kid":"mBtsoWUmPQqF"}"#),
    };
    KID_LOCATION = Rule {
        id: "GP121",
        name: "kid-location",
        severity: Severity::Warning,
        summary: "The key's name is an address or a file.",
        why: "A name that is a URL or a path invites a verifier to open it, which hands the choice of the \
            key to whoever wrote the token. It also tells strangers how your machines are laid out.",
        mend: "Name the key by something that can only be compared, its thumbprint for example.",
        reference: "RFC 8725 section 3.10",
        bad: Sample::Header(r#"{"alg":"ES256","kid":"/etc/keys/prod.pem"}"#),
        good: Sample::Header(r#"{"alg":"ES256","kid":"mBtsoWUmPQqF"}"#),
    };
    KID_GUESSABLE = Rule {
        id: "GP122",
        name: "kid-guessable",
        severity: Severity::Note,
        summary: "Another key will sooner or later have the same name.",
        why: "Names like `1` or `default` are given again after a rotation, in the staging system and by \
            the next issuer. A verifier with a cached key then refuses good tokens, or tries the wrong key \
            without a word.",
        mend: "Name the key by its thumbprint.",
        reference: "RFC 7638 section 1",
        bad: Sample::Header(r#"{"alg":"ES256","kid":"key-1"}"#),
        good: Sample::Header(r#"{"alg":"ES256","kid":"mBtsoWUmPQqF"}"#),
    };
    BASE64_NOT_CANONICAL = Rule {
        id: "GP123",
        name: "base64-not-canonical",
        severity: Severity::Error,
        summary: "A part is not spelt as base64url without padding.",
        why: "With padding, the characters `+` and `/`, line breaks or stray bits at the end there are \
            several spellings of one token. Whatever remembers tokens by their text (a revocation list, a \
            cache, a replay check) is passed by changing a character that decodes to nothing.",
        mend: "Encode with the URL-safe alphabet and without padding; let verifiers refuse the rest.",
        reference: "RFC 7515 section 2",
        bad: Sample::Words("a part that ends in `==`"),
        good: Sample::Header(r#"{"alg":"ES256"}"#),
    };
    DUPLICATE_MEMBER = Rule {
        id: "GP124",
        name: "duplicate-member",
        severity: Severity::Error,
        summary: "One object names the same member twice.",
        why: "Some parsers take the first, some the last. When a gateway checks one `sub` and the service \
            behind it uses the other, the check was for nothing.",
        mend: "Write each member once, and verify with a parser that refuses the rest.",
        reference: "RFC 7515 section 4",
        bad: Sample::Claims(r#"{"sub":"u_1","sub":"admin"}"#),
        good: Sample::Claims(r#"{"sub":"u_1","act":{"sub":"admin"}}"#),
    };
    HEADER_WHITESPACE = Rule {
        id: "GP125",
        name: "header-whitespace",
        severity: Severity::Note,
        summary: "The header contains white space that nothing needs.",
        why: "Blanks and line breaks travel with every request. They also mean that the header was written \
            by hand or by an unusual program, as forged tokens often are.",
        mend: "Write compact JSON.",
        reference: "RFC 7515 section 4",
        bad: Sample::Header(r#"{"alg": "ES256"}"#),
        good: Sample::Header(r#"{"alg":"ES256","kid":"a b"}"#),
    };
    HEADER_WRONG_TYPE = Rule {
        id: "GP126",
        name: "header-wrong-type",
        severity: Severity::Error,
        summary: "A member of the header is not of the type that its definition asks for.",
        why: "`kid`, `typ`, `cty`, `jku` and their like are strings. A number or a list in their place \
            makes strict verifiers refuse the token and lenient ones compare in surprising ways.",
        mend: "Write the member as the string that it is.",
        reference: "RFC 7515 section 4.1",
        bad: Sample::Header(r#"{"alg":"ES256","kid":7}"#),
        good: Sample::Header(r#"{"alg":"ES256","kid":"7"}"#),
    };
    SIGNATURE_MISSING = Rule {
        id: "GP127",
        name: "signature-missing",
        severity: Severity::Error,
        summary: "The header names an algorithm, and there is no signature.",
        why: "Cutting the signature off is the simplest of all forgeries. It works wherever code decodes \
            the token first and asks for the signature only when there is one.",
        mend: "Refuse it. If the token was cut by a log or a form, there is nothing to mend.",
        reference: "RFC 8725 section 2.1",
        bad: Sample::Words("a token whose third part is empty"),
        good: Sample::Words("a token with three parts"),
    };
    SIGNATURE_LENGTH = Rule {
        id: "GP128",
        name: "signature-length",
        severity: Severity::Error,
        summary: "The signature cannot be one of the algorithm that the header names.",
        why: "Each algorithm's signatures have a length of their own. Another length means that the token \
            was cut, or signed with another algorithm, or that an ECDSA signature was left in the DER form \
            that most crypto libraries give, which JOSE does not use.",
        mend: "Sign with a JOSE library; for ECDSA, write `r` and `s` side by side in their full length.",
        reference: "RFC 7518 section 3.4",
        bad: Sample::Words("an ES256 token with a signature of 71 bytes"),
        good: Sample::Words("an ES256 token with a signature of 64 bytes"),
    };
    SIGNATURE_ZERO = Rule {
        id: "GP129",
        name: "signature-zero",
        severity: Severity::Error,
        summary: "The signature consists of zeros: the psychic signature.",
        why: "An ECDSA signature with `r` or `s` of zero is valid for any message at a verifier that \
            forgets to check the range, as Java's did for years (CVE-2022-21449). No signer produces \
            one.",
        mend: "Refuse it, and find out who sent it; bring the verifier's crypto library up to date.",
        reference: "RFC 8725 section 3.4",
        bad: Sample::Words("an ES256 token whose signature is 64 zero bytes"),
        good: Sample::Words("an ES256 token that was signed"),
    };
    SEVERAL_ALGS = Rule {
        id: "GP130",
        name: "several-algs",
        severity: Severity::Error,
        summary: "Tokens of one key name different algorithms.",
        why: "A key is for one algorithm. Either the issuer uses it for several, which no security proof \
            covers, or one of the tokens is an attempt to make the verifier use the wrong one, a public \
            key as an HMAC secret for example.",
        mend: "One key, one algorithm: give each its own `kid`, and bind the algorithm to the key when \
            verifying.",
        reference: "RFC 8725 section 3.1",
        bad: Sample::Words("two tokens with the same `kid`, one RS256 and one HS256"),
        good: Sample::Words("two tokens with the same `kid`, both RS256"),
    };
    SIGNED_TWICE = Rule {
        id: "GP131",
        name: "signed-twice",
        severity: Severity::Warning,
        summary: "Two tokens differ in nothing but the signature.",
        why: "Header and claims are the same to the byte. Under one key that is a signature which somebody \
            altered or tried, or an issuer without `jti` that signed twice within a second, whose tokens \
            nobody can tell apart.",
        mend: "Compare the two signatures under the issuer's key; give each token its own `jti`.",
        reference: "RFC 7519 section 4.1.7",
        bad: Sample::Words("a token, and the same token with another signature"),
        good: Sample::Words("two tokens with different `jti`"),
    };
    UNPROTECTED_HEADER = Rule {
        id: "GP132",
        name: "unprotected-header",
        severity: Severity::Warning,
        summary: "Members that steer the verification stand in a header that is not signed.",
        why: "In the JSON serialization a header may stand beside the protected one. Whoever carries the \
            token can change it: another `alg`, another `kid`, another key.",
        mend: "Put everything into the protected header; where the token is a JWT, use the compact \
            serialization.",
        reference: "RFC 7515 section 10.7",
        bad: Sample::Words("a JWS in JSON with `alg` in `header`"),
        good: Sample::Words("a JWS in JSON with `alg` in `protected`"),
    };
}
