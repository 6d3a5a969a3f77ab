//! Keeps many things of one kind under small numbers; only those that are there cost memory.
//!
//! Both structures here are made of *chunks* of 64 places. A chunk exists while something is in it,
//! so memory grows chunk by chunk, without ever copying or doubling what is there, and is given
//! back when a load is over. Knows nothing of what is kept. Rules:
//! 1. [`Sparse`] is an array with holes: whoever uses it chooses the numbers. Finding, putting and
//!    taking take constant time.
//! 2. [`Slots`] gives the numbers itself, and reuses free ones before it gives new ones: so they
//!    stay small.
//! 3. One empty chunk is kept, so that a single thing that comes and goes does not cost a chunk
//!    each time.

use std::collections::VecDeque;

/// How many places a chunk has: the bits of a word say which are taken.
const PLACES: u32 = u64::BITS;

/// An array with holes.
#[derive(Debug)]
pub struct Sparse<T> {
    chunks: Vec<Chunk<T>>,
    len: usize,
    /// An empty chunk's places, for the next chunk that is needed.
    spare: Option<Places<T>>,
}

type Places<T> = Box<[Option<T>; PLACES as usize]>;

#[derive(Debug)]
struct Chunk<T> {
    /// One bit for each place: whether something is there.
    taken: u64,
    /// `None` if nothing is there.
    places: Option<Places<T>>,
}

impl<T> Default for Sparse<T> {
    /// Nothing but holes.
    fn default() -> Self {
        Self { chunks: Vec::new(), len: 0, spare: None }
    }
}

impl<T> Sparse<T> {
    /// What is at this number.
    #[expect(clippy::inline_always, reason = "a fifth of what a look-up took was calls")]
    #[inline(always)]
    pub fn get(&self, number: u32) -> Option<&T> {
        let (chunk, place) = split(number);
        self.chunks.get(chunk)?.places.as_ref()?[place].as_ref()
    }

    /// The same, to be changed.
    pub fn get_mut(&mut self, number: u32) -> Option<&mut T> {
        let (chunk, place) = split(number);
        self.chunks.get_mut(chunk)?.places.as_mut()?[place].as_mut()
    }

    /// Puts something there, and returns what was there before.
    pub fn put(&mut self, number: u32, thing: T) -> Option<T> {
        let (chunk, place) = split(number);
        if self.chunks.len() <= chunk {
            self.chunks.resize_with(chunk + 1, || Chunk { taken: 0, places: None });
        }
        let chunk = &mut self.chunks[chunk];
        let places = chunk.places.get_or_insert_with(|| match self.spare.take() {
            Some(places) => places,
            None => Box::new([const { None }; PLACES as usize]),
        });
        chunk.taken |= 1 << place;
        let before = places[place].replace(thing);
        self.len += usize::from(before.is_none());
        before
    }

    /// Takes out what is there.
    pub fn take(&mut self, number: u32) -> Option<T> {
        let (chunk, place) = split(number);
        let chunk = self.chunks.get_mut(chunk)?;
        let thing = chunk.places.as_mut()?[place].take()?;
        self.len -= 1;
        chunk.taken &= !(1 << place);
        if chunk.taken == 0 {
            // The one that was used last is the one that is still in the processor's cache.
            self.spare = chunk.places.take();
        }
        Some(thing)
    }

    /// How many things there are.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// All things with their numbers, in order.
    pub fn iter(&self) -> impl Iterator<Item = (u32, &T)> {
        let chunks = (0..).step_by(PLACES as usize).zip(&self.chunks);
        chunks.flat_map(|(first, chunk)| {
            let places = chunk.places.iter().flat_map(|places| places.iter());
            (first..).zip(places).filter_map(|(number, place)| Some((number, place.as_ref()?)))
        })
    }
}

/// Things under numbers that they are given here.
#[derive(Debug)]
pub struct Slots<T> {
    chunks: Sparse<T>,
    /// Exactly the chunks that have room. A new thing goes into the last of them, so it is always
    /// the last that becomes full.
    roomy: Vec<u32>,
}

impl<T> Default for Slots<T> {
    /// Nothing yet.
    fn default() -> Self {
        Self { chunks: Sparse::default(), roomy: Vec::new() }
    }
}

impl<T> Slots<T> {
    /// The number that the next thing will be given.
    pub fn next_number(&mut self) -> u32 {
        if self.roomy.is_empty() {
            let chunk = self.chunks.chunks.len();
            self.chunks.chunks.push(Chunk { taken: 0, places: None });
            // invariant: what is numbered here has a descriptor, or a user in the database.
            self.roomy.push(u32::try_from(chunk).expect("fewer than 2^32 things"));
        }
        let chunk = self.roomy[self.roomy.len() - 1];
        let taken = self.chunks.chunks[chunk as usize].taken;
        chunk * PLACES + taken.trailing_ones()
    }

    /// Puts something in, and says where.
    pub fn insert(&mut self, thing: T) -> u32 {
        let number = self.next_number();
        self.chunks.put(number, thing);
        if self.chunks.chunks[split(number).0].taken == u64::MAX {
            self.roomy.pop();
        }
        number
    }

