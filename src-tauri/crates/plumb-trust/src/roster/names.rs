//! Names of people and groups.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};

/// Longest name, in bytes: fits a table cell.
const NAME_BYTES_MAX: usize = 64;

/// Why a name was refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{name:?} is not a name of 1 to 64 of the characters a-z, 0-9, '.', '_', '-' and '@'")]
pub struct RosterNameError {
    pub name: String,
}

macro_rules! roster_name {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
        #[serde(try_from = "String", into = "String")]
        pub struct $name(String);

        impl $name {
            /// Keeps a name of lower-case letters, so that no two people look the same.
            pub fn new(name: impl Into<String>) -> Result<Self, RosterNameError> {
                let name = name.into();
                let allowed = |c: u8| {
                    c.is_ascii_lowercase() || c.is_ascii_digit() || b"._-@".contains(&c)
                };
                if name.is_empty() || name.len() > NAME_BYTES_MAX || !name.bytes().all(allowed) {
                    return Err(RosterNameError { name: name.chars().take(80).collect() });
                }
                Ok(Self(name))
            }

            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl TryFrom<String> for $name {
            type Error = RosterNameError;
            fn try_from(name: String) -> Result<Self, RosterNameError> {
                Self::new(name)
            }
        }
        impl FromStr for $name {
            type Err = RosterNameError;
            fn from_str(name: &str) -> Result<Self, RosterNameError> {
                Self::new(name)
            }
        }
        impl From<$name> for String {
            fn from(name: $name) -> Self {
                name.0
            }
        }
        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
    };
}

roster_name! {
    /// A person, by the name that stands in approvals.
    PersonId
}
roster_name! {
    /// A group of people, and the role somebody approves in.
    GroupId
}
