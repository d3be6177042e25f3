use super::*;
use crate::certificate::X5t;
use crate::dpop::Jkt;
use crate::id::{SessionId, UserId};
use proptest::prelude::*;

const NOW: Timestamp = Timestamp::from_secs(1_763_780_000);

fn client() -> ClientId {
    ClientId::first_party()
}

fn session() -> Session {
    let policy = RefreshPolicy::default();
    Session {
        id: SessionId::new(NOW, [1; 10]),
        user: UserId::new(NOW, [2; 10]),
        client: client(),
        login: None,
        scope: None,
        authorization_details: AuthorizationDetails::default(),
        resource: None,
        more_resources: Vec::new(),
        device: "test".into(),
        created_at: NOW,
        auth_time: Some(NOW),
        generation: 1,
        rotated_at: None,
        idle_expires_at: NOW.saturating_add(policy.idle),
        expires_at: NOW.saturating_add(policy.absolute),
        revoked_at: None,
        bound: false,
        binding: Binding::default(),
        pairwise_subject: None,
        claims: Default::default(),
        provider: None,
    }
}

fn presented(generation: u32, now: Timestamp) -> Presented {
    Presented {
        generation,
        client: client(),
        scope: None,
        authorization_details: None,
        resource: None,
        binding: Binding::default(),
        renewal: Renewal::Rotate,
        now,
        policy: RefreshPolicy::default(),
    }
}

fn later(secs: u64) -> Timestamp {
    NOW.saturating_add(Duration::from_secs(secs))
}

#[test]
fn what_a_generation_means() {
    let rotated = Session { generation: 5, rotated_at: Some(NOW), ..session() };
    let bound = Session { bound: true, ..rotated.clone() };
    let revoked = Session { revoked_at: Some(NOW), ..rotated.clone() };
    let idle = Session { idle_expires_at: NOW, ..rotated.clone() };
    let aged = Session { expires_at: NOW, ..rotated.clone() };
    let ahead_of_clock = Session { rotated_at: Some(later(100)), ..rotated.clone() };
    let last = Session { generation: u32::MAX, ..rotated.clone() };
    let rotation = |generation, now: Timestamp| {
        let idle_expires_at = now.saturating_add(RefreshPolicy::default().idle);
        Decision::Rotate(Rotation { generation, rotated_at: now, idle_expires_at })
    };
    let refuse = Decision::Refuse;
    let cases = [
        ("first_rotation", session(), 1, NOW, rotation(2, NOW)),
        ("current", rotated.clone(), 5, later(1), rotation(6, later(1))),
        ("predecessor_at_once", rotated.clone(), 4, NOW, Decision::Repeat),
        ("predecessor_at_the_end_of_the_leeway", rotated.clone(), 4, later(29), Decision::Repeat),
        ("predecessor_after_the_leeway", rotated.clone(), 4, later(30), Decision::Revoke),
        ("predecessor_after_the_clock_stepped_back", ahead_of_clock, 4, NOW, Decision::Repeat),
        ("two_generations_old_within_the_leeway", rotated.clone(), 3, NOW, Decision::Revoke),
        ("first_generation", rotated.clone(), 1, NOW, Decision::Revoke),
        ("generation_zero", rotated.clone(), 0, NOW, Decision::Revoke),
        ("predecessor_of_a_first_generation", session(), 0, NOW, Decision::Revoke),
        ("not_reached_yet", rotated.clone(), 6, NOW, refuse(Refusal::Ahead)),
        ("bound_predecessor_long_after", bound.clone(), 4, later(3600), Decision::Repeat),
        ("bound_two_generations_old", bound, 3, NOW, Decision::Revoke),
        ("revoked", revoked, 5, NOW, refuse(Refusal::Revoked)),
        ("idle_for_too_long", idle, 5, NOW, refuse(Refusal::Expired)),
        ("past_its_whole_life", aged, 5, NOW, refuse(Refusal::Expired)),
        ("used_up", last, u32::MAX, NOW, refuse(Refusal::Expired)),
    ];
    for (name, session, generation, now, want) in cases {
        assert_eq!(decide(&session, &presented(generation, now)), want, "{name}");
    }
}

