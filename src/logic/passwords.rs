//! Hashes passwords with PBKDF2-HMAC-SHA256 (RFC 8018), cut into slices.
//!
//! A hash is meant to take a tenth of a second to a second, and the loop is one thread: so a
//! derivation is a value that is stepped one slice per turn, and polls are answered in between.
//! Knows neither who logs in nor where salt and iteration count are kept. Rules:
//! 1. However a derivation is sliced, the result is that of the standard.
//! 2. A derivation holds no password: the two states that HMAC makes of it are enough to go on.
//! 3. Hashes are compared in a time that does not show how far they agree.
//!
//! The output is one block of 32 bytes, and so each iteration is exactly two calls of SHA-256's
//! compression function, from precomputed states: nothing is left to save.

use std::fmt;
use std::slice;

use sha2::block_api::compress256;
use sha2::{Digest, Sha256};

/// How many rounds a turn does of one derivation.
///
/// 1024 rounds take 0.1 ms on a server processor with SHA extensions and about 2 ms on a slow ARM
/// board without, which is the bound for a turn. With fewer, turns would cost more than hashing.
pub const ROUNDS_PER_SLICE: u32 = 1024;

/// What a hash depends on besides the password; kept beside it.
#[derive(Clone, Copy, Debug)]
pub struct Parameters {
    /// Random, so that equal passwords have different hashes.
    pub salt: [u8; 16],
    /// How many rounds the derivation has.
    pub iterations: u32,
}

/// A password hash on its way.
#[derive(Clone)]
pub struct Derivation {
    /// SHA-256 after the block that the key, masked for HMAC's inner hash, fills.
    inner: State,
    /// The same for the outer hash.
    outer: State,
    /// U of the last round: the HMAC of the U before it.
    last: State,
    /// All Us so far, combined by exclusive or: in the end, the hash.
    sum: State,
    /// Rounds still to do.
    rounds: u32,
}

impl Derivation {
    /// Does the first of `iterations` rounds; 0 counts as 1.
    pub fn new(password: &[u8], salt: &[u8; 16], iterations: u32) -> Self {
        Self::with_salt(password, salt, iterations)
    }

    /// The standard takes salts of any length, and so do its test vectors.
    fn with_salt(password: &[u8], salt: &[u8], iterations: u32) -> Self {
        let key = hmac_key(password);
        let (inner, outer) =
            (after(INITIAL, &key.map(|b| b ^ 0x36)), after(INITIAL, &key.map(|b| b ^ 0x5c)));
        // The salt is followed by the number of the block of output, counted from 1; there is only
        // this one.
        let seed = [salt, &1u32.to_be_bytes()].concat();
        let digest = after(inner, &last_block(&seed));
        let first = after(outer, &last_block(&bytes(digest)));
        Self { inner, outer, last: first, sum: first, rounds: iterations.saturating_sub(1) }
    }

    /// Does up to `rounds` further rounds; the hash, once all are done.
    pub fn step(&mut self, rounds: u32) -> Option<[u8; 32]> {
        let rounds = rounds.min(self.rounds);
        // Both hashes of a round end in a digest and its padding, so one block serves all of them.
        let mut block = last_block(&bytes(self.last));
        for _ in 0..rounds {
            let digest = after(self.inner, &block);
            put(&mut block, digest);
            self.last = after(self.outer, &block);
            put(&mut block, self.last);
            for (sum, word) in self.sum.iter_mut().zip(self.last) {
                *sum ^= word;
            }
        }
        self.rounds -= rounds;
        (self.rounds == 0).then(|| bytes(self.sum))
    }
}

impl fmt::Debug for Derivation {
    /// Says how far it is, and nothing from which a password could be tried.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Derivation({} rounds to do)", self.rounds)
    }
}

/// Whether two hashes are equal, without stopping at the first difference.
pub fn equal_in_constant_time(one: &[u8], other: &[u8]) -> bool {
    let differences = one.iter().zip(other).fold(0, |all, (a, b)| all | (a ^ b));
    // The length is not secret. `black_box` keeps the compiler from seeing that it could stop
    // early.
    one.len() == other.len() && std::hint::black_box(differences) == 0
}

/// SHA-256's state between two blocks.
type State = [u32; 8];
/// What SHA-256 takes in at a time.
type Block = [u8; 64];

/// The password as HMAC takes it: filled up to a block with zeros, or first hashed if it is longer.
fn hmac_key(password: &[u8]) -> Block {
    let mut key = [0; 64];
    match key.get_mut(..password.len()) {
        Some(start) => start.copy_from_slice(password),
        None => key[..32].copy_from_slice(&Sha256::digest(password)),
    }
    key
}

/// The second and last block that a hash of HMAC takes, after the block of the key: a message of at
/// most 55 bytes with SHA-256's padding, a one, zeros and the length of both in bits.
fn last_block(message: &[u8]) -> Block {
    let mut block = [0; 64];
    block[..message.len()].copy_from_slice(message);
    block[message.len()] = 0x80;
    let bits = (64 + message.len() as u64) * 8;
    block[56..].copy_from_slice(&bits.to_be_bytes());
    block
}

/// The state after one more block.
fn after(mut state: State, block: &Block) -> State {
    compress256(&mut state, slice::from_ref(block));
    state
}

/// Writes a digest over the one that the block holds, its padding being right already.
fn put(block: &mut Block, digest: State) {
    block[..32].copy_from_slice(&bytes(digest));
}

