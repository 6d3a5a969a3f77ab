//! Decides what a user may do, and does it: accounts, friends, conversations, messages, and which
//! of all that is pushed to whom.
//!
//! Gets a [`Call`] from somebody who is known ([`Caller`]) or not, and gives an [`Answer`]. Knows
//! neither HTTP nor JSON nor sockets, and no SQL: it asks the store.
//!
//! What a call has to tell others is collected during the turn, and published only when
//! [`Logic::commit`] has made the turn's writes durable: nobody hears of anything that might be
//! taken back.

mod access;
mod accounts;
mod blocks;
mod cache;
mod call;
mod conversations;
mod delivery;
mod events;
mod friends;
mod groups;
mod hashing;
mod limits;
mod live;
mod local;
mod messages;
mod notes;
mod orders;
mod own;
pub mod passwords;
mod refusal;
mod retention;
mod searching;
mod tail;

pub use crate::data::HistoryPage;
pub use accounts::DEMO_ACCOUNTS;
pub use call::{
    Answer, Batch, Call, Caller, Credentials, DemoAccount, Manner, Origin, PasswordChange, Reply,
    ServerInfo, SignUp, Ticket, Typed, Wait,
};
pub use limits::Limited;
pub use orders::{ListedAccount, Order};
pub use refusal::Refusal;

use std::rc::Rc;
use std::time::Duration;

use crate::config::{Config, Registration};
use crate::data::{Epoch, Store, StoreError};
use crate::entity::{ConversationId, Event, LastSeen, MessageId, SessionId, Timestamp, UserId};
use crate::map::Map;
use crate::presence::Presence;
use crate::system::{Entropy, Mono, Now};
use cache::Cache;
use conversations::Told;
use delivery::Marks;
use hashing::Hashing;
use limits::RateLimits;
use live::{Live, News};
use notes::Notes;
use orders::Copier;
use searching::Searches;
use tail::{Entry, Tail};

/// How long the store's upkeep waits after the last message: perhaps another one follows at once.
const QUIET: Duration = Duration::from_millis(50);

/// How many messages call for one slice of upkeep. A slice moves 256 entries, and a message has
/// two, each of which is moved about eight times in all. So however much is said, and for however
/// long, what is put off stays within its bounds.
const MESSAGES_PER_SLICE: usize = 16;

/// How long it waits after an error.
const UPKEEP_RETRY: Duration = Duration::from_secs(10);

/// All rules of the house, over the store and what is remembered in memory.
#[derive(Debug)]
pub struct Logic {
    config: Rc<Config>,
    /// As the configuration says, until the operator says otherwise.
    registration: Registration,
    /// The copiers for whom the database holds still.
    copiers: Vec<Copier>,
    /// How often it has begun to.
    copies: u64,
    store: Store,
    entropy: Entropy,
    epoch: Epoch,
    presence: Presence,
    live: Live,
    hashing: Hashing,
    searches: Searches,
    notes: Notes,
    marks: Marks,
    limits: RateLimits,
    /// The newest number that is committed. It does not count what this turn has written: a cursor
    /// must not include a number that could be taken back and given to another message.
    newest_id: MessageId,
    /// When the newest message was sent, or would have been: the next one is not sent earlier.
    newest_sent_at: Timestamp,
    /// Up to which session expiry was checked.
    swept: SessionId,
    /// The newest messages, for those who are not far behind.
    tail: Tail,
    cache: Cache,
    /// When the store's upkeep goes on, unless it is pressing; and when it does even then.
    quiet_at: Mono,
    upkeep_at: Mono,
    /// How many messages were committed since it last went on.
    unkept: usize,
    /// When to look for what is to be forgotten.
    forget_at: Mono,
    /// What this turn has written, to be published once it is committed.
    written: Vec<Entry>,
    /// Somebody has left a conversation in this turn.
    tail_is_stale: bool,
    /// The conversations about which members are told in this turn.
    told_of: Map<ConversationId, Told>,
    /// What else this turn will tell whom once it is committed.
    outbox: Vec<(UserId, Notice)>,
    /// What it will tell whether or not it is committed.
    unwritten: Vec<Unwritten>,
    /// The sessions that this turn ends, and whose they are.
    ended: Vec<Caller>,
}

