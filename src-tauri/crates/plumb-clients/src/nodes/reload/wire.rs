//! Documents of the reload service, as documented and as found.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use crate::nodes::loose::{Label, Moment, Number};

/// `GET /readyz`.
#[derive(Debug, Deserialize)]
pub(crate) struct Readyz {
    pub(crate) ready: Option<bool>,
    /// `"0.0.0"` when only local rules are loaded.
    pub(crate) bundle_version: Option<Label>,
    /// `null` when no bundle is.
    bundle_loaded_at: Option<serde_json::Value>,
}

impl Readyz {
    pub(crate) fn is_empty(&self) -> bool {
        self.ready.is_none() && self.bundle_version.is_none() && self.bundle_loaded_at.is_none()
    }

    /// A time that cannot be read costs that field, not the document.
    pub(crate) fn bundle_loaded_at(&self) -> Result<Option<Timestamp>, String> {
        match &self.bundle_loaded_at {
            None => Ok(None),
            Some(value) => {
                let moment: Moment = serde_json::from_value(value.clone())
                    .map_err(|error| format!("bundle_loaded_at: {error}"))?;
                Ok(moment.0)
            }
        }
    }
}

/// `GET /rules`: the policies really in force.
#[derive(Debug, Deserialize)]
pub(crate) struct Rules<'a> {
    #[serde(borrow)]
    pub(crate) rules: Vec<&'a RawValue>,
    pub(crate) policy_version: Option<Label>,
}

/// `GET /bundle/policies`: the policies of the loaded bundle, absent where only local rules are loaded.
#[derive(Debug, Deserialize)]
pub(crate) struct BundlePolicies<'a> {
    #[serde(borrow)]
    pub(crate) policies: Option<Vec<&'a RawValue>>,
}

/// What names a policy, or a rule of the field's own form.
#[derive(Debug, Deserialize)]
pub(crate) struct Named {
    pub(crate) id: Option<Label>,
    #[serde(rename = "match")]
    pub(crate) matching: Option<Match>,
}

/// The one field of a rule's `match` that is needed to name it.
#[derive(Debug, Deserialize)]
pub(crate) struct Match {
    pub(crate) intent_prefix: Option<Label>,
}

/// `GET /reload/history`: an object as documented, or the bare list one example reads.
#[derive(Debug)]
pub(crate) struct History<'a>(Vec<&'a RawValue>);

impl<'a> History<'a> {
    pub(crate) fn entries(&self) -> &[&'a RawValue] {
        &self.0
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for History<'a> {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        struct Object<'a> {
            #[serde(borrow)]
            history: Vec<&'a RawValue>,
        }
        // An untagged enum would buffer the values and lose their raw text.
        let raw = <&'a RawValue>::deserialize(deserializer)?;
        let list = if raw.get().starts_with('[') {
            serde_json::from_str(raw.get())
        } else {
            serde_json::from_str::<Object<'a>>(raw.get()).map(|object| object.history)
        };
        list.map(Self).map_err(serde::de::Error::custom)
    }
}

/// One entry of the history.
#[derive(Debug, Deserialize)]
pub(crate) struct HistoryEntry {
    pub(crate) timestamp: Moment,
    pub(crate) version: Option<Label>,
    pub(crate) success: bool,
    pub(crate) duration_ms: Option<Number>,
    pub(crate) policies_loaded: Option<Number>,
    pub(crate) error: Option<String>,
}

/// Body of `POST /reload` and `POST /bundle/verify`.
#[derive(Debug, Serialize)]
pub(crate) struct BundlePath<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) bundle_path: Option<&'a str>,
}

/// Answer to `POST /reload`, success or failure.
#[derive(Debug, Deserialize)]
pub(crate) struct Reloaded {
    pub(crate) success: bool,
    pub(crate) version: Option<Label>,
    pub(crate) duration_ms: Option<Number>,
    pub(crate) policies_loaded: Option<Number>,
    pub(crate) error: Option<String>,
}

/// Answer to `POST /bundle/verify`.
#[derive(Debug, Deserialize)]
pub(crate) struct Verified {
    pub(crate) valid: bool,
    pub(crate) bundle_id: Option<Label>,
    pub(crate) version: Option<Label>,
    pub(crate) policies_count: Option<Number>,
    pub(crate) error: Option<String>,
}

/// Body of `POST /evaluate`.
#[derive(Debug, Serialize)]
pub(crate) struct Evaluate<'a> {
    pub(crate) capability_id: &'a str,
    pub(crate) context: &'a std::collections::BTreeMap<String, serde_json::Value>,
}

/// Answer to `POST /evaluate`.
#[derive(Debug, Deserialize)]
pub(crate) struct Evaluated {
    pub(crate) decision: plumb_wire::v1::Decision,
    pub(crate) policy_version: Option<Label>,
}
