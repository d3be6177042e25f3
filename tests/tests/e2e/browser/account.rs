//! The page where users change their password, and the login before it: branded, in each language that is built in, by keyboard
//! alone, and as a screen reader is told of it.

use std::path::Path;

use gatepass_e2e::browser::Visitor;
use gatepass_e2e::command::{self, password_file};
use gatepass_e2e::up::{PASSWORD, path_text};
use gatepass_e2e::{Alone, Browser, place};

use super::pages::{look, pictures};
use crate::serve::file;

const NEW: &str = "tangled violet harbour lantern";
const BRAND: &str = r##"
name = "Beispiel & Söhne"
logo = "logo.svg"
accent = { light = "#8b1a5c", dark = "#ffb3dc" }
[links]
privacy = "https://example.com/privacy"
help = "mailto:help@example.com"
"##;
const LOGO: &str = "<svg xmlns='http://www.w3.org/2000/svg' width='96' height='32'>\
    <circle cx='16' cy='16' r='16' fill='#b0478a'/><rect x='40' y='8' width='56' height='16' fill='#b0478a'/></svg>";

/// A server with a brand, and a user `ada`.
async fn branded(folder: &Path) -> Alone {
    std::fs::write(folder.join("pages.toml"), BRAND).unwrap();
    std::fs::write(folder.join("logo.svg"), LOGO).unwrap();
    let address = place::free_address();
    let text = format!("pages_file = \"pages.toml\"\n{}", file(address, ""));
    let config = folder.join("first.toml");
    std::fs::write(&config, &text).unwrap();
    let password = password_file(folder, PASSWORD);
    let words = ["user", "add", "ada", "--password-file", &password];
    command::run(&words, &["--config", path_text(&config)]).await.worked();
    Alone::start("serve", folder, address, &text).await
}

fn has(tree: &[String], line: &str) -> bool {
    tree.iter().any(|one| one == line)
}

/// Types name and password, and sends them, without a mouse.
async fn log_in_by_keyboard(ada: &mut Visitor<'_>) {
    ada.type_text("ada").await;
    ada.press("Tab").await;
    ada.type_text(PASSWORD).await;
    ada.enter().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_password_is_changed_by_keyboard_in_every_language_under_a_brand() {
    let folder = tempfile::tempdir().unwrap();
    let server = branded(folder.path()).await;
    let page = server.url("/account/password");
    let pictures = pictures(folder.path());
    let mut browser = Browser::start();
    let languages = [
        ("ada in en without scripts", "en", ["User name", "Password", "Current password", "New password"]),
        (
            "ada in de without scripts",
            "de",
            ["Benutzername", "Passwort", "Aktuelles Passwort", "Neues Passwort"],
        ),
        (
            "ada in fr without scripts",
            "fr",
            ["Nom d’utilisateur", "Mot de passe", "Mot de passe actuel", "Nouveau mot de passe"],
        ),
    ];
    for (name, language, [username, password, current, new]) in languages {
        let mut ada = browser.visitor(name);
        assert_eq!(ada.open(&page).await.0, 200);
        assert_eq!(ada.run("document.documentElement.lang").await, language);
        let tree = ada.tree().await;
        let first = [
            "image \"Beispiel & Söhne\"".to_owned(),
            format!("textbox \"{username}\" required focused"),
            format!("textbox \"{password}\" required"),
        ];
        assert!(first.iter().all(|line| has(&tree, line)), "{first:?} in {tree:#?}");
        look(&mut ada, &pictures, &format!("branded-login-{language}")).await;
        log_in_by_keyboard(&mut ada).await;
        let tree = ada.tree().await;
        assert!(has(&tree, &format!("textbox \"{current}\" required focused")), "{tree:#?}");
        let advised = format!("textbox \"{new}\" required: ");
        assert!(tree.iter().any(|line| line.starts_with(&advised)), "{advised} in {tree:#?}");
        look(&mut ada, &pictures, &format!("password-{language}")).await;

        // What is wrong is said of the field that it is about, and heard with it.
        for (typed, field) in [(["wrong", NEW], current), ([PASSWORD, "short"], new)] {
            ada.fill("#current_password", typed[0]).await;
            ada.fill("#new_password", typed[1]).await;
            ada.enter().await;
            let alert = ada.read("[role=alert]").await;
            let tree = ada.tree().await;
            let said = format!("textbox \"{field}\" required focused invalid: {alert}");
            assert!(tree.iter().any(|line| line.starts_with(&said)), "{said} in {tree:#?}");
            look(&mut ada, &pictures, &format!("password-refused-{language}")).await;
        }
        assert_eq!(ada.complaints().await, [""; 0]);
    }

    let mut ada = browser.visitor("ada in en without scripts");
    ada.open(&page).await;
    ada.type_text(PASSWORD).await;
    ada.press("Tab").await;
    ada.type_text(NEW).await;
    ada.press("Tab").await;
    ada.enter().await;
    assert_eq!(ada.read("h1").await, "Password changed");
    look(&mut ada, &pictures, "password-changed").await;
    // Who was logged in elsewhere is not any more.
    let mut elsewhere = browser.visitor("ada in de without scripts");
    elsewhere.open(&page).await;
    assert!(elsewhere.tree().await.iter().any(|line| line.starts_with("textbox \"Benutzername\"")));
}
