//! Answers the questions of a runner of test vectors: one JSON object a line on standard input, one a line
//! on standard output, in the same order and with the same `id`.
//!
//! ```text
//! echo '{"id":1,"op":"b64url_decode","s":"AQID"}' | cargo run -q -p gatepass-jose --example vectors
//! {"hex":"010203","id":1,"ok":true}
//! ```
//!
//! A refusal is `{"id":…,"ok":false,"err":"…"}`, and what the library does not offer at all
//! `{"id":…,"unsupported":true}`.

mod answer;

use std::io::{self, BufRead as _, Write as _};

use serde_json::Value;

fn main() -> io::Result<()> {
    let mut stdout = io::stdout().lock();
    for line in io::stdin().lock().lines() {
        let request: Value = serde_json::from_str(&line?)?;
        let mut reply = answer::answer(&request);
        if let (Some(members), Some(id)) = (reply.as_object_mut(), request.get("id")) {
            members.insert("id".to_owned(), id.clone());
        }
        writeln!(stdout, "{reply}")?;
        stdout.flush()?;
    }
    Ok(())
}