/// An event that is stored nowhere.
#[derive(Clone, Debug)]
struct Notice {
    news: News,
    /// Who has caused it and need not be told.
    except: Option<Ticket>,
}

/// Something to be told that does not concern the store.
#[derive(Clone, Copy, Debug)]
enum Unwritten {
    /// Somebody has come, or gone.
    Seen(UserId, LastSeen),
    /// A conversation's messages have reached a member, up to this one; the poll that said so is
    /// not told.
    Arrived(ConversationId, UserId, MessageId, Option<Ticket>),
}

/// What follows from a turn's commit.
#[derive(Debug, Default)]
pub struct Published {
    /// Whose polls must be asked again: each user once, in order.
    pub woken: Vec<UserId>,
    /// Whose polls have lost their session, and which.
    pub ended: Vec<Caller>,
    /// How many messages were written.
    pub messages: usize,
}

/// How much there is of what is kept for a while.
#[derive(Clone, Copy, Debug)]
pub struct Resident {
    /// Users who are online.
    pub online: usize,
    /// Passwords that are being hashed.
    pub hashing: usize,
    /// Users whose unstored events are remembered.
    pub inboxes: usize,
    /// Sessions in memory.
    pub sessions: usize,
    /// Conversations in memory.
    pub rooms: usize,
}

impl Logic {
    /// Begins an epoch on the store.
    pub fn new(
        config: Rc<Config>,
        mut store: Store,
        mut entropy: Entropy,
        now: Now,
    ) -> Result<Self, StoreError> {
        let mark = u32::from_le_bytes(entropy.bytes());
        store.set_index_batch(config.index_batch);
        let epoch = store.begin_epoch(mark, now.wall)?;
        Ok(Self {
            presence: Presence::new(config.presence_grace, config.users_remembered_max),
            live: Live::new(&config),
            hashing: Hashing::new(config.hashing_max),
            searches: Searches::default(),
            notes: Notes::default(),
            marks: Marks::default(),
            limits: RateLimits::new(&config),
            newest_id: epoch.newest_id,
            newest_sent_at: store.newest_sent_at()?,
            swept: SessionId(0),
            tail: Tail::new(epoch.newest_id, config.tail_messages_max, config.tail_bytes_max),
            cache: Cache::new(config.cache_entries_max),
            quiet_at: now.mono,
            upkeep_at: now.mono,
            unkept: 0,
            forget_at: now.mono,
            written: Vec::new(),
            tail_is_stale: false,
            told_of: Map::default(),
            outbox: Vec::new(),
            unwritten: Vec::new(),
            ended: Vec::new(),
            registration: config.registration,
            copiers: Vec::new(),
            copies: 0,
            config,
            store,
            entropy,
            epoch,
        })
    }

    /// Lets in or refuses what is limited in rate, before the rest of it is looked at.
    pub fn admit(&mut self, now: Now, origin: Origin, what: Limited) -> Result<(), Refusal> {
        self.limits.admit(now.mono, origin, what)
    }

    /// Does what somebody wants. `ticket` is handed back with the answer if that takes longer than
    /// this turn.
    pub fn decide(
        &mut self,
        now: Now,
        origin: Origin,
        call: Call,
        ticket: Ticket,
    ) -> Result<Answer, Refusal> {
        match call {
            Call::Server => return Ok(Answer::Now(Reply::Server(self.server_info()))),
            Call::Register(sign_up) => return self.register(now, origin.address, *sign_up, ticket),
            Call::LogIn(credentials) => {
                return self.log_in(now, origin.address, *credentials, ticket);
            }
            _ => {}
        }
        let caller = origin.caller.ok_or(Refusal::Unauthorized)?;
        match call {
            Call::Events { cursor, wait, manner } => {
                let place = self.events(caller, cursor.as_deref(), ticket)?;
                Ok(Answer::Wait(Wait { caller, place, wait, manner }))
            }
            Call::Search { needle, before, limit } => {
                self.search(now, caller.user_id, (needle, before), limit, ticket)
            }
            Call::ChangePassword(change) => {
                self.change_password(now, origin.address, caller, *change, ticket)
            }
            Call::DeleteMe { password } => {
                self.delete_me(now, origin.address, caller, &password, ticket)
            }
            call => self.reply(now, caller, call),
        }
    }

