//! What all workers know of DPoP proofs, in a zone of shared memory: which were used, and the secret
//! behind the nonces. Both are in one zone on purpose. If the zone loses what it has, by a worker
//! that dies or a change of its size, then no nonce of before is accepted, and with it no proof that
//! was used. Without nonces, no proof is accepted that a client has made before a worker died.

use std::cell::{Cell, OnceCell, RefCell};
use std::rc::Rc;

use openssl::rand::rand_bytes;

use crate::nginx::{Config, ConfigError, Failure, Request, Setting, SharedZone, Text, ZoneEntry};
use jose::DpopNonceKey;
use policy::auth_jwt::dpop::{FittingProof, ProofError};
use policy::auth_jwt::dpop_nonce::NonceError;
use policy::auth_jwt::rejection::Rejection;

/// The name of the zone. It has a colon, so that no directive can have it.
const ZONE: &[u8] = b"auth_jwt:dpop";

/// The size of the zone without `auth_jwt_dpop_zone`.
const ZONE_BYTES: usize = 1 << 20;

/// nginx's slab allocator needs eight pages.
const MIN_ZONE_BYTES: usize = 64 << 10;

/// What the secret is stored under. The keys of proofs are SHA-256, and none is this.
const SECRET: [u8; 32] = *b"the secret behind DPoP nonces...";

/// The part of the configuration that all levels share.
#[derive(Default)]
pub(super) struct UsedProofs {
    /// Whether a level has proofs.
    is_used: Cell<bool>,
    /// Whether a level has nonces.
    has_nonces: Cell<bool>,
    size: RefCell<Setting<usize>>,
    zone: OnceCell<SharedZone>,
    /// The secret as this worker has seen it last, ready for use.
    nonces: RefCell<Option<Rc<Nonces>>>,
}

/// What makes the nonces of all workers, and knows them.
pub(super) struct Nonces {
    secret: [u8; 32],
    pub(super) key: DpopNonceKey,
}

impl UsedProofs {
    /// Notes that a level has proofs.
    pub(super) fn set_used(&self) {
        self.is_used.set(true);
    }

    /// Notes that a level has nonces.
    pub(super) fn set_nonces(&self) {
        self.has_nonces.set(true);
    }

    /// `auth_jwt_dpop_zone size`
    pub(super) fn read_size(&self, cf: &mut Config<'_>) -> Result<(), ConfigError> {
        let argument = cf.argument();
        let size = cf
            .size(&argument)
            .ok()
            .filter(|size| *size >= MIN_ZONE_BYTES);
        let must = "it must be a size of at least 64k, as in 1m";
        let size = size.ok_or_else(|| cf.invalid_value(&argument, must))?;
        self.size.borrow_mut().set(size)
    }

    /// Defines the zone, if a level has proofs.
    pub(super) fn define_zone(&self, cf: &mut Config<'_>) -> Result<(), ConfigError> {
        if self.is_used.get() {
            let size = self.size.borrow().get().copied().unwrap_or(ZONE_BYTES);
            _ = self.zone.set(cf.define_zone(ZONE, size)?);
        }
        Ok(())
    }

    /// The secret that is in the zone now. Who finds none makes one.
    pub(super) fn nonces(&self, request: Request<'_>) -> Result<Rc<Nonces>, Rejection> {
        let zone = self.zone.get().ok_or(Failure::Inconsistent)?;
        let read = zone.update(request.log(), |entries| entries.read(&SECRET));
        let secret: [u8; 32] = match read.ok_or(Failure::Inconsistent)? {
            Some(secret) => secret,
            None => make_secret(zone, request)?,
        };
        let mut nonces = self.nonces.borrow_mut();
        Ok(match &*nonces {
            // perf: a key of HMAC is prepared once in a worker.
            Some(nonces) if nonces.secret == secret => Rc::clone(nonces),
            _ => Rc::clone(nonces.insert(Rc::new(Nonces {
                secret,
                key: DpopNonceKey::new(&secret),
            }))),
        })
    }

    /// Notes that a proof was used, or refuses it if it was used before or nobody can tell. Of
    /// several workers that ask at once, one may accept it. The nonce of the proof, if it must have
    /// one, is one of these.
    pub(super) fn note_use(
        &self,
        request: Request<'_>,
        proof: &FittingProof,
        nonces: Option<&Nonces>,
    ) -> Result<(), ProofError> {
        let zone = self.zone.get().ok_or(ProofError::Replayed)?;
        let entry = ZoneEntry::new(proof.id, b"");
        let noted = zone.update(request.log(), |entries| {
            if self.has_nonces.get() {
                // Reading it keeps it from being evicted, also where this proof needs no nonce.
                let secret = entries.read(&SECRET);
                if nonces.is_some_and(|nonces| secret != Some(nonces.secret)) {
                    return Err(ProofError::Nonce(NonceError::Unknown));
                }
            }
            // The client of a proof with a nonce of this zone has made it after the loss.
            if nonces.is_none() && proof.made_at <= entries.lost_at() {
                return Err(ProofError::Lost);
            }
            match entries.read::<0>(&proof.id).is_none() && entries.write(&entry) {
                true => Ok(()),
                false => Err(ProofError::Replayed),
            }
        });
        noted.unwrap_or(Err(ProofError::Replayed))
    }
}

impl Nonces {
    /// Gives the client a nonce with the response.
    pub(super) fn give_one(&self, request: Request<'_>) -> Result<(), Failure> {
        let nonce = request.copy(self.key.nonce(request.now()).as_bytes())?;
        request.set_response_line(b"DPoP-Nonce", nonce)?;
        // Another client must not get this nonce later, when it is old (RFC 9449 section 8.2).
        let line = [(
            Text::from_static(b"Cache-Control"),
            Text::from_static(b"no-store"),
        )];
        request.add_response_lines(line.into_iter())
    }
}

/// Stores a secret in the zone, unless another worker has stored one meanwhile. The result is the
/// one that is there.
fn make_secret(zone: &SharedZone, request: Request<'_>) -> Result<[u8; 32], Rejection> {
    let mut secret = [0; 32];
    rand_bytes(&mut secret)
        .map_err(|error| Rejection::Nginx(format!("no random numbers for DPoP nonces: {error}")))?;
    let entry = ZoneEntry::new(SECRET, &secret);
    let stored = zone.update(request.log(), |entries| match entries.read(&SECRET) {
        Some(other) => Some(other),
        None => entries.write(&entry).then_some(secret),
    });
    Ok(stored.flatten().ok_or(Failure::Inconsistent)?)
}
