//! Translates between the forms of a chat page of 2013 and the logic of today: the facade of
//! `--seed-facade`.
//!
//! The page asks for everything by a POST of a form, and is answered with one JSON object:
//!
//! | `Action` | beside it | `ResponseData` |
//! |---|---|---|
//! | `Register` | `UserId`, `PassWord`, `UserName` | as `Online` |
//! | `Online` | `UserId`, `PassWord` | `{"UserId","UserName","PassWord"}` |
//! | `Offline` | | `null` |
//! | `GetFriends` | | `{"OnlineFriends":[…],"OfflineFriends":[…]}`, of `{"UserId","UserName","Status"}` |
//! | `SendMsg` | `ReciveUserId`, `Content` | the message |
//! | `Keepline` | | the message: `{"MessageId","SendUserId","ReciveUserId","Content","SendTime"}` |
//!
//! A `UserId` is a name, as used to log in. Success is `"ResponseStatus":1`; a Keepline during
//! which nobody said anything gets 0, and is asked again. An error is 0 and `ResponseDetails`,
//! within the problem that today's clients are told, under its HTTP status: jQuery then does not
//! call `success`, so a loop whose login is over ends, instead of going in circles.
//!
//! *Credentials.* In 2013 each request carried `UserId` and `PassWord`, and nobody looked at them.
//! Here `Online` answers with a token in the place of the password. The page keeps it as it kept
//! the password, and sends it with each request; the `UserId` beside it is not even read. There is
//! no cookie, so a form on another site's page has nothing to ride on; one that the browser says is
//! from there is refused all the same. If `PassWord` is missing, the token may stand in `UserId`.
//! It is never looked for in a URL. Names of fields are compared without regard to case, as ASP.NET
//! did.
//!
//! Which message is told next is decided in `chat`; this file knows nothing of connections and of
//! time.

use super::json::{self, Object};
use super::{Problem, Route};
use crate::entity::{
    DisplayName, Friend, FriendState, Message, MessageBody, Password, Timestamp, User, UserName,
};
use crate::http::{Body, Method, Request, Response, Singleton, form_pairs};
use crate::logic::{Call, Credentials, SignUp, Typed};

/// Where the page finds it.
pub const PATH: &str = "/comet_broadcast.asyn";

/// What a page of 2013 wants.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "the table above says it")]
pub enum Action {
    Register,
    Online,
    Offline,
    GetFriends,
    SendMsg,
    Keepline,
}

impl Action {
    const ALL: [(&str, Self); 6] = [
        ("Register", Self::Register),
        ("Online", Self::Online),
        ("Offline", Self::Offline),
        ("GetFriends", Self::GetFriends),
        ("SendMsg", Self::SendMsg),
        ("Keepline", Self::Keepline),
    ];

    /// What today's clients ask for instead: the same limits hold.
    pub fn route(self) -> Route {
        match self {
            Self::Register => Route::Register,
            Self::Online => Route::LogIn,
            Self::Offline => Route::LogOut,
            Self::GetFriends => Route::Friends,
            Self::SendMsg => Route::Send,
            Self::Keepline => Route::Events,
        }
    }
}

/// What a page has sent.
#[derive(Debug)]
pub struct Form(Vec<(String, String)>);

impl Form {
    /// Reads the body of a request.
    pub fn read(request: &Request<'_>, bytes_max: usize) -> Result<Self, Problem> {
        if request.method != Method::Post {
            return Err(Problem::method_not_allowed(Method::Post.as_str().to_owned()));
        }
        let site = request.field_text("sec-fetch-site");
        if site.is_some_and(|site| !matches!(site, "same-origin" | "none")) {
            return Err(Problem::cross_site());
        }
        let bytes = match request.body {
            Body::Bytes(bytes) => bytes,
            Body::TooLarge => return Err(Problem::body_too_large(bytes_max)),
        };
        let media_type =
            request.singleton_text(Singleton::ContentType).and_then(|it| it.split(';').next());
        let is_form = media_type
            .is_some_and(|it| it.trim().eq_ignore_ascii_case("application/x-www-form-urlencoded"));
        let text =
            str::from_utf8(bytes).ok().filter(|_| is_form).ok_or_else(Problem::not_a_form)?;
        let pairs = form_pairs(text);
        Ok(Self(pairs.map(|(name, value)| (name.into_owned(), value.into_owned())).collect()))
    }

    /// What is to be done.
    pub fn action(&self) -> Result<Action, Problem> {
        let name = self.needed("Action")?;
        let known = Action::ALL.into_iter().find(|(known, _)| *known == name);
        let unknown = || Problem::field("Action", "There is no such action.");
        known.map(|(_, action)| action).ok_or_else(unknown)
    }

    /// The token, and the cursor at which its session began.
    pub fn credential(&self) -> Result<(&str, &str), Problem> {
        let text = self.text("PassWord").or_else(|| self.text("UserId"));
        text.and_then(|text| text.split_once('~')).ok_or_else(Problem::unauthorized)
    }

