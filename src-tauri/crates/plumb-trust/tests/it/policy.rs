//! Roots and keys that rotate: several at once, each with a window, and what retiring one would do.

use jiff::Timestamp;
use plumb_pki::{Issued, Material, Pki, Recipe};
use plumb_trust::{
    Artifact, Identity, Kept, PolicyError, Profile, Signed, SigstoreRoot, Simulation,
    SimulationError, TrustPolicy, Window, simulate,
};

use crate::sigstore::{issue, now, recipe, signed_at};

fn root(id: &str, issued: &Issued) -> SigstoreRoot {
    SigstoreRoot::read(id, issued.trusted_root_json().as_bytes()).expect("a root")
}

fn identity(issued: &Issued) -> Identity {
    Identity::exact(&issued.identity, &issued.issuer)
}

/// Two instances, an old and a new key, and something that each of them signed.
struct World {
    old: Issued,
    new: Issued,
    keyed: Issued,
    /// What `old` signed, with a byte more.
    changed: Issued,
    texts: [String; 3],
}

impl World {
    fn new() -> Self {
        let other = Pki::new(signed_at()).expect("keys can be made");
        let old = issue(&recipe());
        let new = other.issue(&recipe().in_second_log()).expect("a bundle can be issued");
        let keyed = issue(&Recipe { material: Material::Key, ..recipe() });
        let texts = [old.bundle_json(), new.bundle_json(), keyed.bundle_json()];
        let mut changed = old.clone();
        changed.artifact.push(b'!');
        Self { old, new, keyed, changed, texts }
    }

    fn policy(&self) -> TrustPolicy {
        let mut policy = TrustPolicy::new(Profile::Logged);
        policy.add_root(root("old", &self.old), Window::default()).expect("a new name");
        policy.add_root(root("new", &self.new), Window::default()).expect("a new name");
        let pem = self.keyed.key_pem.as_deref().expect("signed by a key");
        policy.add_key("release", pem, Window::default()).expect("a new name");
        policy.add_identity(identity(&self.old));
        policy.checked().expect("a policy with a name")
    }

    fn kept(&self) -> Vec<Kept<'_>> {
        let all = [
            ("gw-1", "active", &self.new, &self.texts[1]),
            ("gw-1", "lkg", &self.old, &self.texts[0]),
            ("gw-2", "active", &self.keyed, &self.texts[2]),
            ("gw-3", "active", &self.changed, &self.texts[0]),
        ];
        all.into_iter()
            .map(|(node, role, issued, text)| Kept {
                node,
                role,
                signed: Signed::Attested {
                    artifact: Artifact::Bytes(&issued.artifact),
                    attestation: text.as_bytes(),
                },
            })
            .collect()
    }

    fn retire(&self, key: &str) -> Result<Simulation, SimulationError> {
        simulate(self.policy(), key, &[], &self.kept(), now())
    }
}

fn broken(simulation: &Simulation) -> Vec<String> {
    simulation.broken.iter().map(|one| format!("{} {}", one.node, one.role)).collect()
}

#[test]
fn everything_that_would_stop_verifying_is_named() {
    let world = World::new();
    // The key's own signature is logged too, and only the old root knows that log.
    let old = world.retire("old").expect("it is in the policy");
    assert_eq!(broken(&old), ["gw-1 lkg", "gw-2 active"]);
    let new = world.retire("new").expect("it is in the policy");
    assert_eq!((broken(&new), new.unaffected), (vec!["gw-1 active".to_owned()], 2));
    assert_eq!((new.failing.len(), new.failing[0].node.as_str()), (1, "gw-3"));
    assert!(new.failing[0].problem.starts_with("artifact.digest"), "{new:?}");
    let key = world.retire("release").expect("it is in the policy");
    assert_eq!(broken(&key), ["gw-2 active"]);
    assert!(key.broken[0].problem.contains("bundle.material"), "{key:?}");
    let Err(SimulationError::Unknown { known, .. }) = world.retire("nobody") else {
        panic!("nobody is in the policy");
    };
    assert_eq!(known, "old, new, release");
}

#[test]
fn a_log_or_an_authority_inside_a_root_can_be_retired() {
    let world = World::new();
    let parts = root("old", &world.old).parts();
    let part = |kind: &str| {
        let found = parts.iter().find(|part| part.kind == kind);
        found.map(|part| part.key_id.clone()).expect("the root lists one")
    };
    let log = world.retire(&part("log")).expect("it is in a root");
    assert_eq!(broken(&log), ["gw-1 lkg", "gw-2 active"]);
    assert_eq!(log.retired, ["log https://rekor.example.com of old"]);
    assert!(log.broken[0].problem.starts_with("log.known"), "{log:?}");
    let authority = world.retire(&part("certificate_authority")).expect("it is in a root");
    assert_eq!(broken(&authority), ["gw-1 lkg"]);
    let stamps = world.retire(&part("timestamp_authority")).expect("it is in a root");
    assert_eq!(broken(&stamps), Vec::<String>::new());
}

#[test]
fn windows_open_and_close() {
    let world = World::new();
    let day = jiff::SignedDuration::from_hours(24);
    let mut policy = TrustPolicy::new(Profile::Logged);
    let until = Window { from: None, until: Some(now()) };
    policy.add_root(root("old", &world.old), until).expect("a new name");
    let from = Window { from: Some(now() + day), until: None };
    policy.add_root(root("new", &world.new), from).expect("a new name");
    policy.add_identity(identity(&world.old));
    let trusted = |at: Timestamp| -> Vec<bool> {
        let kept = world.kept();
        kept[..2].iter().map(|one| policy.verify(one.signed, at).is_trusted()).collect()
    };
    assert_eq!(trusted(now()), [false, true]);
    assert_eq!(trusted(now() + day), [true, false]);
    let gap = jiff::SignedDuration::from_hours(1);
    let between = policy.verify(world.kept()[0].signed, now() + gap);
    assert!(between.problem().is_some_and(|problem| problem.contains("no trusted root")));
}

#[test]
fn policies_that_cannot_be_meant_are_refused() {
    let world = World::new();
    let mut policy = TrustPolicy::new(Profile::Logged);
    policy.add_root(root("a", &world.old), Window::default()).expect("a new name");
    let again = policy.add_root(root("a", &world.new), Window::default());
    assert_eq!(again, Err(PolicyError::DuplicateId { id: "a".to_owned() }));
    let backwards = Window { from: Some(now()), until: Some(signed_at()) };
    let refused = policy.add_key("b", &world.keyed.key_pem.clone().unwrap_or_default(), backwards);
    assert_eq!(refused, Err(PolicyError::Window { id: "b".to_owned() }));
    assert!(matches!(
        policy.add_key("c", "no key", Window::default()),
        Err(PolicyError::Key { .. })
    ));
    assert!(matches!(policy.checked(), Err(PolicyError::NoIdentity)));
}
