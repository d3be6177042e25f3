//! The embedded engine: the contract, and what its file and directory promise.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::sync::Arc;

use gatepass_issuer::id::{SessionId, UserId};
use gatepass_issuer::store::{Page, Rotated, Store};
use gatepass_issuer::{Reseal, Sealed, SecretError};
use gatepass_store::{BackupError, Embedded, OpenError};
use rusqlite::Connection;
use tempfile::TempDir;
use tokio::task::JoinSet;

use crate::suite::Engine;
use crate::suite::sample::*;

crate::suite::every_promise_holds_for!(crate::embedded::InADirectory);

/// An embedded store in a temporary directory.
pub(crate) struct InADirectory {
    store: Arc<Embedded>,
    dir: TempDir,
}

impl Engine for InADirectory {
    async fn start() -> Self {
        let dir = TempDir::new().unwrap();
        Self { store: open(dir.path()), dir }
    }

    fn store(&self) -> Arc<dyn Store> {
        Arc::clone(&self.store) as Arc<dyn Store>
    }

    async fn restart(&mut self) {
        Arc::clone(&self.store).close().await.unwrap();
        self.store = open(self.dir.path());
    }
}

fn open(dir: &Path) -> Arc<Embedded> {
    Arc::new(Embedded::open(dir).unwrap())
}

fn file(dir: &TempDir) -> std::path::PathBuf {
    dir.path().join("gatepass.db")
}

#[tokio::test]
async fn a_directory_has_one_owner_at_a_time() {
    let dir = TempDir::new().unwrap();
    let first = open(dir.path());
    match Embedded::open(dir.path()).map(drop) {
        Err(error @ OpenError::AlreadyOpen { .. }) => {
            let id = std::process::id().to_string();
            assert!(error.to_string().contains(&id), "{error}");
        }
        other => panic!("{other:?}"),
    }
    Arc::clone(&first).close().await.unwrap();
    let second = open(dir.path());
    assert!(first.last_revocation().await.is_err(), "it is closed");
    assert_eq!(second.last_revocation().await.unwrap(), 0);
    drop(second);
    open(dir.path());
}

#[tokio::test]
async fn what_an_old_key_opens_is_in_no_file_once_it_is_sealed_anew() {
    let dir = TempDir::new().unwrap();
    let store = open(dir.path());
    let seals = ["an old seal that nobody is to find", "old roots that nobody is to find"];
    let found = || {
        let files = fs::read_dir(dir.path()).unwrap().map(|file| fs::read(file.unwrap().path()).unwrap());
        let has = |bytes: &[u8], seal: &str| bytes.windows(seal.len()).any(|at| at == seal.as_bytes());
        let bytes: Vec<Vec<u8>> = files.collect();
        seals.map(|seal| bytes.iter().any(|bytes| has(bytes, seal)))
    };
    let old = gatepass_issuer::keys::KeyRecord { sealed: seals[0].into(), ..key("k") };
    store.save_keys(&[old], &[], Vec::new()).await.unwrap();
    let before = Reseal::new(|sealed| match sealed {
        Sealed::SigningKey(key) => Ok(key.sealed.clone()),
        _ => Err(SecretError::Sealed),
    });
    store.reseal(seals[1].as_bytes(), before).await.unwrap();
    // Some of it in the file, some in the log.
    Connection::open(file(&dir)).unwrap().query_row("PRAGMA wal_checkpoint", [], |_| Ok(())).unwrap();
    started(&*store, "alice").await;
    assert_eq!(found(), [true, true]);
    let after = Reseal::new(|_| Ok(b"a new one".to_vec()));
    store.reseal(b"new roots", after).await.unwrap();
    assert_eq!(found(), [false, false]);
}

