//! A contestant in another program.

use std::ffi::OsString;
use std::io::{BufRead as _, BufReader, Write as _};
use std::path::PathBuf;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use gatepass_bench::rounds::Contestant;
use gatepass_bench_exam::{Answer, Operation, Question};

/// How a program is started.
#[derive(Clone, Debug)]
pub(crate) struct Invocation {
    pub(crate) program: PathBuf,
    pub(crate) arguments: Vec<OsString>,
}

/// A program that sits the exam. Dropping it ends it.
pub(crate) struct Remote {
    child: Child,
    questions: ChildStdin,
    answers: BufReader<ChildStdout>,
}

impl Remote {
    /// Starts it and hands it the exam.
    pub(crate) fn start(invocation: &Invocation, exam: &str) -> Result<Self> {
        let mut child = Command::new(&invocation.program)
            .args(&invocation.arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .with_context(|| format!("cannot start {}", invocation.program.display()))?;
        let mut questions = child.stdin.take().context("no standard input")?;
        let answers = BufReader::new(child.stdout.take().context("no standard output")?);
        writeln!(questions, "{exam}")?;
        Ok(Self { child, questions, answers })
    }

    /// Lets it try one operation: what it takes or makes, or that it cannot.
    pub(crate) fn attempt(&mut self, operation: Operation, alg: &str) -> Result<Answer> {
        self.ask(&Question { operation, alg: alg.to_owned(), calls: None })
    }

    /// What that many calls use.
    pub(crate) fn measure(&mut self, operation: Operation, alg: &str, calls: usize) -> Result<u64> {
        match self.ask(&Question { operation, alg: alg.to_owned(), calls: Some(calls) })? {
            Answer::Used { amount } => Ok(amount),
            Answer::Failed { why } => bail!("{why}"),
            other => bail!("asked for a measurement, it answers {other:?}"),
        }
    }

    fn ask(&mut self, question: &Question) -> Result<Answer> {
        writeln!(self.questions, "{}", serde_json::to_string(question)?)?;
        self.questions.flush()?;
        let mut line = String::new();
        if self.answers.read_line(&mut line)? == 0 {
            bail!("it ended with {}", self.child.wait()?);
        }
        serde_json::from_str(&line).with_context(|| format!("it answers {line}"))
    }
}

impl Drop for Remote {
    fn drop(&mut self) {
        if !matches!(self.child.try_wait(), Ok(Some(_))) {
            let _ = self.child.kill(); // it may have ended by itself just now
            let _ = self.child.wait();
        }
    }
}

/// One operation of such a program, as a contestant like any other.
pub(crate) struct Asked<'r> {
    pub(crate) remote: &'r mut Remote,
    pub(crate) operation: Operation,
    pub(crate) alg: &'r str,
}

impl Contestant for Asked<'_> {
    fn run(&mut self, calls: usize) -> Result<Duration> {
        Ok(Duration::from_nanos(self.remote.measure(self.operation, self.alg, calls)?))
    }
}
