//! Asks the operating system for what the rest takes as an argument: time, random bytes, signals, a
//! lock.
//!
//! Knows neither HTTP nor the store nor the loop. Rules:
//! 1. The clock and the entropy source are read here and nowhere else; the core gets a [`Now`] and
//!    bytes, so that a test replays a run from its seed.
//! 2. What is measured in durations (deadlines, grace, rates) uses [`Mono`], which never jumps;
//!    what people read or what outlives the process uses [`Timestamp`].

use std::fs::{DirBuilder, File, OpenOptions, TryLockError};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};
use std::{fmt, io, thread};

use nix::sys::resource::{Resource, getrlimit, setrlimit};
use sha2::{Digest, Sha256};
use signal_hook::consts::{SIGINT, SIGTERM, SIGXFSZ};

use crate::entity::Timestamp;

/// The two readings of the time that a turn is given: one to measure with, one to write down.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Now {
    /// For deadlines: never jumps, means nothing outside this process.
    pub mono: Mono,
    /// For people and for the store: may be set forwards or backwards under our feet.
    pub wall: Timestamp,
}

/// A moment of monotonic time: microseconds since the process's [`Clock`] was made.
#[derive(Clone, Copy, Debug, Default, Hash, PartialEq, Eq, PartialOrd, Ord)]
pub struct Mono(pub u64);

impl Mono {
    /// The moment that much later, or the last one that there is (in 584,000 years).
    #[must_use]
    pub fn plus(self, duration: Duration) -> Self {
        Self(self.0.saturating_add(micros(duration)))
    }

    /// How long ago `earlier` was; nothing, if it is still to come.
    pub fn since(self, earlier: Self) -> Duration {
        Duration::from_micros(self.0.saturating_sub(earlier.0))
    }
}

impl fmt::Display for Mono {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{:06}s", self.0 / 1_000_000, self.0 % 1_000_000)
    }
}

/// The only clock of the process.
#[derive(Clone, Copy, Debug)]
pub struct Clock {
    origin: Instant,
}

impl Clock {
    /// Starts counting: this moment is `Mono(0)`.
    #[expect(clippy::new_without_default, reason = "two clocks of one kind are not equal")]
    pub fn new() -> Self {
        Self { origin: Instant::now() }
    }

    /// Reads both clocks.
    pub fn now(&self) -> Now {
        Now { mono: Mono(micros(self.origin.elapsed())), wall: wall() }
    }
}

/// The time of day; for the logger, which no turn tells the time.
pub(crate) fn wall() -> Timestamp {
    timestamp(SystemTime::now())
}

/// A time of the system's, such as that of a file.
pub(crate) fn timestamp(time: SystemTime) -> Timestamp {
    // A clock set before 1970 belongs to a board without a battery: it reads as the beginning of
    // time.
    let since = time.duration_since(UNIX_EPOCH).unwrap_or_default();
    Timestamp(i64::try_from(since.as_millis()).unwrap_or(i64::MAX))
}

/// A duration in whole microseconds, as far as those can be counted.
fn micros(duration: Duration) -> u64 {
    u64::try_from(duration.as_micros()).unwrap_or(u64::MAX)
}

/// Where tokens, salts and jitter come from.
#[derive(Clone, Debug)]
pub enum Entropy {
    /// The kernel's generator.
    System,
    /// The same bytes for the same seed, for tests and the simulator. Never for a server that
    /// people use.
    Seeded(SeededEntropy),
}

impl Entropy {
    /// The kernel's generator, asked once, so that a machine without one is noticed at the start.
    pub fn system() -> io::Result<Self> {
        getrandom::fill(&mut [0; 32]).map_err(io::Error::other)?;
        Ok(Self::System)
    }

    /// A generator that gives the same bytes for the same seed.
    pub fn seeded(seed: u64) -> Self {
        Self::Seeded(SeededEntropy { seed, blocks: 0 })
    }

    /// Fills the whole of `buffer`.
    ///
    /// # Panics If the kernel's generator fails after [`Entropy::system`] found it working. It is
    /// specified not to (once it has been seeded it stays so), no peer can bring it about, and a
    /// server that cannot make tokens must stop.
    pub fn fill(&mut self, buffer: &mut [u8]) {
        match self {
            // invariant: `system()` has had an answer already.
            Self::System => getrandom::fill(buffer).expect("the kernel's random generator works"),
            Self::Seeded(seeded) => seeded.fill(buffer),
        }
    }