/// FAPI 2.0 Security Profile, section 5.3.2.1.
#[test]
fn a_token_that_is_kept_goes_on_and_leaves_every_other_rule_as_it_is() {
    let rotated = Session { generation: 5, rotated_at: Some(NOW), ..session() };
    let last = Session { generation: u32::MAX, ..rotated.clone() };
    let ends_soon = Session { expires_at: later(60), ..rotated.clone() };
    let revoked = Session { revoked_at: Some(NOW), ..rotated.clone() };
    let aged = Session { expires_at: NOW, ..rotated.clone() };
    let until = |now: Timestamp| Decision::Extend(now.saturating_add(RefreshPolicy::default().idle));
    let refuse = Decision::Refuse;
    let cases = [
        ("never_rotated", session(), 1, NOW, until(NOW)),
        ("current", rotated.clone(), 5, later(3600), until(later(3600))),
        ("the_last_that_there_is", last, u32::MAX, NOW, until(NOW)),
        ("not_past_the_end_of_the_session", ends_soon, 5, NOW, Decision::Extend(later(60))),
        ("predecessor_from_when_they_rotated", rotated.clone(), 4, later(29), Decision::Repeat),
        ("the_same_later", rotated.clone(), 4, later(30), Decision::Revoke),
        ("not_reached_yet", rotated.clone(), 6, NOW, refuse(Refusal::Ahead)),
        ("revoked", revoked, 5, NOW, refuse(Refusal::Revoked)),
        ("past_its_whole_life", aged, 5, NOW, refuse(Refusal::Expired)),
    ];
    let keep = |generation, now| Presented { renewal: Renewal::Keep, ..presented(generation, now) };
    for (name, session, generation, now, want) in cases {
        assert_eq!(decide(&session, &keep(generation, now)), want, "{name}");
    }
    let scope = Some("b".parse().unwrap());
    let narrow = Session { scope: Some("a".parse().unwrap()), ..rotated.clone() };
    assert_eq!(decide(&narrow, &Presented { scope, ..keep(5, NOW) }), refuse(Refusal::Scope));
    let client = "other".parse().unwrap();
    assert_eq!(decide(&rotated, &Presented { client, ..keep(5, NOW) }), refuse(Refusal::WrongClient));
}

