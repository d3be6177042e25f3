//! GP3xx: dates, lifetimes and clocks.

use super::{Rule, Sample, Severity};

rules! {
    EXP_MISSING = Rule {
        id: "GP301",
        name: "exp-missing",
        severity: Severity::Error,
        summary: "The token never expires.",
        why: "A token that leaks (into a log, a bug report, a backup) stays good for ever, unless somebody \
            keeps a list of what was taken back and every verifier asks it.",
        mend: "Set `exp`, 5 to 15 minutes ahead for an access token, and refuse tokens without it.",
        reference: "RFC 7519 section 4.1.4",
        bad: Sample::Claims(r#"{"sub":"u_1"}"#),
        good: Sample::Claims(r#"{"sub":"u_1","exp":1900000000}"#),
    };
    DATE_NOT_A_NUMBER = Rule {
        id: "GP302",
        name: "date-not-a-number",
        severity: Severity::Error,
        summary: "A date is not a number of seconds.",
        why: "`exp`, `nbf` and `iat` are numbers of seconds since 1970. A string, a negative number or one \
            past the year 9999 is refused by strict verifiers; lenient ones have compared strings with \
            numbers and let expired tokens live.",
        mend: "Write the number, without quotes.",
        reference: "RFC 7519 section 2",
        bad: Sample::Claims(r#"{"exp":"1900000000"}"#),
        good: Sample::Claims(r#"{"exp":1900000000}"#),
    };
    DATE_IN_MILLISECONDS = Rule {
        id: "GP303",
        name: "date-in-milliseconds",
        severity: Severity::Error,
        summary: "A date counts milliseconds where seconds are meant.",
        why: "As seconds the number lies tens of thousands of years ahead: an `exp` like that never comes, \
            and an `nbf` makes the token useless. JavaScript's `Date.now()` and Java's \
            `currentTimeMillis()` count milliseconds.",
        mend: "Divide by 1000 and round down.",
        reference: "RFC 7519 section 2",
        bad: Sample::Claims(r#"{"exp":1900000000000}"#),
        good: Sample::Claims(r#"{"exp":1900000000}"#),
    };
    LIFETIME_LONG = Rule {
        id: "GP304",
        name: "lifetime-long",
        severity: Severity::Warning,
        summary: "The token lives longer than an hour.",
        why: "For as long as it lives, whoever finds the token can use it, and a change of roles shows \
            only in the next one. RFC 6750 recommends an hour at most; refresh tokens make minutes \
            bearable.",
        mend: "Let access tokens live 5 to 15 minutes and refresh them.",
        reference: "RFC 6750 section 5.3",
        bad: Sample::Claims(r#"{"iat":1800000000,"exp":1800007200}"#),
        good: Sample::Claims(r#"{"iat":1800000000,"exp":1800003600}"#),
    };
    LIFETIME_VERY_LONG = Rule {
        id: "GP305",
        name: "lifetime-very-long",
        severity: Severity::Error,
        summary: "The token lives longer than a day.",
        why: "A bearer token with a life of days is a password that nobody can change: it is copied into \
            scripts and logs, outlives the employee, and cannot be taken back where verifiers do not \
            ask.",
        mend: "Let access tokens live minutes; for machines, fetch a new one with `client_credentials` \
            when the old one is about to end.",
        reference: "RFC 6750 section 5.3",
        bad: Sample::Claims(r#"{"iat":1800000000,"exp":1802592000}"#),
        good: Sample::Claims(r#"{"iat":1800000000,"exp":1800003600}"#),
    };
    NOT_YET_VALID = Rule {
        id: "GP306",
        name: "not-yet-valid",
        severity: Severity::Warning,
        summary: "The token becomes valid only later.",
        why: "`nbf` lies more than a minute ahead. Verifiers refuse the token until then; most often this \
            is a clock that is wrong, the issuer's or this one.",
        mend: "Synchronise the clocks, or leave `nbf` out: `iat` says when the token was made.",
        reference: "RFC 7519 section 4.1.5",
        bad: Sample::Claims(r#"{"nbf":1800000600}"#),
        good: Sample::Claims(r#"{"nbf":1800000000}"#),
    };
    ISSUED_IN_FUTURE = Rule {
        id: "GP307",
        name: "issued-in-future",
        severity: Severity::Warning,
        summary: "The token was issued in the future.",
        why: "`iat` lies more than a minute ahead, so one of two clocks is wrong. Some verifiers refuse \
            such tokens, and an issuer whose clock is ahead mints tokens that live longer than it means.",
        mend: "Synchronise the clocks.",
        reference: "RFC 7519 section 4.1.6",
        bad: Sample::Claims(r#"{"iat":1800000600}"#),
        good: Sample::Claims(r#"{"iat":1800000000}"#),
    };
    NEVER_VALID = Rule {
        id: "GP308",
        name: "never-valid",
        severity: Severity::Error,
        summary: "The token ends before it begins.",
        why: "`exp` is not after `iat` or `nbf`. No sound verifier ever accepts the token; a sum with a \
            wrong sign or two units of time in one token are the usual reasons.",
        mend: "Compute `exp` from `iat` by adding seconds.",
        reference: "RFC 7519 section 4.1.4",
        bad: Sample::Claims(r#"{"iat":1800000900,"exp":1800000000}"#),
        good: Sample::Claims(r#"{"iat":1800000000,"exp":1800000900}"#),
    };
    EXPIRED = Rule {
        id: "GP309",
        name: "expired",
        severity: Severity::Note,
        summary: "The token has expired.",
        why: "Verifiers refuse it. In a log or a bug report that is good news: it can no longer be used, \
            though its claims can still be read.",
        mend: "Get a new one.",
        reference: "RFC 7519 section 4.1.4",
        bad: Sample::Claims(r#"{"exp":1700000000}"#),
        good: Sample::Claims(r#"{"exp":1900000000}"#),
    };
    DATE_FRACTION = Rule {
        id: "GP310",
        name: "date-fraction",
        severity: Severity::Note,
        summary: "A date has a fraction of a second.",
        why: "Fractions are allowed, and some verifiers read dates into an integer all the same and refuse \
            the token.",
        mend: "Round down to whole seconds.",
        reference: "RFC 7519 section 2",
        bad: Sample::Claims(r#"{"exp":1900000000.5}"#),
        good: Sample::Claims(r#"{"exp":1900000000}"#),
    };
}
