//! The second phase of a run: the faults are over, and everybody must soon see the same.
//!
//! It has three parts. First everybody comes back; where tokens soon end, only after a night. Then each says something once more, and all must
//! see it within a second: no poll expires in that time, so that only being woken can tell them.
//! Last, one after the other leaves, and the others must see that too.

use std::collections::BTreeSet;

use crate::network::Seen;
use crate::people::{NAMES, People};
use crate::step;
use crate::view::View;
use crate::wire::{Request, Response, What};
use crate::world::World;

const SECOND: u64 = 1_000_000;

/// The longest hold, all polls that were pipelined behind it, the rest of one that they had sent
/// away, and some answers that take a while.
const SETTLING: u64 = 110 * SECOND;

/// Longer than any token lives that ends within a run, and than may be hidden of its last use.
const NIGHT: u64 = 200 * SECOND;

/// Everybody who is there is in touch.
pub fn check(world: &mut World, people: &mut People) {
    world.calm_down();
    people.calm = true;
    if people.sleep_long() {
        for tab in &mut people.tabs {
            tab.asleep_until = u64::MAX;
        }
        pass(world, people, NIGHT);
    }
    for tab in &mut people.tabs {
        tab.asleep_until = 0;
        tab.pause_until = tab.pause_until.min(world.now + SECOND);
    }
    pass(world, people, SETTLING);
    // Between two polls of one that has just expired lies a moment.
    for _ in 0..10 {
        if world.held() == people.tabs.len() {
            break;
        }
        pass(world, people, SECOND / 10);
    }
    all_are_there(world, people);
    compare(world, people, "after the calm");

    for tab in 0..people.tabs.len() {
        people.say_all(tab, &mut world.network);
    }
    pass(world, people, SECOND);
    compare(world, people, "a second after the last word");

    while let Some(tab) = people.tabs.iter().rposition(|tab| tab.asleep_until == 0) {
        people.leave(tab, &mut world.network);
        // That they are gone may become true while the store cannot be read.
        pass(world, people, 8 * SECOND);
        world.hide_store(true);
        pass(world, people, 4 * SECOND);
        world.hide_store(false);
        pass(world, people, 2 * SECOND);
        compare(world, people, "after somebody left");
    }
    world.compare_store();
    rest(world, people);
}

fn pass(world: &mut World, people: &mut People, time: u64) {
    let end = world.now + time;
    let mut steps = 0;
    while world.now < end {
        step(world, people);
        steps += 1;
        assert!(steps < 20_000, "nothing comes to an end");
    }
}

fn all_are_there(world: &mut World, people: &People) {
    for (index, tab) in people.tabs.iter().enumerate() {
        assert!(tab.token.is_some(), "tab {index} is logged in again");
        assert!(
            tab.pending.is_empty() && tab.wants_history.is_empty(),
            "tab {index} is up to date"
        );
    }
    assert_eq!(world.held(), people.tabs.len(), "all wait for what comes");
}

/// What each tab shows is what the server says to one who has just come, and what is true.
fn compare(world: &mut World, people: &mut People, when: &str) {
    let here: Vec<usize> =
        (0..people.tabs.len()).filter(|&tab| people.tabs[tab].asleep_until == 0).collect();
    let online: BTreeSet<i64> = here.iter().map(|&tab| id_of(world, people, tab)).collect();
    for &tab in &here {
        let fresh = View::of(&ask_state(world, people, tab).body);
        let me = &people.tabs[tab];
        let name = NAMES[me.person];
        assert_eq!(me.view, fresh, "{name}'s tab {tab} shows what is, {when}");
        for (user, friend) in &me.view.friends {
            if friend.state == "friends" {
                assert_eq!(
                    friend.online,
                    online.contains(user),
                    "{name} sees whether {user} is there, {when}"
                );
            }
        }
        for (conversation, shown) in &me.transcript {
            let (log, members) = (&world.checks.log, &world.checks.members);
            let of_this = log.entries.iter().filter(|entry| entry.conversation == *conversation);
            let visible = of_this.filter(|entry| members.shows(entry, me.view.me));
            let all: Vec<_> = visible.map(|entry| (entry.id, entry.body.clone())).collect();
            // A page shows the newest of what was there before it.
            let all = &all[all.len().saturating_sub(200)..];
            let first = all.first().map_or(0, |(id, _)| *id);
            let shown = shown.range(first..).map(|(id, shown)| (*id, shown.body.clone()));
            let shown: Vec<_> = shown.collect();
            assert_eq!(shown, all, "{name}'s tab {tab} shows what was said, {when}");
        }
        let known: BTreeSet<i64> = me.transcript.keys().copied().collect();
        assert_eq!(
            known,
            me.view.conversations().collect(),
            "{name} has all conversations, {when}"
        );
    }
}

/// A snapshot for one who has just come.
fn ask_state(world: &mut World, people: &mut People, tab: usize) -> Response {
    let person = people.tabs[tab].person;
    let token = people.tabs[tab].token.clone().expect("logged in");
    let link = world.network.connect(OBSERVER).expect("the server listens");
    world.network.ask(link, Request { tab: OBSERVER, person, token, what: What::State });
    for _ in 0..10 {
        world.turn(true);
        let mut answer = None;
        for (from, seen) in world.network.deliver(&mut world.random, true) {
            match seen {
                Seen::Answer(_, response) if from == link => answer = Some(response),
                seen => people.see(from, seen, world.now),
            }
        }
        if let Some(answer) = answer {
            world.network.hang_up(link, false);
            return answer;
        }
    }
    panic!("a snapshot is answered at once");
}

/// Where nobody is, nothing is done.
fn rest(world: &mut World, people: &mut People) {
    let began = world.now;
    while let Some(deadline) = world.server_deadline() {
        let is_soon = deadline < began + 2000 * SECOND;
        assert!(is_soon, "a server without clients comes to rest");
        step(world, people);
    }
    assert_eq!(world.held(), 0);
}

fn id_of(world: &World, people: &People, tab: usize) -> i64 {
    world.checks.accounts.of[&people.tabs[tab].person]
}

/// One who looks on, and is nobody's tab.
const OBSERVER: usize = usize::MAX;