    /// Does what somebody who is known wants and what takes no longer than this turn.
    fn reply(&mut self, now: Now, caller: Caller, call: Call) -> Result<Answer, Refusal> {
        let me = caller.user_id;
        Ok(Answer::Now(match call {
            Call::Server
            | Call::Register(_)
            | Call::LogIn(_)
            | Call::Events { .. }
            | Call::Search { .. }
            | Call::ChangePassword(_)
            | Call::DeleteMe { .. } => unreachable!("see `decide`"),
            Call::LogOut => self.log_out(caller)?,
            Call::Sessions => self.sessions(now, caller)?,
            Call::EndSession { session_id } => self.end_session(caller, session_id)?,
            Call::UpdateMe { display_name } => self.update_me(me, display_name.as_ref())?,
            Call::Me => Reply::Me(self.user(me)?),
            Call::FindUsers { prefix, limit } => self.find_users(me, prefix.as_ref(), limit)?,
            Call::Friends => Reply::Friends(self.friends(me)?),
            Call::AskFriend { name } => self.ask_friend(now, me, &name)?,
            Call::AcceptFriend { user_id } => self.accept_friend(now, me, user_id)?,
            Call::RemoveFriend { user_id } => self.remove_friend(me, user_id)?,
            Call::Block { user_id } => self.block(now, me, user_id)?,
            Call::Unblock { user_id } => self.unblock(me, user_id)?,
            Call::Conversations => Reply::Conversations(self.conversations(me)?),
            Call::CreateGroup { title, member_ids } => {
                self.create_group(now, me, &title, &member_ids)?
            }
            Call::RenameGroup { conversation_id, title } => {
                self.rename_group(me, conversation_id, &title)?
            }
            Call::AddMember { conversation_id, user_id } => {
                self.add_member(me, conversation_id, user_id)?
            }
            Call::RemoveMember { conversation_id, user_id } => {
                self.remove_member(me, conversation_id, user_id)?
            }
            Call::History { conversation_id, page, limit } => {
                self.history(me, conversation_id, page, limit)?
            }
            Call::Send { conversation_id, body, nonce } => {
                self.send(now, me, conversation_id, body, nonce.as_ref())?
            }
            Call::EditMessage { message_id, body } => {
                self.edit_message(now, me, message_id, &body)?
            }
            Call::DeleteMessage { message_id } => self.delete_message(now, me, message_id)?,
            Call::MarkRead { conversation_id, message_id } => {
                self.mark_read(me, conversation_id, message_id)?
            }
            Call::Type { conversation_id } => self.type_in(me, conversation_id)?,
            Call::Acknowledge { cursor } => {
                self.acknowledged(me, &cursor, None)?;
                Reply::Done
            }
            Call::State => self.state(now, me)?,
        }))
    }

    /// Whether this turn has written, so that whatever is decided from now on depends on its
    /// commit.
    pub fn is_writing(&self) -> bool {
        self.store.is_writing()
    }

