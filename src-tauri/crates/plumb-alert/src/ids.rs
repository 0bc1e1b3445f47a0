//! References as people paste them: `alrt_...` and `inc_...`.

use std::{fmt, str::FromStr};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// Characters after the prefix; ours are 32.
const REFERENCE_CHARS_MAX: usize = 64;

/// Why a text is no reference.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{text:?} is no reference: give one that begins with {prefix:?}, as lists show it")]
pub struct RefError {
    pub text: String,
    pub prefix: &'static str,
}

macro_rules! reference {
    ($name:ident, $prefix:literal, $doc:literal) => {
        #[doc = $doc]
        #[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(try_from = "String", into = "String")]
        pub struct $name(String);

        impl $name {
            pub const PREFIX: &'static str = $prefix;

            /// A reference that sorts by time; `random` comes from the caller's generator.
            pub fn new(at: Timestamp, random: [u8; 10]) -> Self {
                let at_ms = u64::try_from(at.as_millisecond()).unwrap_or_default();
                let id = uuid::Builder::from_unix_timestamp_millis(at_ms, &random).into_uuid();
                Self(format!("{}{}", $prefix, id.simple()))
            }

            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl FromStr for $name {
            type Err = RefError;
            fn from_str(text: &str) -> Result<Self, RefError> {
                let rest = text.strip_prefix($prefix).unwrap_or_default();
                let sound = !rest.is_empty()
                    && rest.len() <= REFERENCE_CHARS_MAX
                    && rest.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_".contains(&b));
                if !sound {
                    let text = text.chars().take(REFERENCE_CHARS_MAX).collect();
                    return Err(RefError { text, prefix: $prefix });
                }
                Ok(Self(text.to_owned()))
            }
        }

        impl TryFrom<String> for $name {
            type Error = RefError;
            fn try_from(text: String) -> Result<Self, RefError> {
                text.parse()
            }
        }

        impl From<$name> for String {
            fn from(reference: $name) -> Self {
                reference.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
    };
}

reference!(AlertRef, "alrt_", "Names an alert; stays the same however often it is seen.");
reference!(IncidentRef, "inc_", "Names an incident.");
