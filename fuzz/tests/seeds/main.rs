//! Replays the seeds without libFuzzer: each must be accepted or refused, as its name begins.

use std::fs;
use std::path::{Path, PathBuf};

mod writing;

type Check = fn(&[u8]) -> bool;

const TARGETS: &[(&str, Check)] = &[
    ("base64url", gatepass_fuzz::base64url::check),
    ("dpop", gatepass_fuzz::dpop::check),
    ("feed", gatepass_fuzz::feed::check),
    ("json", gatepass_fuzz::json::check),
    ("jwe", gatepass_fuzz::jwe::check),
    ("jwe_json", gatepass_fuzz::jwe_json::check),
    ("jwk", gatepass_fuzz::jwk::check),
    ("jws", gatepass_fuzz::jws::check),
    ("jws_json", gatepass_fuzz::jws_json::check),
    ("jwt", gatepass_fuzz::jwt::check),
    ("lint", gatepass_fuzz::lint::check),
    ("openapi", gatepass_fuzz::openapi::check),
    ("pem", gatepass_fuzz::pem::check),
    ("registered", gatepass_fuzz::registered::check),
    ("requests", gatepass_fuzz::requests::check),
    ("status_list", gatepass_fuzz::status_list::check),
    ("ticket", gatepass_fuzz::ticket::check),
    ("values", gatepass_fuzz::values::check),
];

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("seeds")
}

#[test]
fn every_seed_is_accepted_or_refused_as_its_name_says() {
    let mut wrong = Vec::new();
    for (target, check) in TARGETS {
        let (mut accepted, mut refused) = (0, 0);
        for file in fs::read_dir(folder().join(target)).unwrap() {
            let path = file.unwrap().path();
            let name = path.file_name().unwrap().to_string_lossy().into_owned();
            let want = match name.split('-').next() {
                Some("accepted") => true,
                Some("refused") => false,
                _ => panic!("{target}/{name} begins with neither `accepted-` nor `refused-`"),
            };
            println!("{target}/{name}");
            if check(&fs::read(&path).unwrap()) != want {
                wrong.push(format!("{target}/{name}"));
            }
            *(if want { &mut accepted } else { &mut refused }) += 1;
        }
        assert!(accepted > 0 && refused > 0, "{target} has {accepted} good seeds and {refused} bad ones");
    }
    assert!(wrong.is_empty(), "not what the names say: {wrong:?}");
}

#[test]
fn every_target_is_replayed() {
    let manifest = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("Cargo.toml")).unwrap();
    let manifest: toml::Table = manifest.parse().unwrap();
    let mut binaries: Vec<_> =
        manifest["bin"].as_array().unwrap().iter().map(|bin| bin["name"].as_str().unwrap()).collect();
    binaries.sort_unstable();
    assert_eq!(binaries, TARGETS.iter().map(|(name, _)| *name).collect::<Vec<_>>());
}
