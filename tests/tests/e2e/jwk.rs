//! `gatepass jwk …`: keys without a server.

use std::os::unix::fs::PermissionsExt as _;

use base64_simd::URL_SAFE_NO_PAD;
use serde_json::{Value, json};

use super::offline::Folder;

/// RFC 7638 section 3.1.
const RFC_KEY: &str = r#"{"kty":"RSA","n":"0vx7agoebGcQSuuPiLJXZptN9nndrQmbXEps2aiAFbWhM78LhWx4cbbfAAtVT86zwu1RK7aPFFxuhDR1L6tSoc_BJECPebWKRXjBZCiFV4n3oknjhMstn64tZ_2W-5JsGY4Hc5n9yBXArwl93lqt7_RN5w6Cf0h4QyQ5v-65YGjQR0_FDW2QvzqY368QQMicAtaSqzs8KJZgnYb9c7d0zgdAZHzu6qMQvRL5hajrn1n91CbOpbISD08qNLyrdkt-bFTWhAI4vMQFh6WeZu0fM4lFd2NcRwr3XPksINHaQ-G_xBniIqbw0Ls1jF44-csFCur-kEgU8awapJzKnqDKgw","e":"AQAB","alg":"RS256","kid":"2011-04-29"}"#;
const RFC_THUMBPRINT: &str = "NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs";

fn parsed(text: &str) -> Value {
    serde_json::from_str(text).unwrap_or_else(|error| panic!("not JSON: {error}\n{text}"))
}

#[test]
fn a_generated_key_goes_to_a_file_that_only_its_owner_reads_and_is_never_overwritten() {
    let folder = Folder::new();
    let ran = folder.gatepass("jwk generate --alg ES256 --out key.jwk --public-out public.jwk").ends(0);
    assert!(ran.out.is_empty() && ran.err.contains("only you can read"), "{}", ran.shown());
    let mode = |name: &str| std::fs::metadata(folder.path(name)).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode("key.jwk"), 0o600);
    let (private, public) = (parsed(&folder.read("key.jwk")), parsed(&folder.read("public.jwk")));
    assert!(private["d"].is_string() && public.get("d").is_none(), "{public}");
    assert_eq!(
        (&public["alg"], &public["use"], &public["kid"]),
        (&json!("ES256"), &json!("sig"), &private["kid"])
    );

    let before = folder.read("key.jwk");
    folder.gatepass("jwk generate --alg ES256 --out key.jwk").complains(2, &["never overwritten"]);
    folder
        .gatepass("jwk generate --alg ES256 --out new.jwk --public-out key.jwk")
        .complains(2, &["never overwritten"]);
    folder
        .gatepass("jwk generate --alg ES256 --out no/such/folder")
        .complains(2, &["cannot write no/such/folder"]);
    folder
        .gatepass("jwk generate --alg ES256 --out key.jwk --public-out new.pub")
        .complains(2, &["never overwritten"]);
    assert_eq!(folder.read("key.jwk"), before);
    for half in ["new.jwk", "new.pub"] {
        assert!(!folder.path(half).exists(), "{half} was left behind without its other half");
    }
}

#[test]
fn a_generated_key_is_the_answer_where_no_file_is_named() {
    let folder = Folder::new();
    let key = parsed(&folder.gatepass("jwk generate --alg Ed25519 --kid 2026-11-a").good());
    assert_eq!(
        (&key["kty"], &key["crv"], &key["kid"]),
        (&json!("OKP"), &json!("Ed25519"), &json!("2026-11-a"))
    );
    assert!(key["d"].is_string());

    let answer = folder.gatepass("jwk generate --alg ES384 --json").ends(0).json();
    assert_eq!((&answer["alg"], &answer["kid"]), (&json!("ES384"), &answer["thumbprint"]));
    assert!(answer["private"]["d"].is_string() && answer["public"].get("d").is_none(), "{answer}");
    let answer = folder.gatepass("jwk generate --alg HS512 --out s.jwk --json").ends(0).json();
    assert_eq!(
        (&answer["private"], &answer["public"], &answer["out"]),
        (&Value::Null, &Value::Null, &json!("s.jwk"))
    );
}

