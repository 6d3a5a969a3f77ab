//! What people do of themselves: drawn from what the page offers them, and now and then something
//! else.

use std::rc::Rc;

use super::{NAMES, NOBODY, People};
use crate::network::Network;
use crate::wire::{Poll, What};

impl People {
    pub(super) fn do_something(&mut self, tab: usize, network: &mut Network, now: u64) {
        if self.tabs[tab].command.is_some() {
            return;
        }
        let open = self.tabs[tab].view.open_conversations();
        let repeats = self.random.chance(self.plan.repeat);
        let what = match self.random.below(100) {
            _ if repeats && !self.said.is_empty() => self.repetition(tab),
            0..46 if !open.is_empty() => {
                let conversation = self.random.pick(&open);
                Some(self.saying(conversation))
            }
            0..60 => self.friendship(tab),
            60..68 => self.grouping(tab),
            68..74 => self.changing(tab),
            74..86 if !open.is_empty() => self.reading(tab),
            86..88 => {
                self.tabs[tab].view.friends.keys().next_back().map(|&user| What::Unfriend { user })
            }
            88..90 => {
                self.reload(tab, network);
                None
            }
            90..93 => Some(What::Me),
            93 | 94 => self.tabs[tab].unsure.pop(),
            95 => Some(What::ShowAs { display_name: format!("name {}", self.random.below(1000)) }),
            _ => self.tabs[tab].old_cursor.clone().map(|old| What::Poll(Poll::probe(Some(old), 0))),
        };
        if let Some(what) = what {
            self.command(tab, network, &what, now);
        }
        if !open.is_empty() && self.random.chance(self.plan.typing) {
            let conversation = self.random.pick(&open);
            self.stray(tab, network, What::Type { conversation });
        }
        self.keep_apart(tab, network);
        self.think_better(tab, network);
        if self.random.chance(self.plan.log_out) {
            self.stray(tab, network, What::LogOut);
        }
    }

    /// What is done seldom: to those whom one does not like, and to one's own account.
    fn keep_apart(&mut self, tab: usize, network: &mut Network) {
        if self.random.chance(self.plan.block)
            && let Some(what) = self.blocking(tab)
        {
            self.stray(tab, network, what);
        }
        let person = self.tabs[tab].person;
        if self.plan.guess > 0 && self.random.chance(self.plan.guess) {
            self.guess(tab, network);
        }
        if self.random.chance(self.plan.change_password) {
            let what = self.keys[person].change();
            // It may find no connection.
            self.keys[person].is_changing |= self.ask(tab, network, None, what).is_some();
        } else if self.keys[person].is_changing && self.random.chance(300) {
            // Just then, somewhere else.
            let what = self.keys[person].log_in(NAMES[person]);
            self.stray(tab, network, what);
        }
        if self.random.chance(self.plan.delete_account) {
            let password = self.keys[person].password();
            self.stray(tab, network, What::DeleteAccount { password });
        }
        if self.random.chance(self.plan.acknowledge)
            && let Some(cursor) = self.cursor_to_acknowledge(tab)
        {
            self.stray(tab, network, What::Acknowledge { cursor });
        }
    }

    /// Tries what is limited for each address, a little or too often.
    fn guess(&mut self, tab: usize, network: &mut Network) {
        let password = Rc::from("a guess");
        if self.random.chance(300) {
            for name in NOBODY {
                self.stray(tab, network, What::Register { name, password: Rc::clone(&password) });
            }
            return;
        }
        let name = NAMES[self.random.index(self.persons)];
        for _ in 0..self.random.pick(&[1, 20]) {
            self.stray(tab, network, What::LogIn { name, password: Rc::clone(&password) });
        }
    }

    fn blocking(&mut self, tab: usize) -> Option<What> {
        let friends = &self.tabs[tab].view.friends;
        let users: Vec<i64> = friends.keys().copied().collect();
        let user = if users.is_empty() { return None } else { self.random.pick(&users) };
        let is_blocked = friends[&user].state == "blocked";
        Some(if is_blocked { What::Unblock { user } } else { What::Block { user } })
    }

    /// One's own, perhaps the one before; or, against all rules, that of somebody else.
    fn cursor_to_acknowledge(&mut self, tab: usize) -> Option<Rc<str>> {
        let other = self.random.index(self.tabs.len());
        let whose = if self.random.chance(100) { other } else { tab };
        let is_late = self.random.chance(300);
        let whose = &self.tabs[whose];
        if is_late { whose.old_cursor.clone() } else { whose.cursor.clone() }
    }

    /// Something new.
    pub(super) fn saying(&mut self, conversation: i64) -> What {
        self.sayings += 1;
        let number = self.sayings;
        let padding = match self.random.below(20) {
            0 => 4000,
            1..4 => 700,
            _ => 0,
        };
        let body = format!("saying {number}{}", ".".repeat(padding));
        let nonce = self.random.chance(700).then(|| format!("n{number}"));
        let what = What::Send { conversation, body, nonce };
        self.said.push(what.clone());
        what
    }