    /// Makes the turn's writes durable and then, and only then, publishes what it has to tell.
    pub fn commit(&mut self, now: Now) -> Result<Published, StoreError> {
        self.bound_notes(now);
        self.told_of.clear();
        if self.store.is_writing() {
            let due = self.notes.are_due(now.mono);
            let noted = if due { self.write_notes(now) } else { Ok(()) };
            if let Err(error) = noted.and_then(|()| self.store.commit()) {
                self.roll_back();
                return Err(error);
            }
            if due {
                // The cached sessions still say when they were used before that.
                self.cache.forget_sessions();
                self.notes.clear(now.mono);
            }
            self.quiet_at = now.mono.plus(QUIET);
        }
        let mut woken = Vec::new();
        let mut messages = 0;
        for mut entry in self.written.drain(..) {
            self.newest_id = entry.number;
            if !entry.is_update {
                messages += 1;
                self.notes.has_said(entry.room.id, entry.message.sender_id, entry.number);
            }
            let number = entry.number;
            entry.link(|reader| {
                woken.push(reader);
                self.live.stored(reader, number)
            });
            self.tail.push(entry);
        }
        self.unkept += messages;
        if std::mem::take(&mut self.tail_is_stale) {
            self.tail.forget(self.newest_id);
        }
        self.tell_unwritten(now.mono);
        for (user, notice) in self.outbox.drain(..) {
            self.live.publish(user, notice, now.mono);
            woken.push(user);
        }
        woken.sort_unstable();
        woken.dedup();
        Ok(Published { woken, ended: std::mem::take(&mut self.ended), messages })
    }

    /// Puts what is only remembered into the turn's transaction, and clears away what nobody needs.
    fn write_notes(&mut self, now: Now) -> Result<(), StoreError> {
        self.notes.write(&mut self.store, self.newest_id)?;
        self.sweep_sessions(now)
    }

    /// Tells what does not concern the store to those who may know it. Who those are is what the
    /// store says at the end of the turn, with what was written or without it.
    fn tell_unwritten(&mut self, now: Mono) {
        let mut unwritten = std::mem::take(&mut self.unwritten);
        let count = unwritten.len();
        let untold = unwritten.iter().position(|what| {
            let told = match *what {
                Unwritten::Seen(user, last_seen) => self.tell_presence(user, last_seen),
                Unwritten::Arrived(conversation, user, message, ticket) => {
                    self.tell_delivered(conversation, user, message, ticket)
                }
            };
            told.inspect_err(|error| log::error!("what is stored nowhere waits: {error}")).is_err()
        });
        // What could not be told waits for a turn in which the store can be read, and so does
        // everything that came after it; but no more of it is kept than of other things.
        let too_many = count.saturating_sub(self.config.notes_max);
        unwritten.drain(..untold.unwrap_or(count).max(too_many));
        if let Err(error) = self.tell_marks(now) {
            log::error!("what has reached a crowd was not told: {error}");
        }
        // Usually empty, and kept for its memory.
        self.unwritten = unwritten;
    }

    /// Forgets the turn: nothing it wrote exists, and nobody will hear of it. Only what does not
    /// concern the store is told all the same.
    pub fn roll_back(&mut self) {
        self.store.roll_back();
        self.outbox.clear();
        self.written.clear();
        self.tail_is_stale = false;
        self.ended.clear();
        self.cache.forget();
    }

    /// Notes cost no write of their own, but a few thousand of them do. If they cannot be written,
    /// most are forgotten, as in a crash.
    fn bound_notes(&mut self, now: Now) {
        if self.store.is_writing() || self.notes.len() <= self.config.notes_max {
            return;
        }
        let noted = self.write_notes(now);
        if let Err(error) = noted.and_then(|()| self.store.commit()) {
            log::warn!("what was only remembered could not be written: {error}");
            self.store.roll_back();
            self.notes.forget(now.mono);
        } else {
            self.notes.clear(now.mono);
        }
        self.cache.forget_sessions();
    }

    /// Writes down what was only remembered; the server is about to stop.
    pub fn finish(&mut self, now: Now) {
        for (user, seen_at) in self.presence.online() {
            self.notes.last_seen(user, seen_at);
        }
        let Self { notes, store, newest_id, .. } = self;
        if let Err(error) = notes.write(store, *newest_id).and_then(|()| store.end_epoch()) {
            log::warn!("when users were last seen could not be written: {error}");
            store.roll_back();
        }
        self.notes.clear(now.mono);
    }

