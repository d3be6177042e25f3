//! Path templates of a document, as the gateway's patterns.

use crate::route::pattern::Pattern;

/// The longest path, in segments.
const MAX_SEGMENTS: usize = 64;

/// The pattern for a path template, and its text. Its parameters may have other names than in the document, whose
/// names are freer.
///
/// # Errors
/// Why there is none, in words.
pub(super) fn to_pattern(path: &str) -> Result<(String, Pattern), String> {
    if path.split('/').count() > MAX_SEGMENTS {
        return Err(format!("it has more than {MAX_SEGMENTS} segments"));
    }
    if path.chars().any(is_unseen) {
        return Err("it has characters that cannot be seen".to_owned());
    }
    let segments = path.split('/').map(to_segment).collect::<Result<Vec<_>, _>>()?;
    let text = segments.join("/");
    match Pattern::parse(&text) {
        Ok(pattern) => Ok((text, pattern)),
        Err(error) => Err(error.to_string().escape_debug().to_string()),
    }
}

/// The path of a request that a template means: with something for each parameter.
pub(super) fn to_sample(path: &str) -> String {
    let mut sample = String::new();
    let mut left = path;
    while let Some((before, parameter)) = left.split_once('{') {
        sample.push_str(before);
        sample.push('x');
        left = parameter.split_once('}').map_or("", |(_, after)| after);
    }
    sample + left
}

/// Control and format characters: whoever looks through the proposal would read another path.
fn is_unseen(c: char) -> bool {
    !matches!(c, '"' | '\'' | '\\') && c.escape_debug().len() > 1
}

fn to_segment(segment: &str) -> Result<String, String> {
    if !segment.contains(['{', '}']) {
        return Ok(segment.to_owned());
    }
    let name = segment.strip_prefix('{').and_then(|rest| rest.strip_suffix('}'));
    let name = name.filter(|name| !name.is_empty() && !name.contains(['{', '}']));
    let name = name.ok_or("a parameter is not a whole segment, as the gateway's are")?;
    let plain: String = name.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '_' }).collect();
    let digit_first = plain.starts_with(|first: char| first.is_ascii_digit());
    Ok(if digit_first { format!("{{_{plain}}}") } else { format!("{{{plain}}}") })
}
