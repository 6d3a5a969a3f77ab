//! Turns a request into a call of the logic. Does not know whether a token is good, nor what its
//! user may do.

use std::borrow::Cow;
use std::time::Duration;

use super::fields::{Members, number, parameter};
use super::{Match, Problem, Route};
use crate::config::Config;
use crate::entity::{
    ConversationId, DisplayName, MessageBody, MessageId, NamePrefix, Needle, Nonce, Password,
    SessionId, Title, UserId, UserName,
};
use crate::http::{Body, Method, Request, Singleton};
use crate::logic::{Call, Credentials, HistoryPage, Manner, PasswordChange, SignUp, Typed};

/// The token that a request carries (RFC 6750, section 2.1).
pub fn bearer_token<'a>(request: &Request<'a>) -> Result<&'a [u8], Problem> {
    credentials(request, b"Bearer").ok_or_else(Problem::unauthorized)
}

/// By what a request proves whose it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Proof<'a> {
    /// Whoever has it is meant.
    Token(&'a [u8]),
    /// The operator speaks for the user of this name: `Authorization: User NAME`. That means
    /// something only on the control socket, and is not part of the public contract.
    Operator(&'a str),
}

/// What a request proves itself by.
pub fn proof<'a>(request: &Request<'a>, is_operator: bool) -> Result<Proof<'a>, Problem> {
    let name = is_operator.then(|| credentials(request, b"User")).flatten();
    match name.and_then(|name| str::from_utf8(name).ok()) {
        Some(name) => Ok(Proof::Operator(name)),
        None => bearer_token(request).map(Proof::Token),
    }
}

/// What a request shows by a scheme of RFC 9110, section 11.4.
fn credentials<'a>(request: &Request<'a>, scheme: &[u8]) -> Option<&'a [u8]> {
    let value = request.singleton(Singleton::Authorization)?;
    let (shown, [b' ', credentials @ ..]) = value.split_at_checked(scheme.len())? else {
        return None;
    };
    if shown != scheme && !shown.eq_ignore_ascii_case(scheme) {
        return None;
    }
    let spaces = credentials.iter().take_while(|&&byte| byte == b' ').count();
    Some(&credentials[spaces..])
}

/// What the request wants from the logic.
///
/// # Panics
/// For the routes that do not concern the logic.
pub fn read_call(matched: Match, request: &Request<'_>, config: &Config) -> Result<Call, Problem> {
    if request.body == Body::TooLarge {
        Members::read(request, config.body_bytes_max)?;
    }
    let conversation_id = ConversationId(matched.id);
    let user_id = UserId(matched.id);
    let message_id = MessageId(matched.id);
    let members = || Members::read(request, config.body_bytes_max);
    Ok(match matched.route {
        Route::Acknowledge => Call::Acknowledge { cursor: members()?.text("cursor")?.to_owned() },
        Route::AcceptFriend => Call::AcceptFriend { user_id },
        Route::AddMember => {
            let user_id = UserId(members()?.integer("user_id")?);
            Call::AddMember { conversation_id, user_id }
        }
        Route::AskFriend => Call::AskFriend { name: members()?.text("name")?.to_owned() },
        Route::Block => Call::Block { user_id },
        Route::ChangePassword => change_password(&members()?)?,
        Route::Conversations => Call::Conversations,
        Route::CreateGroup => create_group(&members()?)?,
        Route::DeleteMe => {
            Call::DeleteMe { password: Typed(members()?.text("password")?.to_owned()) }
        }
        Route::DeleteMessage => Call::DeleteMessage { message_id },
        Route::EditMessage => Call::EditMessage { message_id, body: body(&members()?)? },
        Route::EndSession => Call::EndSession { session_id: SessionId(matched.id) },
        Route::Events => events(request, config)?,
        Route::FindUsers => find_users(request, config)?,
        Route::Friends => Call::Friends,
        Route::Health
        | Route::Lab(_)
        | Route::Metrics
        | Route::Options
        | Route::Order(_)
        | Route::Page
        | Route::Probe
        | Route::Record
        | Route::Recording
        | Route::StopRecording => {
            unreachable!("no call of the logic")
        }
        Route::History => history(conversation_id, request, config)?,
        Route::LogIn => log_in(&members()?, request)?,
        Route::LogOut => Call::LogOut,
        Route::MarkRead => {
            let message_id = MessageId(members()?.integer("message_id")?);
            Call::MarkRead { conversation_id, message_id }
        }
        Route::Me => Call::Me,
        Route::Register => Call::Register(Box::new(sign_up(&members()?, request)?)),
        Route::RemoveFriend => Call::RemoveFriend { user_id },
        Route::RemoveMember => {
            Call::RemoveMember { conversation_id, user_id: UserId(matched.second_id) }
        }
        Route::RenameGroup => Call::RenameGroup { conversation_id, title: title(&members()?)? },
        Route::Search => search(request, config)?,
        Route::Send => send(conversation_id, &members()?)?,
        Route::Server => Call::Server,
        Route::Sessions => Call::Sessions,
        Route::State => Call::State,
        Route::Type => Call::Type { conversation_id },
        Route::Unblock => Call::Unblock { user_id },
        Route::UpdateMe => update_me(&members()?)?,
    })
}

