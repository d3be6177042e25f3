//! GP6xx: size. A token travels with every request.

use super::{Rule, Sample, Severity};

rules! {
    SIZE_LARGE = Rule {
        id: "GP601",
        name: "size-large",
        severity: Severity::Warning,
        summary: "The token is larger than 1 kB.",
        why: "It is sent with every request, and no header compression helps across connections. Tokens \
            grow with the user's groups, and those with the most groups are the first who cannot log in \
            any more.",
        mend: "Take out the claims named here; services can ask for what they rarely need. About 400 bytes \
            are enough for an access token.",
        reference: "RFC 9068 section 2.2",
        bad: Sample::Words("a token of 1,100 bytes"),
        good: Sample::Words("a token of 500 bytes"),
    };
    SIZE_VERY_LARGE = Rule {
        id: "GP602",
        name: "size-very-large",
        severity: Severity::Error,
        summary: "The token is larger than 4 kB.",
        why: "It does not fit into a cookie (4,096 bytes), and together with the other headers it comes \
            close to what servers and proxies take: requests end in 431 or 400, for some users and not for \
            others.",
        mend: "Take out the claims named here: lists of groups and permissions belong behind a lookup, or \
            into `scope` as few words.",
        reference: "RFC 6585 section 5",
        bad: Sample::Words("a token of 5,000 bytes"),
        good: Sample::Words("a token of 500 bytes"),
    };
    LIST_LONG = Rule {
        id: "GP603",
        name: "list-long",
        severity: Severity::Warning,
        summary: "A claim lists more than twenty entries.",
        why: "Lists of roles, groups and permissions are what tokens grow by, user by user. A list in a \
            token is also old: it says what was true when the token was minted.",
        mend: "Send the few roles that this audience needs, or let it look the list up by `sub`.",
        reference: "RFC 9068 section 2.2.3.1",
        bad: Sample::Claims(r#"{"groups":[1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17,18,19,20,21]}"#),
        good: Sample::Claims(r#"{"groups":["clerk","auditor"]}"#),
    };
    BLOB = Rule {
        id: "GP604",
        name: "blob",
        severity: Severity::Warning,
        summary: "A claim carries encoded binary data.",
        why: "A picture, a certificate or a compressed list makes every request larger by a third more \
            than its size, and nobody who reviews a token can see what is in it.",
        mend: "Send a reference to it.",
        reference: "RFC 9068 section 2.2",
        bad: Sample::Words("a claim with 300 characters of base64"),
        good: Sample::Claims(r#"{"picture_id":"p_17"}"#),
    };
    HEADER_BUDGET = Rule {
        id: "GP605",
        name: "header-budget",
        severity: Severity::Error,
        summary: "The token alone nearly uses up what servers allow for all headers.",
        why: "Common servers and load balancers take 8 kB for a header line or for all of them together. \
            With cookies and tracing headers beside it, a token of 7 kB is refused with 431, 400 or a \
            closed connection.",
        mend: "Make the token smaller; raising the limit must be done at every hop, and invites others to \
            use it up.",
        reference: "RFC 6585 section 5",
        bad: Sample::Words("a token of 7,500 bytes"),
        good: Sample::Words("a token of 500 bytes"),
    };
    HEADER_LARGE = Rule {
        id: "GP606",
        name: "header-large",
        severity: Severity::Warning,
        summary: "The token's protected header is larger than 512 bytes.",
        why: "A header needs three members: `alg`, `typ` and `kid`. It is read before anything has been \
            verified, so verifiers bound its size. Keys, certificates and claims in it are what makes it \
            large.",
        mend: "Take out everything but `alg`, `typ` and `kid`.",
        reference: "RFC 7515 section 4.1",
        bad: Sample::Words("a header with a `kid` of 600 characters"),
        good: Sample::Header(r#"{"alg":"ES256","typ":"at+jwt","kid":"mBtsoWUmPQqF"}"#),
    };
    NESTING_DEEP = Rule {
        id: "GP607",
        name: "nesting-deep",
        severity: Severity::Warning,
        summary: "The JSON nests deeper than 16 levels or has more than 128 members.",
        why: "Deep and wide objects cost a parser time and stack before anything is verified. Strict \
            verifiers refuse them; whole documents in a token are seldom meant.",
        mend: "Write flat claims, and few.",
        reference: "RFC 8259 section 9",
        bad: Sample::Claims(r#"{"a":[[[[[[[[[[[[[[[[1]]]]]]]]]]]]]]]]}"#),
        good: Sample::Claims(r#"{"a":[[[[1]]]]}"#),
    };
}