    /// The account that is wanted.
    pub fn sign_up(&self, request: &Request<'_>) -> Result<Call, Problem> {
        let shown = self.text("UserName");
        let name = self.name()?;
        let display_name = shown.unwrap_or(name);
        let wrong = |code, field| move |error| Problem::text(code, field, error);
        Ok(Call::Register(Box::new(SignUp {
            name: UserName::parse(name).map_err(wrong("invalid_name", "UserId"))?,
            display_name: DisplayName::parse(display_name)
                .map_err(wrong("invalid_field", "UserName"))?,
            password: Password::parse(self.needed("PassWord")?)
                .map_err(wrong("invalid_password", "PassWord"))?,
            invite: self.text("Invite").map(str::to_owned),
            user_agent: super::request::user_agent(request),
        })))
    }

    /// Who logs in.
    pub fn log_in(&self, request: &Request<'_>) -> Result<Call, Problem> {
        Ok(Call::LogIn(Box::new(Credentials {
            name: self.name()?.to_owned(),
            password: Typed(self.needed("PassWord")?.to_owned()),
            user_agent: super::request::user_agent(request),
        })))
    }

    /// To which of these friends something is said, and what.
    pub fn message<'a>(&self, friends: &'a [Friend]) -> Result<(&'a Friend, MessageBody), Problem> {
        let body = MessageBody::parse(self.needed("Content")?)
            .map_err(|error| Problem::text("invalid_body", "Content", error))?;
        let key = |name: &str| UserName::parse(name).ok().map(|name| name.key());
        let wanted = key(self.needed("ReciveUserId")?);
        let is_wanted = |friend: &&Friend| wanted.is_some() && key(&friend.user.name) == wanted;
        let friend = friends.iter().find(is_wanted).ok_or_else(Problem::not_friends)?;
        Ok((friend, body))
    }

    fn name(&self) -> Result<&str, Problem> {
        self.text("UserId").map_or_else(|| self.needed("UserName"), Ok)
    }

    fn needed(&self, name: &'static str) -> Result<&str, Problem> {
        self.text(name).ok_or_else(|| Problem::field(name, format!("{name} is missing.")))
    }

    fn text(&self, name: &str) -> Option<&str> {
        let found = self.0.iter().find(|(given, _)| given.eq_ignore_ascii_case(name));
        found.map(|(_, value)| value.as_str()).filter(|value| !value.is_empty())
    }
}

/// A session has begun, or goes on.
pub fn signed_in(user: &User, token: &str, cursor: &str) -> Response {
    done(|data| {
        let mut object = Object::begin(data);
        person(&mut object, user);
        object.text("PassWord", &format!("{token}~{cursor}"));
        object.end();
    })
}

/// A session has ended.
pub fn signed_out() -> Response {
    done(|data| data.extend_from_slice(b"null"))
}

/// Friends; neither requests nor blocks.
pub fn friends(all: &[Friend]) -> Response {
    let of_state = |online: bool| {
        let friends = all.iter().filter(|friend| friend.state == FriendState::Friends);
        let alike = |friend: &&Friend| friend.last_seen.is_some_and(|seen| seen.online) == online;
        friends.filter(alike).collect::<Vec<_>>()
    };
    done(|data| {
        let mut object = Object::begin(data);
        for (member, online, status) in
            [("OnlineFriends", true, "在线"), ("OfflineFriends", false, "离线")]
        {
            object.array(member, &of_state(online), |out, friend| {
                let mut object = Object::begin(out);
                person(&mut object, &friend.user);
                object.text("Status", status);
                object.end();
            });
        }
        object.end();
    })
}

/// A message, and between whom it was said.
pub fn message(message: &Message, [sender, receiver]: &[User; 2]) -> Response {
    done(|data| {
        let mut object = Object::begin(data);
        object.integer("MessageId", message.id.0);
        object.text("SendUserId", &sender.name);
        object.text("ReciveUserId", &receiver.name);
        object.text("Content", &message.body);
        object.text("SendTime", &time(message.sent_at));
        object.end();
    })
}

/// Nobody has said anything: the page asks again.
pub fn silence() -> Response {
    answer(0, |data| data.extend_from_slice(b"null"))
}

fn person(object: &mut Object<'_>, user: &User) {
    object.text("UserId", &user.name);
    object.text("UserName", &user.display_name);
}

/// For people: the page shows it as it is.
fn time(at: Timestamp) -> String {
    let seconds = u64::try_from(at.0 / 1000).unwrap_or(0);
    httpdate::fmt_http_date(std::time::UNIX_EPOCH + std::time::Duration::from_secs(seconds))
}

fn done(data: impl FnOnce(&mut Vec<u8>)) -> Response {
    answer(1, data)
}

fn answer(status: i64, data: impl FnOnce(&mut Vec<u8>)) -> Response {
    let mut body = Vec::with_capacity(256);
    let mut object = json::Object::begin(&mut body);
    object.integer("ResponseStatus", status);
    data(object.member("ResponseData"));
    object.end();
    Response::new(200).json(body)
}
