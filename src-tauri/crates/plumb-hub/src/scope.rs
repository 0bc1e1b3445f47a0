//! For which nodes an identity speaks: any, those of a fleet, or one.

use serde::{Deserialize, Serialize};

use crate::{limits::NAME_BYTES_MAX, problem::Problem};

/// Longest name of a node that is kept.
const NODE_CHARS_MAX: usize = 400;
/// What stands for every node of a fleet.
const EVERY: &str = "*";

/// The nodes for which somebody may tell, and whose bundle they may fetch.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub(crate) enum Scope {
    /// Whatever node the labels name.
    #[default]
    Any,
    Fleet(String),
    Node {
        fleet: String,
        node: String,
    },
}

/// A node as its labels or a path name it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Named<'a> {
    pub(crate) fleet: Option<&'a str>,
    pub(crate) node: Option<&'a str>,
    pub(crate) id: Option<&'a str>,
}

impl TryFrom<String> for Scope {
    type Error = String;

    /// Reads `FLEET/NODE`, or `FLEET/*`.
    fn try_from(text: String) -> Result<Self, String> {
        let plain = |part: &str| {
            !part.trim().is_empty()
                && part.len() <= NAME_BYTES_MAX
                && !part.chars().any(|c| c.is_control() || c == '/' || c == '*')
        };
        match text.split_once('/') {
            Some((fleet, EVERY)) if plain(fleet) => Ok(Self::Fleet(fleet.to_owned())),
            Some((fleet, node)) if plain(fleet) && plain(node) => {
                Ok(Self::Node { fleet: fleet.to_owned(), node: node.to_owned() })
            }
            _ => Err(format!(
                "node must be FLEET/NODE, or FLEET/* for every node of a fleet, each of at most {NAME_BYTES_MAX} bytes"
            )),
        }
    }
}

impl From<Scope> for String {
    fn from(scope: Scope) -> Self {
        scope.to_string()
    }
}

impl Scope {
    pub(crate) fn is_any(&self) -> bool {
        matches!(self, Self::Any)
    }

    /// The nodes by name, where they are not any.
    pub(crate) fn bound(&self) -> Option<String> {
        (!self.is_any()).then(|| self.to_string())
    }

    /// The name by which the hub keeps what is told of a node: `fleet/node`, or the id that every OPA has where
    /// nothing binds the teller to a fleet.
    ///
    /// # Errors
    ///
    /// Forbidden where the node is none of this scope; refused where the labels name none.
    pub(crate) fn name(&self, named: Named<'_>) -> Result<String, Problem> {
        let name = match (self, named) {
            // One node needs no labels to be known; labels of another are somebody else's.
            (Self::Node { fleet, node }, told)
                if told.fleet.is_none_or(|told| told == fleet)
                    && told.node.is_none_or(|told| told == node) =>
            {
                format!("{fleet}/{node}")
            }
            (Self::Fleet(fleet), Named { fleet: Some(told), node: Some(node), .. })
                if told == fleet =>
            {
                format!("{fleet}/{node}")
            }
            (Self::Any, Named { fleet: Some(fleet), node: Some(node), .. }) => {
                format!("{fleet}/{node}")
            }
            (Self::Any, Named { id: Some(id), .. }) => id.to_owned(),
            (Self::Any, _) => {
                return Err(Problem::refused("the labels name neither fleet and node, nor an id"));
            }
            (Self::Fleet(fleet), Named { fleet: None, .. } | Named { node: None, .. }) => {
                return Err(Problem::refused(format!(
                    "the labels name no fleet and node, and this identity speaks for nodes of {fleet} alone: set both in labels"
                )));
            }
            (scope, Named { fleet, node, .. }) => {
                return Err(Problem::forbidden(format!(
                    "this identity speaks for {scope}, not for {}/{}",
                    fleet.unwrap_or("?"),
                    node.unwrap_or("?"),
                )));
            }
        };
        Ok(name.chars().filter(|c| !c.is_control()).take(NODE_CHARS_MAX).collect())
    }
}

impl std::fmt::Display for Scope {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Any => f.write_str("any node"),
            Self::Fleet(fleet) => write!(f, "{fleet}/{EVERY}"),
            Self::Node { fleet, node } => write!(f, "{fleet}/{node}"),
        }
    }
}
