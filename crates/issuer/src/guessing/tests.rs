use std::net::{Ipv4Addr, Ipv6Addr};

use super::*;

const NOW: Timestamp = Timestamp::from_secs(1_763_780_000);
const DAY: Duration = Duration::from_secs(24 * 3600);

/// Who guesses, and with what.
struct Attacker {
    name: &'static str,
    /// The account, the password and the address of the guess of that number.
    guess: fn(u32) -> (String, String, IpAddr),
    /// How many of a day's guesses, one in five seconds, are looked at.
    at_most: u32,
}

fn host(number: u32) -> IpAddr {
    // Each in a network of its own.
    Ipv6Addr::from((0x2001_0db8_0000_0000 + u128::from(number)) << 64 | 1).into()
}

fn far(number: u32) -> IpAddr {
    Ipv4Addr::from(number.wrapping_mul(0x9e37_79b9)).into()
}

#[test]
fn what_attackers_get_in_a_day() {
    let attackers = [
        Attacker {
            name: "one account, many passwords, many addresses",
            guess: |at| ("alice".into(), format!("guess {at}"), far(at)),
            at_most: 10 + 160,
        },
        Attacker {
            name: "one password, many accounts, many addresses",
            guess: |at| (format!("user {at}"), "Summer2026!Summer".into(), far(at)),
            at_most: 20 + 160,
        },
        Attacker {
            name: "many accounts and passwords from one address",
            guess: |at| (format!("user {at}"), format!("guess {at}"), far(1)),
            at_most: 40 + 1450,
        },
        Attacker {
            name: "many accounts and passwords from the 256 addresses of a network",
            guess: |at| {
                (format!("user {at}"), format!("guess {at}"), Ipv4Addr::from(0xc000_0200 | (at % 256)).into())
            },
            at_most: 200 + 2890,
        },
        Attacker {
            name: "the same from an IPv6 network of 48 bits",
            guess: |at| (format!("user {at}"), format!("guess {at}"), host(at % 65_536)),
            at_most: 200 + 2890,
        },
        Attacker {
            name: "a list of leaked passwords against one account, twice over, from one address",
            guess: |at| ("alice".into(), format!("leaked {}", at % 400), far(1)),
            at_most: 10 + 160,
        },
    ];
    for Attacker { name, guess, at_most } in attackers {
        let guessing = Guessing::new(ThrottlePolicy::default());
        let mut looked_at = 0;
        for at in 0..17_280 {
            let now = NOW.saturating_add(Duration::from_secs(5) * at);
            let (account, password, address) = guess(at);
            let guess = guessing.of_password(&account, &password, Some(address), None);
            if guessing.check(&guess, now).is_ok() {
                guessing.failed(&guess, now);
                looked_at += 1;
            }
        }
        assert!(looked_at <= at_most, "{name}: {looked_at}");
        assert!(looked_at >= 100, "{name}: {looked_at}, so that nobody is shut out for good");
    }
}

#[test]
fn who_pauses_gains_nothing() {
    type Guesses = fn(u32) -> (String, String, IpAddr);
    let attackers: [(&str, u32, Guesses); 4] = [
        ("account", 10 + 160, |at| ("alice".into(), format!("guess {at}"), far(at))),
        ("password", 20 + 160, |at| (format!("user {at}"), "Summer2026!Summer".into(), far(at))),
        ("address", 40 + 1460, |at| (format!("user {at}"), format!("guess {at}"), far(1))),
        ("network", 200 + 2900, |at| {
            (format!("user {at}"), format!("guess {at}"), Ipv4Addr::from(0xc000_0200 | (at % 256)).into())
        }),
    ];
    for (name, at_most, guess) in attackers {
        for pause in [605, 660, 1200, 3600] {
            let guessing = Guessing::new(ThrottlePolicy::default());
            let (mut now, mut looked_at) = (NOW, 0);
            while now.since(NOW) < DAY {
                let (account, password, address) = guess(looked_at);
                let guess = guessing.of_password(&account, &password, Some(address), None);
                match guessing.check(&guess, now) {
                    Ok(()) => {
                        guessing.failed(&guess, now);
                        looked_at += 1;
                    }
                    Err(_) => now = now.saturating_add(Duration::from_secs(pause)),
                }
            }
            assert!(looked_at <= at_most, "{name}, {pause}: {looked_at}");
        }
    }
}