    /// Does a slice of whatever takes longer than a turn may last. What nobody waits for has no
    /// ticket, and is reported only if it fails.
    pub fn work(
        &mut self,
        now: Now,
    ) -> impl Iterator<Item = (Option<Ticket>, Result<Reply, Refusal>)> {
        let derived = self.hashing.work().and_then(|(ticket, task, key)| {
            let waiting = task.is_awaited().then_some(ticket);
            Some((waiting, self.derived(now, ticket, task, &key).transpose()?))
        });
        let found = self.searches.work(&self.store, now);
        let found = found
            .map(|(ticket, found)| (Some(ticket), found.map(Reply::Found).map_err(Refusal::from)));
        [derived, found].into_iter().flatten()
    }

    /// Whether there is such work.
    pub fn has_work(&self) -> bool {
        !self.hashing.is_empty() || !self.searches.is_empty()
    }

    /// Nobody waits for this answer any more.
    pub fn cancel(&mut self, ticket: Ticket) {
        self.hashing.cancel(ticket);
        self.searches.cancel(ticket);
        self.end_copying(|copier| !copier.is_on(ticket));
    }

    /// Does what is due only because time passes.
    pub fn tick(&mut self, now: Now) {
        for _ in 0..self.config.polls_per_turn_max {
            let Some((user, seen_at)) = self.presence.next_gone(now.mono) else { break };
            self.went_offline(user, seen_at);
            self.live.watch(user, now.mono);
        }
        self.end_copying(|copier| now.mono < copier.until());
        self.live.retire(now.mono, |user| self.presence.seen_at(user).is_some());
    }

    /// When [`Logic::tick`] has something to do.
    pub fn next_deadline(&self) -> Option<Mono> {
        let upkeep_at = self.upkeep_at.max(self.quiet_at);
        let upkeep = self.store.upkeep_is_due(false).then_some(upkeep_at);
        let forgetting = self.next_forgetting();
        let copying = self.copiers.iter().map(Copier::until).min();
        let (presence, live) = (self.presence.next_deadline(), self.live.next_deadline());
        let marks = self.marks.next_deadline();
        let deadlines = [presence, live, marks, upkeep, forgetting, copying];
        deadlines.iter().flatten().min().copied()
    }

    /// Does a slice of what the store has put off, if nothing was written for a while; or, if that
    /// is pressing, as many slices as the messages since the last time make necessary.
    pub fn keep_up(&mut self, now: Now) {
        self.forget_old(now);
        let is_quiet = now.mono >= self.quiet_at;
        let slices = 1 + std::mem::take(&mut self.unkept) / MESSAGES_PER_SLICE;
        for _ in 0..slices {
            if now.mono < self.upkeep_at || !self.store.upkeep_is_due(!is_quiet) {
                return;
            }
            if let Err(error) = self.store.keep_up() {
                log::error!("the upkeep of the store failed, and is tried again: {error}");
                self.upkeep_at = now.mono.plus(UPKEEP_RETRY);
            }
        }
    }

    /// Whether the store can be written to, as far as can be told now.
    pub fn can_write(&mut self) -> bool {
        self.store.is_writing() || self.store.try_write().is_ok()
    }

    /// What is there at this moment.
    pub fn resident(&self) -> Resident {
        let (sessions, rooms) = self.cache.len();
        Resident {
            online: self.presence.len(),
            hashing: self.hashing.len(),
            inboxes: self.live.len(),
            sessions,
            rooms,
        }
    }

    /// The store, for work on it as a whole.
    pub fn store(&mut self) -> &mut Store {
        &mut self.store
    }

    fn tell(&mut self, user: UserId, event: Event) {
        self.outbox.push((user, Notice { news: News::Event(event), except: None }));
    }

    fn server_info(&self) -> ServerInfo {
        ServerInfo { config: Rc::clone(&self.config), registration: self.registration }
    }
}