#[test]
fn keys_are_generated_in_the_size_and_on_the_curve_that_is_asked_for() {
    let folder = Folder::new();
    let cases = [
        ("RS256", Some(2048), None),
        ("PS512 --bits 3072", Some(3072), None),
        ("RSA-OAEP-256 --bits 3072", Some(3072), None),
        ("ECDH-ES", Some(256), Some("P-256")),
        ("ECDH-ES+A128KW --curve P-521", Some(521), Some("P-521")),
        ("ECDH-ES --curve X25519", Some(255), Some("X25519")),
        ("HS384", Some(512), None),
        ("A128KW", Some(128), None),
        ("A256CBC-HS512", Some(512), None),
        ("ML-DSA-65", None, None),
    ];
    for (at, (options, bits, curve)) in cases.into_iter().enumerate() {
        folder.gatepass(&format!("jwk generate --alg {options} --out {at}.jwk")).good();
        let answer = folder.gatepass(&format!("jwk show {at}.jwk --json")).ends(0).json();
        let key = &answer["keys"][0];
        assert_eq!((&key["bits"], &key["crv"]), (&json!(bits), &json!(curve)), "{options}: {key}");
        assert_eq!(key["alg"], options.split(' ').next().unwrap());
        assert_eq!(key["private"], true);
    }
    let refused = [
        ("none", vec!["not supported"]),
        ("RSA1_5", vec!["not supported"]),
        ("RS256 --bits 1024", vec!["2048, 3072 or 4096", "--bits 3072"]),
        ("ES256 --bits 2048", vec!["cannot make a key for ES256"]),
        ("ES256 --curve P-384", vec!["part of its name"]),
        ("ECDH-ES --curve Ed25519", vec!["cannot make a key for ECDH-ES"]),
        ("A128KW --curve P-256", vec!["cannot make a key for A128KW"]),
        ("dir", vec!["--alg A256GCM"]),
        ("PBES2-HS256+A128KW", vec!["a password"]),
        ("HS256 --public-out p.jwk", vec!["no public half"]),
    ];
    for (options, words) in refused {
        folder.gatepass(&format!("jwk generate --alg {options}")).complains(2, &words);
    }
    assert!(!folder.path("p.jwk").exists());
}

#[test]
fn a_key_survives_every_form() {
    let folder = Folder::new();
    for alg in
        ["RS256", "ES256", "ES384", "ES512", "Ed25519", "ECDH-ES --curve X25519", "ML-DSA-44", "ML-DSA-87"]
    {
        let name = alg.replace([' ', '-'], "");
        let at = |form: &str| format!("{name}.{form}");
        folder.gatepass(&format!("jwk generate --alg {alg} --out {}", at("jwk"))).good();
        folder.write(&at("public"), folder.gatepass(&format!("jwk public {}", at("jwk"))).good());
        let thumbprint = folder.gatepass(&format!("jwk thumbprint {}", at("jwk"))).good();
        let steps = [
            ("{}.jwk", "pem", "{}-1.pem"),
            ("{}-1.pem", "der", "{}-2.der"),
            ("{}-2.der", "jwks", "{}-3.jwks"),
            ("{}.public", "pem", "{}-4.pem"),
            ("{}-4.pem", "der", "{}-5.der"),
            ("{}-5.der", "jwks", "{}-6.jwks"),
        ];
        for (from, form, to) in steps {
            let (from, to) = (from.replace("{}", &name), to.replace("{}", &name));
            folder.gatepass(&format!("jwk convert {from} --to {form} --out {to}")).good();
            let same = folder.gatepass(&format!("jwk thumbprint {to}")).good();
            assert_eq!(same.split(' ').next(), Some(&*thumbprint), "{alg}: {from} to {to}");
        }
        let back = format!("jwk convert {name}-3.jwks --to jwk --out -");
        let (original, back) = (parsed(&folder.read(&at("jwk"))), parsed(&folder.gatepass(&back).good()));
        for member in ["kty", "crv", "d", "n", "priv", "pub", "x", "kid"] {
            assert_eq!(original[member], back[member], "{alg} {member}");
        }
    }
    folder.gatepass("jwk generate --alg HS256 --kid s --out s.jwk").good();
    folder.gatepass("jwk convert s.jwk --to secret --out s.txt").good();
    let back = parsed(&folder.gatepass("jwk convert s.txt --to jwk --kid s --alg HS256 --out -").good());
    let original = parsed(&folder.read("s.jwk"));
    assert_eq!(
        (&back["k"], &back["kid"], &back["alg"]),
        (&original["k"], &original["kid"], &original["alg"])
    );
    let nameless = parsed(&folder.gatepass("jwk convert s.txt --to jwk --out -").good());
    assert_eq!(nameless.get("kid"), None, "a secret is not named by a hash of it");
}

