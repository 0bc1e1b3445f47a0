//! One file per signature scheme.

pub mod opa_jwt;
pub mod rsa_pss;
pub mod sigstore;
