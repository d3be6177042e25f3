//! The revocation view with a million entries.

use std::hint::black_box;
use std::sync::Barrier;
use std::time::Instant;

use anyhow::{Context as _, Result, ensure};
use gatepass_bench::program::Counted;
use gatepass_bench::revoked::{ENTRIES, Mix, NOW, Tokens, snapshot};
use gatepass_bench::rounds::{Effort, median, thread_cpu_time};
use gatepass_bench::table::{Table, section};
use gatepass_revocation::{TokenRef, View};

/// The most that a check may take which finds nothing, in nanoseconds.
const MISS: f64 = 50.0;
/// The most memory that an entry may take, in bytes.
const BYTES: f64 = 48.0;
/// As many tokens are asked about in turn: more than the caches next to a core hold the answers for.
const TOKENS: u64 = 1 << 18;

struct Row<'t> {
    name: &'static str,
    view: &'t View,
    tokens: Vec<TokenRef<'t>>,
    most: Option<f64>,
}

pub(crate) fn run(effort: Effort) -> Result<()> {
    section(
        "Revocation",
        &format!(
            "View::check with {ENTRIES} entries; CPU time of the thread, medians of {} interleaved rounds over {TOKENS} tokens each.
             miss: none of the token's five names (jti, sid, sub, client_id, kid) is revoked. hit: its jti is.
             With two threads both check at the same time; what each of them needs per check. Ids of 22 characters.",
            effort.rounds,
        ),
    );
    let (empty, of_tokens, of_every_kind) = (View::new(), load(Mix::Tokens), load(Mix::EveryKind));
    let valid = Tokens::valid(TOKENS);
    let (revoked, mixed) = (Tokens::revoked(Mix::Tokens, TOKENS), Tokens::revoked(Mix::EveryKind, TOKENS));
    let rows = [
        Row { name: "nothing revoked", view: &empty, tokens: valid.refs(), most: None },
        Row { name: "a million tokens: miss", view: &of_tokens, tokens: valid.refs(), most: Some(MISS) },
        Row { name: "a million tokens: hit", view: &of_tokens, tokens: revoked.refs(), most: None },
        Row {
            name: "a million of every kind: miss",
            view: &of_every_kind,
            tokens: valid.refs(),
            most: Some(MISS),
        },
        Row { name: "a million of every kind: hit", view: &of_every_kind, tokens: mixed.refs(), most: None },
    ];
    for row in &rows {
        let refused = row.tokens.iter().filter(|token| row.view.check(token).is_err()).count();
        let expected = if row.name.ends_with("hit") { row.tokens.len() } else { 0 };
        ensure!(refused == expected, "{}: {refused} tokens are refused", row.name);
    }

    let mut times = vec![(Vec::new(), Vec::new()); rows.len()];
    for _ in 0..effort.rounds {
        for (row, (alone, together)) in rows.iter().zip(&mut times) {
            alone.push(check_all(row)?);
            together.push(check_with_two_threads(row)?);
        }
    }
    let mut table = Table::new(&["check", "ns, one thread", "ns, two threads", "target", "distance"]);
    for (row, (alone, together)) in rows.iter().zip(times) {
        let nanos = median(alone);
        let (target, distance) = match row.most {
            Some(most) if nanos <= most => (format!("≤ {most}"), "met".to_owned()),
            Some(most) => (format!("≤ {most}"), format!("+{:.0} ns", nanos - most)),
            None => Default::default(),
        };
        table.row([
            row.name.into(),
            format!("{nanos:.0}"),
            format!("{:.0}", median(together)),
            target,
            distance,
        ]);
    }
    table.print();
    print_memory(&of_tokens, &of_every_kind)
}

fn load(mix: Mix) -> View {
    let view = View::new();
    view.load(&snapshot(mix));
    view
}

/// Nanoseconds per check. Once over all tokens before it counts, so that it is the view's size and not
/// what ran before that decides what is in the caches.
fn check_all(row: &Row<'_>) -> Result<f64> {
    row.tokens.iter().for_each(|token| drop(black_box(row.view.check(black_box(token)))));
    let before = thread_cpu_time()?;
    for token in &row.tokens {
        let _ = black_box(row.view.check(black_box(token)));
    }
    Ok((thread_cpu_time()? - before).as_nanos() as f64 / row.tokens.len() as f64)
}

fn check_with_two_threads(row: &Row<'_>) -> Result<f64> {
    let start = Barrier::new(2);
    let run = || {
        start.wait();
        check_all(row)
    };
    let both = std::thread::scope(|scope| {
        let threads = [scope.spawn(run), scope.spawn(run)];
        threads.map(|thread| thread.join().ok())
    });
    let mut sum = 0.0;
    for nanos in both {
        sum += nanos.context("a thread panicked")??;
    }
    Ok(sum / 2.0)
}

fn print_memory(of_tokens: &View, of_every_kind: &View) -> Result<()> {
    println!(
        "  Bytes per entry, as an allocator counts them that asks for nothing else; the view's own figure beside it.\n"
    );
    let counted = Counted::ask("gatepass-bench", "allocations")?;
    let mut table = Table::new(&["memory", "bytes per entry", "View::memory", "target", "distance"]);
    for (name, view) in
        [("tokens", Some(of_tokens)), ("every-kind", Some(of_every_kind)), ("one-by-one", None)]
    {
        let bytes = counted.of("view", name).context("memory was not counted")?;
        let own =
            view.map_or(String::new(), |view| format!("{:.1}", view.memory() as f64 / view.len() as f64));
        let distance = if bytes <= BYTES { "met".to_owned() } else { format!("{:+.1} B", bytes - BYTES) };
        let name = match name {
            "one-by-one" => "tokens, revoked one by one, at the fullest moment",
            "every-kind" => "every kind, from a snapshot",
            _ => "tokens, from a snapshot",
        };
        table.row([name.into(), format!("{bytes:.1}"), own, format!("≤ {BYTES}"), distance]);
    }
    table.print();

    let before = Instant::now();
    of_tokens.forget(NOW);
    println!("  Forgetting with nothing to forget takes {:.1} ms;", before.elapsed().as_secs_f64() * 1000.0);
    let before = Instant::now();
    of_tokens.forget(NOW.saturating_add(std::time::Duration::from_secs(1000)));
    let took = before.elapsed().as_secs_f64() * 1000.0;
    println!(
        "  forgetting all of the million {took:.1} ms, after which {} bytes are left.\n",
        of_tokens.memory()
    );
    Ok(())
}
