//! Turns a request of the operator into an order for the logic.
//!
//! These paths exist only on connections that came in by the control socket. They are used between
//! the program `lovejoy` and a server of the same version, and are not part of the public contract.
//! Nor is the fact that the operator may use all other paths on behalf of any user, without a
//! token: see [`Proof`](super::Proof).

use std::time::Duration;

use super::fields::{Members, number};
use super::json::Object;
use super::request::{page_limit, sign_up};
use super::route::Methods;
use super::{Problem, Route};
use crate::config::{Config, Registration};
use crate::entity::{Password, UserId};
use crate::http::Method::{Get, Post, Put};
use crate::http::Request;
use crate::logic::Order;

/// What the operator asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "the table below says it")]
pub enum OrderRoute {
    Accounts,
    AddAccount,
    BeginProbe,
    HoldStill,
    Invite,
    Registration,
    RemoveAccount,
    SetPassword,
    SetRegistration,
}

/// The paths, with the methods that each has.
pub(super) const CONTROL_ROUTES: &[(&str, Methods)] = &[
    (
        "/control/users",
        &[(Get, Route::Order(OrderRoute::Accounts)), (Post, Route::Order(OrderRoute::AddAccount))],
    ),
    ("/control/users/password", &[(Post, Route::Order(OrderRoute::SetPassword))]),
    ("/control/users/remove", &[(Post, Route::Order(OrderRoute::RemoveAccount))]),
    ("/control/probe", &[(Post, Route::Order(OrderRoute::BeginProbe))]),
    ("/control/copy", &[(Post, Route::Order(OrderRoute::HoldStill))]),
    ("/control/invites", &[(Post, Route::Order(OrderRoute::Invite))]),
    (
        "/control/registration",
        &[
            (Get, Route::Order(OrderRoute::Registration)),
            (Put, Route::Order(OrderRoute::SetRegistration)),
        ],
    ),
];

/// How many accounts one answer lists: about 200 bytes each.
const ACCOUNTS_PAGE: usize = 500;

/// The value of a member in what the operator sends.
#[derive(Clone, Copy, Debug)]
pub enum Said<'a> {
    /// A text, or nothing.
    Text(Option<&'a str>),
    /// A number.
    Number(u64),
}

/// The body of a request by the operator, as [`read_order`] reads it.
pub fn order_body(members: &[(&str, Said<'_>)]) -> Vec<u8> {
    let mut body = Vec::new();
    let mut object = Object::begin(&mut body);
    for &(name, said) in members {
        match said {
            Said::Text(text) => object.optional_text(name, text),
            Said::Number(number) => object.integer(name, number.cast_signed()),
        }
    }
    object.end();
    body
}

/// What the request orders.
pub fn read_order(
    route: OrderRoute,
    request: &Request<'_>,
    config: &Config,
) -> Result<Order, Problem> {
    let members = || Members::read(request, config.body_bytes_max);
    let name = |members: &Members| members.text("name").map(str::to_owned);
    Ok(match route {
        OrderRoute::Accounts => Order::Accounts {
            after: UserId(number(request, "after")?.unwrap_or(0)),
            limit: page_limit(request, ACCOUNTS_PAGE, ACCOUNTS_PAGE)?,
        },
        OrderRoute::AddAccount => Order::AddAccount(Box::new(sign_up(&members()?, request)?)),
        // It does not concern the logic, see `chat`.
        OrderRoute::BeginProbe => return Err(Problem::not_found()),
        OrderRoute::HoldStill => {
            let number = members()?.integer("copy")?.cast_unsigned();
            Order::HoldStill { copy: if number == 0 { None } else { Some(number) } }
        }
        OrderRoute::Invite => {
            let seconds = members()?.integer("lifetime_seconds")?.max(0).cast_unsigned();
            Order::Invite { lifetime: Duration::from_secs(seconds) }
        }
        OrderRoute::Registration => Order::Registration,
        OrderRoute::RemoveAccount => Order::RemoveAccount { name: name(&members()?)? },
        OrderRoute::SetPassword => {
            let members = members()?;
            let password = Password::parse(members.text("password")?)
                .map_err(|error| Problem::text("invalid_password", "password", error))?;
            Order::SetPassword { name: name(&members)?, password }
        }
        OrderRoute::SetRegistration => {
            let members = members()?;
            let mode = Registration::from_word(members.text("registration")?);
            let wrong = || Problem::field("registration", "That is none of open, invite, closed.");
            Order::SetRegistration(mode.ok_or_else(wrong)?)
        }
    })
}
