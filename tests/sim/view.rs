//! What a tab shows: friends, who of them is there, conversations, marks and messages. Loaded from a
//! snapshot, kept up to date by events, and in the end compared with a fresh snapshot.

use std::collections::BTreeMap;

use serde_json::Value;

/// Everything on the screen, but for the times.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct View {
    pub friends: BTreeMap<i64, Friend>,
    /// How far each member of each conversation has read.
    pub marks: BTreeMap<(i64, i64), i64>,
}

/// One line of the list of friends.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Friend {
    pub state: String,
    pub online: bool,
    pub conversation: Option<i64>,
}

/// The messages of a tab, by conversation and id.
pub type Transcript = BTreeMap<i64, BTreeMap<i64, String>>;

impl View {
    /// As a snapshot says.
    pub fn of(state: &Value) -> Self {
        let mut view = Self::default();
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
            "read" => {
                let (conversation, user) = (id(&event["conversation_id"]), id(&event["user_id"]));
                self.mark(conversation, user, id(&event["message_id"]));
            }
            "message" => {
                // One has read what one says.
                let message = &event["message"];
                let (conversation, user) =
                    (id(&message["conversation_id"]), id(&message["sender_id"]));
                self.mark(conversation, user, id(&message["id"]));
            }
            _ => {}
        }
    }

    /// The conversations with those who are friends now.
    pub fn open_conversations(&self) -> Vec<i64> {
        let friends = self.friends.values().filter(|friend| friend.state == "friends");
        friends.filter_map(|friend| friend.conversation).collect()
    }

    /// All conversations that the tab knows.
    pub fn conversations(&self) -> impl Iterator<Item = i64> {
        self.marks.keys().map(|&(conversation, _)| conversation)
    }

    fn set_friend(&mut self, friend: &Value) {
        let user = &friend["user"];
        let shown = Friend {
            state: friend["state"].as_str().expect("a state").to_owned(),
            online: user["online"] == true,
            conversation: friend["conversation_id"].as_i64(),
        };
        self.friends.insert(id(&user["id"]), shown);
    }

    fn set_conversation(&mut self, conversation: &Value) {
        for member in conversation["members"].as_array().expect("members") {
            self.mark(
                id(&conversation["id"]),
                id(&member["user"]["id"]),
                id(&member["last_read_id"]),
            );
        }
    }

    fn mark(&mut self, conversation: i64, user: i64, message: i64) {
        let mark = self.marks.entry((conversation, user)).or_insert(0);
        *mark = message.max(*mark);
    }
}

/// A whole number that must be there.
pub fn id(value: &Value) -> i64 {
    value.as_i64().expect("an id")
}
