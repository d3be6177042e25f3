use super::*;

fn brand(text: &str) -> Result<Brand, String> {
    let file: BrandFile = toml::from_str(text).map_err(|error| error.to_string())?;
    Brand::new(file, None).map_err(|error| error.to_string())
}

#[test]
fn files_that_are_refused() {
    let long = format!("[language.de.texts]\nlog_in = '{}'", "x".repeat(1001));
    let cases = [
        ("name_of_two_lines", "name = \"a\\nb\"", "`name` is one line"),
        ("no_name", "name = ' '", "`name` is one line"),
        ("not_a_color", "accent = { light = 'red' }", "a colour is written"),
        (
            "style_for_a_color",
            "accent = { dark = '#fff;} body { background: url(//evil)' }",
            "a colour is written",
        ),
        ("yellow_on_white", "accent = { light = '#ffdd00' }", "has a contrast of 1.3, and links need 4.5"),
        ("navy_on_black", "accent = { dark = '#000080' }", "take a lighter colour"),
        ("script_link", "links = { help = 'javascript:alert(1)' }", "`links.help` is an https or mailto URL"),
        ("plain_link", "links = { privacy = 'http://example.com' }", "`links.privacy`"),
        ("odd_tag", "[language.'de\"><script>']", "a language is named as in BCP 47"),
        ("two_spellings", "[language.de]\n[language.DE]", "a language is named as in BCP 47"),
        ("unknown_text", "[language.de.texts]\nx = 'y'", "`language.de.texts.x`: the pages have no text"),
        ("empty_text", "[language.de.texts]\nlog_in = ''", "a text is one line"),
        ("text_of_two_lines", "[language.de.texts]\nlog_in = \"a\\r\\nb\"", "a text is one line"),
        ("long_text", &long, "a text is one line"),
        (
            "nobody_asks",
            "[language.nl.texts]\nclient_asks = 'Mag het?'",
            "what is filled in here is {client}, {user}",
        ),
        (
            "filled_in_elsewhere",
            "[language.nl.texts]\nlog_in = '{password}'",
            "what is filled in here is nothing",
        ),
        ("stray_brace", "[language.nl.texts]\nlog_in = 'a } b'", "a brace stands for something"),
        ("not_a_scope", "[language.de.scopes]\n'a b' = 'x'", "scopes"),
        ("unknown_key", "[language.de.text]\nlog_in = 'x'", "unknown field `text`"),
        ("name_too_long", "[language.qabcdefghi]", "a language is named"),
    ];
    for (name, text, want) in cases {
        let error = brand(text).err().unwrap_or_default();
        assert!(error.contains(want), "{name}: {error}");
    }
    let crowd: String = (b'a'..=b'z')
        .flat_map(|one| (b'a'..=b'c').map(move |two| (one, two)))
        .map(|(one, two)| format!("[language.{}{}]\n", char::from(one), char::from(two)))
        .collect();
    assert_eq!(brand(&crowd).err().unwrap(), "`language` has more than 64 languages");
}

#[test]
fn what_a_file_changes() {
    let brand = brand(
        "name = 'Acme'\naccent = { light = '#900', dark = '#ff9' }\n\
         [links]\nhelp = 'mailto:help@example.com'\n\
         [language.de.texts]\nlog_in = 'Einloggen'\n\
         [language.de.scopes]\n'orders:read' = 'Ihre <Bestellungen> sehen'\n\
         [language.de-CH.texts]\npassword = 'Kennwort'\n\
         [language.nl.texts]\nlog_in = 'Inloggen'",
    )
    .unwrap();
    let languages = &brand.languages;
    assert_eq!(languages.tags().collect::<Vec<_>>(), ["en", "de", "fr", "de-CH", "nl"]);
    let speak = |tag| languages.choose(Some(tag), &http::HeaderMap::new());
    let cases =
        [("de", "Einloggen", "Passwort"), ("de-CH", "Einloggen", "Kennwort"), ("nl", "Inloggen", "Password")];
    for (tag, log_in, password) in cases {
        let texts = &speak(tag).texts;
        assert_eq!((&*texts.log_in, &*texts.password), (log_in, password), "{tag}");
    }
    assert_eq!(speak("de-CH").scope("orders:read"), Some("Ihre <Bestellungen> sehen"));
    assert_eq!(
        (speak("nl").scope("orders:read"), speak("nl").scope("openid")),
        (None, Some("Know that it is you"))
    );
    let style = std::str::from_utf8(&brand.style.body).unwrap();
    assert!(style.ends_with(
        ":root { --action: #990000; --on-action: #ffffff; }\n\
         @media (prefers-color-scheme: dark) { :root { --action: #ffff99; --on-action: #000000; } }\n"
    ));
    assert_ne!(brand.style.version(), Brand::default().style.version(), "browsers ask for the new style");
}

#[test]
fn what_passes_for_a_picture() {
    let png = b"\x89PNG\r\n\x1a\n....".to_vec();
    let large: Vec<u8> = png.iter().copied().chain(vec![0; MAX_LOGO]).collect();
    let cases = [
        ("png", png, Some("image/png")),
        ("jpeg", b"\xff\xd8\xff\xe0...".to_vec(), Some("image/jpeg")),
        ("svg", b"<?xml version='1.0'?><svg/>".to_vec(), Some("image/svg+xml")),
        ("gif", b"GIF89a".to_vec(), None),
        ("html", b"<script>alert(1)</script>".to_vec(), None),
        ("not_utf8", b"<svg>\xff".to_vec(), None),
        ("empty", Vec::new(), None),
        ("large", large, None),
    ];
    for (name, bytes, want) in cases {
        assert_eq!(picture(bytes).ok().map(|picture| picture.content_type), want, "{name}");
    }
}