#[test]
fn a_flood_of_names_keeps_no_client_and_no_known_browser_out() {
    let guessing = Guessing::new(ThrottlePolicy::default());
    for at in 0..150_000 {
        guessing.failed(&guessing.of_client(&format!("client {at}"), far(at)), NOW);
        guessing.failed(&guessing.of_password(&format!("user {at}"), "wrong", None, None), NOW);
    }
    assert_eq!(guessing.check(&guessing.of_client("batch", far(1)), NOW), Ok(()));
    let own = guessing.of_password("alice", "hers", Some(far(1)), Some([1; 16]));
    assert_eq!(guessing.check(&own, NOW), Ok(()));
}

#[test]
fn nobody_is_shut_out_of_their_own_browser() {
    let guessing = Guessing::new(ThrottlePolicy::default());
    let home: IpAddr = "192.0.2.1".parse().unwrap();
    // An attacker fills every bucket that there is: of the account, its password, and the owner's own address.
    for at in 0..10_000 {
        let wrong = guessing.of_password("alice", &format!("guess {at}"), Some(home), None);
        guessing.failed(&wrong, NOW);
        guessing.failed(&guessing.of_password(&format!("user {at}"), "hers", Some(far(at)), None), NOW);
    }
    let elsewhere = guessing.of_password("alice", "hers", Some("203.0.113.9".parse().unwrap()), None);
    let refused = guessing.check(&elsewhere, NOW).unwrap_err();
    assert!(refused.retry_after <= ThrottlePolicy::default().longest, "{refused:?}");
    let own = guessing.of_password("alice", "hers", Some(home), Some([1; 16]));
    assert_eq!(guessing.check(&own, NOW), Ok(()));
    guessing.succeeded(&own);
    assert!(guessing.check(&elsewhere, NOW).is_err(), "what the attacker has filled stays so");

    // A stolen cookie of a device is good for as many guesses as an account, and for that account alone.
    for _ in 0..10 {
        assert_eq!(guessing.check(&own, NOW), Ok(()));
        guessing.failed(&own, NOW);
    }
    assert_eq!(guessing.check(&own, NOW).unwrap_err().by, "device");
    let other = guessing.of_password("alice", "hers", Some(home), Some([2; 16]));
    assert_eq!(guessing.check(&other, NOW), Ok(()), "her other browser");
}

#[test]
fn more_cookies_are_not_more_guesses() {
    let guessing = Guessing::new(ThrottlePolicy::default());
    let mut looked_at = 0;
    for at in 0..=u8::MAX {
        for _ in 0..20 {
            let guess = guessing.of_password("alice", "wrong", Some(far(1)), Some([at; 16]));
            if guessing.check(&guess, NOW).is_ok() {
                guessing.failed(&guess, NOW);
                looked_at += 1;
            }
        }
    }
    assert_eq!(looked_at, u32::from(DEVICES) * ThrottlePolicy::default().account.burst);
    let berta = guessing.of_password("berta", "hers", Some(far(1)), Some([1; 16]));
    assert_eq!(guessing.check(&berta, NOW), Ok(()), "another account's are others");
}

#[test]
fn who_mistypes_is_let_through_and_starts_afresh() {
    let guessing = Guessing::new(ThrottlePolicy::default());
    let typed = |password: &str| guessing.of_password("alice", password, Some(far(1)), None);
    for round in 0..3 {
        for at in 0..9 {
            assert_eq!(guessing.check(&typed(&format!("typo {at}")), NOW), Ok(()), "{round} {at}");
            guessing.failed(&typed(&format!("typo {at}")), NOW);
        }
        guessing.succeeded(&typed("right"));
    }
    assert_eq!(guessing.check(&typed("right"), NOW.saturating_add(DAY)), Ok(()));
}

#[test]
fn a_clients_wrong_secrets_from_elsewhere_do_not_keep_it_out() {
    let guessing = Guessing::new(ThrottlePolicy::default());
    let wrong = guessing.of_client("batch", far(1));
    for _ in 0..100 {
        assert_eq!(guessing.check(&wrong, NOW), Ok(()));
        guessing.failed(&wrong, NOW);
    }
    assert_eq!(
        guessing.check(&wrong, NOW),
        Err(TooEarly { by: "client", retry_after: Duration::from_secs(1) })
    );
    assert_eq!(guessing.check(&guessing.of_client("batch", far(2)), NOW), Ok(()));
    assert_eq!(guessing.check(&guessing.of_client("other", far(1)), NOW), Ok(()));
}
