use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::mpsc;

use tokio::task::JoinHandle;

use super::*;

/// A writer on a table of numbers, whose commits are counted and can be made to fail.
struct Bench {
    writer: Arc<Writer>,
    commits: Arc<AtomicUsize>,
    fail: Arc<AtomicBool>,
    dir: tempfile::TempDir,
}

impl Bench {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let open = || Connection::open(dir.path().join("test.db")).unwrap();
        let mut connection = open();
        let schema =
            "PRAGMA journal_mode = wal; CREATE TABLE number (n INTEGER PRIMARY KEY, fill BLOB) STRICT";
        connection.execute_batch(schema).unwrap();
        let commits = Arc::new(AtomicUsize::new(0));
        let fail = Arc::new(AtomicBool::new(false));
        let (count, refuse) = (Arc::clone(&commits), Arc::clone(&fail));
        let hook = move || {
            count.fetch_add(1, Ordering::SeqCst);
            refuse.load(Ordering::SeqCst)
        };
        connection.commit_hook(Some(hook)).unwrap();
        let (checkpoints, _) = Checkpoints::start(&mut connection, open()).unwrap();
        let writer = Arc::new(Writer::start(connection, checkpoints, Arc::default()).unwrap());
        Self { writer, commits, fail, dir }
    }

    /// Queues `jobs` while the thread is held up, so that they become one group.
    async fn as_one_group<T: Send + 'static>(&self, jobs: Vec<Work<T>>) -> Vec<Result<T, Failure>> {
        let go = self.hold_up().await;
        let mut asked = Vec::new();
        for job in jobs {
            asked.push(self.queue(job).await);
        }
        go.send(()).unwrap();
        let mut answers = Vec::new();
        for answer in asked {
            answers.push(answer.await.unwrap());
        }
        answers
    }

    /// Returns when the thread is in the middle of a group, where it stays until it is told.
    async fn hold_up(&self) -> mpsc::Sender<()> {
        let (go, wait) = mpsc::channel();
        let (started, running) = tokio::sync::oneshot::channel();
        drop(self.spawn(Box::new(move |_| {
            started.send(()).unwrap();
            wait.recv().unwrap();
            Ok(())
        })));
        running.await.unwrap();
        go
    }

    /// Returns when the job is in the queue.
    async fn queue<T: Send + 'static>(&self, work: Work<T>) -> JoinHandle<Result<T, Failure>> {
        let before = self.writer.queue.queued();
        let answer = self.spawn(work);
        while self.writer.queue.queued() == before {
            tokio::task::yield_now().await;
        }
        answer
    }

    fn spawn<T: Send + 'static>(&self, work: Work<T>) -> JoinHandle<Result<T, Failure>> {
        let writer = Arc::clone(&self.writer);
        tokio::spawn(async move { writer.run(work).await })
    }

    fn numbers(&self) -> Vec<i64> {
        let connection = Connection::open(self.dir.path().join("test.db")).unwrap();
        let mut statement = connection.prepare("SELECT n FROM number ORDER BY n").unwrap();
        statement.query_map([], |row| row.get(0)).unwrap().map(Result::unwrap).collect()
    }
}

