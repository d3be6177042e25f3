use std::time::Duration;

use clap::Args as ClapArgs;
use serde_json::{Value, json};

/// What a client wants of its users' logins where a request does not say.
#[derive(Debug, ClapArgs)]
pub(crate) struct Logins {
    /// How long ago its users may have logged in where a request has no max_age, such as 5m
    #[arg(long, value_name = "TIME", value_parser = whole_seconds)]
    default_max_age: Option<Duration>,
    /// Its ID tokens always say when their user logged in
    #[arg(long, value_name = "BOOL", num_args = 0..=1, require_equals = true, default_missing_value = "true")]
    require_auth_time: Option<bool>,
    /// How it would like its users to log in where a request does not name an acr, any number of times: all of them
    #[arg(long = "default-acr-value", value_name = "ACR")]
    default_acr_values: Vec<String>,
}

impl Logins {
    /// What was said, under the names of a registration.
    pub(crate) fn members(self) -> impl Iterator<Item = (&'static str, Value)> {
        let values = self.default_acr_values;
        let members = [
            ("default_max_age", self.default_max_age.map(|age| json!(age.as_secs()))),
            ("require_auth_time", self.require_auth_time.map(Value::from)),
            ("default_acr_values", (!values.is_empty()).then(|| json!(values))),
        ];
        members.into_iter().filter_map(|(name, value)| Some((name, value?)))
    }
}

fn whole_seconds(text: &str) -> Result<Duration, String> {
    let time = gatepass_gateway::parse_duration(text).filter(|time| time.subsec_nanos() == 0);
    time.ok_or_else(|| "write 0s, 30s, 15m, 12h or 7d".to_owned())
}
