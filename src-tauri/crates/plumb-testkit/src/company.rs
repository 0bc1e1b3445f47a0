//! A company with a signed roster: root keys, people with keys, rules and fleets.
//!
//! Keys are made anew in each run, because a key that stands in the tree is nobody's; everything that is
//! asserted about them is the same each time.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use plumb_fleet::{BundleDigest, Digest, FleetId, NodeId, PlanHash};
use plumb_trust::{
    approval::{Act, ApprovalDraft, Bound, ChangeWindow, Expected, Judged, judge, targets},
    dsse::{Algorithm, Envelope, NewKey, SigningKey},
    roster::{
        Environment, GroupId, NightRollback, Person, PersonId, PersonKey, Quorum, RootKey, Roots,
        Roster, RosterDocument, Rule,
    },
};

/// The moment at which approvals of this company are looked at.
pub const NOW: &str = "2026-03-01T12:00:00Z";

pub fn at(text: &str) -> Timestamp {
    text.parse().expect("a moment")
}

pub fn person(name: &str) -> PersonId {
    PersonId::new(name).expect("a name")
}

pub fn group(name: &str) -> GroupId {
    GroupId::new(name).expect("a name")
}

pub fn groups(names: &[&str]) -> BTreeSet<GroupId> {
    names.iter().map(|name| group(name)).collect()
}

pub fn fleet(name: &str) -> FleetId {
    FleetId::new(name).expect("a name")
}

pub fn key(algorithm: Algorithm) -> SigningKey {
    NewKey::generate(algorithm).and_then(|key| key.signing()).expect("a key can be made")
}

pub fn quorum(count: u32, of: &[&str]) -> Quorum {
    Quorum { count, of: groups(of) }
}

pub fn rule(quorums: Vec<Quorum>) -> Rule {
    Rule { quorums, valid_h_max: 24, dry_run: false, night_rollback: None }
}

/// A company: root keys, people with a key each, and fleets.
#[derive(Debug)]
pub struct Company {
    pub roots: Vec<SigningKey>,
    pub keys: BTreeMap<String, SigningKey>,
    pub document: RosterDocument,
}

impl Default for Company {
    fn default() -> Self {
        Self::new()
    }
}

impl Company {
    pub fn new() -> Self {
        let roots: Vec<SigningKey> =
            [Algorithm::Ed25519, Algorithm::EcdsaP256, Algorithm::Ed25519].map(key).into();
        let named = |(key, name): (&SigningKey, &str)| RootKey {
            name: name.to_owned(),
            key: key.public().clone(),
        };
        let root_keys = roots.iter().zip(["vault", "safe", "notary"]).map(named).collect();
        let mut keys = BTreeMap::new();
        let mut people = BTreeMap::new();
        for (id, algorithm, in_groups) in [
            ("mara", Algorithm::Ed25519, &["storage"][..]),
            ("noor", Algorithm::EcdsaP256, &["storage"]),
            ("piet", Algorithm::EcdsaP256, &["platform-security"]),
            ("rick", Algorithm::Ed25519, &["operations", "storage"]),
            ("sana", Algorithm::Ed25519, &["platform-security", "storage"]),
            ("tove", Algorithm::Ed25519, &["operations"]),
        ] {
            let made = key(algorithm);
            let one =
                PersonKey { key: made.public().clone(), from: None, until: None, revoked_at: None };
            let name = id.to_uppercase();
            let entry = Person { name, groups: groups(in_groups), keys: vec![one] };
            people.insert(person(id), entry);
            keys.insert(id.to_owned(), made);
        }
        let both = vec![quorum(1, &["storage"]), quorum(1, &["platform-security"])];
        let production = Rule {
            night_rollback: Some(NightRollback {
                from_utc: "21:00".parse().expect("a time"),
                until_utc: "05:00".parse().expect("a time"),
            }),
            ..rule(both)
        };
        let environments = [
            ("production", production, Some("payments-staging")),
            ("two-of-three", rule(vec![quorum(2, &["platform-security", "storage"])]), None),
            ("staging", rule(Vec::new()), None),
        ]
        .map(|(name, rule, staging)| {
            let staging_fleet = staging.map(fleet);
            (name.to_owned(), Environment { staging_fleet, ..Environment::of(rule) })
        });
        let fleets = [
            ("payments-eu", "production"),
            ("payments-us", "two-of-three"),
            ("payments-staging", "staging"),
        ];
        let document = RosterDocument {
            version: 3,
            issued_at: at("2026-01-01T00:00:00Z"),
            expires_at: at("2027-01-01T00:00:00Z"),
            roots: Roots { threshold: 2, keys: root_keys },
            people,
            environments: environments.into(),
            fleets: fleets.map(|(name, of)| (fleet(name), of.to_owned())).into(),
        };
        Self { roots, keys, document }
    }

