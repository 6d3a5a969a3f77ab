//! Counts the bytes that are kept for all peers together: of requests that have begun, and of
//! answers that a socket has not taken yet.
//!
//! Each connection has bounds of its own, but a hundred thousand of them at their bounds are more
//! than any machine has. So all of them share one pool. Whoever keeps bytes has a [`Part`] of it,
//! and says how many there are; a part gives back what it has when it is dropped. Does not know
//! what the bytes are.
//!
//! The pool reports only afterwards that its bound is exceeded, by one buffer of one connection at
//! most; the owner of that buffer then gives it up. So the pool is never over its bound from one
//! input to the next.

use std::cell::Cell;
use std::rc::Rc;

/// The bytes that are kept for all peers.
#[derive(Debug)]
pub struct Pool {
    kept: Cell<usize>,
    kept_max: usize,
}

impl Pool {
    /// Nothing is kept yet.
    pub fn new(kept_max: usize) -> Rc<Self> {
        Rc::new(Self { kept: Cell::new(0), kept_max })
    }

    /// Whether more is kept than may be.
    pub fn is_over(&self) -> bool {
        self.kept.get() > self.kept_max
    }

    /// How many bytes are kept.
    pub fn kept(&self) -> usize {
        self.kept.get()
    }
}

/// What one connection has of it.
#[derive(Debug)]
pub struct Part {
    pool: Rc<Pool>,
    bytes: usize,
}

impl Part {
    /// Nothing yet.
    pub fn new(pool: &Rc<Pool>) -> Self {
        Self { pool: Rc::clone(pool), bytes: 0 }
    }

    /// So many bytes are kept now. Returns whether that is too much, together with all others.
    pub fn set(&mut self, bytes: usize) -> bool {
        let before = std::mem::replace(&mut self.bytes, bytes);
        self.pool.kept.set(self.pool.kept.get() - before + bytes);
        self.pool.is_over()
    }
}

impl Drop for Part {
    fn drop(&mut self) {
        self.set(0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_add_up_and_give_back() {
        let pool = Pool::new(100);
        let (mut one, mut other) = (Part::new(&pool), Part::new(&pool));
        assert!(!one.set(60) && !other.set(40) && other.set(41));
        assert!(!one.set(59) && !pool.is_over());
        assert!(other.set(50) && pool.is_over());
        drop(one);
        assert_eq!((pool.kept(), pool.is_over()), (50, false));
        drop(other);
        assert_eq!(pool.kept(), 0);
    }
}