    /// So many random bytes: `let token: [u8; 32] = entropy.bytes();`
    pub fn bytes<const N: usize>(&mut self) -> [u8; N] {
        let mut bytes = [0; N];
        self.fill(&mut bytes);
        bytes
    }
}

/// SHA-256 of the seed and a counter, one block of 32 bytes after the other.
#[derive(Clone, Debug)]
pub struct SeededEntropy {
    seed: u64,
    blocks: u64,
}

impl SeededEntropy {
    /// Every call begins a new block, so that how much one caller asks for does not change what the
    /// next gets.
    fn fill(&mut self, buffer: &mut [u8]) {
        for chunk in buffer.chunks_mut(32) {
            let mut hash = Sha256::new();
            hash.update(self.seed.to_be_bytes());
            hash.update(self.blocks.to_be_bytes());
            chunk.copy_from_slice(&hash.finalize()[..chunk.len()]);
            self.blocks += 1;
        }
    }
}

/// A stream on which a byte arrives for every SIGINT and SIGTERM from now on.
///
/// A handler may do next to nothing, but it may write a byte to a socket; the event loop then
/// learns of a signal as it learns of everything else. The stream is non-blocking, ready for the
/// loop's selector.
pub fn signals() -> io::Result<UnixStream> {
    let (receiver, sender) = stop_stream()?;
    stop_at_signals(sender)?;
    Ok(receiver)
}

/// A stream on which every byte asks a server to stop, and where to write them.
pub fn stop_stream() -> io::Result<(UnixStream, UnixStream)> {
    let (receiver, sender) = UnixStream::pair()?;
    receiver.set_nonblocking(true)?;
    Ok((receiver, sender))
}

/// Writes such a byte at every SIGINT and SIGTERM from now on.
pub fn stop_at_signals(sender: UnixStream) -> io::Result<()> {
    // A file that may not grow any further is an error like a full disk, and no reason to die.
    signal_hook::flag::register(SIGXFSZ, Arc::default())?;
    signal_hook::low_level::pipe::register(SIGINT, sender.try_clone()?)?;
    signal_hook::low_level::pipe::register(SIGTERM, sender)?;
    Ok(())
}

/// A stream on which a byte arrives for every SIGHUP from now on, ready for the loop's selector.
#[cfg(feature = "tls")]
pub fn reloads() -> io::Result<UnixStream> {
    let (receiver, sender) = stop_stream()?;
    signal_hook::low_level::pipe::register(signal_hook::consts::SIGHUP, sender)?;
    Ok(receiver)
}

/// Raises the limit on open descriptors as far as the system lets it, and returns it.
///
/// Every connection is one. The usual soft limit of 1024 is for programs that use `select`; the
/// hard limit is what the administrator means. Knowing the number lets the server turn a peer away
/// politely instead of finding out from `accept` that it is out of descriptors.
pub fn raise_descriptors_max() -> io::Result<usize> {
    let (soft, hard) = getrlimit(Resource::RLIMIT_NOFILE)?;
    // Some systems say that there is no hard limit, and then refuse to go as far.
    let max = setrlimit(Resource::RLIMIT_NOFILE, hard, hard).map_or(soft, |()| hard);
    Ok(usize::try_from(max).unwrap_or(usize::MAX))
}

/// The present limit on open descriptors.
pub fn descriptors_max() -> io::Result<usize> {
    let (max, _) = getrlimit(Resource::RLIMIT_NOFILE)?;
    Ok(usize::try_from(max).unwrap_or(usize::MAX))
}

/// The data folder, held for this process alone until it is dropped.
///
/// The lock belongs to the open file and not to its existence: a crash frees it, and a file left
/// behind means nothing.
#[derive(Debug)]
pub struct DataLock {
    /// Never read; closing it lets go.
    _file: File,
}

impl DataLock {
    /// Makes the folder if it is missing, readable for its owner alone, and locks it.
    pub fn acquire(folder: &Path) -> Result<Self, DataLockError> {
        let failed = |error| DataLockError::Unusable { folder: folder.to_owned(), error };
        DirBuilder::new().recursive(true).mode(0o700).create(folder).map_err(failed)?;
        let file = OpenOptions::new()
            .create(true)
            .truncate(false)
            .write(true)
            .mode(0o600)
            .open(folder.join(LOCK_FILE))
            .map_err(failed)?;
        match file.try_lock() {
            Ok(()) => Ok(Self { _file: file }),
            Err(TryLockError::WouldBlock) => {
                Err(DataLockError::InUse { folder: folder.to_owned() })
            }
            Err(TryLockError::Error(error)) => Err(failed(error)),
        }
    }