    #[must_use]
    pub fn with(mut self, change: impl FnOnce(&mut RosterDocument)) -> Self {
        change(&mut self.document);
        self
    }

    /// Another key of somebody, by the name under which it signs here.
    #[must_use]
    pub fn second_key(mut self, of: &str, named: &str, algorithm: Algorithm) -> Self {
        let made = key(algorithm);
        let one =
            PersonKey { key: made.public().clone(), from: None, until: None, revoked_at: None };
        self.document.people.get_mut(&person(of)).expect("somebody here").keys.push(one);
        self.keys.insert(named.to_owned(), made);
        self
    }

    pub fn envelope(&self) -> Vec<u8> {
        let statement = self.document.clone().statement().expect("nothing contradicts itself");
        Envelope::sign(&statement, &[&self.roots[0], &self.roots[1]]).expect("signed").to_bytes()
    }

    pub fn roster(&self) -> Roster {
        let roots: Vec<_> = self.roots.iter().map(|key| key.public().clone()).collect();
        Roster::enrol(&self.envelope(), &roots).expect("the root keys that were given")
    }

    /// A plan of this fleet as its approvers are to see it, asked for by rick.
    pub fn bound(&self, on: &str) -> Bound {
        let nodes = ["gw-1", "gw-2"].map(|name| NodeId::new(name).expect("a name"));
        Bound {
            plan: PlanHash(Digest::of(b"the plan")),
            bundles: BTreeSet::from([BundleDigest(Digest::of(b"the bundle"))]),
            fleet: fleet(on),
            environment: self.document.fleets[&fleet(on)].clone(),
            roster: self.roster().reference(),
            requester: person("rick"),
            targets: targets(&nodes),
            dry_run: Some(Digest::of(b"the report")),
            decisions: Some(Digest::of(b"the changed decisions")),
            readiness: BTreeMap::from([("alerts".to_owned(), Digest::of(b"routed"))]),
        }
    }

    pub fn expected(&self, on: &str) -> Expected {
        Expected { bound: self.bound(on), warnings: BTreeSet::new(), spent: BTreeSet::new() }
    }

    pub fn draft(&self, on: &str, who: &str, role: &str, act: Act) -> ApprovalDraft {
        ApprovalDraft {
            bound: self.bound(on),
            act,
            person: person(who),
            role: group(role),
            acknowledged: BTreeSet::new(),
            window: ChangeWindow {
                not_before: at("2026-03-01T11:00:00Z"),
                not_after: at("2026-03-01T18:00:00Z"),
            },
            issued_at: at("2026-03-01T10:00:00Z"),
            expires_at: at("2026-03-02T09:00:00Z"),
        }
    }

    /// Signs a draft with the key of that name.
    pub fn signed(&self, draft: ApprovalDraft, key: &str) -> Vec<u8> {
        let seed = self.keys.keys().position(|name| name == key).expect("a key here") as u64;
        let text = format!("{draft:?}{seed}");
        let seed = text.bytes().fold(seed, |sum, byte| sum.wrapping_mul(31) + u64::from(byte));
        let statement = draft.statement(&mut seeded(seed)).expect("a draft that can be signed");
        Envelope::sign(&statement, &[&self.keys[key]]).expect("it signs").to_bytes()
    }

    pub fn act(&self, on: &str, who: &str, role: &str, act: Act) -> Vec<u8> {
        self.signed(self.draft(on, who, role, act), who)
    }

    pub fn approval(&self, on: &str, who: &str, role: &str) -> Vec<u8> {
        self.act(on, who, role, Act::Approve)
    }

    pub fn request(&self, on: &str) -> Vec<u8> {
        self.act(on, "rick", "operations", Act::Request)
    }

    pub fn judged(&self, on: &str, envelopes: &[Vec<u8>]) -> Judged {
        judge(envelopes, &self.roster(), &self.expected(on), at(NOW))
    }
}

/// Reproducible bytes (SplitMix64), good enough for nonces that are thrown away.
pub fn seeded(seed: u64) -> impl FnMut(&mut [u8]) {
    let mut state = seed;
    move |buffer| {
        for chunk in buffer.chunks_mut(8) {
            state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
            let mut z = (state ^ (state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
            z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
            chunk.copy_from_slice(&(z ^ (z >> 31)).to_le_bytes()[..chunk.len()]);
        }
    }
}