#[test]
fn authorization_details_are_narrowed_and_never_widened() {
    let details = |text| AuthorizationDetails::parse(text).unwrap();
    let granted = details(r#"[{"type":"a"},{"type":"b","x":1}]"#);
    let session =
        Session { generation: 5, rotated_at: Some(NOW), authorization_details: granted, ..session() };
    let cases = [
        (None, true),
        (Some("[]"), true),
        (Some(r#"[{"type":"a"}]"#), true),
        (Some(r#"[{"type":"b"}]"#), false),
    ];
    for (asked, given) in cases {
        for generation in [4, 5] {
            let authorization_details = asked.map(details);
            let decision =
                decide(&session, &Presented { authorization_details, ..presented(generation, NOW) });
            let refused = decision == Decision::Refuse(Refusal::AuthorizationDetails);
            assert_eq!(refused, !given, "{asked:?} {generation}: {decision:?}");
        }
    }
}

#[test]
fn tabs_that_ask_for_different_audiences_of_a_session_are_one_client() {
    let more = ["b", "c"].map(str::to_owned).to_vec();
    let session = Session {
        generation: 5,
        rotated_at: Some(NOW),
        resource: Some("a".into()),
        more_resources: more,
        ..session()
    };
    let asking = |generation, resource: Option<&str>| {
        let resource =
            resource.map(|asked| AskedResource { asked: asked.to_owned(), default: Some("d".into()) });
        decide(&session, &Presented { resource, ..presented(generation, later(9)) })
    };
    for generation in 0..=6 {
        let plain = asking(generation, None);
        for resource in ["a", "b", "c"] {
            assert_eq!(asking(generation, Some(resource)), plain, "{resource}: generation {generation}");
        }
        let granted = matches!(plain, Decision::Rotate(_) | Decision::Repeat);
        for resource in ["d", "", "ab", "A"] {
            let want = if granted { Decision::Refuse(Refusal::Resource) } else { plain };
            assert_eq!(asking(generation, Some(resource)), want, "{resource}: generation {generation}");
        }
    }
}

#[test]
fn no_other_audience_is_got_by_refreshing() {
    let refused = Decision::Refuse(Refusal::Resource);
    let rotated = Session { generation: 5, rotated_at: Some(NOW), ..session() };
    let cases = [
        ("its_own", Some("https://a.example"), "https://a.example", None, true),
        ("another", Some("https://a.example"), "https://b.example", None, false),
        ("the_default_instead_of_its_own", Some("https://a.example"), "https://d.example", Some("d"), false),
        ("the_default", None, "https://d.example", Some("https://d.example"), true),
        ("another_than_the_default", None, "https://a.example", Some("https://d.example"), false),
        ("without_a_default", None, "https://a.example", None, false),
    ];
    for (name, has, asked, default, is_given) in cases {
        let session = Session { resource: has.map(str::to_owned), ..rotated.clone() };
        let resource = Some(AskedResource { asked: asked.to_owned(), default: default.map(str::to_owned) });
        for generation in [4, 5] {
            let presented = Presented { resource: resource.clone(), ..presented(generation, NOW) };
            let got = decide(&session, &presented);
            assert_eq!(got != refused, is_given, "{name} {generation}: {got:?}");
        }
        let old = Presented { resource, ..presented(1, later(3600)) };
        assert_eq!(decide(&session, &old), Decision::Revoke, "{name}: theft is theft");
    }
}

#[test]
fn a_bound_session_is_moved_by_its_key_alone_and_ended_by_nobody_without_it() {
    let key = Binding { jkt: Some(Jkt([1; 32])), x5t: Some(X5t([3; 32])) };
    let plain = Session { generation: 5, rotated_at: Some(NOW), ..session() };
    let bound = Session { bound: true, binding: key, ..plain };
    let refused = Decision::Refuse(Refusal::WrongKey);
    for generation in [1, 3, 4, 5, 6] {
        let other = Some(Jkt([2; 32]));
        for binding in [Binding::default(), Binding { jkt: other, ..key }, Binding { x5t: None, ..key }] {
            let stolen = Presented { binding, ..presented(generation, NOW) };
            assert_eq!(decide(&bound, &stolen), refused, "{generation} {binding:?}");
        }
    }
    let own = |generation| Presented { binding: key, ..presented(generation, later(3600)) };
    assert_eq!(decide(&bound, &own(4)), Decision::Repeat);
    assert_eq!(decide(&bound, &own(3)), Decision::Revoke);
    assert!(matches!(decide(&bound, &own(5)), Decision::Rotate(_)));
}

#[test]
fn another_client_learns_and_changes_nothing() {
    let session = Session { generation: 5, rotated_at: Some(NOW), ..session() };
    for generation in [1, 4, 5, 6] {
        let other = Presented { client: "other".parse().unwrap(), ..presented(generation, NOW) };
        assert_eq!(decide(&session, &other), Decision::Refuse(Refusal::WrongClient));
    }
}

#[test]
fn asking_for_more_scope_changes_nothing_unless_it_is_theft() {
    let scope = |text: &str| Some(text.parse::<ScopeSet>().unwrap());
    let session = Session { generation: 5, rotated_at: Some(NOW), scope: scope("a b"), ..session() };
    let asks = |text, generation, now| {
        decide(&session, &Presented { scope: scope(text), ..presented(generation, now) })
    };
    assert_eq!(asks("a c", 5, NOW), Decision::Refuse(Refusal::Scope));
    assert_eq!(asks("a c", 4, NOW), Decision::Refuse(Refusal::Scope));
    assert_eq!(asks("a", 4, NOW), Decision::Repeat);
    assert!(matches!(asks("a", 5, NOW), Decision::Rotate(_)));
    assert_eq!(asks("a c", 4, later(30)), Decision::Revoke);
    assert_eq!(asks("a c", 3, NOW), Decision::Revoke);
}

#[test]
fn the_idle_expiry_never_passes_the_end_of_the_session() {
    let session = Session { expires_at: later(60), ..session() };
    let Decision::Rotate(rotation) = decide(&session, &presented(1, NOW)) else { panic!("no rotation") };
    assert_eq!(rotation.idle_expires_at, later(60));
}

/// A store's row and the clients around it. What a client holds changes only when an answer reaches
/// it; what the row holds survives everything, because it is durable before the answer leaves.
struct World {
    row: Session,
    now: Timestamp,
    /// What every honest tab would send now: they share one cookie jar.
    jar: u32,
    stolen: Option<u32>,
    /// For each generation, the successor that was given: there must never be two.
    successors: std::collections::BTreeMap<u32, u32>,
}

#[derive(Clone, Debug)]
enum Step {
    /// So many tabs refresh at once with what the jar holds; each answer arrives, or is lost.
    Refresh(Vec<bool>),
    /// The server is killed after the rotation is durable and before anybody is answered.
    Crash,
    Wait(u64),
    ClockBack(u64),
    /// A thief copies the jar.
    Steal,
    /// The thief presents what was stolen.
    Replay,
}

impl World {
    fn new() -> Self {
        Self { row: session(), now: NOW, jar: 1, stolen: None, successors: Default::default() }
    }

    /// What a store does with a decision; returns the generation that is given.
    fn present(&mut self, generation: u32) -> Option<u32> {
        match decide(&self.row, &presented(generation, self.now)) {
            Decision::Rotate(rotation) => {
                self.row.generation = rotation.generation;
                self.row.rotated_at = Some(rotation.rotated_at);
                self.row.idle_expires_at = rotation.idle_expires_at;
            }
            Decision::Extend(idle_expires_at) => self.row.idle_expires_at = idle_expires_at,
            Decision::Repeat => {}
            Decision::Refuse(_) => return None,
            Decision::Revoke => {
                self.row.revoked_at = Some(self.now);
                return None;
            }
        }
        let given = self.row.generation;
        assert_eq!(
            *self.successors.entry(generation).or_insert(given),
            given,
            "two successors of {generation}"
        );
        Some(given)
    }

    fn run(&mut self, step: &Step) {
        match step {
            Step::Refresh(answers) => {
                let sent = self.jar;
                for arrives in answers {
                    let given = self.present(sent);
                    if let (Some(given), true) = (given, arrives) {
                        self.jar = given;
                    }
                }
            }
            Step::Crash => {
                let sent = self.jar;
                self.present(sent);
            }
            Step::Wait(secs) => self.now = self.now.saturating_add(Duration::from_secs(*secs)),
            Step::ClockBack(secs) => self.now = self.now.saturating_sub(Duration::from_secs(*secs)),
            Step::Steal => self.stolen = Some(self.jar),
            Step::Replay => {
                if let Some(stolen) = self.stolen {
                    self.stolen = self.present(stolen).or(self.stolen);
                }
            }
        }
    }
}

fn honest_step() -> impl Strategy<Value = Step> {
    prop_oneof![
        6 => prop::collection::vec(any::<bool>(), 1..70).prop_map(Step::Refresh),
        2 => Just(Step::Crash),
        3 => (0u64..4000).prop_map(Step::Wait),
        1 => (0u64..100_000).prop_map(Step::ClockBack),
    ]
}

fn any_step() -> impl Strategy<Value = Step> {
    prop_oneof![8 => honest_step(), 1 => Just(Step::Steal), 2 => Just(Step::Replay), 1 => (0u64..4000).prop_map(Step::Wait)]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1000, ..ProptestConfig::default() })]

    /// Tabs, retries, lost answers, crashes and a clock that steps back: as long as a client asks
    /// again within the leeway, it is never logged out.
    #[test]
    fn an_honest_client_that_asks_again_within_the_leeway_is_never_logged_out(
        steps in prop::collection::vec((honest_step(), 0u64..29), 1..60),
    ) {
        let mut world = World::new();
        for (step, delay) in &steps {
            let before = world.jar;
            world.run(step);
            // The retry that a client makes for an answer that did not come.
            if world.jar == before {
                world.now = world.now.saturating_add(Duration::from_secs(*delay));
                if let Some(given) = world.present(before) {
                    world.jar = given;
                }
            }
            prop_assert!(world.row.revoked_at.is_none(), "logged out by {step:?}");
            prop_assert_eq!(world.jar, world.row.generation);
        }
    }

    /// Whoever presents a generation that an honest client has moved on from, outside the leeway,
    /// ends the session, whatever happened before.
    #[test]
    fn a_replay_outside_the_leeway_always_ends_the_session(
        steps in prop::collection::vec(honest_step(), 1..40),
        back in 1u32..40,
        after in 30u64..400_000,
    ) {
        let mut world = World::new();
        for step in &steps {
            world.run(step);
            if let Some(given) = world.present(world.jar) {
                world.jar = given;
            }
        }
        prop_assume!(world.row.generation > back);
        world.now = world.row.rotated_at.unwrap_or(world.now).max(world.now).saturating_add(Duration::from_secs(after));
        prop_assume!(world.row.is_live(world.now));
        let old = world.row.generation - back;
        prop_assert_eq!(world.present(old), None);
        prop_assert!(world.row.revoked_at.is_some());
        prop_assert_eq!(world.present(world.row.generation), None, "the current token is dead too");
    }

    /// With a thief in play the session may end, but no generation ever has two successors, which
    /// `World::present` asserts, and after the end nobody is given anything.
    #[test]
    fn no_generation_has_two_successors(steps in prop::collection::vec(any_step(), 1..80)) {
        let mut world = World::new();
        for step in &steps {
            let ended = world.row.revoked_at.is_some();
            let generation = world.row.generation;
            world.run(step);
            if ended {
                prop_assert_eq!(world.row.generation, generation);
            }
        }
    }
}
