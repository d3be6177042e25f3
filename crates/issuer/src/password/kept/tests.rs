use super::*;

/// What other programs made of "correct horse": Python's bcrypt, argon2-cffi, passlib, Django and hashlib.
const MADE_ELSEWHERE: &[(&str, &str)] = &[
    ("bcrypt_2b", "$2b$04$TwMNZ72UcRanRzGww83Z5uThZaZdQzBY7V9kC5KhVPLE1/4w67z0m"),
    ("bcrypt_2a", "$2a$05$Xxt7bERHMK8GGRtK6d/PhuQSHRyyGSU6e1p2Qd1i0BdnlCqH/pqaW"),
    ("bcrypt_2y", "$2y$04$TwMNZ72UcRanRzGww83Z5uThZaZdQzBY7V9kC5KhVPLE1/4w67z0m"),
    (
        "argon2id",
        "$argon2id$v=19$m=256,t=1,p=4$7oQIpcZ0tNQbb90r5+MVGA$OG1hvwZiCoNATDERxfOVh9/syFxZo4HxbRF+0vyt70Q",
    ),
    (
        "argon2i",
        "$argon2i$v=19$m=256,t=2,p=1$HMzu0MQu7lmrIi33Pd8HGg$dPer9kNiC1Q8r9duGUfxD6QZzGyzANybrdCC4atsHlo",
    ),
    ("scrypt", "$scrypt$ln=6,r=8,p=1$N4bwvjeGcC7lHMM4B+D8Hw$j1XdjtOqXiBs2xhTG5Qcm2NuKz6f633AOeOHWtOMktU"),
    (
        "pbkdf2",
        "$pbkdf2-sha256$i=1000,l=32$MDEyMzQ1Njc4OWFiY2RlZg$cBg8D2DungRB9k76szThf5ehfyBz991ay6PT8Srwk4M",
    ),
    (
        "pbkdf2_two_blocks",
        "$pbkdf2-sha256$i=1000$MDEyMzQ1Njc4OWFiY2RlZg$cBg8D2DungRB9k76szThf5ehfyBz991ay6PT8Srwk4NQEC0GVAwWLSUGWbcye1xU+dO7fZFld1DsscNlAN1uxw",
    ),
    ("passlib_sha1", "$pbkdf2$1200$bK1VynnPOaf0Pgfg/F/LuQ$cPd3RG3Gh8YgwcCgwKA6VJuCiZg"),
    (
        "passlib_sha256",
        "$pbkdf2-sha256$1000$TWktRWgtJQQgRIixlvKe0w$xa9EHA.eGqgATOVrlyzTLhx3OGg0Tb.64T47rZOQI3Y",
    ),
    (
        "passlib_sha512",
        "$pbkdf2-sha512$1000$IcS4d85ZixGCUIrx/l/r/Q$ed2SKPOteKn.TdZgTpguhqsh.ekm7S5YrKEiBn6jHcEgmlodRfMBaTHpmtJuIRSLIC1g5Z0EwtXQLdSVewwvkQ",
    ),
    ("django_sha256", "pbkdf2_sha256$1000$saltsaltsalt$F7o7+5VTVzFAO998X6s3AHrDsJVdMiIlgndIMe19NvY="),
    ("django_sha1", "pbkdf2_sha1$1000$saltsaltsalt$JfNU29qvQkW1UgahO6OQ0oP6O0I="),
];

#[test]
fn hashes_made_elsewhere_match_their_password_and_no_other() {
    let right = Password::new("correct horse").unwrap();
    let wrong = Password::new("correct house").unwrap();
    for (name, text) in MADE_ELSEWHERE {
        let kept = canonical(text).unwrap_or_else(|error| panic!("{name}: {error}"));
        let kept = Kept::parse(&kept).unwrap();
        assert!(kept.matches(&right, &mut Vec::new()), "{name}");
        assert!(!kept.matches(&wrong, &mut Vec::new()), "{name}");
        assert!(!kept.is_current(&Params::new(256, 2, 1, None).unwrap()), "{name}");
    }
}

#[test]
fn a_hash_that_is_cut_off_is_refused_or_matches_nothing() {
    let right = Password::new("correct horse").unwrap();
    for (name, text) in MADE_ELSEWHERE {
        for len in 0..text.len() {
            if let Ok(kept) = canonical(&text[..len]) {
                let matches = Kept::parse(&kept).unwrap().matches(&right, &mut Vec::new());
                // The first bytes that scrypt and PBKDF2 give are a shorter hash of the same password.
                let prefix =
                    ["scrypt", "pbkdf2", "passlib", "django"].iter().any(|scheme| name.starts_with(scheme));
                assert!(!matches || prefix, "{name} cut to {len}");
            }
        }
    }
}

