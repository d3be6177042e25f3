//! What an answer means, by comparison with the answers to tokens of which it is known.

use std::collections::BTreeSet;
use std::time::Duration;

use crate::attempt::Attempt;
use crate::request::AcceptedStatus;
use crate::sender::Reply;

/// How the service answers the good token, and how bad ones.
#[derive(Clone, Debug)]
pub(crate) struct Judge {
    pub(crate) accepted: AcceptedStatus,
    /// The answer to the good token.
    pub(crate) good: u16,
    /// The answers to tokens that are certainly bad.
    pub(crate) refusals: BTreeSet<u16>,
    pub(crate) slow: Duration,
}

/// What one request says about the service.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    Refused,
    /// With what it was that gave it away.
    LetIn(String),
    Broke(String),
    /// It says nothing.
    NotTested(String),
}

/// Heads of requests up to this size are nothing that a server may close a connection over.
const ORDINARY: usize = 6 * 1024;

impl Judge {
    /// Whether this answer means that the token was accepted.
    pub(crate) fn is_accepted(&self, status: u16) -> bool {
        status == self.good || self.accepted.contains(status)
    }

    pub(crate) fn judge(&self, attempt: &Attempt, reply: &Reply) -> Verdict {
        match *reply {
            Reply::NotSent(why) => Verdict::NotTested(why.to_owned()),
            Reply::TimedOut => Verdict::Broke("no answer in time".to_owned()),
            // A head that is too long may be refused without a word; the good token that follows tells
            // whether the service is still there.
            Reply::Closed | Reply::Unreachable if attempt.size() > ORDINARY => Verdict::Refused,
            Reply::Closed => Verdict::Broke("the connection was closed without an answer".to_owned()),
            Reply::Unreachable => Verdict::Broke("no connection could be made any more".to_owned()),
            Reply::Answered { status: 429, .. } => {
                Verdict::NotTested("the service says that there are too many requests (429)".to_owned())
            }
            Reply::Answered { status, took } => self.judge_answer(status, took),
        }
    }

    fn judge_answer(&self, status: u16, took: Duration) -> Verdict {
        if status == self.good {
            return Verdict::LetIn(format!("answered {status}, as to the good token"));
        }
        if self.accepted.contains(status) {
            return Verdict::LetIn(format!("answered {status}, which is one of the accepted"));
        }
        if took > self.slow {
            return Verdict::Broke(format!("answered {status} after {:.1} seconds", took.as_secs_f32()));
        }
        if self.refusals.contains(&status) || is_refusal(status) {
            return Verdict::Refused;
        }
        if status >= 500 {
            return Verdict::Broke(format!("answered {status}"));
        }
        // Neither as to a good token nor as to a bad one: what stands behind the verifier has answered.
        Verdict::LetIn(format!("answered {status}, as to no bad token"))
    }
}

/// Answers that say no to a request for what its head or its token is.
fn is_refusal(status: u16) -> bool {
    matches!(status, 400 | 401 | 403 | 405 | 407 | 411 | 413 | 414 | 415 | 422 | 431 | 501 | 505)
}

#[cfg(test)]
mod tests {
    use super::*;

    const QUICK: Duration = Duration::from_millis(1);

    #[test]
    fn an_answer_is_judged_by_the_answers_to_known_tokens() {
        let judge = Judge {
            accepted: AcceptedStatus::default(),
            good: 200,
            refusals: BTreeSet::from([401, 302]),
            slow: Duration::from_secs(1),
        };
        let short = Attempt::token("", "a.b.c");
        let long = Attempt::token("", "a".repeat(ORDINARY + 1));
        let let_in = |verdict: &Verdict| matches!(verdict, Verdict::LetIn(_));
        let broke = |verdict: &Verdict| matches!(verdict, Verdict::Broke(_));
        let not_tested = |verdict: &Verdict| matches!(verdict, Verdict::NotTested(_));
        let refused = |verdict: &Verdict| matches!(verdict, Verdict::Refused);
        let answered = |status| Reply::Answered { status, took: QUICK };
        type Is<'a> = &'a dyn Fn(&Verdict) -> bool;
        let cases: [(&str, &Attempt, Reply, Is<'_>); 18] = [
            ("as_the_good_one", &short, answered(200), &let_in),
            ("another_of_the_accepted", &short, answered(204), &let_in),
            ("as_a_bad_one", &short, answered(401), &refused),
            ("a_redirect_as_for_a_bad_one", &short, answered(302), &refused),
            ("another_redirect", &short, answered(307), &let_in),
            ("not_found_behind_the_verifier", &short, answered(404), &let_in),
            ("bad_request", &short, answered(400), &refused),
            ("head_too_large", &long, answered(431), &refused),
            ("a_crash", &short, answered(500), &broke),
            ("a_crash_on_a_long_one", &long, answered(502), &broke),
            ("closed", &short, Reply::Closed, &broke),
            ("closed_over_a_long_head", &long, Reply::Closed, &refused),
            ("gone", &short, Reply::Unreachable, &broke),
            ("silent", &long, Reply::TimedOut, &broke),
            ("slow", &short, Reply::Answered { status: 401, took: Duration::from_secs(2) }, &broke),
            ("slow_but_in", &short, Reply::Answered { status: 200, took: Duration::from_secs(2) }, &let_in),
            ("too_many", &short, answered(429), &not_tested),
            ("not_sent", &short, Reply::NotSent(""), &not_tested),
        ];
        for (name, attempt, reply, is) in cases {
            let verdict = judge.judge(attempt, &reply);
            assert!(is(&verdict), "{name}: {verdict:?}");
        }
    }
}
