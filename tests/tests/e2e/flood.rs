//! A flood of logins is bounded work: the rest of the server does not feel it.

use std::time::{Duration, Instant};

use futures_util::future::join_all;
use gatepass_e2e::measure::{report, spread};
use gatepass_e2e::up::{ADMIN, PASSWORD};
use gatepass_e2e::{Session, Up, send};

const LOGINS: usize = 300;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_flood_of_logins_is_refused_in_part_and_leaves_the_rest_alone() {
    let up = Up::start().await;
    let session = up.native_login(ADMIN).await;
    let before = up.process().resident_kib();

    let mut flood = std::pin::pin!(join_all((0..LOGINS).map(|_| send(up.login_request(ADMIN, PASSWORD)))));
    let mut meanwhile = std::pin::pin!(refresh_and_fetch(&up, session));
    let mut peak = before;
    let mut times = None;
    let answers = loop {
        tokio::select! {
            answers = &mut flood => break answers,
            done = &mut meanwhile, if times.is_none() => times = Some(done),
            () = tokio::time::sleep(Duration::from_millis(20)) => peak = peak.max(up.process().resident_kib()),
        }
    };
    let (refreshes, fetches) = match times {
        Some(times) => times,
        None => meanwhile.await,
    };

    let refused: Vec<_> = answers.iter().filter(|answer| answer.status != 200).collect();
    for answer in &refused {
        assert!([429, 503].contains(&answer.status), "{}", answer.shown());
        assert!(answer.retry_after() >= 1, "{}", answer.shown());
        (*answer).clone().expect_problem_shape();
    }
    let admitted = LOGINS - refused.len();
    assert!(admitted > 0, "nobody was let in");
    assert!(!refused.is_empty(), "{LOGINS} logins at once were all queued: the queue has no bound");
    for answer in answers.iter().filter(|answer| answer.status == 200) {
        Session::from_cookie(answer);
    }
    report(&format!("flood of {LOGINS} logins: {admitted} let in, {} refused", refused.len()));
    report(&format!("refresh meanwhile: {}", spread(refreshes.clone())));
    report(&format!("JWK Set meanwhile: {}", spread(fetches.clone())));
    report(&format!("memory: {before} KiB before, {peak} KiB at most"));
    for time in refreshes.iter().chain(&fetches) {
        assert!(*time < Duration::from_secs(2), "an answer took {time:?} during the flood");
    }
    assert!(peak - before < 256 * 1024, "memory grew from {before} to {peak} KiB");
}

/// As fast as the answers come, each of them 200.
async fn refresh_and_fetch(up: &Up, mut session: Session) -> (Vec<Duration>, Vec<Duration>) {
    let (mut refreshes, mut fetches) = (Vec::new(), Vec::new());
    for _ in 0..150 {
        let start = Instant::now();
        session = up.refresh(&session).await;
        refreshes.push(start.elapsed());
        let start = Instant::now();
        send(up.client.get(up.jwks_uri())).await.expect(200);
        fetches.push(start.elapsed());
    }
    (refreshes, fetches)
}