#[test]
fn what_is_refused() {
    let salt_and_hash = "MDEyMzQ1Njc4OWFiY2RlZg$cBg8D2DungRB9k76szThf5ehfyBz991ay6PT8Srwk4M";
    let phc = |scheme: &str| format!("${scheme}${salt_and_hash}");
    let bcrypt = |cost: &str| format!("$2b${cost}$TwMNZ72UcRanRzGww83Z5uThZaZdQzBY7V9kC5KhVPLE1/4w67z0m");
    use InvalidHash::{Malformed, TooCostly, TooWeak, UnknownScheme};
    let cases = [
        ("empty", String::new(), Err(UnknownScheme)),
        ("plain_text", "correct horse".into(), Err(UnknownScheme)),
        ("md5", "$1$salt$qJH7.N4xYta3aEG/dfqo/0".into(), Err(UnknownScheme)),
        ("argon2d", phc("argon2d$v=19$m=64,t=1,p=1"), Err(UnknownScheme)),
        ("bcrypt_2x", bcrypt("04").replace("2b", "2x"), Err(UnknownScheme)),
        ("bcrypt_cost_3", bcrypt("03"), Err(Malformed)),
        ("bcrypt_cost_14", bcrypt("14"), Ok(())),
        ("bcrypt_cost_15", bcrypt("15"), Err(TooCostly)),
        ("bcrypt_cost_99", bcrypt("99"), Err(TooCostly)),
        ("bcrypt_longer", bcrypt("04") + "A", Err(Malformed)),
        ("argon2_128_mib", phc("argon2id$v=19$m=131072,t=8,p=1"), Ok(())),
        ("argon2_more_memory", phc("argon2id$v=19$m=131073,t=1,p=1"), Err(TooCostly)),
        ("argon2_more_passes", phc("argon2id$v=19$m=131072,t=9,p=1"), Err(TooCostly)),
        ("argon2_most_of_all", phc("argon2id$v=19$m=4294967295,t=4294967295,p=1"), Err(TooCostly)),
        ("argon2_no_memory", phc("argon2id$v=19$m=0,t=1,p=1"), Err(Malformed)),
        ("argon2_unknown_version", phc("argon2id$v=20$m=64,t=1,p=1"), Err(Malformed)),
        ("argon2_first_version", phc("argon2id$m=64,t=1,p=1"), Ok(())),
        ("argon2_with_key", phc("argon2id$v=19$m=64,t=1,p=1,keyid=AAAA"), Err(Malformed)),
        ("argon2_twice_m", phc("argon2id$v=19$m=64,m=64,t=1,p=1"), Err(Malformed)),
        ("scrypt_owasp", phc("scrypt$ln=17,r=8,p=1"), Ok(())),
        ("scrypt_more_memory", phc("scrypt$ln=18,r=8,p=1"), Err(TooCostly)),
        ("scrypt_more_lanes", phc("scrypt$ln=17,r=8,p=5"), Err(TooCostly)),
        ("scrypt_huge_n", phc("scrypt$ln=4294967295,r=8,p=1"), Err(TooCostly)),
        ("scrypt_wide_blocks", phc("scrypt$ln=1,r=4294967295,p=4294967295"), Err(TooCostly)),
        ("scrypt_no_blocks", phc("scrypt$ln=4,r=0,p=1"), Err(Malformed)),
        ("pbkdf2_999", phc("pbkdf2-sha256$i=999"), Err(TooWeak)),
        ("pbkdf2_zero", phc("pbkdf2-sha256$i=0"), Err(TooWeak)),
        ("pbkdf2_most", phc("pbkdf2-sha256$i=4000000"), Ok(())),
        ("pbkdf2_more", phc("pbkdf2-sha256$i=4000001"), Err(TooCostly)),
        ("pbkdf2_two_blocks", phc("pbkdf2-sha1$i=2000001"), Err(TooCostly)),
        ("pbkdf2_other_length", phc("pbkdf2-sha256$i=1000,l=33"), Err(Malformed)),
        ("pbkdf2_md5", phc("pbkdf2-md5$i=1000"), Err(UnknownScheme)),
        ("pbkdf2_leading_plus", phc("pbkdf2-sha256$i=+1000"), Err(Malformed)),
        (
            "short_output",
            "$pbkdf2-sha256$i=1000$MDEyMzQ1Njc4OWFiY2RlZg$cBg8D2DungRB9k76szTh".into(),
            Err(TooWeak),
        ),
        ("no_output", "$pbkdf2-sha256$i=1000$MDEyMzQ1Njc4OWFiY2RlZg".into(), Err(Malformed)),
        ("something_behind", phc("pbkdf2-sha256$i=1000") + "$x", Err(Malformed)),
        ("django_short", "pbkdf2_sha256$1000$salt".into(), Err(Malformed)),
        ("django_nul", "pbkdf2_sha256$1000$salt\0salt$!".into(), Err(Malformed)),
    ];
    for (name, text, want) in cases {
        assert_eq!(canonical(&text).map(|_| ()), want, "{name}: {text}");
    }
}

proptest::proptest! {
    #[test]
    fn no_text_stops_it(text in "(\\$2b|\\$argon2id|\\$scrypt|\\$pbkdf2|pbkdf2_sha256)?[ -~]{0,80}", other in "\\PC{0,80}") {
        for text in [text, other] {
            let _ = canonical(&text);
        }
    }
}