pub(super) fn sign_up(members: &Members, request: &Request<'_>) -> Result<SignUp, Problem> {
    let given = members.text("name")?;
    let name =
        UserName::parse(given).map_err(|error| Problem::text("invalid_name", "name", error))?;
    let password = Password::parse(members.text("password")?)
        .map_err(|error| Problem::text("invalid_password", "password", error))?;
    let display_name = members.optional_text("display_name")?.unwrap_or(given);
    let display_name = DisplayName::parse(display_name)
        .map_err(|error| Problem::text("invalid_field", "display_name", error))?;
    let invite = members.optional_text("invite")?.map(str::to_owned);
    Ok(SignUp { name, display_name, password, invite, user_agent: user_agent(request) })
}

fn log_in(members: &Members, request: &Request<'_>) -> Result<Call, Problem> {
    Ok(Call::LogIn(Box::new(Credentials {
        name: members.text("name")?.to_owned(),
        password: Typed(members.text("password")?.to_owned()),
        user_agent: user_agent(request),
    })))
}

fn update_me(members: &Members) -> Result<Call, Problem> {
    let display_name = members.optional_text("display_name")?.map(DisplayName::parse).transpose();
    let display_name =
        display_name.map_err(|error| Problem::text("invalid_field", "display_name", error))?;
    Ok(Call::UpdateMe { display_name })
}

fn change_password(members: &Members) -> Result<Call, Problem> {
    let current = Typed(members.text("current")?.to_owned());
    let new = Password::parse(members.text("new")?)
        .map_err(|error| Problem::text("invalid_password", "new", error))?;
    Ok(Call::ChangePassword(Box::new(PasswordChange { current, new })))
}

fn find_users(request: &Request<'_>, config: &Config) -> Result<Call, Problem> {
    let limit = page_limit(request, config.users_page_default, config.users_page_max)?;
    let prefix = parameter(request, "q").and_then(|text| NamePrefix::parse(&text));
    Ok(Call::FindUsers { prefix, limit })
}

fn search(request: &Request<'_>, config: &Config) -> Result<Call, Problem> {
    let limit = page_limit(request, config.search_page_default, config.search_page_max)?;
    let before = MessageId(number(request, "before")?.unwrap_or(i64::MAX));
    let needle = Needle::parse(&parameter(request, "q").unwrap_or_default())
        .map_err(|error| Problem::parameter("q", error.to_string()))?;
    Ok(Call::Search { needle, before, limit })
}

fn send(conversation_id: ConversationId, members: &Members) -> Result<Call, Problem> {
    let body = body(members)?;
    let nonce = match members.optional_text("nonce")? {
        Some(text) => Some(
            Nonce::parse(text).map_err(|error| Problem::text("invalid_field", "nonce", error))?,
        ),
        None => None,
    };
    Ok(Call::Send { conversation_id, body, nonce })
}

