//! The lives of signing keys, drawn one on a line over a common stretch of time.

use gatepass_jose::Timestamp;
use serde_json::Value;

use crate::moment;
use crate::print;

/// How many columns the stretch of time takes.
const COLUMNS: i64 = 48;

/// What the letters of a line mean.
const LEGEND: &str = "+ published, waiting   = signing   - signs no more, still published   | now";

/// A key's instants, in seconds since the epoch.
#[derive(Clone, Copy, Debug, Default)]
struct Life {
    published: Option<i64>,
    signs_from: Option<i64>,
    signs_until: Option<i64>,
    retires: Option<i64>,
}

impl Life {
    fn of(key: &Value) -> Self {
        let instant = |member| key.get(member).and_then(Value::as_i64);
        Self {
            published: instant("published_at"),
            signs_from: instant("signs_from"),
            signs_until: instant("signs_until"),
            retires: instant("retires_at"),
        }
    }

    fn instants(self) -> impl Iterator<Item = i64> {
        [self.published, self.signs_from, self.signs_until, self.retires].into_iter().flatten()
    }

    /// What the key is doing at an instant; a space where it is not there.
    fn letter(self, at: i64) -> char {
        let since = |instant: Option<i64>| instant.is_some_and(|instant| instant <= at);
        match self {
            _ if since(self.retires) => ' ',
            _ if since(self.signs_until) => '-',
            _ if since(self.signs_from) => '=',
            // The first keys of all have always been published.
            _ if since(self.published) || self.published.is_none() && self.signs_from.is_none() => '+',
            _ => ' ',
        }
    }

    fn dates(self) -> String {
        let phases = [
            ("published", self.published),
            ("signs from", self.signs_from),
            ("until", self.signs_until),
            ("retires", self.retires),
        ];
        let said = |(name, at): (&str, Option<i64>)| {
            at.map(|at| format!("{name} {}", moment::rfc3339(Timestamp::from_secs(at))))
        };
        phases.into_iter().filter_map(said).collect::<Vec<_>>().join(", ")
    }
}

/// The stretch of time that is drawn.
struct Stretch {
    from: i64,
    to: i64,
}

impl Stretch {
    fn of(lives: &[Life], now: i64) -> Self {
        let instants = || lives.iter().flat_map(|life| life.instants()).chain([now]);
        let (from, to) = (instants().min().unwrap_or(now), instants().max().unwrap_or(now));
        Self { from, to: to.max(from.saturating_add(COLUMNS)) }
    }

    /// The first second of a column.
    fn start(&self, column: i64) -> i64 {
        self.from.saturating_add((self.to.saturating_sub(self.from) / COLUMNS).saturating_mul(column))
    }

    /// A life in letters. What is shorter than a column shows in one all the same, as long as no other
    /// state of the same key begins there.
    fn draw(&self, life: Life, now: i64) -> String {
        let letter = |column| {
            let (from, next) = (self.start(column), self.start(column + 1));
            if (from..next).contains(&now) {
                return '|';
            }
            let begins = life.instants().filter(|at| (from..next).contains(at)).map(|at| life.letter(at));
            begins.filter(|letter| *letter != ' ').last().unwrap_or_else(|| life.letter(from))
        };
        (0..=COLUMNS).map(letter).collect()
    }
}

/// Prints keys as the admin API lists them.
pub(super) fn show(keys: &[Value], now: Timestamp) {
    let lives: Vec<Life> = keys.iter().map(Life::of).collect();
    let stretch = Stretch::of(&lives, now.as_secs());
    let title = format!(
        "{} to {}",
        moment::rfc3339(Timestamp::from_secs(stretch.from)),
        moment::rfc3339(Timestamp::from_secs(stretch.to))
    );
    let row = |(key, life): (&Value, &Life)| {
        let [kid, alg, state] = ["kid", "alg", "state"].map(|member| print::said(key, member));
        vec![kid, alg, state, stretch.draw(*life, now.as_secs()), life.dates()]
    };
    let rows: Vec<Vec<String>> = keys.iter().zip(&lives).map(row).collect();
    print::table(&["kid", "alg", "state", &title, "dates"], &rows);
    print::line(print::faint(LEGEND));
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn drawn(now: i64, keys: &[Value]) -> Vec<String> {
        let lives: Vec<Life> = keys.iter().map(Life::of).collect();
        let stretch = Stretch::of(&lives, now);
        lives.iter().map(|life| stretch.draw(*life, now)).collect()
    }

    #[test]
    fn each_state_shows_in_its_letter() {
        let keys = [
            json!({"published_at": 0, "signs_from": 120, "signs_until": 240, "retires_at": 360}),
            json!({"published_at": 120, "signs_from": 240, "signs_until": 360, "retires_at": 480}),
            json!({"published_at": 240, "signs_from": null, "signs_until": null, "retires_at": null}),
        ];
        assert_eq!(
            drawn(300, &keys),
            [
                "++++++++++++============------|-----             ",
                "            ++++++++++++======|=====------------ ",
                "                        ++++++|++++++++++++++++++",
            ]
        );
    }

    #[test]
    fn a_short_state_shows_in_a_long_life() {
        let month = 30 * 24 * 3600;
        let key = json!({"published_at": 0, "signs_from": month, "signs_until": 2 * month, "retires_at": 2 * month + 1200});
        let line = drawn(month + month / 2, &[key]).remove(0);
        assert_eq!(line, "+++++++++++++++++++++++============|===========- ");
    }

    #[test]
    fn nothing_is_drawn_of_no_keys_and_odd_instants_do_no_harm() {
        assert!(drawn(0, &[]).is_empty());
        let odd =
            json!({"published_at": i64::MIN, "signs_from": "x", "signs_until": i64::MAX, "retires_at": 1.5});
        assert_eq!(drawn(0, &[odd]).len(), 1);
    }
}
