//! When the keys of each algorithm rotate.

use gatepass_jose::Timestamp;
use serde_json::Value;

use crate::{moment, print};

/// Prints schedules as the admin API lists them.
pub(super) fn show(schedules: &[Value], now: Timestamp) {
    let rows: Vec<Vec<String>> = schedules.iter().map(|schedule| row(schedule, now)).collect();
    print::line("");
    print::table(&["alg", "rotates every", "next rotation"], &rows);
}

fn row(schedule: &Value, now: Timestamp) -> Vec<String> {
    let every = schedule.get("rotate_every").and_then(Value::as_u64).unwrap_or_default();
    let next = schedule.get("next_rotation").and_then(Value::as_i64).map(Timestamp::from_secs);
    let next = next.map(|at| format!("{} ({})", moment::rfc3339(at), moment::from_now(at, now)));
    vec![print::said(schedule, "alg"), period(every), next.unwrap_or_default()]
}

/// A length of time as the server's file says it.
fn period(secs: u64) -> String {
    let units = [(86_400, 'd'), (3600, 'h'), (60, 'm')];
    let whole = units.into_iter().find(|(length, _)| secs > 0 && secs.is_multiple_of(*length));
    let (length, unit) = whole.unwrap_or((1, 's'));
    format!("{}{unit}", secs / length)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_schedule_says_how_often_and_when() {
        let now = Timestamp::from_secs(1_763_780_000);
        let cases = [
            (
                json!({"alg": "RS256", "rotate_every": 90 * 86_400, "next_rotation": 1_763_780_000 + 3600}),
                ["RS256", "90d", "2025-11-22T03:53:20Z (in 1 hour)"],
            ),
            (json!({"alg": "ES256", "rotate_every": 5400, "next_rotation": null}), ["ES256", "90m", ""]),
            (json!({"alg": "EdDSA", "rotate_every": 61, "next_rotation": null}), ["EdDSA", "61s", ""]),
            (json!({"alg": 1, "rotate_every": -1, "next_rotation": "x"}), ["1", "0s", ""]),
        ];
        for (schedule, want) in cases {
            assert_eq!(row(&schedule, now), want, "{schedule}");
        }
    }
}
