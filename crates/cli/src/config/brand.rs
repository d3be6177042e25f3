//! `pages_file`: whose pages people see, and what these say.

use std::fs::{self, File};
use std::io::Read as _;
use std::path::Path;

use anyhow::Context as _;
use gatepass_gateway::nearest;
use gatepass_server::{Brand, BrandFile, InvalidBrand};

/// More than any file of texts, or picture, has.
const MAX_FILE: u64 = 1024 * 1024;

/// Reads and checks the file. The picture's path in it is relative to it.
pub(super) fn load(path: &Path) -> anyhow::Result<Brand> {
    let text = String::from_utf8(read(path)?).with_context(|| format!("{} is not UTF-8", path.display()))?;
    let check = || {
        let file: BrandFile = toml::from_str(&text)?;
        let folder = path.parent().unwrap_or(Path::new(""));
        let logo = file.logo().map(|logo| read(&folder.join(logo))).transpose()?;
        Brand::new(file, logo).map_err(with_suggestion)
    };
    check().with_context(|| format!("{} is refused", path.display()))
}

/// What is at most so large that it cannot be meant otherwise: somebody may name a device or a disk.
fn read(path: &Path) -> anyhow::Result<Vec<u8>> {
    let cannot = || format!("cannot read {}", path.display());
    let is_file = fs::metadata(path).with_context(cannot)?.is_file();
    anyhow::ensure!(is_file, "{} is no file", path.display());
    let mut bytes = Vec::new();
    File::open(path).with_context(cannot)?.take(MAX_FILE + 1).read_to_end(&mut bytes).with_context(cannot)?;
    anyhow::ensure!(bytes.len() as u64 <= MAX_FILE, "{} has more than 1 MiB", path.display());
    Ok(bytes)
}

fn with_suggestion(error: InvalidBrand) -> anyhow::Error {
    let meant = match &error {
        InvalidBrand::UnknownText { key, .. } => nearest(key, Brand::text_names()),
        _ => None,
    };
    match meant {
        Some(meant) => anyhow::anyhow!("{error}; did you mean `{meant}`?"),
        None => error.into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refusal(text: &str) -> Option<String> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("pages.toml");
        fs::write(&path, text).unwrap();
        fs::write(folder.path().join("logo.svg"), "<svg xmlns='http://www.w3.org/2000/svg'/>").unwrap();
        load(&path).err().map(|error| format!("{error:#}"))
    }

    #[test]
    fn files_that_are_refused_and_why() {
        let huge = format!("name = \"x\"\n{}", "#".repeat(1024 * 1024));
        let cases = [
            ("empty", "", None),
            ("good", "name = 'Acme'\nlogo = 'logo.svg'\naccent = { light = '#0b57d0' }", None),
            ("unknown_key", "nmae = 'Acme'", Some("unknown field `nmae`")),
            ("unknown_text", "[language.de.texts]\nlog_inn = 'x'", Some("did you mean `log_in`?")),
            (
                "nothing_near",
                "[language.de.texts]\nzzzzzzzz = 'x'",
                Some("the pages have no text of that name"),
            ),
            ("no_logo", "logo = 'none.png'", Some("cannot read")),
            ("logo_is_a_folder", "logo = '.'", Some("is no file")),
            ("not_toml", "<html>", Some("is refused")),
            ("huge", &huge, Some("has more than 1 MiB")),
        ];
        for (name, text, want) in cases {
            let refusal = refusal(text);
            match want {
                None => assert_eq!(refusal, None, "{name}"),
                Some(want) => {
                    assert!(refusal.as_ref().is_some_and(|why| why.contains(want)), "{name}: {refusal:?}")
                }
            }
        }
    }
}
