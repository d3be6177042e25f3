//! GP6xx: what a token weighs.

use crate::check::Listed;
use crate::json::{Json, Path};
use crate::report::Found;
use crate::rule::*;
use crate::token::{Form, Token};

pub(super) fn check(token: &Token<'_>, found: &mut Found<'_>) {
    whole(token, found);
    if let Some(part) = token.parts.first().filter(|part| part.bytes.len() > 512) {
        let len = part.bytes.len();
        found.add(&HEADER_LARGE, "header", format_args!("the protected header has {len} bytes"));
    }
    if let Some(Ok(payload)) = &token.payload {
        lists_and_blobs(payload, found);
        shape(payload, "payload", found);
    }
    if let Ok(header) = &token.header {
        shape(header, "header", found);
    }
}

fn whole(token: &Token<'_>, found: &mut Found<'_>) {
    let len = token.text.len();
    let rule = match len {
        ..=1024 => return,
        1025..=4096 => &SIZE_LARGE,
        _ => &SIZE_VERY_LARGE,
    };
    let path = if token.form == Form::Signed { "payload" } else { "" };
    let biggest = Listed(biggest(token)).to_string();
    let most = if biggest.is_empty() { "" } else { "; its largest members are " };
    found.add(rule, path, format_args!("the token has {len} bytes{most}{biggest}"));
    if len > 7 * 1024 {
        found.add(
            &HEADER_BUDGET,
            "",
            format_args!("with {len} bytes the token leaves too little of the 8 kB that servers take"),
        );
    }
}

/// The three members that take most, with what they take before they are encoded.
fn biggest(token: &Token<'_>) -> Vec<String> {
    let header = token.header().into_iter().flat_map(|header| header.iter()).map(|member| ("header", member));
    let claims =
        token.claims().into_iter().flat_map(|claims| claims.iter()).map(|member| ("payload", member));
    let mut sizes: Vec<_> =
        header.chain(claims).map(|(root, (name, value))| (value.written_len(), root, name)).collect();
    sizes.sort_by(|a, b| b.cmp(a));
    let share = sizes.iter().take(3).filter(|(len, ..)| *len >= 100);
    share.map(|(len, root, name)| format!("{root}{} ({len} bytes)", crate::json::Member(name))).collect()
}

fn lists_and_blobs(payload: &Json, found: &mut Found<'_>) {
    /// Entries of a list, and characters of a text, that need no remark.
    const LIST: usize = 20;
    const BLOB_LEN: usize = 256;
    let of_base64 =
        |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'+' | b'/' | b'-' | b'_' | b'=' | b'\n');
    payload.walk(&mut Path::root("payload"), &mut |path, value| match value {
        Json::Array(items) if items.len() > LIST => {
            let (count, len) = (items.len(), value.written_len());
            found.add(&LIST_LONG, path, format_args!("a list of {count} entries, {len} bytes"));
        }
        Json::Text(text) if text.len() > BLOB_LEN => {
            let data = match text.strip_prefix("data:").and_then(|rest| rest.split_once(',')) {
                Some((_, data)) => data,
                None => text,
            };
            if data.bytes().all(of_base64) {
                found.add(&BLOB, path, format_args!("{} characters of encoded data", text.len()));
            }
        }
        _ => {}
    });
}

fn shape(json: &Json, root: &str, found: &mut Found<'_>) {
    let (mut depth, mut members) = (0, 0);
    json.walk(&mut Path::root(root), &mut |path, value| {
        // A value within 16 lists or objects stands on the 17th level.
        depth = depth.max(path.depth());
        members += value.as_object().map_or(0, crate::json::Object::len);
    });
    if depth > 16 || members > 128 {
        found.add(
            &NESTING_DEEP,
            root,
            format_args!("the {root} nests {depth} levels deep and has {members} members"),
        );
    }
}
