use super::*;

const SECOND: u64 = 1_000_000_000;

fn limiter(requests: u32, every: u64, burst: u32) -> Limiter {
    let every = Duration::from_secs(every);
    Limiter::new(RateLimit { name: "default".into(), route: None, per: Per::Address, requests, every, burst })
}

fn address(text: &str) -> Caller<'static> {
    Caller::at(text.parse().unwrap())
}

#[test]
fn a_burst_and_then_the_rate() {
    let limiter = limiter(60, 60, 3); // one a second, three at once
    let ann = address("192.0.2.1");
    // At this second: whether it passes, how many are left, and after how many seconds it is whole.
    let cases = [
        (10, true, 2, 1),
        (10, true, 1, 2),
        (10, true, 0, 3),
        (10, false, 0, 3),
        (11, true, 0, 3),
        (11, false, 0, 3),
        (13, true, 1, 2),
        (100, true, 2, 1),
    ];
    for (index, (second, passes, remaining, whole_in)) in cases.into_iter().enumerate() {
        let standing = limiter.take_at(ann, second * SECOND);
        assert_eq!(standing.refused_for.is_none(), passes, "{index}");
        assert_eq!((standing.remaining, standing.whole_in.as_secs()), (remaining, whole_in), "{index}");
    }
    // Each caller has its own.
    assert_eq!(limiter.take_at(address("192.0.2.2"), 100 * SECOND).remaining, 2);
}

#[test]
fn who_waits_as_long_as_told_passes_and_no_sooner() {
    for (requests, every, burst) in [(1, 1, 1), (7, 3, 2), (100, 60, 20), (1, 86_400, 1), (1_000_000, 1, 1)] {
        let limiter = limiter(requests, every, burst);
        let ann = address("192.0.2.1");
        let mut now = 5 * SECOND;
        for _ in 0..burst {
            assert_eq!(limiter.take_at(ann, now).refused_for, None);
        }
        for _ in 0..20 {
            let wait = limiter.take_at(ann, now).refused_for.unwrap().as_nanos() as u64;
            assert!(limiter.take_at(ann, now + wait - 1).refused_for.is_some(), "{requests} in {every}");
            now += wait;
            assert_eq!(limiter.take_at(ann, now).refused_for, None, "{requests} in {every}");
        }
    }
}

proptest::proptest! {
    /// The algorithm against its definition: in any stretch of time no more pass than the burst and what the
    /// rate gives back meanwhile.
    #[test]
    fn no_stretch_of_time_lets_more_through(
        requests in 1_u32..50,
        every in 1_u64..20,
        burst in 1_u32..50,
        gaps in proptest::collection::vec(0_u64..2_000_000_000, 1..200),
    ) {
        let limiter = limiter(requests, every, burst.min(requests));
        let (mut now, mut passed) = (0, Vec::new());
        for gap in gaps {
            now += gap;
            if limiter.take_at(address("192.0.2.1"), now).refused_for.is_none() {
                passed.push(now);
            }
        }
        for (index, from) in passed.iter().enumerate() {
            // `count` of those before, and the last itself.
            for (count, to) in passed[index..].iter().enumerate() {
                let allowed = u64::from(burst.min(requests)) + (to - from) / limiter.interval;
                proptest::prop_assert!((count as u64) < allowed);
            }
        }
    }
}

#[test]
fn which_addresses_are_one_caller() {
    let same = |one, other| address(one) == address(other);
    assert!(same("192.0.2.1", "::ffff:192.0.2.1"));
    assert!(!same("192.0.2.1", "192.0.2.2"));
    assert!(same("2001:db8::1", "2001:db8::ffff:0:0:1"));
    assert!(!same("2001:db8::1", "2001:db8:0:1::1"));
    assert!(!same("::1", "0.0.0.1"));
}

#[test]
fn a_flood_of_callers_costs_no_more_memory_and_opens_nothing() {
    let limiter = limiter(1, 60, 1);
    let known = address("192.0.2.1");
    assert_eq!(limiter.take_at(known, SECOND).refused_for, None);
    let remembered =
        || limiter.shards.iter().map(|shard| shard.lock().unwrap().whole_at.len()).sum::<usize>();
    let flood = |from: u64, now: u64| {
        let passes = |caller: &u64| limiter.take_at(Caller::V6(*caller), now).refused_for.is_none();
        (from..from + 100_000).filter(passes).count()
    };
    let passed = flood(0, SECOND);
    assert!(remembered() <= SHARDS * SHARD_CALLERS);
    // One for each that is remembered, and one for the crowd of each shard.
    assert_eq!(passed + 1, remembered() + SHARDS);
    assert_eq!(flood(1_000_000, 2 * SECOND), 0, "there is no room, and the crowd has had its own");
    assert!(limiter.take_at(known, 3 * SECOND).refused_for.is_some(), "who is remembered stays so");
    // Once allowances are whole again, they make room.
    assert!(flood(2_000_000, 70 * SECOND) > 60_000);
    assert!(remembered() <= SHARDS * SHARD_CALLERS);
}

#[test]
fn what_a_client_is_told() {
    let limiter = limiter(100, 60, 1);
    let tell = |now| {
        let mut headers = HeaderMap::new();
        limiter.tell(limiter.take_at(address("192.0.2.1"), now), &mut headers);
        ["ratelimit", "ratelimit-policy", "retry-after"]
            .map(|name| headers.get(name).map(|value| value.to_str().unwrap().to_owned()))
    };
    let told = |fields: [Option<&str>; 3]| fields.map(|field| field.map(str::to_owned));
    let policy = Some("\"default\";q=100;w=60");
    assert_eq!(tell(SECOND), told([Some("\"default\";r=0;t=1"), policy, None]));
    assert_eq!(tell(SECOND), told([Some("\"default\";r=0;t=1"), policy, Some("1")]));
}