type Work<T> = Box<dyn FnOnce(&Group<'_>) -> Result<T, Failure> + Send>;

fn insert(connection: &Connection, n: i64) -> Result<(), Failure> {
    connection.prepare_cached("INSERT INTO number (n) VALUES (?1)")?.execute([n])?;
    Ok(())
}

fn inserting(n: i64) -> Work<()> {
    Box::new(move |group| insert(group, n))
}

#[tokio::test]
async fn what_is_queued_is_one_commit() {
    let bench = Bench::new();
    let answers = bench.as_one_group((0..100).map(inserting).collect()).await;
    assert!(answers.iter().all(Result::is_ok));
    assert_eq!(bench.commits.load(Ordering::SeqCst), 2, "one for the job that held up the thread");
    assert_eq!(bench.numbers(), (0..100).collect::<Vec<_>>());
}

#[tokio::test]
async fn an_operation_that_fails_is_undone_alone() {
    let bench = Bench::new();
    let two_and_one_again: Work<()> = Box::new(|group| {
        group.atomically(|connection| {
            insert(connection, 2)?;
            insert(connection, 1)
        })
    });
    let answers = bench.as_one_group(vec![inserting(1), two_and_one_again, inserting(1), inserting(3)]).await;
    let done: Vec<bool> = answers.iter().map(Result::is_ok).collect();
    assert_eq!(done, [true, false, false, true]);
    assert_eq!(bench.numbers(), [1, 3]);
}

#[tokio::test]
async fn when_the_commit_fails_everybody_is_told_and_the_next_group_is_not_affected() {
    let bench = Bench::new();
    let fail = Arc::clone(&bench.fail);
    let fail_now: Work<()> = Box::new(move |_| {
        fail.store(true, Ordering::SeqCst);
        Ok(())
    });
    let answers = bench.as_one_group(vec![inserting(1), fail_now, inserting(2)]).await;
    assert!(answers.iter().all(|answer| matches!(answer, Err(Failure::NotCommitted(_)))));
    bench.fail.store(false, Ordering::SeqCst);
    bench.writer.run(inserting(3)).await.unwrap();
    assert_eq!(bench.numbers(), [3]);
}

#[tokio::test]
async fn when_the_transaction_is_lost_everybody_is_told_and_nothing_stays() {
    let bench = Bench::new();
    let lose: Work<()> = Box::new(|group| Ok(group.execute_batch("ROLLBACK")?));
    let answers = bench.as_one_group(vec![inserting(1), lose, inserting(2)]).await;
    assert!(answers.iter().all(|answer| matches!(answer, Err(Failure::NotCommitted(_)))));
    assert!(bench.numbers().is_empty());
}

#[tokio::test]
async fn a_full_disk_fails_the_operation_and_not_the_store() {
    let bench = Bench::new();
    let fill = |group: &Group<'_>| {
        let sql = "INSERT INTO number (fill) VALUES (zeroblob(1000000))";
        group.prepare_cached(sql)?.execute([])?;
        Ok(())
    };
    bench.writer.run(|group| Ok(group.execute_batch("PRAGMA max_page_count = 50")?)).await.unwrap();
    bench.writer.run(fill).await.unwrap_err();
    bench.writer.run(|group| Ok(group.execute_batch("PRAGMA max_page_count = 5000")?)).await.unwrap();
    bench.writer.run(fill).await.unwrap();
    assert_eq!(bench.numbers(), [1]);
}

#[tokio::test]
async fn stopping_does_what_is_queued_and_refuses_the_rest() {
    let bench = Bench::new();
    let go = bench.hold_up().await;
    let queued = bench.queue(inserting(7)).await;
    let writer = Arc::clone(&bench.writer);
    let stopped = tokio::task::spawn_blocking(move || writer.stop());
    while bench.writer.queue.is_open() {
        tokio::task::yield_now().await;
    }
    assert!(matches!(bench.writer.run(inserting(8)).await, Err(Failure::Closed)));
    go.send(()).unwrap();
    queued.await.unwrap().unwrap();
    stopped.await.unwrap().unwrap();
    assert_eq!(bench.numbers(), [7]);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_log_stays_short_under_a_writer_that_never_rests() {
    let bench = Bench::new();
    let callers: Vec<_> = (0..64)
        .map(|_| {
            let writer = Arc::clone(&bench.writer);
            tokio::spawn(async move {
                for _ in 0..500 {
                    let sql = "INSERT INTO number (fill) VALUES (zeroblob(4000))";
                    let fill = move |group: &Group<'_>| Ok(group.prepare_cached(sql)?.execute([])?);
                    writer.run(fill).await.unwrap();
                }
            })
        })
        .collect();
    for caller in callers {
        caller.await.unwrap();
    }
    let log = std::fs::metadata(bench.dir.path().join("test.db-wal")).unwrap().len();
    let written = 64 * 500 * 4096;
    assert!(log < written / 2, "{log} bytes of {written} are still in the log");
}

#[test]
fn only_those_who_come_back_are_waited_for() {
    let cases = [
        ("a_fast_disk_waits_for_nobody", 0, 16, 8, 1),
        ("a_lone_caller_is_not_waited_for", 4, 1, 0, 1),
        ("callers_who_are_back_are_taken_along", 4, 16, 15, 16),
        ("more_than_were_expected_are_taken_too", 4, 3, 15, 16),
    ];
    for (name, flush, callers, queued, want) in cases {
        let (sender, mut jobs) = tokio::sync::mpsc::channel(64);
        let job = || -> Box<dyn Job> {
            let (reply, _) = tokio::sync::oneshot::channel();
            Box::new(Operation { work: Some(|_: &Group<'_>| Ok(())), result: None, reply })
        };
        for _ in 0..queued {
            assert!(sender.try_send(job()).is_ok());
        }
        let mut group = vec![job()];
        Pace { flush: Duration::from_millis(flush), callers }.gather(&mut jobs, &mut group);
        assert_eq!(group.len(), want, "{name}");
    }
}