#[test]
fn several_keys_make_a_set_and_a_private_one_is_shown_to_nobody_who_did_not_ask() {
    let folder = Folder::new();
    for kid in ["a", "b"] {
        folder
            .gatepass(&format!("jwk generate --alg ES256 --kid {kid} --out {kid}.jwk --public-out {kid}.pub"))
            .good();
    }
    folder.gatepass("jwk generate --alg HS256 --kid s --out s.jwk").good();
    folder.gatepass("jwk convert a.pub b.pub --to jwks --out set.json").good();
    let set = parsed(&folder.read("set.json"));
    assert_eq!((&set["keys"][0]["kid"], &set["keys"][1]["kid"]), (&json!("a"), &json!("b")));
    let mode = std::fs::metadata(folder.path("set.json")).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode & 0o400, 0o400);

    folder.gatepass("jwk convert a.jwk b.jwk s.jwk --to jwks --out private.json").good();
    let mode = std::fs::metadata(folder.path("private.json")).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode, 0o600);
    let ran = folder.gatepass("jwk public private.json").ends(0);
    assert!(ran.err.contains("a secret is left out"), "{}", ran.shown());
    assert_eq!(parsed(&ran.out), set);
    assert!(!ran.out.contains("\"d\""), "{}", ran.shown());

    for line in
        ["jwk convert a.jwk --to pem", "jwk convert private.json --to jwks", "jwk convert s.jwk --to secret"]
    {
        folder.gatepass(line).complains(2, &["would show a private key", "--out"]);
    }
    folder.gatepass("jwk convert a.jwk --to pem --out set.json").complains(2, &["never overwritten"]);
    folder.gatepass("jwk convert a.pub b.pub --to jwk").complains(2, &["2 keys", "--to jwks"]);
    folder.gatepass("jwk convert a.pub b.pub --to der").complains(2, &["2 keys", "--to pem"]);
    folder.gatepass("jwk convert a.pub b.pub --to jwks --kid c").complains(2, &["--kid names one key"]);
    folder.gatepass("jwk convert a.pub --to secret").complains(1, &["only a secret"]);
    folder
        .gatepass("jwk convert s.jwk --to pem --out s.pem")
        .complains(1, &["cannot be written in that form"]);
    folder.gatepass("jwk convert a.pub --to jwk --alg ES384").complains(1, &["for ES256, not for ES384"]);
    folder.gatepass("jwk public s.jwk").complains(1, &["no public half"]);

    // Several in one PEM file, and back.
    folder.gatepass("jwk convert a.pub b.pub --to pem --out both.pem").good();
    let both = folder.gatepass("jwk thumbprint both.pem").good();
    let alone = |kid: &str| folder.gatepass(&format!("jwk thumbprint {kid}.pub")).good();
    assert_eq!(both, format!("{}\n{}", alone("a"), alone("b")));
}

#[test]
fn a_key_without_alg_and_name_is_given_them() {
    let folder = Folder::new();
    folder.gatepass("jwk generate --alg RS256 --out r.jwk --public-out r.pub").good();
    folder.gatepass("jwk convert r.pub --to pem --out r.pem").good();
    let jwk = parsed(&folder.gatepass("jwk convert r.pem --to jwk --alg PS256 --kid mine").good());
    assert_eq!((&jwk["alg"], &jwk["kid"]), (&json!("PS256"), &json!("mine")));
    let jwk = parsed(&folder.gatepass("jwk convert r.pem --to jwk --json").good());
    assert_eq!((jwk.get("alg"), &jwk["kid"]), (None, &json!(folder.gatepass("jwk thumbprint r.pem").good())));
    folder.gatepass("jwk convert r.pem --to jwk --alg ES256").complains(1, &["alg"]);
    let json = folder.gatepass("jwk convert r.pub --to pem --json").ends(0).json();
    assert_eq!(json["pem"].as_str().unwrap(), folder.read("r.pem").trim());
}