    /// Something that was said before, or something else under its nonce.
    pub(super) fn repetition(&mut self, tab: usize) -> Option<What> {
        let said = self.said[self.random.index(self.said.len())].clone();
        let What::Send { conversation, body, nonce } = said else { return None };
        nonce.as_ref()?;
        // To others it is not known.
        if !self.tabs[tab].view.conversations().any(|known| known == conversation) {
            return None;
        }
        self.sayings += 1;
        let other = format!("saying {} under an old nonce", self.sayings);
        let body = if self.random.chance(700) { body } else { other };
        Some(What::Send { conversation, body, nonce })
    }

    fn friendship(&mut self, tab: usize) -> Option<What> {
        let tab = &self.tabs[tab];
        let asked = tab.view.friends.iter().find(|(_, friend)| friend.state == "incoming");
        if let Some((&user, _)) = asked
            && self.random.chance(800)
        {
            return Some(What::Accept { user });
        }
        let other = self.random.index(self.persons);
        (other != tab.person).then_some(What::AskFriend { name: NAMES[other] })
    }

    /// Begins a group, or changes one; now and then in a way that is not allowed.
    fn grouping(&mut self, tab: usize) -> Option<What> {
        let view = &self.tabs[tab].view;
        let anybody: Vec<i64> = view.friends.keys().copied().chain([view.me]).collect();
        let groups: Vec<i64> = view.groups().collect();
        let user = self.random.pick(&anybody);
        let title = format!("group {}", self.random.below(1000));
        if groups.is_empty() || (groups.len() < 3 && self.random.chance(100)) {
            let mut members = vec![user];
            members.extend(anybody.iter().filter(|_| self.random.chance(400)));
            return Some(What::CreateGroup { title, members });
        }
        let group = self.random.pick(&groups);
        let known = &self.tabs[tab].view.conversations[&group];
        let is_mine = known.owner == Some(self.tabs[tab].view.me);
        let members: Vec<i64> = known.members.keys().copied().collect();
        let strangers: Vec<i64> =
            anybody.iter().copied().filter(|user| !members.contains(user)).collect();
        match self.random.below(10) {
            0..4 if is_mine || self.random.chance(200) => {
                let user = if strangers.is_empty() { user } else { self.random.pick(&strangers) };
                Some(What::AddMember { group, user })
            }
            4..6 if is_mine || self.random.chance(200) => {
                Some(What::RemoveMember { group, user: self.random.pick(&members) })
            }
            6 => Some(What::RemoveMember { group, user: self.tabs[tab].view.me }),
            7..9 => Some(What::Rename { group, title }),
            _ => None,
        }
    }

    /// Takes somebody out of a group, and in again at once or a little later.
    fn think_better(&mut self, tab: usize, network: &mut Network) {
        if let Some(what) = self.tabs[tab].regret.take() {
            return self.stray(tab, network, what);
        }
        if !self.random.chance(self.plan.expel) {
            return;
        }
        let view = &self.tabs[tab].view;
        let own = view.conversations.iter().filter(|(_, known)| known.owner == Some(view.me));
        let all = own.flat_map(|(&group, known)| known.members.keys().map(move |&m| (group, m)));
        let others: Vec<_> = all.filter(|&(_, user)| user != view.me).collect();
        if others.is_empty() {
            let friends = view.friends.iter().filter(|(_, friend)| friend.state == "friends");
            let (title, members) = ("friends".to_owned(), friends.map(|(&user, _)| user).collect());
            return self.stray(tab, network, What::CreateGroup { title, members });
        }
        let (group, user) = self.random.pick(&others);
        self.stray(tab, network, What::RemoveMember { group, user });
        self.tabs[tab].regret = Some(What::AddMember { group, user });
        if self.random.chance(500) {
            self.think_better(tab, network);
        }
    }

    /// Edits or deletes something that one has said.
    fn changing(&mut self, tab: usize) -> Option<What> {
        let view = &self.tabs[tab].view;
        // In a group not everybody has seen what is old.
        let groups: Vec<i64> = view.groups().filter(|_| self.random.chance(500)).collect();
        let (mut own, mut in_groups) = (Vec::new(), Vec::new());
        for (conversation, shown) in &self.tabs[tab].transcript {
            let own_here = shown.iter().filter(|(_, shown)| shown.sender == view.me);
            let list = if groups.contains(conversation) { &mut in_groups } else { &mut own };
            list.extend(own_here.map(|(&id, _)| id));
        }
        let message = match (in_groups.first(), own.is_empty()) {
            (Some(&oldest), _) => oldest,
            (None, true) => return None,
            (None, false) => self.random.pick(&own),
        };
        if self.random.chance(300) {
            return Some(What::Delete { message });
        }
        self.sayings += 1;
        let body = format!("change {} of {message}", self.sayings);
        Some(What::Edit { message, body })
    }

    fn reading(&mut self, tab: usize) -> Option<What> {
        let transcript = &self.tabs[tab].transcript;
        let all: Vec<_> = transcript.iter().flat_map(|(c, m)| m.keys().map(|m| (*c, *m))).collect();
        if all.is_empty() {
            return None;
        }
        let (conversation, message) = self.random.pick(&all);
        Some(What::Read { conversation, message })
    }
}