    /// Takes out what is there; its number is free again.
    pub fn take(&mut self, number: u32) -> Option<T> {
        let (chunk, _) = split(number);
        let was_full = self.chunks.chunks.get(chunk)?.taken == u64::MAX;
        let thing = self.chunks.take(number)?;
        if was_full {
            self.roomy.push(number / PLACES);
        }
        Some(thing)
    }

    /// What is at this number.
    pub fn get(&self, number: u32) -> Option<&T> {
        self.chunks.get(number)
    }

    /// The same, to be changed.
    pub fn get_mut(&mut self, number: u32) -> Option<&mut T> {
        self.chunks.get_mut(number)
    }

    /// All numbers that were ever given are below this one.
    pub fn places(&self) -> u32 {
        // invariant: each chunk was numbered by `next_number`.
        u32::try_from(self.chunks.chunks.len()).expect("fewer than 2^32 things") * PLACES
    }

    /// How many things there are.
    pub fn len(&self) -> usize {
        self.chunks.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.chunks.is_empty()
    }

    /// All things with their numbers, in order.
    pub fn iter(&self) -> impl Iterator<Item = (u32, &T)> {
        self.chunks.iter()
    }
}

/// Appends to a queue that may get long: it grows by an eighth instead of doubling.
pub fn push<T>(queue: &mut VecDeque<T>, thing: T) {
    if queue.len() == queue.capacity() {
        queue.reserve_exact(queue.len() / 8 + 32);
    }
    queue.push_back(thing);
}

/// Gives back the memory of a queue that was long and is not any more.
pub fn give_back<T>(queue: &mut VecDeque<T>) {
    if queue.capacity() > 4 * queue.len() + 256 {
        queue.shrink_to(2 * queue.len());
    }
}

/// The chunk that a number lies in, and its place there.
fn split(number: u32) -> (usize, usize) {
    ((number / PLACES) as usize, (number % PLACES) as usize)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::system::Entropy;

    #[test]
    fn numbers_stay_small_and_are_given_again() {
        let mut slots = Slots::default();
        let numbers: Vec<u32> = (0..200).map(|thing| slots.insert(thing)).collect();
        assert_eq!(numbers, (0..200).collect::<Vec<_>>());
        assert_eq!((slots.take(130), slots.take(7), slots.take(7)), (Some(130), Some(7), None));
        let mut again = [slots.insert(1), slots.insert(2)];
        again.sort_unstable();
        assert_eq!(again, [7, 130]);
        assert_eq!(slots.insert(3), 200);
    }

    #[test]
    fn the_next_number_is_the_one_that_is_given() {
        let mut slots = Slots::default();
        for thing in 0..200 {
            assert_eq!(slots.next_number(), slots.next_number());
            assert_eq!(slots.next_number(), slots.insert(thing));
            if thing % 3 == 0 {
                slots.take(thing / 2);
            }
        }
    }

    #[test]
    fn when_all_have_left_one_page_remains() {
        let mut slots = Slots::default();
        (0..10_000).for_each(|thing| {
            slots.insert(thing);
        });
        (0..10_000).for_each(|number| assert_eq!(slots.take(number), Some(number)));
        assert!(slots.is_empty());
        assert!(slots.chunks.chunks.iter().all(|chunk| chunk.places.is_none()));
        assert!(slots.chunks.spare.is_some());
        assert!(slots.insert(0) < 10_000, "the numbers begin anew");
    }

    #[test]
    fn a_queue_is_not_much_larger_than_what_is_in_it_and_small_again_after_that() {
        let mut queue = VecDeque::new();
        for number in 0..10_000_u64 {
            push(&mut queue, number);
            assert!(queue.capacity() <= queue.len() + queue.len() / 8 + 32);
        }
        assert!(queue.iter().copied().eq(0..10_000), "and in order");
        while queue.pop_front().is_some() {
            give_back(&mut queue);
            assert!(queue.capacity() <= 4 * queue.len() + 256);
        }
    }

    #[test]
    fn a_hole_is_none_wherever_it_is() {
        let mut chunks = Sparse::default();
        assert_eq!(chunks.get(0), None);
        assert_eq!(chunks.take(9_999_999), None);
        assert_eq!((chunks.put(100, 'a'), chunks.put(100, 'b')), (None, Some('a')));
        assert_eq!((chunks.get(99), chunks.get(100), chunks.len()), (None, Some(&'b'), 1));
        assert!(chunks.chunks[0].places.is_none(), "nothing is kept for what is not there");
    }

    /// Puts in and takes out at random, and compares with the obvious way to do it.
    #[test]
    fn slots_do_what_a_map_does() {
        let mut entropy = Entropy::seeded(1);
        let (mut slots, mut model) = (Slots::default(), BTreeMap::new());
        for step in 0..20_000_u64 {
            let random = u32::from_be_bytes(entropy.bytes());
            // More come than leave, then more leave than come.
            if (random % 100 < 60) == (step % 8_000 < 4_000) {
                let number = slots.insert(step);
                assert_eq!(model.insert(number, step), None, "a free number");
            } else {
                let number = random / 100 % (u32::try_from(model.len()).unwrap() + 1);
                assert_eq!(slots.take(number), model.remove(&number));
            }
            assert_eq!(slots.len(), model.len());
        }
        let all: Vec<_> = slots.iter().map(|(number, &thing)| (number, thing)).collect();
        assert_eq!(all, model.into_iter().collect::<Vec<_>>());
    }
}