    /// The same, with patience: when no server runs, a command of the operator holds the folder for
    /// a moment.
    pub fn acquire_soon(folder: &Path) -> Result<Self, DataLockError> {
        let mut tries = 0..20;
        loop {
            match Self::acquire(folder) {
                Err(DataLockError::InUse { .. }) if tries.next().is_some() => {
                    thread::sleep(Duration::from_millis(50));
                }
                decided => return decided,
            }
        }
    }
}

/// Why the data folder cannot be had.
#[derive(Debug)]
pub enum DataLockError {
    /// Another process holds it.
    InUse {
        /// The folder asked for.
        folder: PathBuf,
    },
    /// It cannot be made, read or locked.
    Unusable {
        /// The folder asked for.
        folder: PathBuf,
        /// What the system says.
        error: io::Error,
    },
}

impl fmt::Display for DataLockError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::InUse { folder } => write!(f, "another lovejoy is using {}", folder.display()),
            Self::Unusable { folder, error } => {
                write!(f, "cannot use the data folder {}: {error}", folder.display())
            }
        }
    }
}

impl std::error::Error for DataLockError {}

const LOCK_FILE: &str = "lovejoy.lock";

#[cfg(test)]
mod tests {
    use std::io::Read;

    use super::*;

    #[test]
    fn monotonic_time_saturates_at_both_ends() {
        assert_eq!(Mono(5).since(Mono(7)), Duration::ZERO);
        assert_eq!(Mono(7).since(Mono(5)), Duration::from_micros(2));
        assert_eq!(Mono(1).plus(Duration::from_millis(2)), Mono(2001));
        assert_eq!(Mono(u64::MAX).plus(Duration::MAX), Mono(u64::MAX));
        assert_eq!(Mono(61_000_007).to_string(), "61.000007s");
    }

    #[test]
    fn the_clock_goes_forward() {
        let clock = Clock::new();
        let (first, second) = (clock.now(), clock.now());
        assert!(first.mono <= second.mono);
        assert!(first.wall > Timestamp(1_600_000_000_000));
    }

    #[test]
    fn a_seed_decides_every_byte() {
        let mut one = Entropy::seeded(7);
        let mut same = Entropy::seeded(7);
        let first: [u8; 80] = one.bytes();
        assert_eq!(first, same.bytes());
        assert_ne!(first, one.bytes());
        assert_ne!(first, Entropy::seeded(8).bytes());
        assert_ne!(first[..32], first[32..64]);
    }

    #[test]
    fn the_system_gives_different_bytes_each_time() {
        let mut entropy = Entropy::system().unwrap();
        assert_ne!(entropy.bytes::<32>(), entropy.bytes::<32>());
    }

    #[test]
    fn a_signal_arrives_as_a_byte() {
        let mut stream = signals().unwrap();
        let nothing = stream.read(&mut [0; 8]).unwrap_err();
        assert_eq!(nothing.kind(), io::ErrorKind::WouldBlock);
        signal_hook::low_level::raise(SIGTERM).unwrap();
        assert_eq!(stream.read(&mut [0; 8]).unwrap(), 1);
    }

    #[test]
    fn a_data_folder_has_one_holder_at_a_time() {
        let folder = std::env::temp_dir().join(format!("lovejoy-lock-{}", std::process::id()));
        let held = DataLock::acquire(&folder).unwrap();
        let refused = DataLock::acquire(&folder).unwrap_err();
        assert_eq!(refused.to_string(), format!("another lovejoy is using {}", folder.display()));
        drop(held);
        drop(DataLock::acquire(&folder).unwrap());
        std::fs::remove_dir_all(&folder).unwrap();
    }

    #[test]
    fn a_folder_that_cannot_be_made_is_named_with_its_reason() {
        let refused = DataLock::acquire(Path::new("/dev/null/data")).unwrap_err().to_string();
        assert!(refused.starts_with("cannot use the data folder /dev/null/data: "), "{refused}");
    }
}
