//! A contestant in Rust: what it can do, and how it sits the exam.

use std::collections::BTreeMap;
use std::hint::black_box;
use std::io::{BufRead as _, Write as _};

use anyhow::{Context as _, Result, bail};

use crate::{Answer, Exam, Meter, Operation, Question, Subject};

/// Takes a token: verifies or decrypts it and reads its claims. An error refuses it.
pub type Take<'e> = Box<dyn FnMut(&str) -> Result<()> + 'e>;

/// Makes a token of the claims with that number.
pub type Make<'e> = Box<dyn FnMut(usize) -> Result<String> + 'e>;

/// A library, used as its documentation says it is best used: keys are parsed once where it can, and
/// what need not happen again for every token happens before the closure is returned.
pub trait Candidate {
    /// Signature, `typ`, `iss`, `aud`, `exp` and `nbf`, then the claims as a struct. `None` where the
    /// library does not have the algorithm.
    fn verifier<'e>(exam: &'e Exam, subject: &'e Subject) -> Result<Option<Take<'e>>>;

    /// Signs with `alg`, `typ` and `kid` in the header.
    fn signer<'e>(exam: &'e Exam, subject: &'e Subject) -> Result<Option<Make<'e>>>;

    /// Decrypts; the claims are left as they are.
    fn decrypter<'e>(_: &'e Exam, _: &'e Subject) -> Result<Option<Take<'e>>> {
        Ok(None)
    }

    /// Encrypts the claims as JSON.
    fn encrypter<'e>(_: &'e Exam, _: &'e Subject) -> Result<Option<Make<'e>>> {
        Ok(None)
    }
}

enum Task<'e> {
    Take(Take<'e>),
    Make(Make<'e>),
}

/// Answers until there are no more questions. What of the work is measured, `meter` decides.
///
/// # Errors
/// A line cannot be read, or is no question about the exam.
pub fn sit<C: Candidate>(meter: Meter) -> Result<()> {
    let mut lines = std::io::stdin().lock().lines();
    let exam: Exam = serde_json::from_str(&lines.next().context("no exam")??)?;
    let mut tasks = BTreeMap::new();
    for line in lines {
        let question: Question = serde_json::from_str(&line?)?;
        let answer = answer::<C>(&exam, &mut tasks, &question, meter)
            .unwrap_or_else(|error| Answer::Failed { why: format!("{error:#}") });
        let mut out = std::io::stdout().lock();
        writeln!(out, "{}", serde_json::to_string(&answer)?)?;
        out.flush()?;
    }
    Ok(())
}

fn answer<'e, C: Candidate>(
    exam: &'e Exam,
    tasks: &mut BTreeMap<(Operation, String), Task<'e>>,
    question: &Question,
    meter: Meter,
) -> Result<Answer> {
    let key = (question.operation, question.alg.clone());
    let subject = subject(exam, question)?;
    match question.calls {
        Some(calls) => {
            let task = tasks.get_mut(&key).context("measured before it was tried")?;
            Ok(Answer::Used { amount: measure(task, subject, calls, meter)? })
        }
        None => {
            let Some(mut task) = prepare::<C>(exam, subject, question.operation)? else {
                return Ok(Answer::Unsupported);
            };
            let answer = attempt(&mut task, subject)?;
            tasks.insert(key, task);
            Ok(answer)
        }
    }
}

fn subject<'e>(exam: &'e Exam, question: &Question) -> Result<&'e Subject> {
    let subjects = match question.operation {
        Operation::Verify | Operation::Sign => &exam.signatures,
        Operation::Decrypt | Operation::Encrypt => &exam.encryptions,
    };
    subjects.iter().find(|subject| subject.alg == question.alg).context("not in the exam")
}

fn prepare<'e, C: Candidate>(
    exam: &'e Exam,
    subject: &'e Subject,
    operation: Operation,
) -> Result<Option<Task<'e>>> {
    Ok(match operation {
        Operation::Verify => C::verifier(exam, subject)?.map(Task::Take),
        Operation::Decrypt => C::decrypter(exam, subject)?.map(Task::Take),
        Operation::Sign => C::signer(exam, subject)?.map(Task::Make),
        Operation::Encrypt => C::encrypter(exam, subject)?.map(Task::Make),
    })
}

fn attempt(task: &mut Task<'_>, subject: &Subject) -> Result<Answer> {
    match task {
        Task::Make(make) => Ok(Answer::Made { token: make(0)? }),
        Task::Take(take) => {
            for token in &subject.tokens {
                take(token).context("a good token is refused")?;
            }
            let taken = subject.bad.iter().filter(|bad| take(&bad.token).is_ok());
            Ok(Answer::Takes { bad: taken.map(|bad| bad.name.clone()).collect() })
        }
    }
}

/// Tokens and claims take turns, so that no branch of a parser is learnt by heart.
fn measure(task: &mut Task<'_>, subject: &Subject, calls: usize, meter: Meter) -> Result<u64> {
    let mut failures = 0;
    let used = match task {
        Task::Take(take) => {
            let tokens = &subject.tokens;
            meter(&mut || {
                for token in tokens.iter().cycle().take(calls) {
                    failures += usize::from(take(black_box(token)).is_err());
                }
            })?
        }
        Task::Make(make) => {
            let count = subject.claims.len().max(1);
            meter(&mut || {
                for call in 0..calls {
                    failures += usize::from(black_box(make(black_box(call % count))).is_err());
                }
            })?
        }
    };
    if failures > 0 {
        bail!("{failures} of {calls} calls failed");
    }
    Ok(used)
}
