//! What a tab shows: friends, who of them is there, conversations, their members, marks and messages. Loaded from a
//! snapshot, kept up to date by events, and in the end compared with a fresh snapshot.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

/// Everything on the screen, but for the times.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct View {
    pub me: i64,
    pub friends: BTreeMap<i64, Friend>,
    pub conversations: BTreeMap<i64, Conversation>,
}

/// One conversation of the list.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Conversation {
    pub is_group: bool,
    pub title: String,
    pub owner: Option<i64>,
    pub members: BTreeMap<i64, Member>,
    pub former: BTreeSet<i64>,
}

/// One who takes part.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Member {
    /// Of oneself, neither a new name is told nor what has been delivered: both are empty.
    pub name: String,
    /// How far they have read.
    pub read: i64,
    /// And how far everything has reached them.
    pub delivered: i64,
}

/// One line of the list of friends.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Friend {
    /// Of those who are no friends, a new one is not told.
    pub name: String,
    pub state: String,
    pub online: bool,
    pub conversation: Option<i64>,
}

/// The messages of a tab, by conversation and id.
pub type Transcript = BTreeMap<i64, BTreeMap<i64, Shown>>;

/// A message on the screen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Shown {
    pub sender: i64,
    pub body: String,
    /// Whether it is deleted, and when it last changed: of two copies the later one is shown.
    pub version: (bool, i64),
}

impl Shown {
    pub fn of(message: &Value) -> Self {
        let at = |name: &str| message[name].as_i64();
        let version = at("edited_at").max(at("deleted_at")).unwrap_or(0);
        Self {
            sender: id(&message["sender_id"]),
            body: message["body"].as_str().expect("a body").to_owned(),
            version: (at("deleted_at").is_some(), version),
        }
    }
}

impl View {
    /// As a snapshot says.
    pub fn of(state: &Value) -> Self {
        let mut view = Self { me: id(&state["user"]["id"]), ..Self::default() };
        for friend in state["friends"].as_array().expect("friends") {
            view.set_friend(friend);
        }
        for conversation in state["conversations"].as_array().expect("conversations") {
            view.set_conversation(conversation);
        }
        view
    }

    /// Something has changed.
    pub fn apply(&mut self, event: &Value) {
        match event["type"].as_str().expect("a type") {
            "presence" => {
                if let Some(friend) = self.friends.get_mut(&id(&event["user_id"])) {
                    friend.online = event["online"] == true;
                }
            }
            "friend" => self.set_friend(&event["friend"]),
            "friend_removed" => drop(self.friends.remove(&id(&event["user_id"]))),
            "conversation" => self.set_conversation(&event["conversation"]),
            "conversation_removed" => {
                self.conversations.remove(&id(&event["conversation_id"]));
            }
            "user_updated" => self.set_name(&event["user"]),
            kind @ ("read" | "delivered") => {
                let (conversation, user) = (id(&event["conversation_id"]), id(&event["user_id"]));
                let message = id(&event["message_id"]);
                self.mark(conversation, user, message, kind == "read");
            }
            "message" => {
                // One has read what one says.
                let message = &event["message"];
                let (conversation, user) =
                    (id(&message["conversation_id"]), id(&message["sender_id"]));
                self.mark(conversation, user, id(&message["id"]), true);
            }
            _ => {}
        }
    }

    /// The conversations with those who are friends now, and the groups.
    pub fn open_conversations(&self) -> Vec<i64> {
        let friends = self.friends.values().filter(|friend| friend.state == "friends");
        friends.filter_map(|friend| friend.conversation).chain(self.groups()).collect()
    }

    /// All conversations that the tab knows.
    pub fn conversations(&self) -> impl Iterator<Item = i64> {
        self.conversations.keys().copied()
    }

    pub fn groups(&self) -> impl Iterator<Item = i64> {
        let groups = self.conversations.iter().filter(|(_, conversation)| conversation.is_group);
        groups.map(|(&id, _)| id)
    }

    fn set_friend(&mut self, friend: &Value) {
        let user = &friend["user"];
        let state = friend["state"].as_str().expect("a state").to_owned();
        let shown = Friend {
            name: if state == "friends" { name(user) } else { String::new() },
            state,
            online: user["online"] == true,
            conversation: friend["conversation_id"].as_i64(),
        };
        self.friends.insert(id(&user["id"]), shown);
    }

    fn set_conversation(&mut self, conversation: &Value) {
        let list = |name: &str| conversation[name].as_array().expect("a list").iter();
        let owner = list("members").find(|member| member["role"] == "owner");
        let shown = Conversation {
            is_group: conversation["kind"] == "group",
            title: conversation["title"].as_str().unwrap_or("").to_owned(),
            owner: owner.map(|owner| id(&owner["user"]["id"])),
            members: BTreeMap::new(),
            former: list("former_members").map(|user| id(&user["id"])).collect(),
        };
        let key = id(&conversation["id"]);
        let before = self.conversations.insert(key, shown).unwrap_or_default();
        for member in list("members") {
            let user = id(&member["user"]["id"]);
            let before = before.members.get(&user).cloned().unwrap_or_default();
            let mut shown = Member {
                name: name(&member["user"]),
                read: before.read.max(id(&member["last_read_id"])),
                delivered: before.delivered.max(id(&member["last_delivered_id"])),
            };
            if user == self.me {
                shown = Member { read: shown.read, ..Member::default() };
            }
            self.conversations.get_mut(&key).expect("it is there").members.insert(user, shown);
        }
    }

    /// Of those who are there no more, nothing is shown.
    fn mark(&mut self, conversation: i64, user: i64, message: i64, is_read: bool) {
        let conversation = self.conversations.get_mut(&conversation);
        let Some(member) = conversation.and_then(|known| known.members.get_mut(&user)) else {
            return;
        };
        if is_read {
            member.read = member.read.max(message);
        }
        // What one has read one has.
        if user != self.me {
            member.delivered = member.delivered.max(message);
        }
    }

    fn set_name(&mut self, user: &Value) {
        let key = id(&user["id"]);
        let conversations = self.conversations.values_mut();
        for member in conversations.filter_map(|known| known.members.get_mut(&key)) {
            member.name = name(user);
        }
        let friend = self.friends.get_mut(&key).filter(|friend| friend.state == "friends");
        if let Some(friend) = friend {
            friend.name = name(user);
        }
    }
}

fn name(user: &Value) -> String {
    user["display_name"].as_str().expect("a name").to_owned()
}

/// A whole number that must be there.
pub fn id(value: &Value) -> i64 {
    value.as_i64().expect("an id")
}
