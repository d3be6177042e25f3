//! Numbers that a test reports without judging them.

use std::io::Write as _;
use std::time::Duration;

/// Writes a line past the test runner's capture, so that it is seen when the test passes, too.
pub fn report(line: &str) {
    // One write, so that lines of parallel tests do not mix. A closed stderr is no reason to fail.
    let _ = std::io::stderr().write_all(format!("    measured: {line}\n").as_bytes());
}

/// `p50 1.2 ms, p99 3.4 ms, max 5.6 ms of 200`.
pub fn spread(mut times: Vec<Duration>) -> String {
    times.sort_unstable();
    let Some(last) = times.len().checked_sub(1) else { return "nothing measured".to_owned() };
    let at = |percent: usize| times[(last * percent).div_ceil(100)].as_secs_f64() * 1e3;
    format!("p50 {:.1} ms, p99 {:.1} ms, max {:.1} ms of {}", at(50), at(99), at(100), times.len())
}