#[test]
fn the_thumbprint_is_that_of_rfc_7638_section_3_1() {
    let folder = Folder::new();
    folder.write("key.jwk", RFC_KEY);
    assert_eq!(folder.gatepass("jwk thumbprint key.jwk").good(), RFC_THUMBPRINT);
    let uri = format!("urn:ietf:params:oauth:jwk-thumbprint:sha-256:{RFC_THUMBPRINT}");
    assert_eq!(folder.gatepass("jwk thumbprint key.jwk --uri").good(), uri);
    assert_eq!(folder.fed("jwk thumbprint -", RFC_KEY).good(), RFC_THUMBPRINT);
    let set = format!("{{\"keys\":[{RFC_KEY}]}}");
    assert_eq!(folder.fed("jwk thumbprint -", &set).good(), format!("{RFC_THUMBPRINT}  2011-04-29"));
    let answer = folder.fed("jwk thumbprint - --json", &set).ends(0).json();
    assert_eq!(
        answer,
        json!({"keys": [{"kid": "2011-04-29", "thumbprint": RFC_THUMBPRINT, "uri": uri}], "unusable": []})
    );
    let broken = format!("{{\"keys\":[{RFC_KEY},{{\"kty\":\"new\"}}]}}");
    let ran = folder.fed("jwk thumbprint -", broken).ends(1);
    assert!(ran.out.starts_with(RFC_THUMBPRINT) && ran.err.contains("key 2"), "{}", ran.shown());
    let ran = folder
        .fed("jwk thumbprint -", r#"{"kty":"oct","k":"AyM1SysPpbyDfgZld3umj1qzKObwVMkoqQ-EstJQLr_T"}"#)
        .ends(0);
    assert!(ran.err.contains("hash of it"), "{}", ran.shown());
}

#[test]
fn show_says_what_a_key_is_and_nothing_of_its_private_half() {
    let folder = Folder::new();
    folder.write("key.jwk", RFC_KEY);
    let want = "type        RSA\nsize        2048 bits\nalg         RS256\nuse         signatures\nkid         2011-04-29\n\
                thumbprint  NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs\nprivate     no\nform        JWK";
    assert_eq!(folder.gatepass("jwk show key.jwk").good(), want);
    let answer = folder.gatepass("jwk show key.jwk --json").ends(0).json();
    let key = json!({
        "kty": "RSA", "crv": null, "bits": 2048, "alg": "RS256", "use": null, "kid": "2011-04-29",
        "thumbprint": RFC_THUMBPRINT, "private": false, "warnings": [],
    });
    assert_eq!(answer, json!({"form": "JWK", "keys": [key], "warnings": [], "unusable": []}));

    for alg in ["ES256", "RS256", "HS256", "ML-DSA-44", "ECDH-ES"] {
        let file = format!("{alg}.jwk");
        folder.gatepass(&format!("jwk generate --alg {alg} --out {file}")).good();
        let private = parsed(&folder.read(&file));
        for line in
            [format!("jwk show {file}"), format!("jwk show {file} --json"), format!("jwk thumbprint {file}")]
        {
            let ran = folder.gatepass(&line).ends(0);
            for member in ["d", "k", "priv", "p", "q"] {
                let secret = private[member].as_str().unwrap_or("no such member");
                assert!(
                    !ran.out.contains(secret) && !ran.err.contains(secret),
                    "{alg} {member}\n{}",
                    ran.shown()
                );
            }
        }
        let shown = folder.gatepass(&format!("jwk show {file}")).good();
        assert!(shown.contains("keep it to yourself") && !shown.contains('!'), "{shown}");
    }
}

#[test]
fn show_warns_of_what_is_unwise() {
    let folder = Folder::new();
    folder.gatepass("jwk generate --alg RS256 --out key.jwk --public-out public.jwk").good();
    folder.gatepass("jwk convert key.jwk --to pem --out key.pem").good();
    folder.write("open.jwk", folder.read("key.jwk"));
    std::fs::set_permissions(folder.path("open.jwk"), std::fs::Permissions::from_mode(0o644)).unwrap();
    folder.gatepass("jwk convert key.jwk public.jwk --to jwks --out mixed.json").good();
    folder.write("short", "c2hvcnQgc2VjcmV0");
    let cases = [
        ("key.pem", vec!["no `kid`", "several algorithms fit", "may be used for anything"]),
        ("open.jwk", vec!["others on this machine can read the file"]),
        ("mixed.json", vec!["mixes private and public"]),
        ("short", vec!["too short for HS256", "others on this machine"]),
    ];
    for (file, warnings) in cases {
        let shown = folder.gatepass(&format!("jwk show {file}")).good();
        let answer = folder.gatepass(&format!("jwk show {file} --json")).ends(0).json().to_string();
        for warning in warnings {
            assert!(shown.contains(warning), "{file}: {warning}\n{shown}");
            assert!(answer.contains(warning), "{file}: {warning}\n{answer}");
        }
    }
}

#[test]
fn what_is_no_sound_key_is_refused() {
    let folder = Folder::new();
    let rsa: Value = parsed(RFC_KEY);
    let small = json!({"kty": "RSA", "n": &rsa["n"].as_str().unwrap()[..172], "e": "AQAB"}).to_string();
    let even = json!({"kty": "RSA", "n": rsa["n"], "e": "AQAC"}).to_string();
    let x = "f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU";
    let off_curve = json!({"kty": "EC", "crv": "P-256", "x": x, "y": x}).to_string();
    let d = "nWGxne_9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A";
    let halves = json!({"kty": "OKP", "crv": "Ed25519", "x": x, "d": d}).to_string();
    let pem = |label: &str| format!("-----BEGIN {label}-----\nAAAA\n-----END {label}-----\n");
    let cases = [
        (2, "nothing", String::new(), vec!["it is empty"]),
        (2, "noise", "hello world".to_owned(), vec!["no JWK, no PEM"]),
        (2, "no_json", "{\"kty\":".to_owned(), vec!["malformed"]),
        (2, "two_names", r#"{"kty":"oct","kty":"RSA"}"#.to_owned(), vec!["two members"]),
        (2, "keys_no_array", r#"{"keys":{}}"#.to_owned(), vec!["not an array"]),
        (1, "unknown_type", r#"{"kty":"new"}"#.to_owned(), vec!["not supported"]),
        (1, "no_type", "{}".to_owned(), vec!["kty"]),
        (1, "small_rsa", small, vec!["2048 to 8192"]),
        (1, "even_exponent", even, vec!["exponent"]),
        (1, "off_the_curve", off_curve, vec!["not on"]),
        (1, "halves_differ", halves, vec!["does not belong"]),
        (2, "certificate", pem("CERTIFICATE"), vec!["a certificate", "openssl x509"]),
        (2, "encrypted", pem("ENCRYPTED PRIVATE KEY"), vec!["encrypted with a password", "openssl pkey"]),
        (2, "openssh", pem("OPENSSH PRIVATE KEY"), vec!["OpenSSH", "ssh-keygen"]),
        (1, "pem_of_nothing", pem("PUBLIC KEY"), vec!["is refused"]),
        (2, "pem_without_end", "-----BEGIN PUBLIC KEY-----\nAAAA\n".to_owned(), vec!["none has an end"]),
    ];
    for (code, name, text, words) in cases {
        for command in ["show", "thumbprint", "public"] {
            let ran = folder.fed(&format!("jwk {command} -"), &text);
            assert!(ran.err.starts_with("error:"), "{name}\n{}", ran.shown());
            ran.complains(code, &words);
        }
    }
    let ran = folder.fed("jwk show -", [0x30, 0x82, 0xff, 0xff]);
    ran.complains(2, &["cannot read a key from standard input"]);
    // Of a set, the sound keys are shown beside the refusal of the others.
    let ran = folder
        .fed("jwk show -", format!("{{\"keys\":[{RFC_KEY},{{\"kty\":\"new\",\"kid\":\"n\"}}]}}"))
        .ends(1);
    assert!(ran.out.contains(RFC_THUMBPRINT) && ran.out.contains("\"n\" is refused"), "{}", ran.shown());
}

#[test]
fn keys_of_openssl_are_read_and_ours_are_read_by_openssl() {
    let folder = Folder::new();
    if folder.openssl("version").is_none() {
        return; // not on this machine
    }
    let openssl = |line: &str| folder.openssl(line).unwrap().ends(0);
    openssl("genpkey -algorithm RSA -pkeyopt rsa_keygen_bits:2048 -out rsa.pem");
    openssl("rsa -in rsa.pem -traditional -out rsa1.pem");
    openssl("rsa -in rsa.pem -RSAPublicKey_out -out rsa1.pub");
    openssl("ecparam -name prime256v1 -genkey -out ec.pem"); // parameters, then SEC 1
    openssl("genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-384 -out ec384.pem");
    openssl("genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-521 -outform DER -out ec521.pem");
    openssl("genpkey -algorithm ED25519 -out ed.pem");
    openssl("genpkey -algorithm X25519 -out x.pem");
    for (key, kty) in [
        ("rsa.pem", "RSA"),
        ("rsa1.pem", "RSA"),
        ("ec.pem", "EC"),
        ("ec384.pem", "EC"),
        ("ec521.pem", "EC"),
        ("ed.pem", "OKP"),
        ("x.pem", "OKP"),
    ] {
        let inform = if key == "ec521.pem" { "-inform DER " } else { "" };
        openssl(&format!("pkey {inform}-in {key} -pubout -out theirs.pub"));
        let ours = folder.gatepass(&format!("jwk public {key}")).good();
        assert_eq!(parsed(&ours)["kty"], kty);
        folder.write("ours.jwk", &ours);
        let pem = folder.gatepass("jwk convert ours.jwk --to pem").good();
        assert_eq!(pem, folder.read("theirs.pub").trim(), "{key}: the public key");

        let private = folder.gatepass(&format!("jwk convert {key} --to pem --out -")).good();
        folder.write("ours.pem", &private);
        openssl("pkey -in ours.pem -check -noout");
        let theirs = openssl(&format!("pkey {inform}-in {key}")).out;
        assert_eq!(private, theirs.trim(), "{key}: the private key");
    }
    let thumbprint = folder.gatepass("jwk thumbprint rsa.pem").good();
    openssl("rsa -in rsa.pem -traditional -outform DER -out rsa1.der");
    openssl("rsa -in rsa.pem -RSAPublicKey_out -outform DER -out rsa1.pub.der");
    for form in ["rsa1.pub", "rsa1.der", "rsa1.pub.der"] {
        assert_eq!(folder.gatepass(&format!("jwk thumbprint {form}")).good(), thumbprint, "{form}");
    }

    let token =
        folder.gatepass("token sign --key rsa1.pem --alg RS256 --iss i --aud a --expires-in 1m").good();
    let (input, signature) = token.rsplit_once('.').unwrap();
    folder.write("input", input);
    folder.write("signature", URL_SAFE_NO_PAD.decode_to_vec(signature).unwrap());
    openssl("pkey -in rsa.pem -pubout -out rsa.pub");
    openssl("dgst -sha256 -verify rsa.pub -signature signature input");

    openssl("pkey -in rsa.pem -aes128 -passout pass:secret -out locked.pem");
    openssl("rsa -in rsa.pem -traditional -aes128 -passout pass:secret -out locked1.pem");
    openssl("req -x509 -key rsa.pem -subj /CN=test -out certificate.pem");
    openssl("ecparam -name secp256k1 -genkey -noout -out k1.pem");
    for (file, words) in [
        ("locked.pem", "encrypted with a password"),
        ("locked1.pem", "encrypted with a password"),
        ("certificate.pem", "openssl x509"),
        ("k1.pem", "k1.pem"),
    ] {
        let ran = folder.gatepass(&format!("jwk show {file}"));
        assert!(matches!(ran.code, Some(1 | 2)) && ran.err.contains(words), "{}", ran.shown());
    }
}
