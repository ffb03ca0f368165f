//! Where the variables of a schedule come from that are fetched right before it runs. Knows nothing about how.

use serde::{Deserialize, Serialize};

/// Where variables are fetched: a JSON object.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum VariablesFrom {
    /// A public https URL. Its query may hold a secret: it is sealed with what the schedule says.
    Url(String),
    /// A file below the folder that the configuration names.
    File(String),
}
