//! What a person sees whose login did not work out, or does not do. It says nothing that another could use.

use bytes::Bytes;
use http::{HeaderValue, Response, StatusCode, header};

const STYLE: &str = ":root{color-scheme:light dark}body{max-width:26rem;margin:20vh auto;padding:0 1rem;\
    font:1rem/1.5 system-ui,sans-serif}h1{font-size:1.5rem;line-height:1.25}";

/// Names [`STYLE`] by its hash: the page has that, and nothing else.
const POLICY: &str = "default-src 'none'; style-src 'sha256-atQKhauSRdsIHotZaDYzQh1Iqm4QpRdO7T8pBH3iPiw='; \
    base-uri 'none'; frame-ancestors 'none'";

/// `again` is the path where another login begins.
pub(super) fn not_completed(status: StatusCode, again: &str) -> Response<Bytes> {
    write(status, "The login was not completed", "All is as it was before.", again)
}

/// For who has just logged in, and is turned away all the same.
pub(super) fn another_login(again: &str) -> Response<Bytes> {
    let text = "You have just logged in, but not as this page demands it, or that login is over already.";
    write(StatusCode::FORBIDDEN, "This page needs another login", text, again)
}

fn write(status: StatusCode, title: &str, text: &str, again: &str) -> Response<Bytes> {
    // Of a path and a query that were written here, this alone is something else to HTML.
    let again = again.replace('&', "&amp;");
    let text = format!(
        "<!doctype html>\n<html lang=\"en\">\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <title>{title}</title>\n<style>{STYLE}</style>\n\
         <main>\n<h1>{title}</h1>\n<p>{text}</p>\n\
         <p><a href=\"{again}\">Log in again</a></p>\n</main>\n"
    );
    let mut response = Response::new(Bytes::from(text));
    *response.status_mut() = status;
    let fields = [
        (header::CONTENT_TYPE, "text/html; charset=utf-8"),
        (header::CONTENT_SECURITY_POLICY, POLICY),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    ];
    response.headers_mut().extend(fields.map(|(name, value)| (name, HeaderValue::from_static(value))));
    response
}

#[cfg(test)]
mod tests {
    use aws_lc_rs::digest;

    use super::*;

    #[test]
    fn the_policy_names_the_style_that_the_page_has() {
        let page = not_completed(StatusCode::BAD_REQUEST, "/bff/login");
        let html = std::str::from_utf8(page.body()).unwrap();
        let style = html.split_once("<style>").unwrap().1.split_once("</style>").unwrap().0;
        let hash = base64_simd::STANDARD
            .encode_to_string(digest::digest(&digest::SHA256, style.as_bytes()).as_ref());
        let policy = page.headers()[header::CONTENT_SECURITY_POLICY].to_str().unwrap();
        assert!(policy.contains(&format!("style-src 'sha256-{hash}'")), "{hash}: {policy}");
    }
}
