//! Guessing passwords gets slow, and stays somebody else's problem.

use std::time::{Duration, Instant};

use gatepass_e2e::up::{ADMIN, PASSWORD};
use gatepass_e2e::{Admin, Answer, Up, send, wait};

#[tokio::test]
async fn guessing_at_one_account_is_throttled_and_its_owner_gets_in_again() {
    let up = Up::start().await;
    Admin::login(&up).await.create_user("berta", &[]).await;
    let before = up.login("berta").await;
    let refusal = guess_until_throttled(&up, "berta", 30).await;
    let retry_after = Duration::from_secs(refusal.retry_after());
    assert!(retry_after <= Duration::from_secs(60), "{retry_after:?} locks the owner out");
    refusal.expect_problem_shape();

    up.login(ADMIN).await;
    let still = up.refresh(&before).await;
    up.call("/api/orders", &still.access_token).await.expect(200);
    let start = Instant::now();
    wait::until("the owner to get in after Retry-After", retry_after + Duration::from_secs(5), async || {
        let answer = send(up.login_request("berta", PASSWORD)).await;
        match answer.status {
            200 => Some(()),
            429 => {
                assert!(
                    answer.retry_after() <= retry_after.as_secs(),
                    "asking again makes the wait no longer"
                );
                None
            }
            _ => panic!("{}", answer.shown()),
        }
    })
    .await;
    assert!(start.elapsed() <= retry_after + Duration::from_secs(5));
}

#[tokio::test]
async fn an_account_that_does_not_exist_is_throttled_alike() {
    let up = Up::start().await;
    Admin::login(&up).await.create_user("berta", &[]).await;
    let real = guess_until_throttled(&up, "berta", 30).await;
    let unknown = guess_until_throttled(&up, "nobody-of-this-name", 30).await;
    assert_eq!(real.json()["code"], unknown.json()["code"]);
}

#[tokio::test]
async fn guessing_at_many_accounts_from_one_address_is_throttled() {
    let up = Up::start().await;
    for number in 0..200 {
        let answer = send(up.login_request(&format!("somebody-{number}"), "not-the-password-at-all")).await;
        match answer.status {
            401 => {}
            429 => {
                assert!(answer.retry_after() >= 1);
                answer.expect_problem_shape();
                return;
            }
            _ => panic!("{}", answer.shown()),
        }
    }
    panic!("200 guesses from one address, each at another account, and no 429");
}

async fn guess_until_throttled(up: &Up, username: &str, most: usize) -> Answer {
    for _ in 0..most {
        let answer = send(up.login_request(username, "not-the-password-at-all")).await;
        match answer.status {
            401 => {}
            429 => return answer,
            _ => panic!("{}", answer.shown()),
        }
    }
    panic!("{most} wrong passwords for {username} and no 429");
}
