//! How the tables stand to what they should say.

use gatepass_bench::table::Table;

use crate::grid::Grid;
use crate::peers::{ON_AWS_LC, WITH_A_STRUCT};
use crate::signatures::{BORROWED, OWNED, RAW, SIGN};

/// What a verification may take beyond the raw primitive, in microseconds.
const BORROWED_OVER: f64 = 0.7;
const OWNED_OVER: f64 = 1.5;
/// What signing may take beyond it.
const SIGN_OVER: f64 = 0.8;
/// How often owned claims may allocate.
const OWNED_ALLOCATIONS: f64 = 13.0;
/// What owned claims may add to the raw primitive, of what the best peer on the same primitive adds.
const OF_THE_BEST_PEER: f64 = 0.6;

/// The most that borrowed claims may take, as a multiple of the raw primitive.
const BORROWED_RATIO: [(&str, f64); 5] =
    [("HS256", 1.3), ("RS256", 1.035), ("PS256", 1.035), ("ES256", 1.015), ("EdDSA", 1.02)];
const OWNED_RATIO: [(&str, f64); 1] = [("HS256", 1.7)];

/// Prints where verifying stands.
pub(crate) fn verify(grid: &Grid) {
    let over = |name: &'static str| move |alg: &str| Some(grid.cell(name, alg)?.over / 1000.0);
    let ratio = |name: &'static str| move |alg: &str| Some(grid.cell(name, alg)?.ratio);
    let allocations = |name: &'static str| move |alg: &str| grid.cell(name, alg)?.allocations;
    let of = |best: Option<(&str, f64)>, alg: &str| Some(grid.cell(OWNED, alg)?.over / 1000.0 / best?.1);
    let of_best = |alg: &str| of(best_peer(grid, alg, &ON_AWS_LC), alg);
    let of_best_struct = |alg: &str| of(best_peer(grid, alg, &WITH_A_STRUCT), alg);
    let mut table = table(grid, "verify, targets");
    add(&mut table, grid, "borrowed: µs beyond raw", over(BORROWED), |_| Some(BORROWED_OVER));
    add(&mut table, grid, "borrowed: × raw", ratio(BORROWED), |alg| find(&BORROWED_RATIO, alg));
    add(&mut table, grid, "borrowed: allocations", allocations(BORROWED), |_| Some(0.0));
    add(&mut table, grid, "a struct: µs beyond raw", over(OWNED), |_| Some(OWNED_OVER));
    add(&mut table, grid, "a struct: × raw", ratio(OWNED), |alg| find(&OWNED_RATIO, alg));
    add(&mut table, grid, "a struct: allocations", allocations(OWNED), |_| Some(OWNED_ALLOCATIONS));
    let part = |_: &str| Some(OF_THE_BEST_PEER);
    add(&mut table, grid, "a struct: × what the best peer on aws-lc adds", of_best, part);
    add(&mut table, grid, "a struct: × what the best that makes one adds", of_best_struct, part);
    places(&mut table, grid, &[BORROWED, OWNED]);
    table.print();
}

/// Prints where signing stands.
pub(crate) fn sign(grid: &Grid) {
    let over = |alg: &str| Some(grid.cell(SIGN, alg)?.over / 1000.0);
    let mut table = table(grid, "sign, targets");
    add(&mut table, grid, "µs beyond raw", over, |_| Some(SIGN_OVER));
    places(&mut table, grid, &[SIGN]);
    table.print();
}

fn table(grid: &Grid, corner: &str) -> Table {
    Table::new(&[corner].into_iter().chain(grid.algs()).collect::<Vec<_>>())
}

fn add(
    table: &mut Table,
    grid: &Grid,
    name: &str,
    value: impl Fn(&str) -> Option<f64>,
    most: impl Fn(&str) -> Option<f64>,
) {
    let cells = grid.algs().map(|alg| match (value(alg), most(alg)) {
        (Some(value), Some(most)) => against(value, most),
        _ => "–".to_owned(),
    });
    table.row([name.to_owned()].into_iter().chain(cells));
}

fn find(targets: &[(&str, f64)], alg: &str) -> Option<f64> {
    targets.iter().find(|(name, _)| *name == alg).map(|(_, most)| *most)
}

/// A value and the most it should be; how far it is off where it is more.
fn against(value: f64, most: f64) -> String {
    let places = if most.fract() == 0.0 { 0 } else { 3 };
    match value <= most {
        true => format!("{value:.places$} ≤ {most}"),
        false => format!("{value:.places$} > {most} ({:+.places$})", value - most),
    }
}

/// Who is at the front of those, and what it adds to the primitive.
fn best_peer(grid: &Grid, alg: &str, among: &[&str]) -> Option<(&'static str, f64)> {
    let peers = grid.column(alg).filter(|(name, _)| among.contains(name));
    let over = peers.map(|(name, cell)| (name, cell.over / 1000.0));
    over.min_by(|(_, one), (_, other)| one.total_cmp(other))
}

/// How many of all peers are faster than ours, and who is best of those on the same primitives.
fn places(table: &mut Table, grid: &Grid, ours: &[&'static str]) {
    for name in ours {
        let cells = grid.algs().map(|alg| {
            let Some(own) = grid.cell(name, alg) else { return "–".to_owned() };
            let peers = grid.column(alg).filter(|(other, _)| *other != RAW && !ours.contains(other));
            let (count, faster) = peers.fold((0, 0), |(count, faster), (_, cell)| {
                (count + 1, faster + usize::from(cell.nanos < own.nanos))
            });
            format!("{} of {}", faster + 1, count + 1)
        });
        let title = if ours.len() > 1 { format!("{name}: place") } else { "place".to_owned() };
        table.row([title].into_iter().chain(cells));
    }
    let best = grid.algs().map(|alg| match best_peer(grid, alg, &ON_AWS_LC) {
        Some((name, over)) => format!("{} {over:+.2}", name.split(' ').next().unwrap_or(name)),
        None => "–".to_owned(),
    });
    table.row(["best peer on aws-lc, µs beyond raw".to_owned()].into_iter().chain(best));
}