fn bytes(state: State) -> [u8; 32] {
    let mut bytes = [0; 32];
    for (bytes, word) in bytes.chunks_exact_mut(4).zip(state) {
        bytes.copy_from_slice(&word.to_be_bytes());
    }
    bytes
}

/// SHA-256's state before the first block (FIPS 180-4, section 5.3.3).
#[rustfmt::skip]
const INITIAL: State = [
    0x6a09_e667, 0xbb67_ae85, 0x3c6e_f372, 0xa54f_f53a,
    0x510e_527f, 0x9b05_688c, 0x1f83_d9ab, 0x5be0_cd19,
];

#[cfg(test)]
mod tests {
    use super::*;

    const SALT: [u8; 16] = [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15];

    fn hex(hash: [u8; 32]) -> String {
        hash.map(|byte| format!("{byte:02x}")).concat()
    }

    fn whole(password: &[u8], salt: &[u8], iterations: u32) -> String {
        hex(Derivation::with_salt(password, salt, iterations).step(u32::MAX).unwrap())
    }

    /// The first two are from RFC 7914, section 11; the others carry RFC 6070's over to SHA-256, as
    /// other implementations publish them. Of those with more than 32 bytes, the first 32 count.
    #[test]
    fn published_vectors_come_out() {
        for (password, salt, iterations, hash) in [
            (
                "passwd",
                "salt",
                1,
                "55ac046e56e3089fec1691c22544b605f94185216dde0465e68b9d57c20dacbc",
            ),
            (
                "Password",
                "NaCl",
                80_000,
                "4ddcd8f60b98be21830cee5ef22701f9641a4418d04c0414aeff08876b34ab56",
            ),
            (
                "password",
                "salt",
                1,
                "120fb6cffcf8b32c43e7225256c4f837a86548c92ccc35480805987cb70be17b",
            ),
            (
                "password",
                "salt",
                2,
                "ae4d0c95af6b46d32d0adff928f06dd02a303f8ef3c251dfd6e2d85a95474c43",
            ),
            (
                "password",
                "salt",
                4096,
                "c5e478d59288c841aa530db6845c4c8d962893a001ce4e11a4963873aa98134a",
            ),
            (
                "passwordPASSWORDpassword",
                "saltSALTsaltSALTsaltSALTsaltSALTsalt",
                4096,
                "348c89dbcbd32b2f32d814b8116e84cf2b17347ebc1800181c4e2a1fb8dd53e1",
            ),
            (
                "pass\0word",
                "sa\0lt",
                4096,
                "89b69d0516f829893c696226650a86878c029ac13ee276509d5ae58b6466a724",
            ),
        ] {
            assert_eq!(whole(password.as_bytes(), salt.as_bytes(), iterations), hash);
        }
    }

    /// Figures of Python's `hashlib.pbkdf2_hmac`, on either side of the length at which HMAC hashes
    /// the key.
    #[test]
    fn passwords_of_every_length_come_out() {
        let long = "漠然".repeat(32);
        for (password, iterations, hash) in [
            ("", 1, "c6b7413bebb763bda962e5d94e24327e07d4daa9e97c14ea4126ba4b7ccb0d16"),
            (
                &"x".repeat(64),
                1000,
                "0c407b0ba55aea1bfdd7584c089842b95345be04fe67fe0be7c25023705acbe6",
            ),
            (
                &"x".repeat(65),
                1000,
                "0df8611148c7a67ee779310b66a2ea89a1aa6582de97b9b3d9c9f181ef5d4fd8",
            ),
            (&long, 1000, "90a91a92b8942db0accfbc5766a28408fe44edb2273c89dca882f051c055f61a"),
            ("12345", 600_000, "475dc69415b38de3c5310d42742852956100e6748f218dde2dfac34d91d3c32e"),
        ] {
            assert_eq!(whole(password.as_bytes(), &SALT, iterations), hash);
        }
    }

    #[test]
    fn any_slicing_gives_the_same_hash() {
        let expected = Derivation::new(b"12345", &SALT, 100).step(100).unwrap();
        for slice in 1..=101 {
            let mut derivation = Derivation::new(b"12345", &SALT, 100);
            let mut steps = 1;
            let hash = loop {
                match derivation.step(slice) {
                    Some(hash) => break hash,
                    None => steps += 1,
                }
            };
            assert_eq!(hash, expected);
            assert_eq!(steps, 99u32.div_ceil(slice));
            assert_eq!(derivation.step(slice), Some(expected), "asked again, it says the same");
        }
    }

    #[test]
    fn no_rounds_are_done_where_none_are_asked_for() {
        let mut derivation = Derivation::new(b"12345", &SALT, 2);
        assert_eq!(derivation.step(0), None);
        assert_eq!(derivation.step(1), Derivation::new(b"12345", &SALT, 2).step(9));
        assert_eq!(Derivation::new(b"", &SALT, 0).step(0), Derivation::new(b"", &SALT, 1).step(0));
    }

    #[test]
    fn a_derivation_is_small_and_tells_nothing() {
        assert_eq!(size_of::<Derivation>(), 132);
        let derivation = Derivation::new(b"12345", &SALT, 9);
        assert_eq!(format!("{derivation:?}"), "Derivation(8 rounds to do)");
    }

    #[test]
    fn hashes_are_equal_in_every_byte_or_not_at_all() {
        assert!(equal_in_constant_time(&SALT, &SALT));
        for place in 0..SALT.len() {
            let mut other = SALT;
            other[place] ^= 1;
            assert!(!equal_in_constant_time(&SALT, &other));
        }
        assert!(!equal_in_constant_time(&SALT, &SALT[..15]));
    }
}