fn body(members: &Members) -> Result<MessageBody, Problem> {
    MessageBody::parse(members.text("body")?)
        .map_err(|error| Problem::text("invalid_body", "body", error))
}

fn create_group(members: &Members) -> Result<Call, Problem> {
    let title = title(members)?;
    let member_ids = members.integers("member_ids")?.into_iter().map(UserId).collect();
    Ok(Call::CreateGroup { title, member_ids })
}

fn title(members: &Members) -> Result<Title, Problem> {
    Title::parse(members.text("title")?)
        .map_err(|error| Problem::text("invalid_field", "title", error))
}

fn history(
    conversation_id: ConversationId,
    request: &Request<'_>,
    config: &Config,
) -> Result<Call, Problem> {
    let before = number(request, "before")?;
    let after = number(request, "after")?;
    let limit = page_limit(request, config.history_page_default, config.history_page_max)?;
    let page = match (after, before) {
        (Some(id), _) => HistoryPage::After(MessageId(id)),
        (None, Some(id)) => HistoryPage::Before(MessageId(id)),
        (None, None) => HistoryPage::Newest,
    };
    Ok(Call::History { conversation_id, page, limit })
}

/// How many of something a request wants: at least one.
pub(super) fn page_limit(
    request: &Request<'_>,
    default: usize,
    max: usize,
) -> Result<usize, Problem> {
    let limit = number(request, "limit")?;
    Ok(limit.map_or(default, |limit| usize::try_from(limit.max(1)).unwrap_or(usize::MAX)).min(max))
}

/// ```text
/// GET /api/events?cursor=C&wait=SECONDS
///     cursor  the place up to which the client has seen everything; from now on where missing
///     wait    0 to limits.wait_seconds, 25 where missing
/// 200 {"events":[...], "cursor":"C2", "more":false, "wait":25}
///     at once where something came after C; else as soon as something does; else, when the
///     time is over, with no events. "more": there is more already, ask again.
///
/// Accept: text/event-stream, Accept: application/x-ndjson
///     the same as a stream that goes on; Last-Event-ID wins over cursor
/// ```
fn events(request: &Request<'_>, config: &Config) -> Result<Call, Problem> {
    let manner = match request.prefers(&OFFERS).ok_or_else(Problem::not_acceptable)? {
        // The head of a stream alone does not begin a stream.
        _ if request.method == Method::Head => Manner::Poll,
        0 => Manner::Poll,
        1 => Manner::EventStream,
        _ => Manner::Lines,
    };
    let wait = wait(request, config)?;
    let last_event_id =
        if manner.is_stream() { request.singleton_text(Singleton::LastEventId) } else { None };
    let cursor = match last_event_id {
        Some(id) if !id.is_empty() => Some(id.to_owned()),
        _ => parameter(request, "cursor").map(Cow::into_owned),
    };
    Ok(Call::Events { cursor, wait, manner })
}

/// The forms in which events can be had.
const OFFERS: [&str; 3] = ["application/json", "text/event-stream", "application/x-ndjson"];

/// Whether a request for events is a poll.
pub fn wants_json(request: &Request<'_>) -> bool {
    request.prefers(&OFFERS) == Some(0)
}

/// How long a poll may wait.
pub(super) fn wait(request: &Request<'_>, config: &Config) -> Result<Duration, Problem> {
    let wait = match number(request, "wait")? {
        Some(seconds) => Duration::from_secs(seconds.max(0).cast_unsigned()),
        None => config.wait_default,
    };
    // Nobody waits for just the head of an answer.
    let wait_max = if request.method == Method::Head { Duration::ZERO } else { config.wait_max };
    Ok(wait.min(wait_max))
}

pub(super) fn user_agent(request: &Request<'_>) -> String {
    request
        .field("user-agent")
        .map(|value| String::from_utf8_lossy(value).into_owned())
        .unwrap_or_default()
}