#[tokio::test]
async fn nobody_else_can_read_it() {
    let dir = TempDir::new().unwrap();
    let inner = dir.path().join("a/b");
    let store = open(&inner);
    started(&*store, "alice").await;
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(&inner), 0o700);
    let mut files = 0;
    for entry in fs::read_dir(&inner).unwrap() {
        let path = entry.unwrap().path();
        assert_eq!(mode(&path), 0o600, "{}", path.display());
        files += 1;
    }
    assert_eq!(files, 4, "the store, its log, the log's index, the lock");

    drop(store);
    let file = inner.join("gatepass.db");
    fs::set_permissions(&file, fs::Permissions::from_mode(0o644)).unwrap();
    open(&inner);
    assert_eq!(mode(&file), 0o600, "also one that came back from elsewhere");
}

#[tokio::test]
async fn closing_leaves_one_file() {
    let dir = TempDir::new().unwrap();
    let store = open(dir.path());
    started(&*store, "alice").await;
    store.close().await.unwrap();
    let mut names: Vec<_> =
        fs::read_dir(dir.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    names.sort();
    assert_eq!(names, ["gatepass.db", "gatepass.lock"]);
}

#[tokio::test]
async fn what_is_not_a_store_is_refused_and_left_as_it_is() {
    let cases = [
        ("tables_of_nobody", "CREATE TABLE t (x)"),
        ("of_another_program", "PRAGMA application_id = 7; CREATE TABLE t (x)"),
        ("version_of_nobody", "PRAGMA user_version = 3"),
        ("no_database", ""),
    ];
    for (name, sql) in cases {
        let dir = TempDir::new().unwrap();
        match sql {
            "" => fs::write(file(&dir), "some notes, and more of them ".repeat(100)).unwrap(),
            sql => Connection::open(file(&dir)).unwrap().execute_batch(sql).unwrap(),
        }
        let before = fs::read(file(&dir)).unwrap();
        let opened = Embedded::open(dir.path()).map(drop);
        assert!(matches!(opened, Err(OpenError::NotOurs { .. })), "{name}: {opened:?}");
        assert_eq!(fs::read(file(&dir)).unwrap(), before, "{name}");
    }
}

#[tokio::test]
async fn a_later_schema_is_refused_and_left_as_it_is() {
    let dir = TempDir::new().unwrap();
    open(dir.path()).close().await.unwrap();
    let pragma = |sql: &str| Connection::open(file(&dir)).unwrap().execute_batch(sql).unwrap();
    let known = "SELECT user_version FROM pragma_user_version";
    let known: u32 = Connection::open(file(&dir)).unwrap().query_row(known, [], |row| row.get(0)).unwrap();
    pragma("PRAGMA user_version = 1000");
    match Embedded::open(dir.path()).map(drop) {
        Err(error @ OpenError::TooNew { found: 1000, .. }) => {
            assert!(error.to_string().contains("schema 1000"), "{error}");
        }
        other => panic!("{other:?}"),
    }
    pragma(&format!("PRAGMA user_version = {known}"));
    open(dir.path());
}

/// What the first version of the schema kept.
const VERSION_1: &str = concat!(
    include_str!("../../src/embedded/schema/1.sql"),
    "INSERT INTO user VALUES (x'00112233445566778899aabbccddeeff', 'Alice', 'alice', '$argon2id$', 0, 1);
     INSERT INTO client VALUES ('batch', 'Batch', NULL, '[\"client_credentials\"]', 'a b', '[]', 0, 1);
     INSERT INTO session VALUES (x'ffeeddccbbaa99887766554433221100', x'00112233445566778899aabbccddeeff',
        'first-party', 'a', NULL, 'Firefox', 1, -2147483647, -140737488355327, 9000000000000, 9000000000000, NULL, 0);
     PRAGMA application_id = 0x67617465; PRAGMA user_version = 1;"
);

#[tokio::test]
async fn a_store_of_the_first_version_keeps_what_it_has() {
    let dir = TempDir::new().unwrap();
    Connection::open(file(&dir)).unwrap().execute_batch(VERSION_1).unwrap();
    let store = open(dir.path());
    let user = store.find_user_by_name(&"alice".parse().unwrap()).await.unwrap().unwrap();
    let sessions = store.list_sessions(user.id, at(0)).await.unwrap();
    assert_eq!((sessions.len(), sessions[0].login, sessions[0].generation), (1, None, 1));
    let client = store.find_client(&"batch".parse().unwrap()).await.unwrap().unwrap();
    assert_eq!((client.redirect_uris.len(), client.trusted, client.require_pkce), (0, false, true));
    assert_eq!(client.exchange, None);
    assert!(store.consume_ticket([1; 16], at(360)).await.unwrap());
    let rotated = store.rotate_session(sessions[0].id, &presented(1, at(1)), revocation("x")).await.unwrap();
    assert!(matches!(rotated, Rotated::Rotated(..)), "{rotated:?}");
    store.close().await.unwrap();
    require_sound(&dir);
}

/// Sessions of version 18: the operator's own app's, a login, what arose from it, what arose from one that is gone, what
/// began with a provider, and what a later login took over.
const SESSIONS_OF_VERSION_18: &str = "
    INSERT INTO user (id, username, folded, password, disabled, created_at)
        VALUES (zeroblob(16), 'Alice', 'alice', '$argon2id$', 0, 1);
    INSERT INTO session (id, user, client, login, created_at, provider, device, generation, rotated_at, idle_expires_at,
                         expires_at, bound)
    SELECT column1, zeroblob(16), column2, column3, column4, column5, '', -2147483647, -140737488355327, 9000000000000,
           9000000000000, 0
    FROM (VALUES (x'01010101010101010101010101010101', 'first-party', NULL, 5000, NULL),
                 (x'02020202020202020202020202020202', 'gatepass-sign-on', NULL, 6000, NULL),
                 (x'03030303030303030303030303030303', 'web', x'02020202020202020202020202020202', 7000, NULL),
                 (x'04040404040404040404040404040404', 'web', x'09090909090909090909090909090909', 8000, NULL),
                 (x'05050505050505050505050505050505', 'web', NULL, 9000, 'corp'),
                 (x'06060606060606060606060606060606', 'web', x'02020202020202020202020202020202', 5999, NULL));";

/// A store that a version before this one made, with `rows` in it.
fn open_old(dir: &TempDir, version: u32, rows: &str) -> Arc<Embedded> {
    let old = Connection::open(file(dir)).unwrap();
    for version in 1..=version {
        let schema = format!("{}/src/embedded/schema/{version}.sql", env!("CARGO_MANIFEST_DIR"));
        old.execute_batch(&fs::read_to_string(schema).unwrap()).unwrap();
    }
    let header = format!("PRAGMA application_id = 0x67617465; PRAGMA user_version = {version};");
    old.execute_batch(&format!("{rows}{header}")).unwrap();
    drop(old);
    open(dir.path())
}

#[tokio::test]
async fn sessions_from_before_tokens_told_of_logins_know_when_theirs_was() {
    let dir = TempDir::new().unwrap();
    let store = open_old(&dir, 18, SESSIONS_OF_VERSION_18);
    let want = [Some(5000), Some(6000), Some(6000), None, None, None];
    for (number, want) in (1..).zip(want) {
        let session = store.find_session(SessionId::from_bytes([number; 16])).await.unwrap().unwrap();
        assert_eq!(session.auth_time.map(|at| at.as_millis()), want, "session {number}");
    }
}

#[tokio::test]
async fn consents_from_before_they_were_kept_for_each_resource_name_none() {
    let dir = TempDir::new().unwrap();
    let rows =
        "INSERT INTO consent VALUES (zeroblob(16), 'web', 'a b', 5000), (zeroblob(16), 'app', '', 6000);";
    let store = open_old(&dir, 21, rows);
    let kept = store.list_consents(UserId::from_bytes([0; 16])).await.unwrap();
    let kept: Vec<_> = kept
        .iter()
        .map(|kept| (kept.client.as_str(), &kept.resource, kept.scope.to_string(), kept.given_at.as_millis()))
        .collect();
    assert_eq!(kept, [("app", &None, String::new(), 6000), ("web", &None, "a b".to_owned(), 5000)]);
}

#[tokio::test]
async fn an_empty_file_becomes_a_store() {
    let dir = TempDir::new().unwrap();
    fs::write(file(&dir), "").unwrap(); // what a crash in the very first moment leaves
    started(&*open(dir.path()), "alice").await;
}

/// What no version wrote, each in the one row of its table.
const DAMAGES: [(&str, &str); 12] = [
    ("`user`: its `id`", "UPDATE user SET id = x'00'"),
    ("`user`: its `username`", "UPDATE user SET username = ' '"),
    ("`session`: its `user`", "UPDATE session SET user = x'00112233445566778899aabbccddeeff'"),
    ("`session`: its `client`", "UPDATE session SET client = 'a b'"),
    ("`session`: its `scope`", "UPDATE session SET scope = '\"'"),
    ("`session`: its `generation`", "UPDATE session SET generation = 9000000000000000000"),
    ("`client`: its `secret`", "UPDATE client SET secret = x'00'"),
    ("`client`: its `grants`", "UPDATE client SET grants = '[\"password\"]'"),
    ("`role`: its `scope`", "UPDATE role SET scope = '  '"),
    ("`revocation`: its `kind`", "UPDATE revocation SET kind = 'galaxy'"),
    ("`revocation`: its `reason`", "UPDATE revocation SET reason = ''"),
    ("`signing_key`: its `alg`", "UPDATE signing_key SET alg = 'none'"),
];

#[tokio::test]
async fn a_value_that_cannot_be_understood_is_an_error_that_says_where() {
    for (place, damage) in DAMAGES {
        let dir = TempDir::new().unwrap();
        let store = open(dir.path());
        let session = started(&*store, "alice").await;
        store.create_client(&client("web")).await.unwrap();
        store.put_role(&crate::suite::roles::role("clerk", "a"), for_holder()).await.unwrap();
        store.save_keys(&[key("k")], &[], vec![revocation("x")]).await.unwrap();
        store.close().await.unwrap();
        Connection::open(file(&dir)).unwrap().execute_batch(damage).unwrap();

        let store = open(dir.path());
        let problems = problems(&*store, session.id).await;
        let (table, column) = place.split_once(": ").unwrap();
        let told = format!("a row of the table {table} is damaged: {column}");
        assert!(problems.iter().any(|problem| problem.contains(&told)), "{place}: {problems:?}");
    }
}

/// What operations on everything say went wrong.
async fn problems(store: &dyn Store, session: SessionId) -> Vec<String> {
    let page = Page { after: None, limit: 10 };
    let answers = [
        store.list_users(Page { after: None, limit: 10 }).await.map(drop),
        store.rotate_session(session, &presented(1, at(1)), revocation("x")).await.map(drop),
        store.list_clients(page).await.map(drop),
        store.list_roles().await.map(drop),
        store.revocations_after(0, 10).await.map(drop),
        store.list_keys().await.map(drop),
    ];
    answers.into_iter().filter_map(|answer| answer.err().map(|error| error.to_string())).collect()
}

#[tokio::test]
async fn a_file_with_a_torn_page_fails_with_an_error() {
    let dir = TempDir::new().unwrap();
    let store = open(dir.path());
    started(&*store, "alice").await;
    store.close().await.unwrap();
    let mut bytes = fs::read(file(&dir)).unwrap();
    bytes[4096..].fill(0xa5);
    fs::write(file(&dir), bytes).unwrap();
    // Opening may succeed, since it reads the first page alone.
    if let Ok(store) = Embedded::open(dir.path()) {
        store.find_user_by_name(&"alice".parse().unwrap()).await.unwrap_err();
        store.append_revocation(revocation("x")).await.unwrap_err();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_backup_is_a_store_of_one_moment_while_others_write() {
    let dir = TempDir::new().unwrap();
    let store = open(dir.path());
    let mut writing = JoinSet::new();
    for n in 0..500 {
        let store = Arc::clone(&store);
        writing.spawn(async move { started(&*store, &format!("user {n}")).await });
    }
    while store.list_users(Page { after: None, limit: 1 }).await.unwrap().is_empty() {}
    let copy = TempDir::new().unwrap();
    store.backup_to(file(&copy)).await.unwrap();
    assert_eq!(fs::metadata(file(&copy)).unwrap().permissions().mode() & 0o777, 0o600);
    let taken = store.backup_to(file(&copy)).await;
    assert!(matches!(taken, Err(BackupError::Create { .. })), "{taken:?}");
    writing.join_all().await;

    let copied = open(copy.path());
    let users = copied.list_users(Page { after: None, limit: 1000 }).await.unwrap();
    assert!((1..=500).contains(&users.len()));
    started(&*copied, "somebody new").await;
    drop(copied);
    require_sound(&copy);
}

/// Holds that SQLite finds no fault with the file.
pub(crate) fn require_sound(dir: &TempDir) {
    let connection = Connection::open(file(dir)).unwrap();
    let verdict: String = connection.query_row("PRAGMA integrity_check", [], |row| row.get(0)).unwrap();
    assert_eq!(verdict, "ok");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_is_small_and_a_rotation_adds_nothing() {
    const SESSIONS: u64 = 10_000;
    let dir = TempDir::new().unwrap();
    let store = open(dir.path());
    let empty = size(&store, &dir).await;

    let store = open(dir.path());
    let mut owners = Vec::new();
    for n in 0..100 {
        owners.push(started(&*store, &format!("user {n}")).await.user);
    }
    let mut starting = JoinSet::new();
    for n in 0..SESSIONS {
        let store = Arc::clone(&store);
        let mut session = session_at(owners[n as usize % 100], at(n as i64));
        session.generation = if n % 2 == 0 { 1 } else { 126 }; // 128 would be a byte wider than 127
        session.device = "a device's name of a length that is common".into();
        starting.spawn(async move {
            store.start_session(&session).await.unwrap().unwrap();
            (session.id, session.generation)
        });
    }
    let sessions = starting.join_all().await;
    let full = size(&store, &dir).await;
    let each = (full.bytes - empty.bytes) / SESSIONS;
    assert!(each <= 400, "{each} bytes for a session");

    let store = open(dir.path());
    let mut rotating = JoinSet::new();
    for (id, first) in sessions {
        let store = Arc::clone(&store);
        rotating.spawn(async move {
            for generation in first..first + 3 {
                let token = presented(generation, at(20_000));
                let answer = store.rotate_session(id, &token, revocation("x")).await.unwrap();
                assert!(matches!(answer, Rotated::Rotated(..)), "{answer:?}");
            }
        });
    }
    rotating.join_all().await;
    assert_eq!(size(&store, &dir).await, full);
}

#[derive(Debug, PartialEq, Eq)]
struct Size {
    bytes: u64,
    /// Of pages in use, in all tables and indexes.
    content: i64,
    rows: i64,
}

/// Closes the store and measures what it left.
async fn size(store: &Arc<Embedded>, dir: &TempDir) -> Size {
    Arc::clone(store).close().await.unwrap();
    let connection = Connection::open(file(dir)).unwrap();
    let one = |sql: &str| connection.query_row(sql, [], |row| row.get(0)).unwrap();
    Size {
        bytes: fs::metadata(file(dir)).unwrap().len(),
        content: one("SELECT sum(payload) FROM dbstat"),
        rows: one("SELECT (SELECT count(*) FROM session) + (SELECT count(*) FROM revocation)"),
    }
}
